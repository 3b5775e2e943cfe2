"""Random words, codes, packed codes and step-size gradients: the quantiser at every width."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.bits.case import Case

WIDTHS = (2, 4, 8, 16)
ROWS, COLUMNS = 300, 13


def weights() -> NDArray[np.float32]:
    """Sixteenths of a normal number with some exact grid points and halves among them, and values beyond any range."""
    rng = np.random.Generator(np.random.Philox(key=1))
    w = rng.normal(size=(ROWS, COLUMNS)).astype(np.float32)
    w[::7] = np.round(w[::7] * 4) / 4
    w[5, :4] = (1e30, -1e30, 0.0, -0.0)
    return w


def steps(rows: int) -> NDArray[np.float32]:
    """Step sizes over three powers of ten."""
    return np.geomspace(0.003, 3.0, rows).astype(np.float32)


def cases() -> Iterator[Case]:
    """Each width and rounding, one step size and one a row."""
    yield Case("philox", _words)
    for bits, rounding in itertools.product(WIDTHS, ("sr", "dr")):
        for kind in ("one step size", "a step size per row"):
            yield Case(f"quantise to {bits} bits, {rounding}, {kind}", partial(_quantised, bits, rounding, kind))
        yield Case(f"quantise values and middles to {bits} bits, {rounding}", partial(_awkward, bits, rounding))
    for bits in WIDTHS:
        yield Case(f"step-size gradient at {bits} bits", partial(_gradient, bits))


def _words() -> dict[str, Any]:
    from alpt_ref import philox4x32

    counter = np.arange(4000, dtype=np.uint32).reshape(1000, 4) * np.uint32(2654435761)
    return {"random words": philox4x32(counter, np.array([123456789, 4026531840], np.uint32))}


def _quantised(bits: int, rounding: str, kind: str) -> dict[str, Any]:
    from alpt_ref import QuantSpec, dequantize, pack, quantize, unpack

    w, spec = weights(), QuantSpec(bits, rounding)  # type: ignore[arg-type]
    step = 0.25 if kind == "one step size" else steps(ROWS)
    codes = quantize(w, step, spec, seed=2**40 + 3, counter=5)
    packed = quantize(w, step, spec, seed=2**40 + 3, counter=5, packed=True)
    return {
        "codes": codes,
        "packed codes": packed,
        "packed codes, by pack": pack(codes, bits),
        "codes, by unpack": unpack(packed, bits, COLUMNS),
        "values": dequantize(codes, step),
    }


def _awkward(bits: int, rounding: str) -> dict[str, Any]:
    """Values of codes, middles and their neighbours, under step sizes most of whose multiples are rounded."""
    from alpt_ref import QuantSpec, dequantize, quantize

    rng, spec = np.random.Generator(np.random.Philox(key=3)), QuantSpec(bits, rounding)  # type: ignore[arg-type]
    codes = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1, (40, COLUMNS)).astype(np.int16)
    found = {}
    for name, step in (("a tenth", 0.1), ("a third", 1 / 3), ("subnormal", 1e-40), ("a step size per row", steps(40))):
        lower, upper = (dequantize(codes + np.int16(k), step) for k in (0, 1))
        middle = ((lower.astype(np.float64) + upper) / 2).astype(np.float32)
        beside = [np.nextafter(middle, end, dtype=np.float32) for end in (lower, upper)]
        found[name] = np.concatenate([quantize(w, step, spec, seed=4) for w in (lower, middle, *beside)])
    return found


def _gradient(bits: int) -> dict[str, Any]:
    from alpt_ref import QuantSpec, step_gradient

    grad = np.random.Generator(np.random.Philox(key=2)).normal(size=(ROWS, COLUMNS)).astype(np.float32)
    return {
        "gradients of the step sizes": step_gradient(weights(), grad, steps(ROWS), QuantSpec(bits)),
        "gradients of one step size": step_gradient(weights(), grad, 0.25, QuantSpec(bits)),
    }

"""What the GPU's quantiser and Monte Carlo engine are compared on: named cases, computed on either device.

``python -m tests.kernels.cuda_cases FILE.npz`` computes them on device "cuda" (under ``NUMBA_ENABLE_CUDASIM=1``: in
Numba's simulator); a test computes them with the CPU's compiled kernels and compares every bit.
"""

from __future__ import annotations

import itertools
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests import simulator

Arrays = dict[str, NDArray[Any]]
Case = tuple[str, Callable[[str], Arrays]]

STEP = 0.37


def quantizer_cases() -> Iterator[Case]:
    """Whole words and ragged rows, one step size and one a row, codes and packed words, beyond the range too."""
    shapes = {8: (16, 5), 4: (32, 9), 2: (16, 7), 16: (8, 5)}
    for (bits, widths), rounding, each in itertools.product(shapes.items(), ("sr", "dr"), (False, True)):
        for d in widths:
            yield f"{bits} bits, {rounding}, d={d}, each={each}", _quantize_case(bits, rounding, d, each)
    for bits, d, rounding in itertools.product((2, 4, 8, 16), (16, 5), ("sr", "dr")):
        yield f"beside values and ties, {bits} bits, {rounding}, d={d}", _awkward_case(bits, rounding, d)
    yield "words at the threshold", _threshold_words
    yield "dequantise, gradient, pack, unpack", _round_trip
    yield "philox", _philox
    yield "a piece of a matrix", _piece
    yield "beyond the range of the known step", _huge
    yield "not finite", refused


def weights(bits: int, d: int, rows: int = 70) -> NDArray[np.float32]:
    """Weights of which a few are clipped, one is enormous and one subnormal."""
    generator = np.random.Generator(np.random.Philox(key=bits * 100 + d))
    w = (generator.standard_normal((rows, d)) * STEP * 2.0 ** (bits - 2)).astype(np.float32)
    w[1, 1], w[2, 0], w[3, 1] = 1e30, -1e-40, -0.0
    return w


def _steps(rows: int) -> NDArray[np.float32]:
    return np.linspace(0.1, 0.9, rows, dtype=np.float32)


def _quantize_case(bits: int, rounding: Any, d: int, each: bool) -> Callable[[str], Arrays]:
    def run(device: str) -> Arrays:
        from alpt_ref import QuantSpec, quantize

        w = weights(bits, d)
        step: Any = _steps(len(w)) if each else STEP
        spec = QuantSpec(bits, rounding)
        options: Any = {"seed": 2**40 + 3, "counter": 2**33 + 5, "device": device}
        return {
            "codes": quantize(w, step, spec, **options),
            "words": quantize(w, step, spec, packed=True, **options),
        }

    return run


AWKWARD_STEPS = (0.1, 1 / 3, 2.0**-4, 7e-9, 1e-40, 1e-45, 1e33)
"""Most of their values are rounded; two are subnormal, one leaves no fast way."""


def awkward_weights(step: float, bits: int, d: int, seed: int, rows: int = 2) -> NDArray[np.float32]:
    """Values of random codes, middles between two of them, and their neighbours among the float32 numbers; ends."""
    generator = np.random.Generator(np.random.Philox(key=seed))
    size = np.float32(step)
    code = generator.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (rows, d))
    value, above = (np.float32(code + k) * size for k in (0, 1))
    middle = ((value.astype(np.float64) + above) / 2).astype(np.float32)
    near = [np.nextafter(x, np.float32(end), dtype=np.float32) for x in (value, middle) for end in (-np.inf, np.inf)]
    w = np.concatenate([value, middle, *near])
    w[0, :4] = 3e38, -3e38, -0.0, 1e-45
    return w


def _awkward_case(bits: int, rounding: Any, d: int) -> Callable[[str], Arrays]:
    def run(device: str) -> Arrays:
        from alpt_ref import QuantSpec, quantize

        found = {}
        for number, step in enumerate(AWKWARD_STEPS):
            w = awkward_weights(step, bits, d, number)
            each = [("each", np.full(len(w), step, np.float32))] if d % 4 or number in (1, 4, 6) else []
            for name, given in (("one", step), *each):
                found[f"{name} {step}"] = quantize(w, given, QuantSpec(bits, rounding), seed=number, device=device)
        return found

    return run


def _threshold_words(device: str) -> Arrays:
    """Codes for the last word that goes away and the first that does not: float32 alone cannot tell them apart."""
    from alpt_ref import QuantSpec, quantize
    from alpt_ref.theory.lattice import lattice_words
    from analysis.claims._words import place_of

    generator, found = np.random.Generator(np.random.Philox(key=11)), []
    for w, step in ((12.34, 0.1), (-1.7, 1 / 3), (0.03, 0.1)):
        words = lattice_words(float(np.float32(w)), step, 8)
        for word in (words - 1, words):
            place = place_of(word, generator, 1 << 18)
            for columns in (16 * (place.column // 16 + 1), place.column + 1 + (place.column % 4 == 3)):
                table = np.full((1, columns), w, np.float32)
                options: Any = {"seed": place.seed, "counter": place.counter, "rows": place.row, "device": device}
                found.append(quantize(table, step, QuantSpec(8), **options)[0, place.column])
    codes = np.array(found).reshape(3, 2, 2)
    if not (codes[:, 0] != codes[:, 1]).all():
        raise AssertionError(f"the words do not lie at the threshold: {codes.tolist()}")
    return {"codes": codes}


def _round_trip(device: str) -> Arrays:
    from alpt_ref import QuantSpec, quantizer

    w = np.clip(weights(4, 9), -9, 9)
    steps, spec = _steps(len(w)), QuantSpec(4, "dr")
    codes = quantizer.quantize(w, steps, spec, device=device)
    if device == "cpu":
        words = quantizer.pack(codes, 4)
        gradient = quantizer.step_gradient(w, w[::-1].copy(), steps, spec)
        return {
            "values": quantizer.dequantize(codes, steps),
            "gradient": gradient,
            "words": words,
            "codes": quantizer.unpack(words, 4, 9),
        }
    from alpt_ref.quantizer import cuda as quantizer_cuda

    words = quantizer_cuda.pack(codes, 4, 2)
    return {
        "values": quantizer_cuda.dequantize(codes, steps),
        "gradient": quantizer_cuda.step_gradient(w, w[::-1].copy(), steps, 4),
        "words": words,
        "codes": quantizer_cuda.unpack(words, 4, 9, np.int8),
    }


def _philox(device: str) -> Arrays:
    from alpt_ref import quantizer

    generator = np.random.Generator(np.random.Philox(key=9))
    counters = generator.integers(0, 1 << 32, (33, 4), dtype=np.uint32)
    key = generator.integers(0, 1 << 32, 2, dtype=np.uint32)
    if device == "cpu":
        return {"words": quantizer.philox4x32(counters, key)}
    from alpt_ref.quantizer import cuda as quantizer_cuda

    return {"words": quantizer_cuda.philox4x32(counters, key)}


def _piece(device: str) -> Arrays:
    """Rows far from 0 by either kind of kernel; row numbers with gaps only where the CPU computes."""
    from alpt_ref import InputError, QuantSpec, quantize

    codes = {}
    for d in (16, 5):
        w = weights(8, d)
        for name, rows in (("start", 2**40 - 9), ("array", np.arange(9, 9 + len(w)))):
            codes[f"{name} {d}"] = quantize(w, STEP, QuantSpec(8), seed=5, rows=rows, device=device)
    if device == "cuda":
        message = "none"
        try:
            quantize(w, STEP, QuantSpec(8), rows=2 * np.arange(len(w)), device=device)
        except InputError as error:
            message = str(error)
        if "rows must be consecutive on a GPU" not in message:
            raise AssertionError(f"row numbers with gaps are not refused: {message}")
    return codes


def _huge(device: str) -> Arrays:
    from alpt_ref import QuantSpec, quantize

    w = weights(8, 16, 4)
    w[1, 1] = 1.0
    w *= np.float32(1e25)
    return {"codes": quantize(w, STEP * 1e25, QuantSpec(8), seed=5, device=device)}


def refused(device: str) -> Arrays:
    """What is said about weights that are not finite."""
    from alpt_ref import InputError, QuantSpec, quantize

    messages = []
    for d, bad in ((16, np.nan), (5, np.inf), (16, -np.inf)):
        w = weights(8, d)
        w[6, 2] = bad
        try:
            quantize(w, STEP, QuantSpec(8), device=device)
        except InputError as error:
            messages.append(str(error))
    return {"messages": np.array(messages)}


def montecarlo_cases() -> Iterator[Case]:
    """Every loss, noise and rounding, with and without a watch on every step; batches of linear models."""
    from alpt_ref.theory import Noise, elastic, huber, quadratic, saturating
    from alpt_ref.theory.linear import synthetic_regression

    problems: dict[str, Any] = {
        "quadratic": quadratic([1.0, 2.5, 0.3], [0.31, -0.2, 0.05]),
        "elastic": elastic([0.5, 0.0, 1.0, 0.2], [1.0, 0.7, 0.2, 0.3], [0.0, 0.125, -0.3, 0.1]),
        "huber": huber([1.0], [0.4], [0.2]),
        "saturating": saturating([1.0, 3.0, 0.5, 2.0, 1.0, 1.0], [0.2, -0.1, 0.0, 0.3, 0.1, 0.2]),
    }
    noises = (Noise(), Noise("two-point", 0.7), Noise("uniform", 0.6), Noise("normal", 0.8))
    for (name, problem), noise, rounding, watched in itertools.product(
        problems.items(), noises, ("sr", "dr", "full"), (False, True)
    ):
        steps = 35 if noise.kind == "two-point" and rounding == "sr" else 5
        what = f"{name}, {noise.kind}, {rounding}, watched={watched}"
        yield what, _simulation(problem, steps=steps, noise=noise, rounding=rounding, watched=watched)
    for rounding in ("sr", "dr", "full"):
        sizes = [0.125, 0.3, 0.07]
        what = f"step sizes, {rounding}"
        yield (
            what,
            _simulation(
                problems["quadratic"], steps=5, noise=noises[1], rounding=rounding, watched=False, step_sizes=sizes
            ),
        )
    models = {
        loss: synthetic_regression(loss, 5, d, seed=1)  # type: ignore[arg-type]
        for loss, d in (("square", 4), ("absolute", 3), ("huber", 19), ("logistic", 1))
    }
    for (loss, model), batch in itertools.product(models.items(), (0, 3)):
        what = f"{loss} regression, batch {batch}"
        yield what, _simulation(model, steps=4, noise=noises[3], rounding="sr", watched=True, batch=batch)


def _simulation(problem: Any, *, watched: bool, **options: Any) -> Callable[[str], Arrays]:
    def run(device: str) -> Arrays:
        from alpt_ref.theory import Grid, Schedule, simulate

        result = simulate(
            problem, Grid(0.125, 4), Schedule("inverse-sqrt", 0.3), runs=3, start=2, averages=watched, check=watched,
            checkpoints=[1, 3], seed=2**40 + 3, device=device, **options,
        )  # fmt: skip
        values = {field.name: getattr(result, field.name) for field in fields(result)}
        return {name: np.asarray(value) for name, value in values.items() if value is not None}

    return run


def compute(device: str, cases: Iterable[Case] | None = None) -> Arrays:
    """Those cases, or all: ``case/array`` -> array."""
    found: Arrays = {}
    for name, run in (*quantizer_cases(), *montecarlo_cases()) if cases is None else cases:
        found |= {f"{name}/{key}": value for key, value in run(device).items()}
    return found


if __name__ == "__main__":
    simulator.install()
    warnings.simplefilter("ignore")  # uint32 arithmetic of NumPy scalars warns where it wraps
    np.savez(sys.argv[1], **{key.replace("/", "|"): value for key, value in compute("cuda").items()})  # type: ignore[arg-type]

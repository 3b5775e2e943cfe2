"""Quantisers that are wrong on purpose, at least one for each property of `check_quantizer`, which must find them.

`self_test` runs them all. Each breaks one thing in `alpt_ref.testing.quantizer.reference`.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.quantizer.lattices import Uniform
from alpt_ref.testing.quantizer.check import check_quantizer
from alpt_ref.testing.quantizer.reference import Quantizer, Words, cells_of, reference, words_of
from alpt_ref.testing.quantizer.report import Report

__all__ = ["BROKEN", "Broken", "self_test"]

STEP = 2.0**-4
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Broken:
    """A broken quantiser.

    Attributes
    ----------
    name : what is wrong, in a word or two
    fails : the property that it breaks
    make : the quantiser on a lattice
    rounding : what it promises
    bits : width at which it is checked
    effort : enough to find it
    options : further arguments of `check_quantizer`
    """

    name: str
    fails: str
    make: Callable[[Uniform], Quantizer]
    rounding: str = "sr"
    bits: int = 8
    effort: float = 0.01
    options: dict[str, Any] = field(default_factory=dict)

    def check(self, effort: float | None = None, seed: int = 0, *, whole: bool = False) -> Report:
        """The report on it: of its property alone, or the whole."""
        lattice = Uniform(STEP, self.bits)
        return check_quantizer(
            self.make(lattice),
            lattice,
            rounding=self.rounding,
            only=() if whole else (self.fails,),
            require=(self.fails,),
            effort=self.effort if effort is None else effort,
            seed=seed,
            name=self.name,
            **self.options,
        )


def self_test(seed: int = 0) -> dict[str, Report]:
    """Check every broken quantiser.

    Returns
    -------
    dict
        Reports by name.

    Raises
    ------
    AssertionError
        One was not found: `check_quantizer` itself is broken.
    """
    reports = {one.name: one.check(seed=seed) for one in BROKEN}
    missed = [one.name for one in BROKEN if one.fails not in reports[one.name].failed]
    if missed:
        raise AssertionError(f"check_quantizer does not find: {', '.join(missed)}")
    return reports


# --- what is wrong ----------------------------------------------------------------------------------------------------


def _changed(change: Callable[[Floats, Floats, int], Any], rounding: str = "sr") -> Callable[[Uniform], Quantizer]:
    """The right result, changed: ``change(x, result, draw)``."""

    def make(lattice: Uniform) -> Quantizer:
        right = reference(lattice, rounding)
        return lambda x, draw: change(x, right(x, draw), draw)

    return make


def _chance(chance: Callable[..., NDArray[np.float64]], rounding: str = "sr") -> Callable[[Uniform], Quantizer]:
    return lambda lattice: reference(lattice, rounding, chance=chance)


def _words(words: Callable[[int, tuple[int, ...]], Words]) -> Callable[[Uniform], Quantizer]:
    return lambda lattice: reference(lattice, words=words)


def _two_steps(lattice: Uniform) -> Quantizer:
    """One element in a thousand goes a step further down or up."""
    right = reference(lattice)

    def fn(x: Any, draw: int) -> Floats:
        further = words_of(draw, x.shape, seed=7) % 2000
        moved = right(x, draw) + np.float32(STEP) * (further == 0) - np.float32(STEP) * (further == 1)
        return np.asarray(np.clip(moved, lattice.low[0, 0], lattice.high[0, 0]), np.float32)

    return fn


def _late(steps: float) -> Callable[[Uniform], Quantizer]:
    """Clipped `steps` beyond the ends: codes that do not exist come out."""

    def make(lattice: Uniform) -> Quantizer:
        beyond = np.float32(steps * STEP)
        wide = reference(Uniform(STEP, lattice.bits + 1))
        return lambda x, draw: wide(np.clip(x, lattice.low - beyond, lattice.high + beyond), draw)

    return make


def _in_memory_order(lattice: Uniform) -> Quantizer:
    """Words go to the elements in the order in which these lie in memory."""

    def fn(x: Any, draw: int) -> Floats:
        order = "F" if x.flags.f_contiguous and not x.flags.c_contiguous else "C"
        flat = words_of(draw, (x.size,)).reshape(x.shape, order=order)  # type: ignore[call-overload]
        return reference(lattice, words=lambda _, shape: flat)(x, draw)  # type: ignore[no-any-return]

    return fn


def _clips_in_place(lattice: Uniform) -> Quantizer:
    right = reference(lattice)

    def fn(x: Any, draw: int) -> Any:
        if x.flags.writeable:
            np.multiply(x, np.float32(0.5), out=x)
            return right(x * np.float32(2), draw)
        return right(x, draw)

    return fn


def _counts_its_calls(lattice: Uniform) -> Quantizer:
    calls = itertools.count()
    right = reference(lattice)
    return lambda x, draw: right(x, draw + next(calls))


def _shared_state(lattice: Uniform) -> Quantizer:
    """The draw is kept where another thread's call changes it."""
    state: dict[str, int] = {}
    right = reference(lattice)

    def fn(x: Any, draw: int) -> Any:
        state["draw"] = draw
        time.sleep(0.01 if x.size > 20_000 else 0)
        return right(x, state["draw"])

    return fn


def _systematic(draw: int, shape: tuple[int, ...]) -> Words:
    """Words spread evenly over a call: every element has a uniform one, and their sum has next to no variance."""
    size = int(np.prod(shape))
    bits = np.random.Generator(np.random.Philox(key=[0, draw]))
    start = int(bits.integers(1 << 32))
    even = (bits.permutation(size).astype(np.uint64) * np.uint64((1 << 32) // max(size, 1)) + np.uint64(start)) % (
        1 << 32
    )
    return even.astype(np.uint32).reshape(shape)


def _copied_tail(draw: int, shape: tuple[int, ...]) -> Words:
    """The word of an odd last column is that of the column before: the tail of a loop over two columns at once."""
    words = words_of(draw, shape)
    if shape[-1] % 2 and shape[-1] > 1:
        words[..., -1] = words[..., -2]
    return words


def _undrawn_tail(draw: int, shape: tuple[int, ...]) -> Words:
    """Elements after the last multiple of eight are never rounded up: the tail of a loop over eight at once."""
    words = words_of(draw, shape).reshape(-1)
    words[words.size - words.size % 8 :] = (1 << 32) - 1
    return words.reshape(shape)


def _period_of_elements(draw: int, shape: tuple[int, ...]) -> Words:
    """The words of a call repeat after 2^16 of them."""
    return np.resize(words_of(draw, (1 << 16,)), shape)


def _same_far_columns(draw: int, shape: tuple[int, ...]) -> Words:
    """The columns from the 65th on have the words of the first ones."""
    words = words_of(draw, shape)
    words[..., 64:] = np.resize(words[..., :64], words[..., 64:].shape) if shape[-1] > 64 else 0
    return words


def _no_draw_0(lattice: Uniform) -> Quantizer:
    """``draw or None``: draw 0 is taken for no seed."""
    calls, right = itertools.count(), reference(lattice)
    return lambda x, draw: right(x, draw or 10**9 + next(calls))


def _writes_to_few(lattice: Uniform) -> Quantizer:
    """Writes to x where it has fewer than a hundred rows."""
    right = reference(lattice)

    def fn(x: Any, draw: int) -> Any:
        result = right(x, draw)
        if x.size > 0 and len(x) < 100 and x.flags.writeable:
            x[-1, -1] = result[-1, -1]
        return result

    return fn


def _float32_half(lattice: Uniform) -> Quantizer:
    """``floor(x / step + 1/2)``, whose sum rounds up numbers right below a tie."""
    low, high = np.float32(lattice.lowest), np.float32(lattice.highest)

    def fn(x: Any, draw: int) -> Floats:
        code = np.floor(x / lattice.step_size + np.float32(0.5))
        return np.asarray(np.clip(code, low, high) * lattice.step_size)

    return fn


def _tie_by_sign(lattice: Uniform) -> Quantizer:
    """Ties go up above zero and to the even code below."""

    def fn(x: Any, draw: int) -> Floats:
        lower, upper, column = cells_of(lattice, np.asarray(x, np.float32))
        middle = lower.astype(np.float64) + (upper.astype(np.float64) - lower) / 2
        tie_up = (x > 0) | ((column + lattice.lowest) % 2 != 0)
        return np.where((x > middle) | ((x == middle) & tie_up), upper, lower)

    return fn


def _gradient(x: Floats, g: Floats, draw: int) -> Floats:
    """Clipped at the upper end alone."""
    return np.where(x > Uniform(STEP, 8).high, np.float32(0), g)


_TINY = np.float32(2.0**-126)

BROKEN = (
    Broken("values of another step size", "on_grid", _changed(lambda x, r, _: r * np.float32(1 + 2.0**-22))),
    Broken("one in a thousand two steps", "neighbour", _two_steps),
    Broken(
        "threshold 2^-20 of a step late", "fixed_points", _chance(lambda p, x, _: p + 2.0**-20), bits=16, effort=0.2
    ),
    Broken("clipped half a step late", "saturation", _late(0.5)),
    Broken("clipped a code late", "saturation", _late(1.0)),
    Broken(
        "the quotient overflows",
        "saturation",
        _changed(lambda x, r, _: np.where(np.isinf(x / np.float32(STEP)), np.float32(np.nan), r)),
    ),
    Broken("zeros become NaN", "fixed_points", _changed(lambda x, r, _: r if x.any() else r * np.float32(np.nan))),
    Broken(
        "subnormals away from zero",
        "subnormal",
        _changed(lambda x, r, _: np.where((np.abs(x) < _TINY) & (x > 0), np.float32(STEP), r)),
    ),
    Broken("NaN becomes 0", "nan_policy", _changed(lambda x, r, _: np.where(np.isnan(x), np.float32(0), r))),
    Broken("words in memory order", "layout", _in_memory_order),
    Broken(
        "x without strides",
        "layout",
        _changed(lambda x, r, _: r if all(x.strides) or len(x) < 2 else np.zeros_like(r)),
    ),
    Broken("writes to x", "input_untouched", _clips_in_place),
    Broken("writes to x of few rows", "input_untouched", _writes_to_few),
    Broken("draw 0 is no seed", "repeatable", _no_draw_0),
    Broken("counts its calls", "repeatable", _counts_its_calls),
    Broken(
        "words from the last row on",
        "row_prefix",
        _words(lambda draw, shape: words_of(draw, shape)[::-1]),
    ),
    Broken("words row by row", "column_prefix", reference),
    Broken("state shared by threads", "threads", _shared_state),
    Broken(
        "words mirrored beyond the middle",
        "monotone",
        lambda lattice: (
            lambda x, draw: np.where(
                np.floor(2 * x / lattice.step_size) % 2 == 0,
                reference(lattice)(x, draw),
                reference(lattice, words=lambda d, shape: ~words_of(d, shape))(x, draw),
            )
        ),
    ),
    Broken("threshold 2^-10 of a step early", "unbiased", _chance(lambda p, x, _: p - 2.0**-10), effort=0.02),
    Broken("threshold 2^-20 of a step early", "unbiased", _chance(lambda p, x, _: p - 2.0**-20), bits=16, effort=1.0),
    Broken(
        "words cut to 20 bits",
        "unbiased",
        _chance(lambda p, x, _: np.floor(p * 2.0**20) / 2.0**20),
        bits=16,
        effort=1.0,
    ),
    Broken("the tail of eight is not drawn", "unbiased", _words(_undrawn_tail)),
    Broken("one cell in 256 a tenth too low", "unbiased", _chance(lambda p, x, c: p - 0.1 * p * (c == 37)), effort=1.0),
    Broken("evenly spread words", "variance", _words(_systematic)),
    Broken("one word a row", "independence", _words(lambda draw, shape: words_of(draw, (*shape[:-1], 1)))),
    Broken("odd last column is a copy", "independence", _words(_copied_tail)),
    Broken("words repeat after 2^16 elements", "independence", _words(_period_of_elements), effort=0.02),
    Broken("columns 64 apart are alike", "independence", _words(_same_far_columns), effort=0.02),
    Broken("draws repeat after 2^16", "independence", _words(lambda draw, shape: words_of(draw % (1 << 16), shape))),
    Broken("ties by sign", "ties", _tie_by_sign, rounding="dr"),
    Broken("ties away from zero, not stated", "ties", _chance(lambda p, x, _: p - 1e-9 * (x < 0), "dr"), rounding="dr"),
    Broken("half a step added in float32", "beside_ties", _float32_half, rounding="dr"),
    Broken("values that move again", "round_trip", _changed(lambda x, r, _: r * np.float32(1 + 2.0**-10))),
    Broken("clipped at one end", "gradient", reference, options={"gradient": _gradient}),
    Broken("float64 comes back", "dtype", _changed(lambda x, r, _: r.astype(np.float64))),
)
"""All of them."""

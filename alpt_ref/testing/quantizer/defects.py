"""What is wrong with the quantisers of `alpt_ref.testing.broken`: each makes a right one wrong in one thing."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.quantizer.lattices import Uniform
from alpt_ref.testing.quantizer.reference import Quantizer, Words, cells_of, reference, words_of

STEP = 2.0**-4
Floats = NDArray[np.float32]


def changed(change: Callable[[Floats, Floats, int], Any], rounding: str = "sr") -> Callable[[Uniform], Quantizer]:
    """The right result, changed: ``change(x, result, draw)``."""

    def make(lattice: Uniform) -> Quantizer:
        right = reference(lattice, rounding)
        return lambda x, draw: change(x, right(x, draw), draw)

    return make


def chance(chance: Callable[..., NDArray[np.float64]], rounding: str = "sr") -> Callable[[Uniform], Quantizer]:
    """Another probability of going up."""
    return lambda lattice: reference(lattice, rounding, chance=chance)


def words(words: Callable[[int, tuple[int, ...]], Words]) -> Callable[[Uniform], Quantizer]:
    """Other random words."""
    return lambda lattice: reference(lattice, words=words)


def two_steps(lattice: Uniform) -> Quantizer:
    """One element in a thousand goes a step further down or up."""
    right = reference(lattice)

    def fn(x: Any, draw: int) -> Floats:
        further = words_of(draw, x.shape, seed=7) % 2000
        moved = right(x, draw) + np.float32(STEP) * (further == 0) - np.float32(STEP) * (further == 1)
        return np.asarray(np.clip(moved, lattice.low[0, 0], lattice.high[0, 0]), np.float32)

    return fn


def late(steps: float) -> Callable[[Uniform], Quantizer]:
    """Clipped `steps` beyond the ends: codes that do not exist come out."""

    def make(lattice: Uniform) -> Quantizer:
        beyond = np.float32(steps * STEP)
        wide = reference(Uniform(STEP, lattice.bits + 1))
        return lambda x, draw: wide(np.clip(x, lattice.low - beyond, lattice.high + beyond), draw)

    return make


def in_memory_order(lattice: Uniform) -> Quantizer:
    """Words go to the elements in the order in which these lie in memory."""

    def fn(x: Any, draw: int) -> Floats:
        order = "F" if x.flags.f_contiguous and not x.flags.c_contiguous else "C"
        flat = words_of(draw, (x.size,)).reshape(x.shape, order=order)  # type: ignore[call-overload]
        return reference(lattice, words=lambda _, shape: flat)(x, draw)  # type: ignore[no-any-return]

    return fn


def clips_in_place(lattice: Uniform) -> Quantizer:
    """Writes to x where it can."""
    right = reference(lattice)

    def fn(x: Any, draw: int) -> Any:
        if x.flags.writeable:
            np.multiply(x, np.float32(0.5), out=x)
            return right(x * np.float32(2), draw)
        return right(x, draw)

    return fn


def counts_its_calls(lattice: Uniform) -> Quantizer:
    """A call depends on those before."""
    calls = itertools.count()
    right = reference(lattice)
    return lambda x, draw: right(x, draw + next(calls))


def shared_state(lattice: Uniform) -> Quantizer:
    """The draw is kept where another thread's call changes it."""
    state: dict[str, int] = {}
    right = reference(lattice)

    def fn(x: Any, draw: int) -> Any:
        state["draw"] = draw
        time.sleep(0.01 if x.size > 20_000 else 0)
        return right(x, state["draw"])

    return fn


def systematic(draw: int, shape: tuple[int, ...]) -> Words:
    """Words spread evenly over a call: every element has a uniform one, and their sum has next to no variance."""
    size = int(np.prod(shape))
    bits = np.random.Generator(np.random.Philox(key=[0, draw]))
    start = int(bits.integers(1 << 32))
    even = (bits.permutation(size).astype(np.uint64) * np.uint64((1 << 32) // max(size, 1)) + np.uint64(start)) % (
        1 << 32
    )
    return even.astype(np.uint32).reshape(shape)


def copied_tail(draw: int, shape: tuple[int, ...]) -> Words:
    """The word of an odd last column is that of the column before: the tail of a loop over two columns at once."""
    words = words_of(draw, shape)
    if shape[-1] % 2 and shape[-1] > 1:
        words[..., -1] = words[..., -2]
    return words


def undrawn_tail(draw: int, shape: tuple[int, ...]) -> Words:
    """Elements after the last multiple of eight are never rounded up: the tail of a loop over eight at once."""
    words = words_of(draw, shape).reshape(-1)
    words[words.size - words.size % 8 :] = (1 << 32) - 1
    return words.reshape(shape)


def period_of_elements(draw: int, shape: tuple[int, ...]) -> Words:
    """The words of a call repeat after 2^16 of them."""
    return np.resize(words_of(draw, (1 << 16,)), shape)


def same_far_columns(draw: int, shape: tuple[int, ...]) -> Words:
    """The columns from the 65th on have the words of the first ones."""
    words = words_of(draw, shape)
    words[..., 64:] = np.resize(words[..., :64], words[..., 64:].shape) if shape[-1] > 64 else 0
    return words


def no_draw_0(lattice: Uniform) -> Quantizer:
    """``draw or None``: draw 0 is taken for no seed."""
    calls, right = itertools.count(), reference(lattice)
    return lambda x, draw: right(x, draw or 10**9 + next(calls))


def writes_to_few(lattice: Uniform) -> Quantizer:
    """Writes to x where it has fewer than a hundred rows."""
    right = reference(lattice)

    def fn(x: Any, draw: int) -> Any:
        result = right(x, draw)
        if x.size > 0 and len(x) < 100 and x.flags.writeable:
            x[-1, -1] = result[-1, -1]
        return result

    return fn


def float32_half(lattice: Uniform) -> Quantizer:
    """``floor(x / step + 1/2)``, whose sum rounds up numbers right below a tie."""
    low, high = np.float32(lattice.lowest), np.float32(lattice.highest)

    def fn(x: Any, draw: int) -> Floats:
        code = np.floor(x / lattice.step_size + np.float32(0.5))
        return np.asarray(np.clip(code, low, high) * lattice.step_size)

    return fn


def tie_by_sign(lattice: Uniform) -> Quantizer:
    """Ties go up above zero and to the even code below."""

    def fn(x: Any, draw: int) -> Floats:
        lower, upper, column = cells_of(lattice, np.asarray(x, np.float32))
        middle = lower.astype(np.float64) + (upper.astype(np.float64) - lower) / 2
        tie_up = (x > 0) | ((column + lattice.lowest) % 2 != 0)
        return np.where((x > middle) | ((x == middle) & tie_up), upper, lower)

    return fn


def gradient(x: Floats, g: Floats, draw: int) -> Floats:
    """Clipped at the upper end alone."""
    return np.where(x > Uniform(STEP, 8).high, np.float32(0), g)

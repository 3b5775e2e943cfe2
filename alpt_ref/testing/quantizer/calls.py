"""What the result of a call depends on: x and draw, and neither memory, neighbours in the array nor earlier calls."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.testing.adapters import known_besides
from alpt_ref.testing.common import same_bits, threads
from alpt_ref.testing.quantizer.probe import LITTLE, Broken, Floats, Probe, Seen
from alpt_ref.testing.quantizer.report import Finding

FEWEST = 64
"""Random elements from which on two draws are not alike by chance: 2^-64."""


def repeatable(probe: Probe) -> Finding:
    """One x and draw give one result, whatever was called in between; another draw another one (SR)."""
    random = probe.random("repeat")
    x, other = probe.inside(random), probe.inside(random)
    for small in (0, 1):  # draw 0 is none that may be left out
        one = probe.raw(x.copy(), small).copy()
        again = probe.raw(x.copy(), small)
        if not same_bits(again, one):
            text = f"the same x and draw {small} gave another result at {int((again != one).sum()):,} elements"
            return _different(probe, text, x, small, again, one)
    draw = probe.next_draw()
    kept = probe.raw(x.copy(), draw)
    first = kept.copy()
    second = probe.raw(other, probe.next_draw())
    if not same_bits(kept, first):
        return Finding(False, "a later call overwrites the result of an earlier one")
    again = probe.raw(x.copy(), draw)
    if not same_bits(again, first):
        text = f"the same x and draw gave another result at {int((again != first).sum()):,} of {x.size:,} elements"
        return _different(probe, text, x, draw, again, first)
    if probe.stochastic:
        half = probe.between(probe.cells(random, x.shape), np.full(x.shape, 0.5))
        lower, upper = probe.lattice.neighbours(half)
        random_ones = int((lower < upper).sum())  # none where no float32 number lies between two values
        same = np.array_equal(probe.call(half, draw), probe.call(half, probe.next_draw()))
        if same and random_ones >= FEWEST:
            return Finding(False, "another draw gives the same result: the draw decides nothing")
    else:
        elsewhere = probe.raw(x.copy(), probe.next_draw())
        if not same_bits(elsewhere, first):
            differ = int((elsewhere != first).sum())
            return Finding(False, f"another draw gave another result at {differ:,} of {x.size:,} elements: not nearest")
    return Finding(True, detects=f"any other bit of {x.size + second.size:,} results")


def _different(probe: Probe, text: str, x: Floats, draw: int, result: NDArray[Any], expected: NDArray[Any]) -> Finding:
    """A failure whose example is an element with another result than before."""
    bad = result != expected
    if not bad.any():
        return Finding(False, f"{text} (signs of 0 or NaN)")
    seen = Seen(x, draw, result.astype(np.float32), expected.astype(np.float32), expected.astype(np.float32))
    return Finding(False, text, probe.example(seen, bad))


def input_untouched(probe: Probe) -> Finding:
    """The array x holds the same bits after a call, and writing to the result does not change it."""
    x = probe.inside(probe.random("untouched"))
    some = probe.lattice.take(probe.cells(probe.random("values"), x.shape))
    shared, rows = False, probe.lattice.rows
    few = probe.inside(probe.random("few"), (rows or 67, 33))
    ends = np.where(few > 0, probe.lattice.high, probe.lattice.low)
    arrays = [x, some, few, few[:, :1].copy(), few[:, ::2], np.asfortranarray(few), ends, np.zeros_like(few)]
    arrays += [] if rows is not None else [few[:1].copy(), few[:1, :1].copy()]
    for array in arrays:  # values of the lattice: the result might be the array itself
        before = array.copy()
        result = probe.raw(array, probe.next_draw())
        if not same_bits(array, before):
            changed = int((array != before).sum())
            return Finding(False, f"x was changed at {changed:,} of {array.size:,} elements, shape {array.shape}")
        shared |= np.shares_memory(result, array)
    text, looked = "the result may be x's own memory" if shared else "", sum(one.size for one in arrays)
    return Finding(True, text, detects=f"any changed bit of {looked:,} elements")


# --- memory -----------------------------------------------------------------------------------------------------------


def _every_other_column(x: Floats) -> Floats:
    wide = np.full((x.shape[0], 2 * x.shape[1]), np.nan, np.float32)
    wide[:, ::2] = x
    return wide[:, ::2]


def _every_other_row(x: Floats) -> Floats:
    tall = np.full((2 * x.shape[0], x.shape[1]), np.nan, np.float32)
    tall[::2] = x
    return tall[::2]


def _read_only(x: Floats) -> Floats:
    copy = x.copy()
    copy.setflags(write=False)
    return copy


_LAYOUTS: dict[str, Callable[[Floats], Floats]] = {
    "column by column (Fortran order)": np.asfortranarray,
    "every other column of a wider array": _every_other_column,
    "every other row of a taller array": _every_other_row,
    "from the last row to the first": lambda x: x[::-1].copy()[::-1],
    "from the last column to the first": lambda x: x[:, ::-1].copy()[:, ::-1],
    "read-only": _read_only,
}


def layout(probe: Probe) -> Finding:
    """Any layout of one x gives one result; empty arrays and single rows, columns and elements are taken."""
    random, rows = probe.random("layout"), probe.lattice.rows
    x = probe.inside(random, (rows or 67, 33))
    draw = probe.next_draw()
    expected = probe.call(x, draw)
    for what, change in _LAYOUTS.items():
        try:
            result = probe.call(change(x), draw)
        except Broken as broken:
            return Finding(False, f"x {what}: {broken}")
        if not same_bits(result, expected):
            text = f"x {what} gets another result at {int((result != expected).sum()):,} of {x.size:,} elements"
            return _different(probe, text, x, draw, result, expected)
    one_row = np.broadcast_to(x[:1], x.shape)
    expected = probe.call(one_row.copy(), draw)
    if not same_bits(probe.call(one_row, draw), expected):
        return Finding(False, "x that is one row repeated without memory of its own (stride 0) gets another result")
    shapes = [(rows, 0), (rows, 1)] if rows is not None else [(0, 33), (67, 0), (0, 0), (1, 1), (1, 33), (67, 1)]
    for shape in shapes:
        part = np.ascontiguousarray(np.resize(x, shape) if 0 not in shape else np.empty(shape, np.float32))
        try:
            seen = probe.see(part if rows is None or not shape[1] else np.ascontiguousarray(x[:, :1]))
        except Broken as broken:
            return Finding(False, str(broken))
        result = probe.snapped(seen)
        bad = (result != seen.lower) & (result != seen.upper)
        if bad.any():
            return Finding(False, f"x of shape {shape} gets other values", probe.example(seen, bad))
    return Finding(True, detects=f"any other bit in {len(_LAYOUTS)} layouts and {len(shapes)} shapes")


def _prefix(probe: Probe, axis: int) -> Finding:
    what = ("rows", "columns")[axis]
    if probe.lattice.rows is not None and axis == 0:
        return Finding(None, "the lattice has a step size for each row")
    shape = (probe.lattice.rows or 512, 64)
    x, draw = probe.inside(probe.random(f"prefix{axis}"), shape), probe.next_draw()
    whole = probe.call(x, draw)
    for share in (1, 2, 3, 7):
        count = max(1, shape[axis] * share // 8 - share % 3)  # even and odd ones
        part = (slice(count), slice(None)) if axis == 0 else (slice(None), slice(count))
        result = probe.call(np.ascontiguousarray(x[part]), draw)
        if not same_bits(result, np.ascontiguousarray(whole[part])):
            differ = int((result != whole[part]).sum())
            text = f"the first {count} of {shape[axis]} {what} alone differ at {differ:,} elements"
            return _different(probe, text, np.ascontiguousarray(x[part]), draw, result, whole[part])
    return Finding(True, detects="any other bit in four prefixes")


def row_prefix(probe: Probe) -> Finding:
    """The first rows alone get what they get in the whole array."""
    return _prefix(probe, 0)


def column_prefix(probe: Probe) -> Finding:
    """The first columns alone get what they get in the whole array."""
    return _prefix(probe, 1)


# --- threads ----------------------------------------------------------------------------------------------------------


def parallel(probe: Probe) -> Finding:
    """The count of threads within a call, and calls from several threads at once, change nothing."""
    x = probe.inside(probe.random("threads"), probe.shape((1 << 18) if probe.effort >= LITTLE else (1 << 15)))
    draws = [probe.next_draw() for _ in range(8)]
    with threads(1), _torch_threads(1), _blas_threads(1):
        alone = [probe.call(x, draw) for draw in draws]
    with threads(2), _torch_threads(2), _blas_threads(2):
        if not all(same_bits(probe.call(x, draw), one) for draw, one in zip(draws, alone, strict=True)):
            return Finding(False, "two threads within a call give another result than one")
    if _one_call_at_a_time():
        return Finding(True, "one call at a time: Numba's threads allow no more", detects=f"{16 * x.size:,} results")
    together = _two_at_a_time(probe, [(x.copy(), draw) for draw in draws])
    if not all(same_bits(one, other) for one, other in zip(together, alone, strict=True)):
        return Finding(False, "calls from two threads at once give other results than one after the other")
    return Finding(True, detects=f"any other bit of {16 * x.size:,} results")


def _two_at_a_time(probe: Probe, calls: list[tuple[Floats, int]]) -> list[Floats]:
    """Results of the calls, half of them in each of two threads, which begin every call together."""
    together = threading.Barrier(2)

    def half(mine: list[tuple[Floats, int]]) -> list[Floats]:
        results = []
        for x, draw in mine:
            with contextlib.suppress(threading.BrokenBarrierError):
                together.wait()
            try:
                results.append(probe.raw(x, draw).astype(np.float32, copy=False))
            except Broken:
                together.abort()
                raise
        return results

    middle = len(calls) // 2
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(half, (calls[:middle], calls[middle:]))
    return [*first, *second]


def _one_call_at_a_time() -> bool:
    """Whether a parallel function of Numba has run whose threading layer ends the process at a second call."""
    numba: Any = sys.modules.get("numba")
    try:
        return numba is not None and numba.threading_layer() == "workqueue"
    except ValueError:  # none has run
        return False


class _torch_threads:  # noqa: N801  # reads as a statement
    """PyTorch's threads within a block, where PyTorch has been imported."""

    def __init__(self, count: int) -> None:
        self.torch: Any = sys.modules.get("torch")
        self.count, self.before = count, 0

    def __enter__(self) -> None:
        if self.torch is not None:
            self.before = self.torch.get_num_threads()
            self.torch.set_num_threads(self.count)

    def __exit__(self, *error: object) -> None:
        if self.torch is not None:
            self.torch.set_num_threads(self.before)


def _blas_threads(count: int) -> Any:
    from threadpoolctl import threadpool_limits

    return threadpool_limits(count)


# --- order and repetition ---------------------------------------------------------------------------------------------


def monotone(probe: Probe) -> Finding:
    """In one draw, x <= y gives results in the same order, element by element."""
    random, calls = probe.random("monotone"), 8 if probe.effort >= 0.5 else 3
    for _ in range(calls):
        x = probe.inside(random)
        lower, upper = probe.lattice.neighbours(x)
        gap = upper.astype(np.float64) - lower
        further = np.exp2(-random.uniform(0, 20, x.shape)) * gap * random.choice([0.25, 1.0, 2.0], x.shape)
        y = np.maximum(x, (x + further).astype(np.float32))
        draw = probe.next_draw()
        first, second = probe.call(x, draw), probe.call(y, draw)
        bad = first > second
        if bad.any():
            seen = Seen(y, draw, second, *probe.lattice.neighbours(y))
            example = probe.example(seen, bad)
            where = np.flatnonzero((y == np.float32(example.x)) & bad)[0]
            smaller, more = float(x.flat[where]), float(first.flat[where])
            text = f"{int(bad.sum()):,} of {bad.size:,} pairs in the wrong order: x = {smaller!r} gets {more!r}"
            return Finding(False, text, example)
    return Finding(True, detects=f"any of {calls * x.size:,} pairs in the wrong order")


def round_trip(probe: Probe) -> Finding:
    """A result that is rounded again, in another draw, stays; so does every code, where codes are returned."""
    results = [seen.result for seen in probe.survey()[:2]]
    for result in results:
        draw = probe.next_draw()
        again = probe.call(result, draw)
        if not np.array_equal(again, result):
            seen = Seen(result, draw, again, *probe.lattice.neighbours(result))
            bad = again != result
            text = f"{int(bad.sum()):,} of {bad.size:,} results move when they are rounded again"
            return Finding(False, text, probe.example(seen, bad))
    codes = known_besides(probe.fn, "codes")
    text = ""
    if codes is not None:
        lattice, draw = probe.lattice, probe.next_draw()
        columns = np.resize(np.arange(lattice.size), probe.shape(lattice.size + 64))
        found = probe.besides(codes, np.ascontiguousarray(lattice.take(columns)), draw, f"draw {draw}")
        wrong = found != columns + lattice.lowest
        if wrong.any():
            code = int((columns + lattice.lowest)[wrong][0])
            return Finding(False, f"the value of code {code} gets the code {found[wrong][0]:g}")
        text = f"codes {lattice.lowest} to {lattice.highest} come back from their values"
    return Finding(True, text, detects=f"any of {sum(one.size for one in results):,} results that moves")

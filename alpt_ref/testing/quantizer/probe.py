"""The quantiser under test as the checks see it: counted calls, inputs, and elements sorted by what they got."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.quantizer.lattice import Lattice
from alpt_ref.testing.common import same_bits
from alpt_ref.testing.quantizer.elements import Broken, Floats, Mask, Placed, Seen, usable_cells
from alpt_ref.testing.quantizer.report import Example

__all__ = ["Broken", "Floats", "Mask", "Placed", "Probe", "Seen"]

BLOCK_ROWS, BLOCK_COLUMNS = 2048, 64
LITTLE, LITTLE_BLOCK = 0.02, 8192
"""Below this effort calls are small, for tests of `check_quantizer` itself."""
ALONE = 256
"""Draws in which an example is tried as an array of one element."""
SNAP = 4
"""A result this many float32 numbers away from a neighbour counts as it in every check but `on_grid`."""


class Probe:
    """A quantiser, its lattice, and what the checks share.

    Parameters
    ----------
    fn : the quantiser, ``fn(x, draw)``
    lattice : Lattice
    rounding : {"sr", "dr"}
    effort : 1 is the full count
    seed : decides the inputs and the numbers of the draws
    resolution : bias of a step that is no defect
    seconds : of processor time, after which the long counts stop
    """

    def __init__(
        self,
        fn: Callable[[Any, int], Any],
        lattice: Lattice,
        *,
        rounding: str,
        effort: float,
        seed: int,
        resolution: float = 2.0**-32,
        seconds: float = math.inf,
        options: dict[str, Any] | None = None,
    ) -> None:
        self.fn, self.lattice, self.rounding = fn, lattice, rounding
        self.effort, self.seed, self.resolution = effort, seed, resolution
        self.options = options or {}
        self.elements = 0
        self.alpha = 0.0
        self.dependent: bool | None = None
        self.writes = False
        self.seconds, self._begun, self._end = seconds, (time.process_time(), _unqueued()), math.inf
        self._next = int(self.random("draws").integers(1 << 30))
        self.stray: tuple[Seen, Mask] | None = None
        self.watched = 0
        self._survey: list[Seen] | None = None
        self.large: list[Mask] | None = None
        self.usable = usable_cells(lattice)

    @property
    def stochastic(self) -> bool:
        """Whether results are drawn."""
        return self.rounding == "sr"

    def random(self, purpose: str) -> np.random.Generator:
        """A generator for the inputs of one check."""
        return np.random.Generator(np.random.Philox(key=[self.seed, int.from_bytes(purpose.encode()[:8], "little")]))

    def next_draw(self) -> int:
        """The number of a call that no check has made."""
        self._next += 1
        return self._next

    def allow(self, share: float) -> None:
        """Let the count that begins end when this share of all time is over, but give it a quarter at the least."""
        self._end = max(share * self.seconds, self.spent() + self.seconds / 4)

    def late(self) -> bool:
        """Whether the time of the count is over."""
        return self.spent() > self._end

    def spent(self) -> float:
        """Seconds of processor time since the beginning, or a quarter of those by the clock if that is more.

        Processor time, so that a busy machine sees no less; and the clock, for a quantiser that waits for a GPU. What
        threads spent waiting for a processor is taken off the clock.
        """
        processor, clock = self._begun
        return max(time.process_time() - processor, (_unqueued() - clock) / 4)

    def call(self, x: Floats, draw: int | None = None) -> Floats:
        """The quantiser's result as float32; `Broken` where there is none.

        Once a call has changed `x`, later ones get a copy, or a quantiser that writes to its input (`input_untouched`)
        would spoil what the other checks compare with and seem to lack their properties too.
        """
        draw = self.next_draw() if draw is None else draw
        if self.writes:
            own = x.copy(order="K")
            own.setflags(write=x.flags.writeable)
            result = self.raw(own, draw)
        else:
            before = x.copy()
            result = self.raw(x, draw)
            if not same_bits(x, before):
                self.writes, result = True, result.copy()
                x[...] = before
        if result.dtype != np.float32:
            with np.errstate(all="ignore"):
                return result.astype(np.float32)
        return result

    def raw(self, x: Floats, draw: int) -> NDArray[Any]:
        """The quantiser's result as it comes."""
        return self._result(self.fn, x, draw, f"draw {draw}")

    def besides(self, function: Callable[..., Any], x: Floats, given: Any, said: str) -> NDArray[Any]:
        """The result of another function of an adapter, ``function(x, given)``; it gets a copy of x, as `call` says."""
        own = x.copy()
        result = self._result(function, own, given, said)
        self.writes |= not same_bits(own, x)
        return result

    def _result(self, function: Callable[..., Any], x: Floats, given: Any, said: str) -> NDArray[Any]:
        self.elements += x.size
        try:
            with np.errstate(all="ignore"):
                returned = function(x, given)
                result = np.asarray(returned)
        except (Exception, SystemExit) as error:
            text = " ".join(str(error).split())[:200]
            raise Broken(f"raises {type(error).__name__} for x of shape {x.shape}, {said}: {text}") from error
        if result.dtype.kind == "O":
            raise Broken(f"returns {type(returned).__name__} instead of a float32 array")
        if result.shape != x.shape:
            raise Broken(f"returns shape {result.shape} for x of shape {x.shape}")
        if result.dtype.kind not in "fiu":
            raise Broken(f"returns {result.dtype} instead of float32")
        return result

    # --- shapes -------------------------------------------------------------------------------------------------------

    def shape(self, elements: int, columns: int = BLOCK_COLUMNS) -> tuple[int, int]:
        """A shape of about that many elements that the lattice takes."""
        rows = self.lattice.rows
        if rows is None:
            return max(1, elements // columns), columns
        return rows, max(1, elements // rows)

    @property
    def block(self) -> tuple[int, int]:
        """Shape of one call of a long count."""
        return self.shape(BLOCK_ROWS * BLOCK_COLUMNS if self.effort >= LITTLE else LITTLE_BLOCK)

    def between(self, columns: NDArray[np.int64], fraction: NDArray[np.float64]) -> Floats:
        """Numbers at a fraction of the way from the value of a column to the next one, in float32."""
        return self.place(columns, fraction).x

    def place(self, columns: NDArray[np.int64], fraction: NDArray[np.float64]) -> Placed:
        """The same, with neighbours and the probability of the upper one."""
        lower, upper = self.lattice.take(columns), self.lattice.take(columns + 1)
        low, gap = lower.astype(np.float64), upper.astype(np.float64) - lower
        x = np.clip((low + fraction * gap).astype(np.float32), lower, upper)
        inside = (x > lower) & (x < upper)
        p = np.divide(x - low, gap, out=np.zeros(x.shape), where=inside)
        return Placed(x, lower, upper, p, inside)

    def went_up(self, placed: Placed, draw: int | None = None) -> Mask:
        """Call: which elements got their upper neighbour."""
        draw = self.next_draw() if draw is None else draw
        result = self.call(placed.x, draw)
        up = result == placed.upper
        if not (up | (result == placed.lower)).all():
            seen = Seen(placed.x, draw, result, placed.lower, placed.upper)
            result = self.snapped(seen)
            up = result == placed.upper
            stray = ~up & (result != placed.lower) & placed.inside
            if self.stray is None and stray.any():
                self.stray = seen, stray
        self.watched += up.size
        return np.asarray(up)

    # --- sorting elements ---------------------------------------------------------------------------------------------

    def see(self, x: Floats, draw: int | None = None) -> Seen:
        """Call, and the neighbours of each element."""
        draw = self.next_draw() if draw is None else draw
        return Seen(x, draw, self.call(x, draw), *self.lattice.neighbours(x))

    def snapped(self, seen: Seen) -> Floats:
        """Results, those within `SNAP` float32 numbers of a neighbour taken for it."""
        result = seen.result
        off = (result != seen.lower) & (result != seen.upper)
        if not off.any():
            return result
        result = result.copy()
        for value in (seen.lower, seen.upper):
            with np.errstate(all="ignore"):
                near = off & (np.abs(result - value) <= SNAP * np.spacing(np.abs(value)))
            result[near] = value[near]
        return result

    def example(self, seen: Seen, bad: Mask) -> Example:
        """The element nearest to zero among the bad ones; alone, where it is bad alone too."""
        places = np.argwhere(bad)
        with np.errstate(all="ignore"):
            size = np.abs(seen.x[bad])
        row, column = (int(one) for one in places[int(np.argmin(np.where(np.isnan(size), np.inf, size)))])
        x, result = seen.x[row, column], seen.result[row, column]
        shape, place, draw = seen.x.shape, (row, column), seen.draw
        found = self._alone(x, result, draw) if self.lattice.rows is None else None
        if found is not None:
            shape, place, draw = (1, 1), (0, 0), found
        low, high = float(seen.lower[row, column]), float(seen.upper[row, column])
        return Example(float(x), draw, float(result), low, high, shape, place)

    def _alone(self, x: np.float32, result: np.float32, draw: int) -> int | None:
        """A draw in which the element alone gets that result, the given one or one of some others; None if none."""
        array = np.array([[x]], np.float32)
        draws: list[int] = [draw, *range(ALONE if self.stochastic else 0)]
        for number in draws:
            try:
                if bool(self.call(array, number)[0, 0] == result):
                    return number
            except Broken:
                return None
        return None

    # --- elements inside the range, shared by several checks ----------------------------------------------------------

    def survey(self) -> list[Seen]:
        """About a million numbers inside the range and half as many beside values (a quarter at little effort)."""
        if self._survey is None:
            random, blocks = self.random("survey"), 8 if self.effort >= 0.5 else 2
            self._survey = [self.see(self.inside(random)) for _ in range(blocks)]
            self._survey += [self.see(self.beside(random)) for _ in range(blocks // 2)]
        return self._survey

    def beside(self, random: np.random.Generator) -> Floats:
        """Numbers up to four float32 numbers beside a value, half of the values special ones; none beyond the ends."""
        shape, values = self.block, np.union1d(self.usable, self.usable + 1)
        special = np.intersect1d(self.lattice.special(), values)
        special = special if len(special) else values
        columns = values[random.integers(0, len(values), size=shape)]
        columns = np.where(random.random(shape) < 0.5, special[random.integers(0, len(special), size=shape)], columns)
        x, side = self.lattice.take(columns), random.choice(np.array([-np.inf, np.inf], np.float32), shape)
        steps = random.integers(1, 5, size=shape)
        for step in range(1, 5):
            x = np.where(steps >= step, np.nextafter(x, side), x)
        return np.clip(x, self.lattice.low, self.lattice.high)

    def inside(self, random: np.random.Generator, shape: tuple[int, int] | None = None) -> Floats:
        """Numbers in all cells and, half of them, in those near zero; anywhere in a cell, near its ends and middle."""
        shape = shape or self.block
        fraction = random.random(shape)
        kind = random.integers(6, size=shape)
        tiny = np.exp2(-random.uniform(1, 24, shape))
        beside = 0.5 + (fraction - 0.5) * tiny
        fraction = np.select([kind == 0, kind == 1, kind == 2], [tiny, 1 - tiny, beside], fraction)
        return self.between(self.cells(random, shape), fraction)

    def cells(self, random: np.random.Generator, shape: tuple[int, int]) -> NDArray[np.int64]:
        """Columns of lower neighbours: half of them anywhere, half near zero on a logarithmic scale."""
        usable, zero = self.usable, int(np.searchsorted(self.usable, self.lattice.zero))
        anywhere = random.integers(0, len(usable), size=shape)
        distance = np.exp2(random.uniform(0, math.log2(len(usable) + 1), shape)).astype(np.int64) - 1
        near = zero + np.where(random.random(shape) < 0.5, distance, -1 - distance)
        inside = (near >= 0) & (near < len(usable)) & (random.random(shape) < 0.5)
        return np.asarray(usable[np.where(inside, near, anywhere)])

    def near_zero(self, random: np.random.Generator, shape: tuple[int, int], reach: int) -> NDArray[np.int64]:
        """Columns of lower neighbours up to `reach` cells from zero, on a logarithmic scale."""
        usable, zero = self.usable, int(np.searchsorted(self.usable, self.lattice.zero))
        distance = np.exp2(random.uniform(0, math.log2(min(reach, len(usable)) + 1), shape)).astype(np.int64) - 1
        near = zero + np.where(random.random(shape) < 0.5, distance, -1 - distance)
        return np.asarray(usable[np.clip(near, 0, len(usable) - 1)])


def _unqueued() -> float:
    """Seconds by the clock without those in which threads were ready and had no processor, where the system says so."""
    queued = 0
    with contextlib.suppress(OSError, ValueError, IndexError):
        for task in Path("/proc/self/task").iterdir():
            queued += int((task / "schedstat").read_text().split()[1])
    return time.perf_counter() - queued * 1e-9

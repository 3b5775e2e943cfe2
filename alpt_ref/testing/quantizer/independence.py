"""Elements, rows, columns, draws and quantisers are independent: pairs of fair bits agree half of the time.

All elements lie in the middle between two values, so that rounding up is a fair bit. Whether two fair bits agree is a
fair bit too, and along a chain of elements a fixed lag apart these are independent of one another: a count of
agreements is binomial, exactly.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from alpt_ref.testing.quantizer.counts import Count, Counts
from alpt_ref.testing.quantizer.fair import add_sums, half_block
from alpt_ref.testing.quantizer.probe import Broken, Mask, Placed, Probe
from alpt_ref.testing.quantizer.report import Finding
from alpt_ref.testing.quantizer.shapes import add_every_lag, correlation, count_lags_of_large_calls, large_shapes

ELEMENTS = 32_768
FULL_DRAWS = 256
FAR_DRAWS = range(1, 41)
"""Two draws this power of two apart may not agree."""
PROMISED = 32
"""Draws from ``2**PROMISED`` on may be those of smaller numbers; from half of it on they may be refused."""
FULL_SMALL, FEWEST_SMALL = 8192, 256
FIRST_DRAWS = (0, 1, 2, 3)
_SHARE_OF_TIME = 0.4
LOOK_ALPHA = 1e-9
LOOK_DRAWS = 8
CROSSED = 16
"""Draws of which each is compared with the next one at every lag: streams that overlap."""
ODD, ODD_DRAWS = 33, 12
"""Columns and draws of a block in which no loop over several columns at once comes out even."""
SMALL = 96
"""Elements of a small call: two draws that agree in all of them are one, but for ``2**-SMALL``."""


def independence(probe: Probe) -> Finding:
    """No two elements of a call, draws of an element or quantisers share random words, nor do sums of rows."""
    if not probe.stochastic:
        return Finding(None, "dr draws nothing")
    x = half_block(probe, ELEMENTS)
    if x is None:
        return Finding(None, "no middle between two values is a float32 number")
    counts, every = Counts(0.75 * probe.alpha), Counts(0.25 * probe.alpha)
    _count_within(probe, counts, every, x)
    odd = half_block(probe, ELEMENTS, ODD)
    if odd is not None:
        _count_within(probe, counts, Counts(0.0), odd, ODD_DRAWS, f" in rows of {odd.p.shape[1]}")
    count_lags_of_large_calls(probe, every)
    far = ""
    if counts.bad() is None:
        repeated = _repeated_draw(probe, half_block(probe, SMALL, 24))
        if repeated:
            return Finding(False, repeated, false_alarm=probe.alpha)
        far = _count_far_draws(probe, counts, x)
    for number, other in enumerate(probe.options.get("others", ())):
        _count_other(probe, counts, x, other, number)
    bad = counts.bad() or every.bad()
    if bad is not None:
        text = f"{bad[0]} (p = {bad[1]:.1g} of {counts.number + every.number} counts together)"
        return Finding(False, text, false_alarm=probe.alpha)
    beside = next((one for one in counts.all if one.what.startswith("elements 1 ")), None)
    least = 2 * counts.least_excess(beside.trials, 0.5) if beside is not None else 1.0
    detects = f"a correlation of {least:.2g} of neighbours, in 99 of 100 cases; draws that repeat after 2 to 2^31"
    most = max((math.prod(shape) for shape in large_shapes(probe)), default=x.p.size)
    detects += f"; words that repeat after up to {most // 2:,} elements of a call"
    return Finding(True, f"{counts.number + every.number:,} counts{far}", detects=detects, false_alarm=probe.alpha)


def dependent(probe: Probe) -> bool:
    """Whether elements of a call, or the next draws, are plainly not independent, in a short look."""
    if probe.dependent is None:
        x = half_block(probe, ELEMENTS)
        counts = Counts(LOOK_ALPHA / 2)
        every = Counts(LOOK_ALPHA / 2)
        if x is not None:
            _count_within(probe, counts, every, x, LOOK_DRAWS)
        probe.dependent = counts.bad() is not None or every.bad() is not None
    return probe.dependent


# --- draws ------------------------------------------------------------------------------------------------------------


def _repeated_draw(probe: Probe, x: Placed | None) -> str:
    """Two draws of a small array that agree in every element, in words: consecutive ones and random ones."""
    if x is None:
        return ""
    random = probe.random("draws far")
    many = max(256, int(FULL_SMALL * min(1.0, 2.5 * probe.effort)))
    first = probe.next_draw()
    consecutive, others = range(first, first + many // 2), random.integers(0, 1 << 31, many // 2).tolist()
    numbers = [*FIRST_DRAWS, *(one for pair in zip(consecutive, others, strict=True) for one in pair)]
    seen: dict[bytes, int] = {}
    probe.allow(_SHARE_OF_TIME)
    for number, draw in enumerate(numbers):
        if number >= FEWEST_SMALL and probe.late():
            break
        bits = np.packbits(probe.went_up(x, int(draw))).tobytes()
        if seen.setdefault(bits, int(draw)) != draw:
            apart = abs(int(draw) - seen[bits])
            return f"draws {seen[bits]} and {int(draw)} are one: the draws repeat ({apart:,} apart)"
    return ""


def _count_far_draws(probe: Probe, counts: Counts, x: Placed) -> str:
    """Count agreements of draws a power of two apart; what was refused, in words."""
    first = probe.next_draw()
    _count_first_draws(probe, counts, x, first)
    part = x if probe.lattice.rows is not None else x.take(np.arange(64 * x.p.shape[1]).reshape(64, -1))
    base, fair = probe.went_up(part, first), _is_fair(probe, x)
    for power in FAR_DRAWS:
        try:
            other = probe.went_up(part, first + (1 << power))
        except Broken:
            if power >= PROMISED - 1:
                return f"; draws from about 2^{power} on are refused"
            raise
        if power >= PROMISED and np.array_equal(base, other):
            return f"; draws repeat after 2^{power}"
        if fair or np.array_equal(base, other):
            counts.add(f"elements that agree in draws 2^{power} apart", int((base == other).sum()), base.size, 0.5)
    return ""


def _count_first_draws(probe: Probe, counts: Counts, x: Placed, other: int) -> None:
    """Draw 0, which some take for "no seed", and the next ones: fair bits, and unlike one another and another draw."""
    ups = {draw: probe.went_up(x, draw) for draw in (*FIRST_DRAWS, other)}
    if not _is_fair(probe, x):
        return
    for draw, up in ups.items():
        counts.add(f"elements that went up in draw {draw}", int(up.sum()), up.size, 0.5, probe.resolution)
        for before in range(min(draw, len(FIRST_DRAWS))):
            agree = int((up == ups[before]).sum())
            counts.add(f"elements that agree in draws {before} and {draw}", agree, up.size, 0.5)


# --- elements of a call -----------------------------------------------------------------------------------------------


def _lags(size: int) -> list[int]:
    return sorted({lag for lag in (*range(1, 9), 12, 16, 24, *(1 << k for k in range(5, 16))) if lag < size})


def _count_within(probe: Probe, counts: Counts, every: Counts, x: Placed, draws: int = 0, where: str = "") -> None:
    """Agreements along columns, rows, diagonals and draws, and sums of rows and columns."""
    if not _is_fair(probe, x):
        _count_directions(probe, counts, x, draws, where)
        return
    draws = draws or max(8, int(FULL_DRAWS * min(2.0, max(probe.effort, min(0.1875, 3.75 * probe.effort)))))
    rows, columns = x.p.shape
    agree: dict[str, list[int]] = {}
    ways = _ways(rows, columns)
    row_sums, column_sums = [], []
    before: list[Mask] = []
    spectrum, ahead_by, behind_by = (np.zeros(x.p.size) for _ in range(3))
    ups = np.zeros(x.p.shape, np.int64)

    def add(what: str, one: Mask, other: Mask) -> None:
        entry = agree.setdefault(what, [0, 0])
        entry[0] += int((one == other).sum())
        entry[1] += one.size

    for number in range(draws):
        up = probe.went_up(x, probe.next_draw())
        for what, (ahead, behind) in ways.items():
            add(what, up[ahead], up[behind])
        for lag, other in enumerate(reversed(before), 1):
            if lag in (1, 2, 3, 4, 8):
                add(f"elements that agree in draws {lag} apart", up, other)
        if before and number < CROSSED:
            ahead, behind = correlation(before[-1], up)
            ahead_by, behind_by = ahead_by + ahead, behind_by + behind
        before = [*before[-7:], up]
        np.add(ups, up, out=ups, casting="unsafe")
        spectrum += correlation(up, up)[0]
        row_sums.append(up.sum(axis=1))
        column_sums.append(up.sum(axis=0))
    for what, (events, trials) in agree.items():
        counts.add(what + where, events, trials, 0.5)
    for name, sums, size in (("row", row_sums, columns), ("column", column_sums, rows)):
        if size > 1:
            for share in (0.1, 0.9):
                together = np.concatenate(sums).astype(np.int64)
                add_sums(counts, f"{name}s{where} whose sum", together, size, share, probe.resolution)
    every.add_worst("draws in which element {place} of a call went up", ups, draws)
    add_every_lag(every, spectrum, draws, where)
    for lagged, what in ((ahead_by, "the draw before"), (behind_by, "the draw after")):
        add_every_lag(every, lagged, min(draws, CROSSED) - 1, f", the other one in {what}{where}")


def _ways(rows: int, columns: int) -> dict[str, tuple[Any, Any]]:
    """Pairs of elements a lag apart, as two parts of an array."""
    found: dict[str, tuple[Any, Any]] = {}
    everything = slice(None)
    for lag in _lags(columns):
        what = f"elements {lag} column{'s' * (lag > 1)} apart that agree"
        found[what] = (everything, slice(lag, None)), (everything, slice(None, -lag))
    for lag in _lags(rows):
        found[f"elements {lag} row{'s' * (lag > 1)} apart that agree"] = slice(lag, None), slice(None, -lag)
    for lag in (1, 2, 4):
        if lag < min(rows, columns):
            ahead, behind = slice(lag, None), slice(None, -lag)
            found[f"elements {lag} row{'s' * (lag > 1)} and columns apart that agree"] = (
                (ahead, ahead),
                (behind, behind),
            )
    return found


def _is_fair(probe: Probe, x: Placed) -> bool:
    """Whether rounding up has about the probability 1/2 that it should: else agreement is not half of the time."""
    ups = sum(int(probe.went_up(x).sum()) for _ in range(LOOK_DRAWS))
    return Count("", ups, LOOK_DRAWS * x.p.size, 0.5, 0.0).tail > LOOK_ALPHA


def _count_directions(probe: Probe, counts: Counts, x: Placed, draws: int, where: str) -> None:
    """Agreements of a biased quantiser: of the elements that two draws round differently, which one went up.

    That is a fair bit whatever the probability (von Neumann 1951), if only it is the same in both draws.
    """
    agree: dict[str, list[int]] = {}
    ways = _ways(*x.p.shape)
    for _ in range(draws or max(16, int(FULL_DRAWS * min(1.0, probe.effort)))):
        up, other = probe.went_up(x), probe.went_up(x)
        differ = up != other
        for what, (ahead, behind) in ways.items():
            both = differ[ahead] & differ[behind]
            entry = agree.setdefault(what, [0, 0])
            entry[0] += int((both & (up[ahead] == up[behind])).sum())
            entry[1] += int(both.sum())
    for what, (events, trials) in agree.items():
        counts.add(what + where, events, trials, 0.5)


def _count_other(probe: Probe, counts: Counts, x: Placed, other: object, number: int) -> None:
    """Agreements with another quantiser (another seed, another purpose) in the same draws."""
    twin = Probe(other, probe.lattice, rounding="sr", effort=probe.effort, seed=probe.seed)  # type: ignore[arg-type]
    events = trials = 0
    for _ in range(16):
        draw = probe.next_draw()
        events += int((probe.went_up(x, draw) == twin.went_up(x, draw)).sum())
        trials += x.p.size
    counts.add(f"elements that agree with quantiser {number} of others", events, trials, 0.5)

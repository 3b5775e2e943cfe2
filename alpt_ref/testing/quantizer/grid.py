"""Where results lie: on the lattice, at a neighbour, at the end beyond the ends, and where x already is."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from alpt_ref.testing.quantizer.counts import Counts
from alpt_ref.testing.quantizer.independence import dependent
from alpt_ref.testing.quantizer.probe import Floats, Mask, Probe, Seen
from alpt_ref.testing.quantizer.report import Finding

FULL_FIXED = 200_000_000
"""Elements on the lattice that `fixed_points` looks at with effort 1."""
_FAR = 1.0 / 64
"""DR: share of a step from the tie from which `neighbour` asks for the nearer value; `beside_ties` asks nearer by."""
_SHARE_OF_TIME = 0.55
_ENOUGH = 64
"""Moves after which there is nothing more to learn."""


def on_grid(probe: Probe) -> Finding:
    """Every result inside the range is a value of the lattice."""
    for seen in probe.survey():
        bad = ~((seen.result == seen.lower) | (seen.result == seen.upper))
        if bad.any():
            bad[bad] = ~_contains(probe, seen, bad)
        if bad.any():
            share = f"{int(bad.sum()):,} of {bad.size:,} results are no values of the lattice"
            return Finding(False, share, probe.example(seen, bad))
    size = sum(seen.x.size for seen in probe.survey())
    return Finding(True, detects=f"any of {size:,} results off the lattice")


def _contains(probe: Probe, seen: Seen, where: Mask) -> Mask:
    """Which results at `where` are values of the lattice."""
    return probe.lattice.contains(seen.result)[where]


def neighbour(probe: Probe) -> Finding:
    """Every result inside the range is one of the two neighbours of x; with DR the nearer one."""
    for seen in probe.survey():
        result, inside = probe.snapped(seen), seen.lower < seen.upper
        bad = inside & (result != seen.lower) & (result != seen.upper)
        what = "none of the two neighbours"
        if not probe.stochastic and not bad.any():
            below, above = _distances(seen)
            gap = below + above
            bad = inside & (result == seen.upper) & (below < above - _FAR * gap)
            bad |= inside & (result == seen.lower) & (above < below - _FAR * gap)
            what = "not the nearer neighbour"
        if bad.any():
            return Finding(False, f"{int(bad.sum()):,} of {bad.size:,} results are {what}", probe.example(seen, bad))
    if probe.stray is not None:
        seen, bad = probe.stray
        text = f"{int(bad.sum()):,} of {probe.watched:,} results or more are none of the two neighbours"
        return Finding(False, text, probe.example(seen, bad))
    size = sum(seen.x.size for seen in probe.survey()) + probe.watched
    return Finding(True, detects=f"any of {size:,} results elsewhere")


def _distances(seen: Seen) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x = seen.x.astype(np.float64)
    return x - seen.lower, seen.upper - x


# --- values of the lattice --------------------------------------------------------------------------------------------


def fixed_points(probe: Probe) -> Finding:
    """Values of the lattice, every code at least once and half of them special ones, never move."""
    wanted = int(FULL_FIXED * probe.effort)
    blocks, looked, moves, first = _code_blocks(probe), 0, 0, None
    probe.allow(_SHARE_OF_TIME)
    special = set(probe.lattice.special().tolist())
    while looked < max(wanted, sum(block.size for block in blocks)):
        number = looked // blocks[0].size
        if number >= len(blocks) and (probe.late() or moves >= _ENOUGH):
            break
        x = blocks[number % len(blocks)]
        draw = probe.next_draw()
        result = probe.call(x, draw)
        looked += x.size
        if np.array_equal(result, x):
            continue
        seen = Seen(x, draw, result, x, x)
        bad = probe.snapped(seen) != x
        moves += int(bad.sum())
        if first is None and bad.any():
            first = probe.example(seen, bad)
    if not moves:
        for code in sorted({*special, *range(0, probe.lattice.size, max(1, probe.lattice.size // 16))}):
            x = np.ascontiguousarray(probe.lattice.take(np.full((probe.lattice.rows or 5, 7), code)))
            draw = probe.next_draw()
            seen = Seen(x, draw, probe.call(x, draw), x, x)
            bad = probe.snapped(seen) != x
            looked += x.size
            if bad.any():
                return Finding(False, f"an array whose elements are all {x[0, 0]!r} moves", probe.example(seen, bad))
    text = f"{looked:,} values, every code at least once, half of them {len(special)} special codes"
    if looked < wanted:
        text += f" (stopped by time: {wanted:,} were planned)" if moves < _ENOUGH else ""
    if moves:
        return Finding(False, f"{moves:,} of {text} moved: probability about {moves / looked:.2g}", first)
    least = -math.log(0.001) / looked
    return Finding(
        True, text, detects=f"a move of probability {least:.2g} (2^{math.log2(least):.1f}), in 999 of 1000 cases"
    )


def _code_blocks(probe: Probe) -> list[Floats]:
    """Arrays of values: half special codes, half all codes in turn, in a random order; together all codes."""
    random, lattice = probe.random("fixed"), probe.lattice
    rows, columns = probe.block
    half = rows * columns // 2
    blocks = []
    for number in range(max(4, -(-lattice.size // max(half, 1)))):
        every = (np.arange(half + rows * columns % 2) + number * half) % lattice.size
        some = np.resize(random.permutation(lattice.special()), half)
        order = random.permutation(np.concatenate([every, some])).reshape(rows, columns)
        blocks.append(np.ascontiguousarray(lattice.take(order)))
    return blocks


# --- beyond the ends, and around zero ---------------------------------------------------------------------------------

_BEYOND = (
    1e-6,
    0.01,
    0.25,
    0.49,
    0.5,
    0.51,
    0.75,
    0.99,
    1.0,
    1.01,
    1.5,
    2.0,
    3.0,
    10.0,
    1e3,
    1e6,
    1e9,
    1e12,
    1e20,
    1e30,
)
"""Distances beyond an end, in steps; besides them the largest float32 number, whose quotient by a step overflows."""
_LARGEST = np.finfo(np.float32).max


def saturation(probe: Probe) -> Finding:
    """From an end on, by a float32 number, by half a step or by far: the value at the end."""
    lattice = probe.lattice
    if lattice.overflow == "inf" and (2 * lattice.high.astype(np.float64) > np.finfo(np.float32).max).any():
        return Finding(None, "next to nothing of float32 lies beyond the ends")
    rows, columns = probe.block
    rows = rows if lattice.rows is not None else 64
    x, end = _beyond(probe, rows, columns)
    for _ in range(4 if not probe.stochastic else max(8, int(64 * probe.effort))):
        draw = probe.next_draw()
        seen = Seen(x, draw, probe.call(x, draw), end, end)
        bad = probe.snapped(seen) != end
        if lattice.overflow == "inf":
            bad &= ~(np.isinf(seen.result) & (np.sign(seen.result) == np.sign(end)))
        if bad.any():
            example = probe.example(seen, bad)
            steps = abs(example.x - example.lower) / float(_end_gaps(probe)[1 if example.x > 0 else 0].max())
            text = f"{int(bad.sum()):,} of {bad.size:,} numbers beyond an end got another value"
            text += f"; one {steps:.3g} steps beyond"
            return Finding(False, text, example)
    return Finding(
        True, detects=f"any of {x.size:,} numbers, up to {np.abs(x).max():.3g}, with another value than the end"
    )


def _end_gaps(probe: Probe) -> tuple[Floats, Floats]:
    table = probe.lattice.table
    return table[:, 1:2] - table[:, :1], table[:, -1:] - table[:, -2:-1]


def _beyond(probe: Probe, rows: int, columns: int) -> tuple[Floats, Floats]:
    """Numbers beyond the ends, and the ends that they belong to."""
    random, lattice = probe.random("beyond"), probe.lattice
    steps = np.resize(random.permutation(np.array([*_BEYOND, 0.0])), (rows, columns))
    steps = random.permuted(steps, axis=1) * np.where(
        random.random((rows, columns)) < 0.5, 1.0, random.random((rows, columns))
    )
    upper = random.random((rows, columns)) < 0.5
    low_gap, high_gap = _end_gaps(probe)
    end = np.where(upper, lattice.high, lattice.low).astype(np.float32)
    gap = np.where(upper, high_gap, -low_gap).astype(np.float64)
    with np.errstate(over="ignore"):
        x = (end.astype(np.float64) + steps * gap).astype(np.float32)
    least = np.where(
        upper, np.nextafter(lattice.high, np.float32(np.inf)), np.nextafter(lattice.low, np.float32(-np.inf))
    )
    x = np.where(np.isfinite(x) & (x != end), x, least).astype(np.float32)
    largest = random.random((rows, columns)) < 1 / 32
    return np.where(largest, np.where(upper, _LARGEST, -_LARGEST), x).astype(np.float32), end


def subnormal(probe: Probe) -> Finding:
    """Subnormal numbers, the smallest normal ones, 0 and -0 get one of their neighbours, by their probability."""
    least, normal = 2.0**-149, 2.0**-126
    some = [0.0, least, 2 * least, normal - least, normal]
    x = np.array([sign * one for one in [*some, 1e-42, 1e-40, 5e-39, 2e-38, 1e-37] for sign in (1.0, -1.0)], np.float32)
    shape = probe.shape(4096)
    x = np.resize(x, shape)
    if (probe.lattice.low > 0).any() or (probe.lattice.high < 0).any():
        return Finding(None, "zero lies outside of the range")
    p, calls, ups = probe.lattice.up_probability(x), 16, np.zeros(shape, np.int64)
    for _ in range(calls):
        seen = probe.see(x)
        result, inside = probe.snapped(seen), seen.lower < seen.upper
        bad = (result != seen.lower) & (result != seen.upper)
        if not probe.stochastic:
            bad |= (result == seen.upper) & (p < 0.5 - _FAR) & inside
            bad |= (result == seen.lower) & (p > 0.5 + _FAR)
        if bad.any():
            return Finding(
                False, f"{int(bad.sum()):,} of {bad.size:,} tiny numbers got another value", probe.example(seen, bad)
            )
        ups += inside & (result == seen.upper)
    counts = Counts(probe.alpha, by_call=probe.stochastic and dependent(probe))
    for number in np.unique(x) if probe.stochastic else ():  # each by itself: flushed ones of both signs balance
        mask = inside & (x == number)
        mean = float(p[mask].mean()) if mask.any() else 0.0
        what = f"tiny numbers {float(number)!r} that went up"
        counts.add(what, int(ups[mask].sum()), int(mask.sum()) * calls, mean, probe.resolution, calls)
    worst = counts.bad()
    if worst is not None:
        return Finding(False, f"{worst[0]} (p = {worst[1]:.1g})", false_alarm=probe.alpha)
    negative = "-0" if np.signbit(seen.result[(seen.x == 0) & np.signbit(seen.x)]).any() else "0"
    text = f"-0 becomes {negative}"
    return Finding(
        True, text, detects=f"any of {16 * x.size:,} numbers", false_alarm=probe.alpha if probe.stochastic else 0.0
    )

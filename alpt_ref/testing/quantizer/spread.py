"""The variance of a rounded element: p(1-p), whether the draws or the sums of a call are asked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from alpt_ref.testing.quantizer.counts import Counts, upper_tail
from alpt_ref.testing.quantizer.probe import Placed, Probe
from alpt_ref.testing.quantizer.report import Finding

FULL_PAIRS = 8_000_000
BANDS = 8
SUMMED = 4096


def variance(probe: Probe) -> Finding:
    """Two draws of one element differ with probability 2p(1-p), and sums over a call spread as independent ones."""
    if not probe.stochastic:
        return Finding(None, "dr has no variance")
    counts = Counts(probe.alpha)
    _count_pairs(probe, counts)
    _count_sums(probe, counts)
    bad = counts.bad()
    if bad is not None:
        text = f"{bad[0]} (p = {bad[1]:.1g} of {len(counts.all)} counts together)"
        return Finding(False, text, false_alarm=probe.alpha)
    pairs = next((one for one in counts.all if one.what.endswith("p near 1/2")), None)
    least = counts.least_excess(pairs.trials, pairs.p) / pairs.p if pairs is not None else 1.0
    detects = f"a variance that is off by {100 * least:.2g} % at p = 1/2, in 99 of 100 cases"
    return Finding(True, f"{len(counts.all)} counts", detects=detects, false_alarm=probe.alpha)


def _count_pairs(probe: Probe, counts: Counts) -> None:
    random = probe.random("pairs")
    placed = probe.place(probe.cells(random, probe.block), random.random(probe.block))
    p, inside = placed.p, placed.inside
    differ, pairs = np.zeros(p.shape, np.int64), 0
    for _ in range(max(4, int(FULL_PAIRS * probe.effort) // p.size)):
        np.add(differ, probe.went_up(placed) != probe.went_up(placed), out=differ, casting="unsafe")
        pairs += 1
    expected = 2 * p * (1 - p)
    band = np.minimum((np.minimum(p, 1 - p) * 2 * BANDS).astype(np.int64), BANDS - 1)
    for number in range(BANDS):
        mask = inside & (band == number)
        if mask.any():
            name = "p near 1/2" if number == BANDS - 1 else f"p or 1-p from {number}/{2 * BANDS}"
            mean = float(expected[mask].mean())
            what = f"two draws that differ, {name}"
            counts.add(what, int(differ[mask].sum()), int(mask.sum()) * pairs, mean, 4 * probe.resolution)


def _count_sums(probe: Probe, counts: Counts) -> None:
    """Sums of whole calls at p = 1/2: how many lie far from their mean, against the binomial law."""
    half = half_block(probe, SUMMED)
    if half is None:
        return
    calls = min(1024, max(32, int(5120 * probe.effort)))
    sums = np.array([int(probe.went_up(half).sum()) for _ in range(calls)])
    for share in (0.1, 0.9):
        add_sums(counts, f"calls whose sum of {half.p.size} elements", sums, half.p.size, share)


def add_sums(counts: Counts, what: str, sums: NDArray[np.int64], size: int, share: float) -> None:
    """Count sums of `size` fair bits that lie as far from the mean as a share of about `share` of them should."""
    distance, chance = _distance(size, share)
    out = int((np.abs(2 * sums - size) >= distance).sum())
    counts.add(f"{what} is {distance / 2:g} or more off the mean", out, len(sums), chance)


def _distance(size: int, share: float) -> tuple[int, float]:
    """A distance t, and the probability of ``|2 X - size| >= t`` for X of ``Bin(size, 1/2)``, about `share`."""
    distances = range(1, min(size, int(6 * np.sqrt(size)) + 2) + 1)
    chances = [min(1.0, 2 * upper_tail(-(-(size + one) // 2), size, 0.5)) for one in distances]
    best = min(range(len(chances)), key=lambda place: abs(chances[place] - share))
    return distances[best], chances[best]


def half_block(probe: Probe, elements: int, columns: int = 64) -> Placed | None:
    """Numbers exactly in the middle of a cell, in many cells; None where no middle is a float32 number."""
    random, shape = probe.random("half"), probe.shape(elements, columns)
    placed = probe.place(probe.cells(random, shape), np.full(shape, 0.5))
    good, take = placed.p == 0.5, np.arange(placed.p.size).reshape(shape)
    for row in range(shape[0]):
        fill = take[row][good[row]]
        if not len(fill):
            return None
        take[row, ~good[row]] = np.resize(fill, int((~good[row]).sum()))
    return placed.take(take)

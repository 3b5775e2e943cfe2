"""The variance of a rounded element: p(1-p), whether the draws or the sums of a call are asked."""

from __future__ import annotations

import numpy as np

from alpt_ref.testing.quantizer.counts import Counts
from alpt_ref.testing.quantizer.fair import add_sums, half_block
from alpt_ref.testing.quantizer.independence import dependent
from alpt_ref.testing.quantizer.probe import Probe
from alpt_ref.testing.quantizer.report import Finding

FULL_PAIRS = 8_000_000
BANDS = 8
SUMMED = 4096


def variance(probe: Probe) -> Finding:
    """Two draws of one element differ with probability 2p(1-p), and sums over a call spread as independent ones."""
    if not probe.stochastic:
        return Finding(None, "dr has no variance")
    if dependent(probe):
        return Finding(None, "elements depend on one another (see independence), so their variance is not counted")
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
        add_sums(counts, f"calls whose sum of {half.p.size} elements", sums, half.p.size, share, probe.resolution)

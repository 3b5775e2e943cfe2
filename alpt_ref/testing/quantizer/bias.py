"""The mean result is x: counts of rounding up against exact probabilities, at all scales of the probability.

Where p, the probability of the neighbour farther away, is about ``2**-j``, a bias of ``2**-j`` shows after a few
``2**j`` elements; so most elements are spent on small p, above and below the value of a code, on either side of zero.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from alpt_ref.testing.quantizer.counts import Counts
from alpt_ref.testing.quantizer.probe import Floats, Mask, Probe, Seen
from alpt_ref.testing.quantizer.report import Finding

LAST_LEVEL = 21
FULL_LEVEL = 50_000_000
"""Elements with p just below ``2**-LAST_LEVEL``, with effort 1; half as many for twice that p, and so on."""
NEAREST_LEVEL = 24
FULL_NEAREST = 30_000_000
"""Elements a float32 number or so beside a value."""
LEAST_LEVEL = 250_000
FULL_ANYWHERE = 16_000_000
BANDS = 8


def unbiased(probe: Probe) -> Finding:
    """Rounding away from the near neighbour happens with its probability, at every scale, side and size of code."""
    if not probe.stochastic:
        return Finding(None, "dr is not unbiased")
    counts = Counts(probe.alpha)
    levels: dict[int, int] = {}
    for level in range(1, NEAREST_LEVEL + 1):
        if level <= LAST_LEVEL or level == NEAREST_LEVEL:
            levels[level] = _count_level(probe, counts, level)
        if counts.bad() is not None and level in (LAST_LEVEL - 1, LAST_LEVEL):
            break
    if counts.bad() is None:
        _count_anywhere(probe, counts)
    bad = counts.bad()
    if bad is not None:
        return Finding(
            False, f"{bad[0]} (p = {bad[1]:.1g} of {len(counts.all)} counts together)", false_alarm=probe.alpha
        )
    return Finding(True, f"{len(counts.all)} counts", detects=_detects(counts), false_alarm=probe.alpha)


def _detects(counts: Counts) -> str:
    effects = [(counts.least_excess(one.trials, one.p), one.p) for one in counts.all if one.what.endswith("all")]
    if not effects:
        return ""
    least, at = min(effects)
    middle = min((effect for effect, p in effects if p > 0.1), default=math.inf)
    small = f"{least:.2g} step (2^{math.log2(least):.1f}) at p = {at:.2g}"
    return f"a bias of {small}, of {middle:.2g} at p = 1/2, in 99 of 100 cases"


# --- small probabilities ----------------------------------------------------------------------------------------------


def elements_of_level(effort: float, level: int) -> int:
    """How many elements `unbiased` looks at with p about ``2**-level``."""
    full = FULL_NEAREST if level > LAST_LEVEL else FULL_LEVEL >> (LAST_LEVEL - level)
    return max(int(full * effort), int(LEAST_LEVEL * min(1.0, 2 * effort)))


def _count_level(probe: Probe, counts: Counts, level: int) -> int:
    """Count the far neighbour where its probability is just below ``2**-level``; the elements looked at."""
    x, above, p = _level_block(probe, level)
    if not p.any():
        return 0
    lower, upper = probe.lattice.neighbours(x)
    far = np.where(above, upper, lower)
    hits, calls = np.zeros(x.shape, np.int64), 0
    wanted = elements_of_level(probe.effort, level)
    while calls * x.size < wanted and not (calls >= 4 and probe.late()):
        draw = probe.next_draw()
        result = probe.call(x, draw)
        calls += 1
        went = result == far
        if not (went | (result == np.where(above, lower, upper))).all():
            went = probe.snapped(Seen(x, draw, result, lower, upper)) == far
        np.add(hits, went, out=hits, casting="unsafe") if went.any() else None
    positive = x > 0
    groups: dict[str, Mask] = {
        "all": np.ones(x.shape, bool), "up": above, "down": ~above,
        "away from zero": above == positive, "towards zero": above != positive,
    }  # fmt: skip
    for name, mask in groups.items():
        trials = int(mask.sum()) * calls
        mean = float(p[mask].mean()) if trials else 0.0
        counts.add(
            f"rounded to the farther value at p just below 2^-{level}, {name}",
            int(hits[mask].sum()),
            trials,
            mean,
            probe.resolution,
        )
    return calls * x.size


def _level_block(probe: Probe, level: int) -> tuple[Floats, Mask, NDArray[np.float64]]:
    """Elements whose farther neighbour has a probability just below ``2**-level``: x, whether it is above, and p."""
    random, lattice, shape = probe.random(f"level{level}"), probe.lattice, probe.block
    want = np.exp2(-level) * (1 - random.random(shape) / 16)
    cells = _fine_cells(probe, random, shape, level)
    above = random.random(shape) < 0.5
    x = probe.between(cells, np.where(above, want, 1 - want))
    up = lattice.up_probability(x)
    p = np.where(above, up, 1 - up)
    good = (p > 0) & (p < 1) & (np.abs(p / want - 1) < 0.1 if level <= LAST_LEVEL else p < 2 * want)
    if not good.any():
        return x, above, np.zeros(shape)
    for row in range(shape[0]) if lattice.rows is not None else ():  # a lattice by row: fill each row by its own
        fill = np.flatnonzero(good[row])
        if len(fill):
            take = np.resize(fill, shape[1])
            x[row], above[row], p[row] = x[row, take], above[row, take], p[row, take]
        else:
            p[row] = 0.0
    if lattice.rows is not None:
        return x, above, p
    take = np.resize(random.permutation(np.flatnonzero(good)), x.size)
    return tuple(array.reshape(-1)[take].reshape(shape) for array in (x, above, p))  # type: ignore[return-value]


def _fine_cells(probe: Probe, random: np.random.Generator, shape: tuple[int, int], level: int) -> NDArray[np.int64]:
    """Columns of cells in which float32 numbers lie so close that p = ``2**-level`` can be had: near zero."""
    lattice = probe.lattice
    reach = max(1, min(lattice.size, 1 << max(0, 21 - level)))
    distance = np.exp2(random.uniform(0, math.log2(reach + 1), shape)).astype(np.int64) - 1
    cells = lattice.zero + np.where(random.random(shape) < 0.5, distance, -1 - distance)
    if lattice.zero in (0, lattice.size - 1) or lattice.table[0, lattice.zero] != 0:
        cells = random.integers(0, lattice.size - 1, size=shape)
    return np.asarray(np.clip(cells, 0, lattice.size - 2))


# --- everywhere -------------------------------------------------------------------------------------------------------


def _count_anywhere(probe: Probe, counts: Counts) -> None:
    """Count rounding up by bands of p, sign and size of the code, on numbers from everywhere."""
    random, blocks = probe.random("anywhere"), 4
    wanted = max(1_000_000, int(FULL_ANYWHERE * probe.effort)) // blocks
    total: dict[str, list[float]] = {}
    for _ in range(blocks):
        x = probe.between(probe.cells(random, probe.block), random.random(probe.block))
        lower, upper = probe.lattice.neighbours(x)
        p, inside = probe.lattice.up_probability(x), lower < upper
        hits, calls = np.zeros(x.shape, np.int64), 0
        while calls * x.size < wanted and not (calls >= 2 and probe.late()):
            draw = probe.next_draw()
            result = probe.call(x, draw)
            np.add(hits, probe.snapped(Seen(x, draw, result, lower, upper)) == upper, out=hits, casting="unsafe")
            calls += 1
        for name, mask in _groups(probe, x, p, inside).items():
            entry = total.setdefault(name, [0, 0, 0.0])
            entry[0] += int(hits[mask].sum())
            entry[1] += int(mask.sum()) * calls
            entry[2] += float(p[mask].sum()) * calls
    for name, (events, trials, mean) in total.items():
        counts.add(f"rounded up, {name}", int(events), int(trials), mean / trials if trials else 0.0, probe.resolution)


def _groups(probe: Probe, x: Floats, p: NDArray[np.float64], inside: Mask) -> dict[str, Mask]:
    band = np.minimum((p * BANDS).astype(np.int64), BANDS - 1)
    end = np.maximum(np.abs(probe.lattice.low), np.abs(probe.lattice.high))
    signs = {"x > 0": inside & (x > 0), "x < 0": inside & (x < 0)}
    groups = {"anywhere, all": inside}
    for name, mask in signs.items():
        groups[name] = mask
        groups |= {f"{name}, p from {k}/{BANDS}": mask & (band == k) for k in range(BANDS)}
        groups[f"{name}, upper half of the range"] = mask & (np.abs(x) > end / 2)
        groups[f"{name}, within a 64th of the range"] = mask & (np.abs(x) < end / 64)
    return groups

"""The mean result is x: counts of rounding up against exact probabilities, at all scales of the probability.

Where p, the probability of the neighbour farther away, is about ``2**-j``, a bias of ``2**-j`` shows after a few
``2**j`` elements; so most elements are spent on small p, above and below the value of a code, on either side of zero.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from alpt_ref.testing.quantizer.counts import Counts
from alpt_ref.testing.quantizer.exact import exact_bias
from alpt_ref.testing.quantizer.independence import dependent
from alpt_ref.testing.quantizer.probe import LITTLE, Mask, Placed, Probe
from alpt_ref.testing.quantizer.report import Finding
from alpt_ref.testing.quantizer.shapes import count_large_calls, count_small_calls

LAST_LEVEL = 21
FULL_LEVEL = 50_000_000
"""Elements with p just below ``2**-LAST_LEVEL``, with effort 1; half as many for twice that p, and so on."""
NEAREST_LEVEL = 24
FULL_NEAREST = 60_000_000
"""Elements a float32 number or so beside a value."""
LEAST_LEVEL = 250_000
LEAST_EVENTS, LAST_SEEN = 40, 14
"""At p down to ``2**-LAST_SEEN`` so many events are awaited at any effort: if there are none it shows."""
FULL_ANYWHERE = 16_000_000
BANDS = 8
MOST_CELLS = 1 << 10
"""Up to so many cells are counted one by one."""
_SHARE_OF_TIME = 1.0
_LONG = 17
_LEVELS = (*range(1, _LONG), NEAREST_LEVEL, *range(LAST_LEVEL, _LONG - 1, -1))
"""The long ones last, those that see most first: the time may end."""


def unbiased(probe: Probe) -> Finding:
    """Rounding away from the near neighbour happens with its probability, at every scale, side and size of code."""
    if not probe.stochastic:
        return Finding(None, "dr is not unbiased")
    exact = exact_bias(probe)
    if exact is not None and not exact.holds:
        return exact
    counts = Counts(0.75 * probe.alpha, by_call=dependent(probe))
    every = Counts(0.25 * probe.alpha)
    count_small_calls(probe, counts, every)
    count_large_calls(probe, counts)
    probe.allow(_SHARE_OF_TIME)
    for level in _LEVELS:
        _count_level(probe, counts, level)
        if level >= _LONG and counts.bad() is not None:
            break
    if counts.bad() is None and every.bad() is None:
        _count_anywhere(probe, counts)
    bad = counts.bad() or every.bad()
    number = counts.number + every.number
    if bad is not None:
        return Finding(False, f"{bad[0]} (p = {bad[1]:.1g} of {number} counts together)", false_alarm=probe.alpha)
    text = f"{number:,} counts" + (f"; {exact.text}" if exact is not None else "")
    if counts.by_call:
        text += "; elements depend on one another, so calls are counted, which see much less"
    return Finding(True, text, detects="" if counts.by_call else _detects(counts), false_alarm=probe.alpha)


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
    least = LEAST_EVENTS << level if effort >= LITTLE and level <= LAST_SEEN else 0
    return max(int(full * effort), int(LEAST_LEVEL * min(1.0, 2 * effort)), least)


def _count_level(probe: Probe, counts: Counts, level: int) -> None:
    """Count the far neighbour where its probability is just below ``2**-level``."""
    placed, above = _level_block(probe, level)
    p = np.where(placed.inside, np.where(above, placed.p, 1 - placed.p), 0.0)
    size, hits, calls = p.size, np.zeros(p.shape, np.int64), 0
    wanted = elements_of_level(probe.effort, level)
    while placed.inside.any() and calls * size < wanted and not (calls >= 4 and probe.late()):
        far = probe.went_up(placed) == above
        calls += 1
        if far.any():
            np.add(hits, far, out=hits, casting="unsafe")
    positive = placed.x > 0
    where = f"at p just below 2^-{level}" if level <= LAST_LEVEL else "right beside a value"
    groups: dict[str, Mask] = {
        "all": placed.inside, "up": above, "down": ~above,
        "away from zero": above == positive, "towards zero": above != positive,
    }  # fmt: skip
    for name, group in groups.items():
        mask = group & placed.inside
        trials = int(mask.sum()) * calls
        what = f"rounded to the farther value {where}, {name}"
        counts.add(
            what, int(hits[mask].sum()), trials, float(p[mask].mean()) if trials else 0.0, probe.resolution, calls
        )


def _level_block(probe: Probe, level: int) -> tuple[Placed, Mask]:
    """Elements whose farther neighbour has a probability just below ``2**-level``; whether that is the upper one."""
    random, lattice = probe.random(f"level{level}"), probe.lattice
    shape = (
        probe.block if probe.effort >= 0.5 else probe.shape(LEAST_LEVEL // 8) if probe.effort >= LITTLE else probe.block
    )
    want = np.exp2(-level) * (1 - random.random(shape) / 16)
    above = random.random(shape) < 0.5
    cells = _fine_cells(probe, random, shape, level)
    placed = probe.place(cells, np.where(above, want, 1 - want))
    if level > LAST_LEVEL:
        placed = placed.off_values(above)
    p = np.where(above, placed.p, 1 - placed.p)
    good = placed.inside & (_near(p, level) if level <= LAST_LEVEL else p > 0)
    if level > LAST_LEVEL and good.any():
        good &= p <= max(2 * float(p[good].min()), np.exp2(1 - level))
    take = np.arange(above.size).reshape(shape)
    for part in [slice(None)] if lattice.rows is None else range(shape[0]):  # a lattice by row: each row by its own
        fill = take[part][good[part]]
        if len(fill):
            take[part] = np.resize(random.permutation(fill), take[part].shape)
    return placed._replace(inside=good).take(take), above.reshape(-1)[take]


def _near(p: NDArray[np.float64], level: int) -> Mask:
    """Just below ``2**-level``, where words that are cut off show at all p alike, or ``2**-level`` if there is none."""
    most = np.exp2(-level)
    near = (p < most) & (p > 0.85 * most)
    return np.asarray(near if near.any() else p == most)  # in coarse cells (float formats) p is a multiple of a power


def _fine_cells(probe: Probe, random: np.random.Generator, shape: tuple[int, int], level: int) -> NDArray[np.int64]:
    """Columns of cells, half of them so near zero that float32 numbers lie as close as p = ``2**-level`` needs."""
    near = probe.near_zero(random, shape, 1 << max(0, 21 - level))
    return np.where(random.random(shape) < 0.5, near, probe.cells(random, shape))


# --- everywhere -------------------------------------------------------------------------------------------------------


def _count_anywhere(probe: Probe, counts: Counts) -> None:
    """Count rounding up by bands of p, sign and size of the code, on numbers from everywhere."""
    random, blocks = probe.random("anywhere"), 4
    wanted = int(max(1_000_000 * min(1.0, 20 * probe.effort), FULL_ANYWHERE * probe.effort)) // blocks
    total: dict[str, list[float]] = {}
    by_cell = np.zeros((3, probe.lattice.size))
    for _ in range(blocks):
        placed = probe.place(probe.cells(random, probe.block), random.random(probe.block))
        hits, calls = np.zeros(placed.p.shape, np.int64), 0
        while calls * hits.size < wanted and not (calls >= 2 and probe.late()):
            np.add(hits, probe.went_up(placed), out=hits, casting="unsafe")
            calls += 1
        if probe.lattice.size <= MOST_CELLS:
            column = probe.lattice.below(placed.x)[placed.inside]
            for row, weights in enumerate((hits, np.full(hits.shape, calls), placed.p * calls)):
                by_cell[row] += np.bincount(column, weights[placed.inside], probe.lattice.size)
        for name, mask in _groups(probe, placed).items():
            entry = total.setdefault(name, [0, 0, 0.0])
            entry[0] += int(hits[mask].sum())
            entry[1] += int(mask.sum()) * calls
            entry[2] += float(placed.p[mask].sum()) * calls
    for name, (events, trials, mean) in total.items():
        p = mean / trials if trials else 0.0
        counts.add(f"rounded up, {name}", int(events), int(trials), p, probe.resolution, calls * blocks)
    for code, (events, trials, mean) in enumerate(by_cell.T, probe.lattice.lowest):
        if trials:
            counts.add(f"rounded up from code {code}", int(events), int(trials), mean / trials, probe.resolution)


def _groups(probe: Probe, placed: Placed) -> dict[str, Mask]:
    x, p, inside = placed.x, placed.p, placed.inside
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

"""Calls of other shapes than the blocks of the long counts: small ones, perhaps the tail of a loop, and large ones.

All elements are fair bits. In small arrays each place is looked at by itself, in large ones the mean and every lag.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from alpt_ref.testing.quantizer.counts import Count, Counts
from alpt_ref.testing.quantizer.fair import half_block
from alpt_ref.testing.quantizer.probe import LITTLE, Mask, Placed, Probe

POOL = 32_768
SMALL = (
    *(
        (1, 1),
        (1, 2),
        (2, 1),
        (1, 3),
        (3, 1),
        (1, 5),
        (2, 3),
        (7, 1),
        (1, 7),
        (3, 3),
        (1, 11),
        (13, 1),
        (3, 5),
        (1, 17),
    ),
    *((5, 4), (19, 1), (1, 23), (29, 1), (2, 16), (1, 33), (5, 7), (37, 1), (6, 8), (9, 7), (1, 65), (33, 3)),
    *((127, 1), (1, 129), (3, 100), (257, 2), (2, 513)),
)
SMALL_COLUMNS = (1, 2, 3, 5, 7, 8, 17, 129)
"""Where the lattice has a step size for each row, which decides the number of rows."""
FEWEST_DRAWS, FULL_DRAWS = 64, 256
LARGE = {"quick": 1 << 18, "full": 1 << 21}
"""Elements of the largest call, below effort 1/2 and from there on."""
UNFAIR = 1e-9


def count_small_calls(probe: Probe, counts: Counts, every: Counts) -> None:
    """Count rounding up in small arrays, of unlike and of equal elements: all together, and each place by itself."""
    draws = FEWEST_DRAWS if probe.effort < 0.5 else FULL_DRAWS
    shapes: Sequence[tuple[int, int]] = (
        SMALL if probe.lattice.rows is None else [(probe.lattice.rows, one) for one in SMALL_COLUMNS]
    )
    if probe.effort < LITTLE:
        shapes = shapes[::4]
    for shape in shapes:
        unlike = fair_elements(probe, shape)
        if unlike is None:
            return
        equal = unlike.take(np.broadcast_to(np.arange(unlike.p.size).reshape(shape)[:, :1], shape))
        ups = np.zeros(shape, np.int64)
        for number in range(draws):
            ups += probe.went_up(equal if number % 4 == 3 else unlike)
        name = f"in arrays of shape {shape}"
        counts.add(f"rounded up at p = 1/2 {name}", int(ups.sum()), ups.size * draws, 0.5, probe.resolution, draws)
        every.add_worst(f"draws in which place {{place}} was rounded up at p = 1/2 {name}", ups, draws)


def count_large_calls(probe: Probe, counts: Counts) -> None:
    """Count rounding up in large arrays."""
    for up in _large(probe):
        what = f"rounded up at p = 1/2 in an array of shape {up.shape}"
        counts.add(what, int(up.sum()), up.size, 0.5, probe.resolution, 1)


def count_lags_of_large_calls(probe: Probe, every: Counts) -> None:
    """Count agreements at every lag of large arrays: words may have a period that is longer than other blocks."""
    for up in _large(probe):
        if Count("", int(up.sum()), up.size, 0.5, 0.0).tail > UNFAIR:
            add_every_lag(every, correlation(up, up)[0], 1, f" in an array of shape {up.shape}")


def large_shapes(probe: Probe) -> list[tuple[int, int]]:
    """Shapes of large calls: the largest one, wide, tall, a row and a column."""
    if probe.effort < LITTLE:
        return []
    least, most = LARGE["quick"], LARGE["quick" if probe.effort < 0.5 else "full"]
    if probe.lattice.rows is not None:
        return [(probe.lattice.rows, max(1, most // probe.lattice.rows))]
    row = least // 2  # our own quantiser takes fewer than 2**18 columns
    return [(most // 1024, 1024), (5, least // 5), (least // 3, 3), (1, row), (least, 1)]


def _large(probe: Probe) -> list[Mask]:
    """Which elements went up, in one call of each large shape; kept for both properties."""
    if probe.large is None:
        found = (fair_elements(probe, shape) for shape in large_shapes(probe))
        probe.large = [probe.went_up(one) for one in found if one is not None]
    return probe.large


def fair_elements(probe: Probe, shape: tuple[int, int]) -> Placed | None:
    """Numbers in the middle of a cell, an array of this shape; None where there is no such float32 number."""
    if probe.lattice.rows is not None:
        return half_block(probe, shape[0] * shape[1], shape[1])
    pool = half_block(probe, POOL)
    if pool is None:
        return None
    return pool.take(probe.random(f"fair{shape}").integers(0, pool.p.size, size=shape))


# --- lags -------------------------------------------------------------------------------------------------------------


def correlation(one: Mask, other: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums over i of signs ``one[i] * other[i + lag]`` and ``one[i + lag] * other[i]``, in order, lag 0 first."""
    size = one.size
    first = np.fft.rfft(np.where(one.reshape(-1), 1.0, -1.0), 2 * size)
    second = first if other is one else np.fft.rfft(np.where(other.reshape(-1), 1.0, -1.0), 2 * size)
    sums = np.rint(np.fft.irfft(np.conj(first) * second, 2 * size))
    return sums[:size], np.concatenate([sums[:1], sums[:size:-1]])


def add_every_lag(counts: Counts, sums: NDArray[np.float64], draws: int, where: str) -> None:
    """Agreements at every lag up to half of the elements, from sums of products of signs over so many draws."""
    lags = np.arange(1, sums.size // 2 + 1)
    if draws < 1 or not lags.size:
        return
    trials = (sums.size - lags) * draws
    agree = (sums[lags] + trials) / 2
    place = int(np.argmax(np.abs(sums[lags]) / np.sqrt(trials)))
    what = f"elements {int(lags[place]):,} places apart that agree{where}"
    counts.all.append(Count(what, int(agree[place]), int(trials[place]), 0.5, 0.0, 0, lags.size))

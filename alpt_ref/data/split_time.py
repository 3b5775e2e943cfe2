"""A split by time: the earliest rows train, later ones validate, the latest test; no moment is divided between parts.

The shares are met as nearly as equal times allow: a cut moves to the nearest edge between two distinct times, to the
earlier one of two that are equally near, and never to before the first time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.splits import split_counts
from alpt_ref.errors import InputError

Blocks = Callable[[], Iterable[NDArray[np.int64]]]
"""Called for every pass: the times of all rows, some at a time."""
_BITS = 16
_SIGN = np.uint64(1 << 63)


def time_split(times: NDArray[np.int64], split: tuple[int, int, int] = (8, 1, 1)) -> NDArray[np.uint8]:
    """Split rows by their times, which may stand in any order.

    Parameters
    ----------
    times : int64 array (rows,)
    split : three ints
        Shares of train, valid and test.

    Returns
    -------
    uint8 array (rows,)
        0 train, 1 valid, 2 test. Rows of one time are in one part.

    Raises
    ------
    InputError
        `times` are no whole numbers, one a row, or `split` is no three shares.

    Examples
    --------
    >>> time_split(np.array([30, 10, 20, 20, 20, 40]), (3, 1, 1)).tolist()
    [1, 0, 0, 0, 0, 2]
    """
    array = np.asarray(times)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InputError(f"times must be whole numbers, one a row, got {array.dtype} of shape {array.shape}")
    array = array.astype(np.int64)
    return parts_by(array, cut_times(lambda: [array], len(array), split))


def parts_by(times: NDArray[np.int64], cuts: tuple[int, int]) -> NDArray[np.uint8]:
    """0 up to the first cut, 1 up to the second, else 2: uint8 array (rows,)."""
    return (times > cuts[0]).astype(np.uint8) + (times > cuts[1])


def cut_times(blocks: Blocks, rows: int, split: tuple[int, int, int]) -> tuple[int, int]:
    """The last time of the training and of the validation part, in passes over the times in bounded memory."""
    train, valid, _ = split_counts(rows, split)
    first = _cut(blocks, rows, train, keep=1)
    return first, max(first, _cut(blocks, rows, train + valid, keep=0))


def _cut(blocks: Blocks, rows: int, wanted: int, keep: int) -> int:
    """The time up to which there are about `wanted` rows, at least `keep`."""
    place = order_statistic(blocks, min(wanted, rows - 1))
    if wanted >= rows:
        return place
    below = sum(int(np.count_nonzero(times < place)) for times in blocks())
    upto = sum(int(np.count_nonzero(times <= place)) for times in blocks())
    return place if below < keep or upto - wanted < wanted - below else place - 1


def order_statistic(blocks: Blocks, rank: int) -> int:
    """The value of this rank (from 0) among all, by four passes that each settle 16 bits.

    Examples
    --------
    >>> order_statistic(lambda: [np.array([5, -7]), np.array([3])], 1)
    3
    """
    prefix, settled = 0, 64
    while settled:
        settled -= _BITS
        histogram = np.zeros(1 << _BITS, dtype=np.int64)
        for times in blocks():
            keys = np.ascontiguousarray(times, dtype=np.int64).view(np.uint64) ^ _SIGN  # in the order of the numbers
            if settled + _BITS < 64:
                keys = keys[keys >> np.uint64(settled + _BITS) == np.uint64(prefix)]
            digits = (keys >> np.uint64(settled)) & np.uint64((1 << _BITS) - 1)
            histogram += np.bincount(digits.astype(np.int64), minlength=1 << _BITS)
        ends = np.cumsum(histogram)
        digit = int(np.searchsorted(ends, rank, side="right"))
        rank -= int(ends[digit] - histogram[digit])
        prefix = prefix << _BITS | digit
    return prefix - (1 << 63)

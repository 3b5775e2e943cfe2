"""Splits of the rows into training, validation and test part: at random, stratified by the label, by folds, in order.

Each is a uint8 array of 0 train, 1 valid, 2 test, and a function of its arguments alone. `split_time` splits by time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError

_STREAM = 0x53504C4954  # second word of the Philox key
_FOLD_STREAM = 0x464F4C44
MIN_FOLDS = 3
"""One part to test on, one to validate on, one to train on."""


def check_seed(seed: int) -> int:
    """`seed` as an int, or InputError where it is no 64-bit whole number."""
    return _check.whole_number("seed", seed, 0, 2**64)


def keyed_generator(seed: int, stream: int, block: int = 0) -> np.random.Generator:
    """Generator of its own for each (seed, stream, block); blocks lie 2**128 counter values apart."""
    key, counter = np.array([seed, stream], dtype=np.uint64), np.array([0, 0, block, 0], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def split_counts(rows: int, split: tuple[int, int, int]) -> tuple[int, int, int]:
    """Rows of each part: proportional, what is left over going to the largest fractions (ties: the earlier part).

    Raises
    ------
    InputError
        `split` is not three whole numbers with a training share of at least 1.

    Examples
    --------
    >>> split_counts(45_840_617, (8, 1, 1))
    (36672493, 4584062, 4584062)
    """
    shares = tuple(split) if isinstance(split, Iterable) else ()
    if len(shares) != 3 or any(isinstance(s, bool) or not isinstance(s, (int, np.integer)) or s < 0 for s in shares):
        raise InputError(f"split must be three whole numbers of at least 0 such as (8, 1, 1), got {split!r}")
    if shares[0] < 1:
        raise InputError(f"split must give the training part a share of at least 1, got {split!r}")
    counts = [rows * share // sum(shares) for share in shares]
    by_fraction = sorted(range(3), key=lambda part: -(rows * shares[part] % sum(shares)))
    for part in by_fraction[: rows - sum(counts)]:
        counts[part] += 1
    return counts[0], counts[1], counts[2]


def random_split(rows: int, split: tuple[int, int, int] = (8, 1, 1), seed: int = 0) -> NDArray[np.uint8]:
    """Exact shares in a seeded random order: uint8 array (rows,) of 0 train, 1 valid, 2 test."""
    parts = np.repeat(np.arange(3, dtype=np.uint8), split_counts(rows, split))
    keyed_generator(check_seed(seed), _STREAM).shuffle(parts)
    return parts


def order_split(rows: int, split: tuple[int, int, int] = (8, 1, 1)) -> NDArray[np.uint8]:
    """Exact shares in the order of the rows, the first ones to train on: uint8 array (rows,).

    Examples
    --------
    >>> order_split(5, (3, 1, 1)).tolist()
    [0, 0, 0, 1, 2]
    """
    return np.repeat(np.arange(3, dtype=np.uint8), split_counts(rows, split))


def stratified_split(
    labels: NDArray[np.uint8], split: tuple[int, int, int] = (8, 1, 1), seed: int = 0
) -> NDArray[np.uint8]:
    """Exact shares of each class, in a seeded random order: uint8 array (rows,).

    Parameters
    ----------
    labels : uint8 array (rows,)
        0 or 1.
    split : three ints
    seed : int

    Raises
    ------
    InputError
        An argument is outside its range, or a class has too few rows for every part that has a share.
    """
    parts = np.empty(len(labels), dtype=np.uint8)
    check_seed(seed)
    for label in np.unique(labels).tolist():
        of_class = np.flatnonzero(labels == label)
        counts = split_counts(len(of_class), split)
        if any(share and not count for share, count in zip(split, counts, strict=True)):
            raise InputError(
                f"class {label} has {len(of_class):,} rows, too few for one in every part of "
                f"{':'.join(map(str, split))}; give the small parts a larger share, or leave out stratify"
            )
        own = np.repeat(np.arange(3, dtype=np.uint8), counts)
        keyed_generator(seed, _STREAM, 1 + label).shuffle(own)
        parts[of_class] = own
    return parts


def check_folds(folds: int) -> int:
    """`folds` as an int, or InputError where it is neither 0 (a random split) nor at least `MIN_FOLDS`."""
    whole = not isinstance(folds, bool) and isinstance(folds, (int, np.integer))
    if not whole or (folds != 0 and folds < MIN_FOLDS):
        raise InputError(f"folds must be 0 (a random split) or a whole number of at least {MIN_FOLDS}, got {folds!r}")
    return int(folds)


def fold_split(rows: int, folds: int, seed: int = 0, labels: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """K-fold cross-validation: part ``seed % folds`` tests, the next one validates, the others train.

    The rows are cut into `folds` parts, the same for every seed, in an order that depends on `rows` and `folds` alone;
    sizes differ by at most one. So seeds 0 to ``folds - 1`` test every row exactly once.

    Parameters
    ----------
    rows : int
    folds : int
        At least 3.
    seed : int
    labels : uint8 array (rows,), optional
        Stratify: the rows of each class are cut apart, so that its rows in two parts differ by at most one.

    Returns
    -------
    uint8 array (rows,)
        0 train, 1 valid, 2 test.

    Raises
    ------
    InputError
        An argument is outside its range, or there are fewer rows, or with `labels` rows of a class, than folds.
    """
    if check_folds(folds) == 0:
        raise InputError(f"folds must be a whole number of at least {MIN_FOLDS}, got {folds!r}")
    if folds > rows:
        raise InputError(f"folds must be at most the number of rows, {rows:,}, got {folds}; ask for fewer folds")
    test = check_seed(seed) % folds
    order = np.resize(np.arange(folds, dtype=np.min_scalar_type(folds - 1)), rows)
    if labels is None:
        keyed_generator(0, _FOLD_STREAM).shuffle(order)
    else:
        order = _shuffled_by_class(order, labels, folds)
    parts = np.zeros(rows, dtype=np.uint8)
    parts[order == (test + 1) % folds] = 1
    parts[order == test] = 2
    return parts


def _shuffled_by_class(order: NDArray[Any], labels: NDArray[np.uint8], folds: int) -> NDArray[Any]:
    """Parts of the rows of one class after those of the other, so that all parts stay equal within one row."""
    out, first = np.empty_like(order), 0
    for label in np.unique(labels).tolist():
        of_class = np.flatnonzero(labels == label)
        if len(of_class) < folds:
            raise InputError(
                f"class {label} has {len(of_class):,} rows, fewer than the {folds} folds; "
                "ask for fewer folds, or leave out stratify"
            )
        own = order[first : first + len(of_class)].copy()
        keyed_generator(0, _FOLD_STREAM, 1 + label).shuffle(own)
        out[of_class] = own
        first += len(of_class)
    return out

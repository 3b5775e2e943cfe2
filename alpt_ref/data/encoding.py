"""The arguments of an encoding: checked, written down in ``info["encoding"]``, and the split that they describe.

One rule for rows in RAM and for those that lie in pieces on a disk: what is asked of the rows are their number and,
where the split needs them, labels, times and the parts that the files were given as, some rows at a time.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.fields import PARTS
from alpt_ref.data.formats.coded import DATES, WHOLE_TIMES
from alpt_ref.data.formats.moments import FROM_1990, SINCE_1970, TO_2040
from alpt_ref.data.split_time import cut_times, parts_by
from alpt_ref.data.splits import (
    check_folds,
    check_seed,
    fold_split,
    order_split,
    random_split,
    split_counts,
    stratified_split,
)
from alpt_ref.data.vocabulary import check_min_count
from alpt_ref.errors import AlptWarning, InputError

VocabularyRows = Literal["train", "all"]
By = Literal["random", "order", "time", "files"]
BY = ("random", "order", "time", "files")
DEFAULT_MIN_COUNT: Mapping[str, int] = {"criteo": 10, "avazu": 2, "libfm": 1, "movielens": 1}
"""Least count of a category, by kind of source."""
DEFAULT_SPLIT = (8, 1, 1)


class SplitWarning(AlptWarning):
    """A part of the data has labels of one class, or the times by which rows are split seem to be of two units."""


@dataclass(frozen=True)
class RowFacts:
    """What a split may need to know of the rows.

    Parameters
    ----------
    rows : int
    labels : callable
        Called for every pass: the labels of all rows, uint8, some at a time.
    times : callable, optional
        The same of their times, int64.
    parts : uint8 array (rows,), optional
        The part whose file each row is of.
    weights : callable, optional
        As `labels`, float32: a part needs rows of weight above 0.
    time_kinds : int
        Of the times, as of `CodedRows`; 0: not known.
    """

    rows: int
    labels: Callable[[], Iterable[NDArray[np.uint8]]]
    times: Callable[[], Iterable[NDArray[np.int64]]] | None = None
    parts: NDArray[np.uint8] | None = None
    weights: Callable[[], Iterable[NDArray[np.float32]]] | None = None
    time_kinds: int = 0

    def all_labels(self) -> NDArray[np.uint8]:
        """Uint8 array (rows,)."""
        return np.concatenate(list(self.labels()))


def check_encoding(
    min_count: int | None, vocabulary: str, split: tuple[int, int, int], seed: int, folds: int = 0
) -> None:
    """InputError where an argument of `RawClicks.encode` is outside its range."""
    if vocabulary not in ("train", "all"):
        raise InputError(f"vocabulary must be 'train' or 'all', got {vocabulary!r}")
    if min_count is not None:
        check_min_count(min_count)
    split_counts(0, split)
    check_seed(seed)
    if check_folds(folds) and tuple(split) != DEFAULT_SPLIT:
        raise InputError(f"split must be left out with folds, which set its shares, got {split!r}")


def encoding_info(
    kind: str | None,
    min_count: int | None,
    vocabulary: str,
    split: tuple[int, int, int],
    seed: int,
    folds: int = 0,
    by: By | None = None,
    stratify: bool = False,
    given: Iterable[str] | None = None,
) -> dict[str, Any]:
    """The checked arguments of `RawClicks.encode` as they stand in a dataset's info.

    Parameters
    ----------
    kind, min_count, vocabulary, split, seed, folds, by, stratify
        As in `RawClicks.encode`; the kind of the source decides the default least count.
    given : parts, optional
        Which parts the files were given as, if they were; the split is theirs then.
    """
    least = DEFAULT_MIN_COUNT.get(str(kind), 1) if min_count is None else min_count
    check_encoding(min_count, vocabulary, split, seed, folds)
    rule = _check_rule(by, stratify, folds, None if given is None else set(given))
    info: dict[str, Any] = {"min_count": int(least), "vocabulary": vocabulary}
    shares = {"split": [int(share) for share in split]}
    if folds:
        info |= {"folds": int(folds), "fold": int(seed % folds)}
    elif rule == "random":
        info |= {**shares, "seed": int(seed)}
    elif rule == "files":
        info |= {"by": rule, **({} if "valid" in set(given or ()) else {**shares, "seed": int(seed)})}
    else:
        info |= {**shares, "by": rule}
    return {**info, "stratify": True} if stratify else info


def _check_rule(by: By | None, stratify: bool, folds: int, given: set[str] | None) -> str:
    if by is not None and by not in BY:
        raise InputError(f"by must be one of {', '.join(BY)}, got {by!r}")
    if not isinstance(stratify, bool):
        raise InputError(f"stratify must be True or False, got {stratify!r}")
    rule = by or ("random" if given is None else "files")
    if given is not None and (rule != "files" or folds):
        raise InputError(
            "files that are given as train, valid and test are the split themselves; leave out "
            f"{'folds' if folds else f'by={by!r}'}, or give all files as one"
        )
    if given is None and rule == "files":
        raise InputError("by='files' needs files that are given as train, valid and test; name the files of each part")
    if given is not None and "train" not in given:
        raise InputError("no file is given as the training part; name at least one with train (--train)")
    if folds and rule != "random":
        raise InputError(f"folds are drawn at random; leave out by={by!r} or folds")
    if stratify and (rule in ("time", "order") or (given is not None and "valid" in given)):
        raise InputError(f"stratify is for rows that are drawn at random, not for a split by {rule}; leave it out")
    return rule


def split_rows(facts: RowFacts, encoding: Mapping[str, Any]) -> NDArray[np.uint8]:
    """The split that a dataset's ``info["encoding"]`` describes: uint8 array (rows,) of 0 train, 1 valid, 2 test.

    Raises
    ------
    InputError
        There are fewer rows than folds or too few of a class, no times, or a part is left without rows.

    Warns
    -----
    SplitWarning
        A part to evaluate on has labels of one class, so that it has no AUC; times seem to be of two units.
    """
    by, stratify = encoding.get("by", "random"), bool(encoding.get("stratify"))
    if "folds" in encoding:
        return fold_split(facts.rows, encoding["folds"], encoding["fold"], facts.all_labels() if stratify else None)
    shares = encoding.get("split", DEFAULT_SPLIT)
    if by == "random":
        if stratify:
            return stratified_split(facts.all_labels(), shares, encoding["seed"])
        return random_split(facts.rows, shares, encoding["seed"])
    if by == "files":
        parts = _parts_of_files(facts, encoding, shares, stratify)
    elif by == "order":
        parts = order_split(facts.rows, shares)
    else:
        if facts.times is None:
            raise InputError("a split by time needs a time of every row; name the time's column in the schema (time)")
        if facts.time_kinds == WHOLE_TIMES | DATES:
            raise InputError(
                "a split by time needs times of one kind, these are whole numbers in some rows and dates in others, "
                "which have no common order; write them alike, or split in another way, such as by order"
            )
        _warn_of_two_units(facts)
        cuts = cut_times(facts.times, facts.rows, shares)
        parts = np.concatenate([parts_by(times, cuts) for times in facts.times()])
    _check_parts(facts, parts, by, shares)
    return parts


def _warn_of_two_units(facts: RowFacts) -> None:
    """SplitWarning where all times are whole numbers since 1970 by their size, some in other units than others."""
    if facts.times is None or facts.time_kinds & DATES:
        return
    counts = dict.fromkeys(SINCE_1970, 0)
    for times in facts.times():
        for unit, scale in SINCE_1970.items():
            counts[unit] += int(np.count_nonzero((times >= FROM_1990 * scale) & (times <= TO_2040 * scale)))
    found = {unit: count for unit, count in counts.items() if count}
    if len(found) > 1 and sum(found.values()) == facts.rows:
        units = ", ".join(f"{unit} since 1970 in {count:,} rows" for unit, count in found.items())
        warnings.warn(
            f"by their size times are {units}: a split by time takes the larger numbers for later ones; write all "
            "times in one unit",
            SplitWarning,
            stacklevel=3,
        )


def time_info(facts: RowFacts, parts: NDArray[np.uint8]) -> dict[str, Any]:
    """``{"time": {"train": [first, last], ...}}``: the times of each part that has rows; {} where rows have none."""
    if facts.times is None:
        return {}
    found: dict[str, list[int]] = {}
    first = 0
    for times in facts.times():
        own = parts[first : first + len(times)]
        first += len(times)
        for name, part in PARTS.items():
            inside = times[own == part]
            if len(inside):
                low, high = found.get(name, [int(inside[0]), int(inside[0])])
                found[name] = [min(low, int(inside.min())), max(high, int(inside.max()))]
    return {"time": found}


def _parts_of_files(
    facts: RowFacts, encoding: Mapping[str, Any], shares: tuple[int, int, int], stratify: bool
) -> NDArray[np.uint8]:
    if facts.parts is None:
        raise InputError("by='files' needs files that are given as train, valid and test; name the files of each part")
    parts = facts.parts.copy()
    if "seed" in encoding:  # no file to validate on: some of the training rows
        of_train, seed = np.flatnonzero(parts == PARTS["train"]), encoding["seed"]
        two = (shares[0], shares[1], 0)
        drawn = stratified_split(facts.all_labels()[of_train], two, seed) if stratify else None
        parts[of_train] = random_split(len(of_train), two, seed) if drawn is None else drawn
    return parts


def _check_parts(facts: RowFacts, parts: NDArray[np.uint8], by: str, shares: tuple[int, int, int]) -> None:
    """InputError or SplitWarning where a part has no rows, or those of one class."""
    counts, first = np.zeros((3, 2), dtype=np.int64), 0
    weights = None if facts.weights is None else iter(facts.weights())
    for labels in facts.labels():
        both = 2 * parts[first : first + len(labels)].astype(np.int64) + labels
        both = both if weights is None else both[next(weights) > 0]
        counts += np.bincount(both, minlength=6).reshape(3, 2)
        first += len(labels)
    for name, part in PARTS.items():
        wanted = name == "train" or (by != "files" and shares[part] > 0)
        if wanted and not counts[part].any():
            raise InputError(
                f"a split by {by} leaves the {name} part without rows{' of weight above 0' * (weights is not None)} "
                f"({facts.rows:,} rows in all"
                + (f", shares {':'.join(map(str, shares))}" if by != "files" else "")
                + "); give it a larger share or other files, or split at random"
            )
    for name, part in PARTS.items():
        if np.count_nonzero(counts[part]) == 1:
            what = f"the {name} part of a split by {by} has labels of one class, {int(counts[part].argmax())}"
            if name == "train":
                raise InputError(f"{what}, from which nothing can be learnt; split the rows in another way")
            warnings.warn(f"{what}, so that it has no AUC", SplitWarning, stacklevel=3)

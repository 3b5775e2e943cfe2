"""The rows of a run that goes on: their ids in its vocabulary, the new ones that earn a row, rows that are given up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.data.growth import Growth, translation
from alpt_ref.errors import InputError
from alpt_ref.training.checkpoint import Checkpoint
from alpt_ref.training.weights import counted_rows

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.data.vocabulary import Vocabulary

AGE = "vocabulary/age"
"""Array of a finished run: runs since a training row held each id, int32 (n,); absent where there was one run."""
_ROWS_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class InitFrom:
    """Which run a new one goes on from, and which ids have rows.

    Parameters
    ----------
    run : path
        Output folder of a finished run.
    min_count : int, optional
        Least count of a new category in the new training rows that earns it a row; default as in the run.
    evict_after : int, optional
        Give up rows whose category no training row has held in this many runs one after the other, the new one
        included; default: none.
    """

    run: str | Path
    min_count: int | None = None
    evict_after: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("min_count", "evict_after"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _check.whole_number(name, getattr(self, name), 1))


def by_sizes(before: Checkpoint, dataset: ClickDataset, init: InitFrom) -> Growth:
    """Without vocabularies an id means the same in both: those past the end of a field are new."""
    if init.evict_after is not None or init.min_count is not None:
        raise InputError("min_count and evict_after need a vocabulary, which neither the run nor the data have")
    sizes = tuple(int(size) for size in before.meta["field_sizes"])
    more = [now - old for old, now in zip(sizes, dataset.field_sizes, strict=True)]
    if min(more) < 0:
        raise InputError(f"field_sizes of the data must be at least the run's {sizes}, got {dataset.field_sizes}")
    return Growth.of(sizes, more)


def by_vocabulary(
    before: Checkpoint, vocabulary: Vocabulary, dataset: ClickDataset, init: InitFrom
) -> tuple[ClickDataset, Growth, NDArray[np.int32]]:
    """The data with the run's ids and fresh ones, the growth, and the ages of the new table's rows."""
    own = dataset.vocabulary
    assert own is not None
    counts, offsets = _train_counts(dataset), dataset.field_offsets
    age, keep = before.arrays.get(AGE, np.zeros(sum(vocabulary.field_sizes), np.int32)), None
    if init.evict_after is not None:
        stays = _aged(age, translation(own, vocabulary), counts) < init.evict_after
        stays[_firsts(vocabulary.field_sizes)] = True
        keep = np.split(stays, np.cumsum(vocabulary.field_sizes)[:-1])
    fields = range(dataset.fields)
    grown, growth = vocabulary.extended(
        [own._arrow(one) for one in fields],
        [counts[offsets[one] + 1 : offsets[one + 1]] for one in fields],
        _least(before, init.min_count),
        keep,
    )
    where = translation(own, grown)
    age = _aged(age[growth.origin], where, counts)  # fresh rows are held by training rows
    if grown.field_sizes == dataset.field_sizes and np.array_equal(where, np.arange(len(where))):
        return dataset, growth, age  # encoded with this very vocabulary: a store stays on the disk
    ids = np.empty(dataset.ids.shape, np.uint32)
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        ids[rows] = where[dataset.ids[rows]]
    encoding = {**dataset.info.get("encoding", {}), "vocabulary": "grown"}
    encoding["min_count"] = _encoded(before) if init.min_count is None else int(init.min_count)
    info = {**dataset.info, "encoding": encoding}
    translated = replace(dataset, ids=ids, field_sizes=grown.field_sizes, vocabulary=grown, info=info, files=None)
    return translated, growth, age


def _aged(age: NDArray[np.int32], ids: NDArray[np.uint32], counts: NDArray[np.int64]) -> NDArray[np.int32]:
    """Ages after a run whose training rows hold `ids` (of `age`'s table) so often."""
    return np.where(np.bincount(ids, counts, len(age)) > 0, 0, age + 1).astype(np.int32)


def schema_of_run(before: Checkpoint) -> dict[str, Any] | None:
    """The schema by which the run's rows were read, None where a format or a generator brought them."""
    schema: dict[str, Any] | None = before.meta.get("info", {}).get("schema")
    return schema


def check_schema(before: Checkpoint, dataset: ClickDataset) -> None:
    """InputError where both were read by a schema and a field means something else in the other."""
    there, here = schema_of_run(before), dataset.info.get("schema")
    if there is None or here is None:
        return

    def meaning(schema: dict[str, Any]) -> dict[str, Any]:
        free = ("min_count", "column")  # neither says what a category means
        return {one["name"]: {k: v for k, v in one.items() if k not in free} for one in schema["fields"]}

    old, new = meaning(there), meaning(here)
    for name, spec in old.items():
        if new.get(name) != spec:
            raise InputError(f"field {name} must be read as in the run, {spec}, got {new.get(name)}; use its schema")


def _encoded(before: Checkpoint) -> int:
    return int(before.meta.get("info", {}).get("encoding", {}).get("min_count", 1))


def _least(before: Checkpoint, given: int | None) -> list[int]:
    """Least count of a new category, for each field: the one given, or the run's schema's, or the run's."""
    names, default = before.meta["field_names"], _encoded(before)
    if given is not None:
        return [int(given)] * len(names)
    own = {one["name"]: one.get("min_count") for one in (schema_of_run(before) or {}).get("fields", ())}
    return [int(own.get(name) or default) for name in names]


def _firsts(sizes: tuple[int, ...]) -> NDArray[np.int64]:
    """Out-of-vocabulary id of each field."""
    return np.cumsum([0, *sizes[:-1]])


def _train_counts(dataset: ClickDataset) -> NDArray[np.int64]:
    """How often the training rows hold each id, int64 (n,)."""
    rows, counts = counted_rows(dataset, "train"), np.zeros(dataset.n, np.int64)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        ids = dataset.ids[rows[start : start + _ROWS_AT_ONCE]]
        counts += np.bincount(ids.reshape(-1), minlength=dataset.n)
    return counts

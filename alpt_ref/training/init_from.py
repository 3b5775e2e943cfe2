"""A run that goes on from another: its tested state, with rows for the new ids of the new data.

Kept: every row of the table with its codes, step sizes and optimiser state, the dense part with the running statistics
of batch normalisation, and the dense optimiser's state. New ids get fresh rows (`tables.growth`). The schedule, the
epochs and the history begin anew, and so do the table's statistics. Within the run nothing else is different: a
checkpoint holds all of it, and the data are translated in the same way when it is resumed.

A category earns a row if the new training rows hold it often enough; rows that no training row of the last runs has
held may be given up (`InitFrom.evict_after`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref._util.files import read_json, write_json
from alpt_ref._util.sealed import digest_of
from alpt_ref.data.growth import Growth, translation
from alpt_ref.errors import InputError
from alpt_ref.tables.growth import grown_state
from alpt_ref.training.build import State, split_state
from alpt_ref.training.checkpoint import FINAL, Checkpoint, read_folder, read_manifest
from alpt_ref.training.config import RunConfig, canonical
from alpt_ref.training.weights import counted_rows

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.data.vocabulary import Vocabulary
    from alpt_ref.training.engine import Engine

RECORD = "init_from.json"
"""In the output folder: which run it began from."""
AGE = "vocabulary/age"
"""Array of a finished run: runs since a training row held each id, int32 (n,); absent where there was one run."""
MAY_CHANGE: Mapping[str, tuple[str, ...]] = {
    "table": ("lr", "step_lr", "clip_lr", "weight_decay"),
    "model": ("lr", "weight_decay"),
}
"""Settings outside ``[train]`` that a run which goes on may have of its own: they have no part in what is kept."""
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
                _check.whole_number(name, getattr(self, name), 1)


@dataclass(frozen=True)
class Start:
    """Where a run begins that goes on from another.

    Attributes
    ----------
    dataset : ClickDataset
        The new rows, with the ids of the new table.
    growth : Growth
    record : dict
        JSON values: what tells this beginning from any other, and what was added and given up.
    age : int32 array (n,) or None
        Runs since a training row held each id.
    """

    dataset: ClickDataset
    growth: Growth
    record: dict[str, Any]
    age: NDArray[np.int32] | None
    _before: Checkpoint = field(repr=False)

    def load_into(self, engine: Engine) -> None:
        """Put the state of the run before into an engine made for the new data."""
        state, own = self._before.arrays, engine.state()
        given = {name: array for name, array in state.items() if name.startswith(("model/", "optimizer/"))}
        table = split_state({k: v for k, v in state.items() if k.startswith("table/")}, ("table",))["table"]
        grown: State = {f"table/{name}": array for name, array in grown_state(engine.table, table, self.growth).items()}
        rest = ("statistics/",) if self.keeps_optimizer else ("statistics/", "optimizer/")
        kept = {name: array for name, array in own.items() if name.startswith(rest)}
        engine.load_state(grown | given | kept)

    def __str__(self) -> str:
        """What was kept, added and given up, in words."""
        growth, run = self.growth, self._before.meta["dataset"]
        removed = f", {sum(growth.removed):,} given up" if sum(growth.removed) else ""
        kept = len(growth.origin) - sum(growth.added)
        return f"goes on from the run on {run}: {kept:,} ids kept, {sum(growth.added):,} added{removed}"

    def for_the_next(self) -> State:
        """Arrays that the finished run keeps for one that goes on from it."""
        return {} if self.age is None else {AGE: self.age}

    @property
    def keeps_optimizer(self) -> bool:
        """Whether the run before has left the dense optimiser's state; those of releases up to 0.2 have not."""
        return any(name.startswith("optimizer/") for name in self._before.arrays)


def run_to_continue(run: str | Path) -> Checkpoint:
    """The tested state of a finished run.

    Raises
    ------
    InputError
        There is none, or it is damaged.
    """
    folder = Path(run)
    folder = folder / FINAL if (folder / FINAL).is_dir() else folder
    if not (folder / "checkpoint.json").exists():
        raise InputError(f"{run} holds no finished run; name an output folder of `alpt-ref train` that has a result")
    content = read_folder(folder)
    if not content.meta.get("finished"):
        raise InputError(f"{run} holds a run that is not finished; finish it first with --resume")
    return content


def check_continuable(there: RunConfig, here: RunConfig) -> None:
    """InputError where the new configuration asks for another model or table than the run has."""
    old, new = canonical(there), canonical(here)
    for section, free in MAY_CHANGE.items():
        for name in sorted({*old[section], *new[section]} - set(free)):
            before, now = old[section].get(name), new[section].get(name)
            if before != now:
                also = ", ".join(f"{part}.{one}" for part, names in MAY_CHANGE.items() for one in names)
                raise InputError(
                    f"{section}.{name} must be {before!r} as in the run that is continued, got {now!r}: model and "
                    f"table stay as they are; settings of train and {also} may change"
                )


def start_from(init: InitFrom | str | Path, config: RunConfig, dataset: ClickDataset) -> Start:
    """Read the run, and translate the data to its ids and fresh ones.

    Parameters
    ----------
    init : InitFrom or path
    config : RunConfig
        Of the new run.
    dataset : ClickDataset
        The new rows with the vocabulary that they were encoded with, or, where the run had none, with ids that mean the
        same as in the run. Categories that it has no id of its own for are unknown here too.

    Raises
    ------
    InputError
        The run cannot be continued with these settings or data.
    """
    init = init if isinstance(init, InitFrom) else InitFrom(init)
    before = run_to_continue(init.run)
    check_continuable(before.config, config)
    names = tuple(before.meta["field_names"])
    if dataset.field_names != names:
        raise InputError(
            f"the data must have the run's fields {', '.join(names)}, got {', '.join(dataset.field_names)}"
        )
    _check_schema(before, dataset)
    vocabulary = before.vocabulary
    if (vocabulary is None) != (dataset.vocabulary is None):
        which = "the run has a vocabulary and the data have none" if vocabulary else "the data have a vocabulary"
        raise InputError(f"ids of the run and of the data must mean the same: {which}; bring both from raw rows")
    if vocabulary is None:
        age, growth = None, _by_sizes(before, dataset, init)
        translated = dataset
    else:
        translated, growth, age = _by_vocabulary(before, vocabulary, dataset, init)
    manifest = read_manifest(Path(init.run) / FINAL if (Path(init.run) / FINAL).is_dir() else Path(init.run))
    identity = {"files": manifest["files"], "min_count": init.min_count, "evict_after": init.evict_after}
    record = {
        "sha256": digest_of(identity),
        "fingerprint": before.meta["fingerprint"],
        "runs": int((before.meta.get("init_from") or {}).get("runs", 1)) + 1,
        "added": growth.added,
        "removed": growth.removed,
    }
    return Start(translated, growth, record, age, before)


def _by_sizes(before: Checkpoint, dataset: ClickDataset, init: InitFrom) -> Growth:
    """Without vocabularies an id means the same in both: those past the end of a field are new."""
    if init.evict_after is not None or init.min_count is not None:
        raise InputError("min_count and evict_after need a vocabulary, which neither the run nor the data have")
    sizes = tuple(int(size) for size in before.meta["field_sizes"])
    more = [now - old for old, now in zip(sizes, dataset.field_sizes, strict=True)]
    if min(more) < 0:
        raise InputError(f"field_sizes of the data must be at least the run's {sizes}, got {dataset.field_sizes}")
    return Growth.of(sizes, more)


def _by_vocabulary(
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


def _check_schema(before: Checkpoint, dataset: ClickDataset) -> None:
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


def difference(folder: Path, start: Start | None) -> str | None:
    """What an output folder's run began from where that is something else, in words; None where it is the same."""
    there = read_json(folder / RECORD)
    before = None if there is None else there.get("sha256")
    now = None if start is None else start.record["sha256"]
    if before == now:
        return None
    if there is None:
        return "the same configuration that began from no other run"
    return "another beginning: it went on from another run, or with another min_count or evict_after"


def keep_record(folder: Path, start: Start | None) -> None:
    """Write which run this one began from."""
    if start is not None:
        write_json(folder / RECORD, start.record)

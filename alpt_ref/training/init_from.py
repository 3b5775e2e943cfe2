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
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.files import path_of, read_json, write_json
from alpt_ref._util.sealed import digest_of
from alpt_ref.data.growth import Growth
from alpt_ref.errors import InputError
from alpt_ref.tables.growth import check_growable, grown_state
from alpt_ref.tables.make import table_class
from alpt_ref.training.build import State, split_state
from alpt_ref.training.checkpoint import FINAL, PACKED, Checkpoint, read_folder, read_manifest
from alpt_ref.training.config import RunConfig, canonical
from alpt_ref.training.new_ids import AGE, by_sizes, by_vocabulary, check_schema
from alpt_ref.training.new_ids import InitFrom as InitFrom

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.engine import Engine

RECORD = "init_from.json"
"""In the output folder: which run it began from."""
MAY_CHANGE: Mapping[str, tuple[str, ...]] = {
    "table": ("lr", "step_lr", "clip_lr", "weight_decay"),
    "model": ("lr", "weight_decay"),
}
"""Settings outside ``[train]`` that a run which goes on may have of its own: they have no part in what is kept."""


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
        """Put the state of the run before into an engine made for the new data.

        With dense Adam a row moves on by its momentum without being read. What the run before has left of it is
        dropped, so that a row that no batch holds keeps every bit in this run too.
        """
        state, own = self._before.arrays, engine.state()
        given = {name: array for name, array in state.items() if name.startswith(("model/", "optimizer/"))}
        table = split_state({k: v for k, v in state.items() if k.startswith("table/")}, ("table",))["table"]
        grown: State = {f"table/{name}": array for name, array in grown_state(engine.table, table, self.growth).items()}
        for steps in [name for name in grown if name.endswith("optimizer.steps")]:
            first = steps.replace(".steps", ".first")
            grown[first] = np.zeros_like(grown[first])
        rest = ("statistics/",) if self.keeps_optimizer else ("statistics/", "optimizer/")
        kept = {name: array for name, array in own.items() if name.startswith(rest)}
        engine.load_state(grown | given | kept)
        engine.table.rest()  # what the new rows never name keeps every bit, under dense Adam too

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
    folder = path_of(run, "init_from")
    if (folder / PACKED).is_file():
        raise InputError(f"{run} is a packed run, which holds no state to train on; name the run that it was made of")
    folder = folder / FINAL if (folder / FINAL).is_dir() else folder
    if not (folder / "checkpoint.json").exists():
        raise InputError(f"{run} holds no finished run; name an output folder of `alpt-ref train` that has a result")
    content = read_folder(folder)
    if not content.meta.get("finished"):
        raise InputError(f"{run} holds a run that is not finished; finish it first with --resume")
    return content


def check_output(run: str | Path, output: str | Path | None) -> None:
    """InputError where the new run would be written over the one that it goes on from."""
    if output is not None and Path(output).resolve() == Path(run).resolve():
        raise InputError(f"output must be another folder than that of the run that is continued, got {output} for both")


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
    check_schema(before, dataset)
    vocabulary = before.vocabulary
    if (vocabulary is None) != (dataset.vocabulary is None):
        which = "the run has a vocabulary and the data have none" if vocabulary else "the data have a vocabulary"
        raise InputError(f"ids of the run and of the data must mean the same: {which}; bring both from raw rows")
    if vocabulary is None:
        age, growth = None, by_sizes(before, dataset, init)
        translated = dataset
    else:
        translated, growth, age = by_vocabulary(before, vocabulary, dataset, init)
    check_growable(table_class(config.table.entry), growth)
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


def difference(folder: Path, start: Start | None) -> str | None:
    """What an output folder's run began from where that is something else, in words; None where it is the same."""
    there = read_json(folder / RECORD)
    before = None if there is None else there.get("sha256")
    now = None if start is None else start.record["sha256"]
    if before == now:
        return None
    if there is None:
        return "the same configuration that began from no other run"
    return "another beginning: it went on from another run, or with another min_count or evict_after (--init-from)"


def keep_record(folder: Path, start: Start | None) -> None:
    """Write which run this one began from."""
    if start is not None:
        write_json(folder / RECORD, start.record)

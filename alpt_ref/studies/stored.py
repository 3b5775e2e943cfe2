"""The runs of a study on disk: an index, and one file per cell. Tables, figures and claims read nothing else.

``runs.json`` says which plan (a table or figure) needs which runs, under which names, and in which files of ``cells/``
they are. It is written before the first run, so that a study that was stopped can be looked at, too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from alpt_ref._util.files import read_json, write_text
from alpt_ref._util.statistics import new_rows_factor
from alpt_ref.errors import InputError
from alpt_ref.studies.bits_of_runs import bits_in_words
from alpt_ref.studies.cell import VERSIONS, read_cell
from alpt_ref.studies.study import Study
from alpt_ref.training.config import RunConfig, config_hash
from alpt_ref.training.config_io import from_file
from alpt_ref.training.results import RunResult

INDEX = "runs.json"


class Data(msgspec.Struct, frozen=True):
    """The dataset of one seed. `bayes` holds ``auc`` and ``logloss`` of the test part where they are known.

    `weighted`: whether its rows have weights, which loss and metrics count.
    """

    name: str
    fingerprint: str
    parts: tuple[int, int, int]
    fields: int
    features: int
    bayes: dict[str, float] = {}
    weighted: bool = False


class Planned(msgspec.Struct, frozen=True):
    """What one table or figure needs: its runs by name, each known by `variant_hash`, and their seeds.

    The runs named in `few` have the few seeds of the study alone.
    """

    runs: dict[str, str]
    seeds: tuple[int, ...]
    few: tuple[str, ...] = ()

    def seeds_of(self, name: str, study: Study) -> tuple[int, ...]:
        """The seeds that a run should have."""
        return study.few_seeds if name in self.few else self.seeds


class Index(msgspec.Struct, frozen=True):
    """Content of ``runs.json``. `cells`: variant -> seed -> name of the cell's file."""

    study: Study
    data: dict[int, Data]
    plans: dict[str, Planned]
    configs: dict[str, RunConfig]
    cells: dict[str, dict[int, str]]


@dataclass(frozen=True)
class StoredRun:
    """One finished run: what it was, what came out, the arrays of `alpt_ref.studies.table_diagnostics`, versions.

    `versions` is empty for runs of releases 0.1 and 0.2, which did not record any.
    """

    config: RunConfig
    result: RunResult
    observed: Mapping[str, Any]
    versions: Mapping[str, str] = field(default_factory=dict)


def _index(plain: Any, source: str) -> Index:
    """The content of ``runs.json``; classes that it names must be installed or named by the caller (`from_file`)."""
    study, configs = plain.get("study", {}), plain.get("configs", {})
    base = from_file(study.get("base", {}), source)
    runs = {key: from_file(config, source) for key, config in configs.items()}
    rest = msgspec.convert({**plain, "study": {**study, "base": {}}, "configs": {}}, Index, strict=False)
    return msgspec.structs.replace(rest, study=msgspec.structs.replace(rest.study, base=base), configs=runs)


class Runs(Mapping[str, Mapping[int, StoredRun]]):
    """The runs of one plan: name -> seed -> run; a run that diverged or is not finished is absent.

    Attributes
    ----------
    study : Study
    seeds : those that every variant should have
    data : seed -> `Data`
    """

    def __init__(
        self,
        study: Study,
        seeds: Sequence[int],
        data: Mapping[int, Data],
        runs: Mapping[str, Any],
        few: Collection[str] = (),
    ) -> None:
        """`runs` maps names to runs by seed; those in `few` should have the study's few seeds alone."""
        self._few = frozenset(few)
        self.study, self.seeds, self.data = study, tuple(seeds), data
        self._runs: Mapping[str, Mapping[int, StoredRun]] = runs

    def __getitem__(self, name: str) -> Mapping[int, StoredRun]:
        """The finished runs of a variant by seed."""
        return self._runs[name]

    def shows(self, name: str) -> bool:
        """Whether the plan had this variant: a study may be older than a method of the catalogue."""
        return name in self._runs

    def __iter__(self) -> Iterator[str]:
        """Names, in the order of the plan."""
        return iter(self._runs)

    def __len__(self) -> int:
        """Number of variants."""
        return len(self._runs)

    @property
    def share_rows(self) -> bool:
        """Whether seeds have different splits of the same rows, so that their runs are not independent."""
        return self.study.base.data.source != "synthetic" and len({one.fingerprint for one in self.data.values()}) > 1

    def widen(self, pairs: int) -> float:
        """Factor on the standard error over `pairs` seeds that makes it one for new rows of the same source.

        1 where every seed has data of its own; where they are splits of the same rows, the corrected resampled
        t-test's (`alpt_ref._util.statistics`), with the test and training rows that are there.
        """
        return new_rows_factor(pairs, self.test_to_train) if self.share_rows else 1.0

    @property
    def test_to_train(self) -> float:
        """Test rows per training row, the largest of any seed."""
        return max(one.parts[2] / max(one.parts[0], 1) for one in self.data.values())

    @property
    def bits(self) -> str:
        """One sentence on the versions that the runs were trained with; it says where they are mixed."""
        return bits_in_words(run.versions for of_seed in self._runs.values() for run in of_seed.values())

    @property
    def missing(self) -> int:
        """Runs that should be there and are not."""
        few = len(self.study.few_seeds)
        return sum((few if name in self._few else len(self.seeds)) - len(self._runs[name]) for name in self._runs)


def variant_hash(config: RunConfig) -> str:
    """What a run is but for its seed, 32 hexadecimal digits."""
    return config_hash(config, without=("train.seed",))[:32]


def write_index(folder: Path, index: Index) -> None:
    """Write ``runs.json`` atomically."""
    # not msgspec's encoder, which refuses what a path of arbitrary bytes becomes
    write_text(folder / INDEX, json.dumps(msgspec.to_builtins(index), indent=1) + "\n")


class Stored:
    """A study on disk.

    Raises
    ------
    InputError
        The folder holds no study, or a damaged one.
    """

    def __init__(self, folder: str | Path) -> None:
        """Read the index; cells are read when a plan asks for them, each once."""
        self.folder = Path(folder)
        plain = read_json(self.folder / INDEX)
        if plain is None:
            raise InputError(f"{self.folder} holds no runs of a study; `alpt-ref reproduce` makes them")
        try:
            self.index = _index(plain, str(self.folder / INDEX))
        except (msgspec.ValidationError, InputError, AttributeError) as error:
            raise InputError(
                f"{self.folder / INDEX} cannot be used ({error}); run `alpt-ref reproduce` again"
            ) from None
        self._cells: dict[str, StoredRun | None] = {}

    def __contains__(self, plan: str) -> bool:
        """Whether runs of the plan were asked for."""
        return plan in self.index.plans

    def plan(self, name: str) -> Runs:
        """The runs of one plan, as far as they are finished."""
        if name not in self:
            raise InputError(f"{self.folder} holds no runs of {name!r}; run `alpt-ref reproduce` again")
        planned = self.index.plans[name]
        runs = {}
        for variant, key in planned.runs.items():
            found = {seed: self._cell(key, seed) for seed in planned.seeds_of(variant, self.index.study)}
            runs[variant] = {seed: run for seed, run in found.items() if run is not None}
        return Runs(self.index.study, planned.seeds, self.index.data, runs, planned.few)

    def _cell(self, variant: str, seed: int) -> StoredRun | None:
        name = self.index.cells[variant][seed]
        if name not in self._cells:
            plain = read_cell(self.folder / "cells" / f"{name}.json")
            config = self.index.configs[variant].replace("train", seed=seed)
            observed, versions = (plain or {}).get("observed", {}), (plain or {}).get(VERSIONS, {})
            self._cells[name] = StoredRun(config, RunResult.from_dict(plain), observed, versions) if plain else None
        return self._cells[name]

    def digest(self, plan: str) -> str:
        """Sixteen digits that change with anything that the plan's runs depend on or with their number."""
        planned = self.index.plans[plan]
        names = [
            self.index.cells[key][seed]
            for name, key in planned.runs.items()
            for seed in planned.seeds_of(name, self.index.study)
        ]
        there = [name for name in names if (self.folder / "cells" / f"{name}.json").exists()]
        return hashlib.sha256(" ".join([self.index.study.name, *there]).encode()).hexdigest()[:16]


def stored_runs(plan: str, folder: str | Path) -> Stored | None:
    """The study in `folder`, or None where it lacks that plan.

    Raises
    ------
    InputError
        The folder holds no study, or a damaged one.
    """
    found = Stored(folder)
    return found if plan in found else None

"""A collected study: the tables that were kept of runs that are not there any more, read as paired differences.

A table's CSV holds, for each row, the mean difference to the row's reference and the half width of its 95 % t-interval
with all digits, hence the standard deviation over seeds. A t-test needs no more than number, mean and standard
deviation, so a claim on differences that a table shows is judged as on the runs themselves. `Collected.differences`
gives values of that mean and standard deviation; they are not those of the single seeds, which nobody kept.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from scipy import stats

from alpt_ref._util.files import checksum, read_json
from alpt_ref._util.statistics import CONFIDENCE, new_rows_factor
from alpt_ref.errors import InputError
from alpt_ref.studies.bits_of_runs import bits_in_words
from alpt_ref.studies.paired_runs import Pair, PairedRuns
from alpt_ref.studies.row import Row
from alpt_ref.studies.stored import Data, Index, Runs, StoredRun
from alpt_ref.studies.study import Study
from alpt_ref.studies.table import Table, load_tables
from alpt_ref.training.config import RunConfig
from alpt_ref.training.config_io import update

SETTINGS = "settings.json"


class Summary(NamedTuple):
    """Number, mean and standard deviation of paired differences, or the largest that it can be (`at_most`)."""

    n: int
    mean: float
    deviation: float
    at_most: bool = False


def is_collected(folder: Path) -> bool:
    """Whether a folder holds a collected study (`python -m alpt_ref.analysis.collect`) and no runs."""
    return (folder / SETTINGS).is_file() and (folder / "tables").is_dir() and not (folder / "runs.json").exists()


def with_moments(summary: Summary) -> list[float]:
    """Values with exactly this mean and standard deviation, half of them on either side.

    Examples
    --------
    >>> with_moments(Summary(2, 1.0, 0.5))
    [0.6464466094067263, 1.3535533905932737]
    """
    shape = np.linspace(-1.0, 1.0, summary.n)
    scale = summary.deviation / shape.std(ddof=1) if summary.n > 1 else 0.0
    return [float(one) for one in summary.mean + scale * shape]


class Collected:
    """The tables of a collected study.

    Raises
    ------
    InputError
        Its settings cannot be read by this version.
    """

    def __init__(self, folder: Path) -> None:
        """Read the settings; tables are read when a difference is asked for."""
        self.folder = folder
        self.settings: dict[str, Any] = read_json(folder / SETTINGS) or {}
        try:
            self.study = _study(self.settings["study"])
            self.parts = [tuple(one["parts"]) for one in self.settings["data"].values()]
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{folder / SETTINGS} is no collected study of this version ({error})") from None

    @property
    def index(self) -> Index:
        """The index of its runs, of which none were kept."""
        data = {int(seed): msgspec.convert(one, Data) for seed, one in self.settings["data"].items()}
        return Index(self.study, data, {}, {}, {})

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """The package's tables that were collected."""
        return {one.id: one for one in load_tables() if (self.folder / "tables" / f"{one.id}.csv").exists()}

    def __contains__(self, plan: str) -> bool:
        """Whether its table was collected."""
        return plan in self.tables

    def digest(self, plan: str) -> str:
        """Digits that change with the table."""
        return f"table{checksum(self.folder / 'tables' / f'{plan}.csv')['sha256'][:16]}"

    @property
    def share_rows(self) -> bool:
        """Whether its seeds are splits of the same rows."""
        return bool(self.study.base.data.source != "synthetic")

    @property
    def test_to_train(self) -> float:
        """Test rows per training row, the largest of any seed."""
        return float(max(parts[2] / max(parts[0], 1) for parts in self.parts))

    def widen(self, pairs: int) -> float:
        """As `Runs.widen`."""
        return new_rows_factor(pairs, self.test_to_train) if self.share_rows else 1.0

    def seeds(self, plan: str) -> int:
        """How many seeds the plan has."""
        return len(self.study.seeds if self.tables[plan].seeds == "all" else self.study.few_seeds)

    def rows(self, plan: str) -> list[dict[str, str]]:
        """The lines of a table's CSV."""
        with (self.folder / "tables" / f"{plan}.csv").open(newline="", encoding="utf-8") as stream:
            return list(csv.DictReader(stream))

    def bold(self, plan: str, name: str) -> list[bool]:
        """Which entries of a column the Markdown table has in bold, row by row."""
        text = (self.folder / "tables" / f"{plan}.md").read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line.startswith("|")][2:]
        kept = [one for one in self.tables[plan].columns if one in self.rows(plan)[0]]
        place = len(self.tables[plan].label_columns) + kept.index(name)
        cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
        return [one[place].strip().startswith("**") for one in cells]

    def summary(self, pair: Pair, metric: str) -> Summary | None:
        """What the table says of a difference, in either direction; None where neither run is in it.

        Of a difference that the table does not show its standard deviation is not known; the sum of the two runs' own,
        or of those of their differences to a common reference, is the largest that it can be (Minkowski), so that a
        verdict reached with it holds.
        """
        plan, first, second = pair
        lines = {row.run: (row.reference, line) for row, line in self.lines(plan)}
        for run, other, sign in ((first, second, 1), (second, first, -1)):
            if run in lines and lines[run][0] == other:
                found = self.moments(lines[run][1], f"{metric}_difference")
                if found is not None:
                    return Summary(found.n, sign * found.mean, found.deviation)
        if first not in lines or second not in lines:
            return None
        ours, others = lines[first][1], lines[second][1]
        bounds = list(self._bounds(ours, others, metric))
        for table in self.tables:  # the same runs in another table, beside another reference
            same = [(row.reference, line) for row, line in self.lines(table) if row.reference != row.run]
            left = [(reference, line) for reference, line in same if _same_runs(line, ours)]
            right = [(reference, line) for reference, line in same if _same_runs(line, others)]
            for one, (reference, line) in ((one, pair) for one in left for pair in right):
                if one[0] == reference:
                    bounds += self._bounds(one[1], line, f"{metric}_difference")
        return min(bounds, key=lambda bound: bound.deviation, default=None)

    def _bounds(self, ours: Mapping[str, str], others: Mapping[str, str], name: str) -> Iterator[Summary]:
        """The difference of two columns' means, with the largest standard deviation that it can have."""
        left, right = self.moments(ours, name), self.moments(others, name)
        if left is not None and right is not None and left.n == right.n:
            yield Summary(left.n, left.mean - right.mean, left.deviation + right.deviation, True)

    def lines(self, plan: str) -> Iterator[tuple[Row, dict[str, str]]]:
        """Every row of a table with its line of the CSV."""
        table = self.tables[plan]
        known = {tuple(line[title] for title in table.label_columns): line for line in self.rows(plan)}
        for row in table.rows(self.study):
            if row.labels in known:
                yield row, known[row.labels]

    def moments(self, line: Mapping[str, str], name: str) -> Summary | None:
        """Number, mean and standard deviation behind a column's mean and half width."""
        if not line.get(f"{name}_half_width"):
            return None
        n, half = int(line["runs"]), float(line[f"{name}_half_width"])
        naive = half / (self.widen(n) if self.widened else 1.0)
        return Summary(n, float(line[name]), naive / float(stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1)) * n**0.5)

    @property
    def widened(self) -> bool:
        """Whether the intervals of its tables are for new rows; those of release 0.1 are not."""
        return bool(self.settings.get("intervals") == "new rows")

    def differences(self, pair: Pair, metric: str) -> PairedRuns:
        """Values of the mean and standard deviation that the table shows; see `summary`.

        Raises
        ------
        InputError
            The table lacks one of the runs.
        """
        found = self.summary(pair, metric)
        if found is None:
            raise InputError(f"the collected table {pair[0]} lacks {pair[1]} or {pair[2]}")
        return PairedRuns(with_moments(found), self.seeds(pair[0]), self.widen(found.n), True, found.at_most)


class CollectedRuns(Runs):
    """The runs of one plan as far as its table shows them: paired differences and nothing of single runs.

    What a table's own sentences ask beyond that raises `LookupError`, so that none is made of a part of the numbers.
    """

    def __init__(self, collected: Collected, plan: str) -> None:
        """`plan` : of a table that was collected."""
        data = collected.index.data
        seeds = collected.study.seeds[: collected.seeds(plan)]
        super().__init__(collected.study, seeds, {seed: data[seed] for seed in seeds}, {})
        self._collected, self.plan = collected, plan

    def paired_differences(self, first: str, second: str, metric: str) -> list[float]:
        """Values of the mean and standard deviation that the table shows for exactly this difference."""
        shown = {(row.run, row.reference): line for row, line in self._collected.lines(self.plan)}
        line = shown.get((first, second)) or shown.get((second, first))
        if line is None:
            raise LookupError(f"table {self.plan} does not show {first} less {second}")
        if not line[f"{metric}_difference"]:  # one and the same run
            return []
        found = self._collected.summary((self.plan, first, second), metric)
        return [] if found is None else with_moments(found)

    def shows(self, name: str) -> bool:
        """Whether the table has a line of this variant."""
        return any(row.run == name for row, _ in self._collected.lines(self.plan))

    def __getitem__(self, name: str) -> Mapping[int, StoredRun]:
        """Single runs were not kept."""
        raise LookupError(f"the run {name} was not kept")

    @property
    def bits(self) -> str:
        """Whatever made a collected study before runs carried versions."""
        return bits_in_words([self._collected.settings.get("versions", {})])


def _same_runs(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether two lines are about the same runs: as many, and the same means to the last digit."""
    return all(one.get(name) == other.get(name) for name in ("runs", "auc", "logloss"))


def _study(plain: dict[str, Any]) -> Study:
    base = update(RunConfig(), plain["base"], source=SETTINGS)
    rest = msgspec.convert({**plain, "base": {}}, Study, strict=False)
    return msgspec.structs.replace(rest, base=base)

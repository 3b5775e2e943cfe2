"""Seeds are fixed before: other seeds are not the registered analysis, and looking again and again supports nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from alpt_ref._util.progress import Progress
from alpt_ref.cli.reproduce import make_study, reproduce_command
from alpt_ref.errors import InputError
from alpt_ref.studies.claims import Pair, on_stored_runs
from alpt_ref.studies.reproduce import Row, Stored, Study, Table
from alpt_ref.studies.study import Registered
from alpt_ref.studies.training_plan import prepare
from alpt_ref.training.config import DataConfig, RunConfig
from alpt_ref.verification import Control
from alpt_ref.verification.inputs import Inputs
from alpt_ref.verification.results import ClaimResult
from alpt_ref.verification.runner import Loaded, verify
from tests.studies.fabricated import STUDY, fabricate

ALL = tuple(range(20))
TABLE = Table(
    id="one",
    title="One",
    label_columns=("method",),
    runs=lambda study: {label: study.run(label, 8) for label in ("fp32", "lpt-sr", "lpt-dr")},
    rows=lambda study: [Row((label,), label, "fp32") for label in ("fp32", "lpt-sr", "lpt-dr")],
    seeds="all",
)


def pair(cell: dict[str, Any], broken: bool) -> Pair:
    return ("one", "lpt-dr", "fp32") if broken else ("one", "lpt-sr", "fp32")


CLAIM = on_stored_runs(
    id="z1",
    title="LPT(SR) loses nothing",
    statement="$x$",
    plain="x",
    kind="upper",
    plans=("one",),
    grid=lambda study: [{}],
    pair=pair,
    metric="logloss",
    pairs=5,
    control=Control("dr", "DR in place of SR"),
)


def better(config: RunConfig) -> dict[str, Any]:
    """SR gains 0.01 over FP32, DR loses 0.1, with a little scatter."""
    scatter = 1e-3 * ((7 * config.train.seed) % 5)
    return {
        "logloss": 0.5 + scatter * len(config.table.label) + {"lpt-sr": -0.01, "lpt-dr": 0.1}.get(config.table.label, 0)
    }


def study(seeds: tuple[int, ...], registered: Registered | None = None) -> Study:
    return msgspec.structs.replace(STUDY, seeds=seeds, few=len(seeds), registered=registered)


def verdict(folder: Path) -> ClaimResult:
    loaded = Loaded(CLAIM, Path(__file__)).about(Inputs(folder / "runs"))
    return verify([loaded], folder, jobs=1)[0]


def test_the_registered_seeds_are_judged_and_others_are_not(tmp_path: Path) -> None:
    ten = Registered(tuple(range(10)), 10)
    for name, seeds in (("same", ALL[:10]), ("more", ALL), ("fewer", ALL[:7]), ("others", ALL[10:])):
        outcome = "SUPPORTED" if name == "same" else "NOT_APPLICABLE"
        (tmp_path / name).mkdir()
        fabricate(tmp_path / name / "runs", [TABLE], better, study(seeds, ten))
        result = verdict(tmp_path / name)
        assert result.outcome == outcome, name
        assert (outcome == "SUPPORTED") != any("not the registered analysis" in one.reason for one in result.cells)


def test_a_study_that_is_not_finished_is_not_judged(tmp_path: Path) -> None:
    fabricate(tmp_path / "runs", [TABLE], better, study(ALL[:10]), skip=1)
    result = verdict(tmp_path)
    assert result.outcome == "NOT_APPLICABLE"
    assert "the runs of all its seeds are finished" in result.cells[0].reason


def test_seeds_that_share_one_split_say_nothing_on_new_rows(tmp_path: Path) -> None:
    stored = fabricate(tmp_path / "runs", [TABLE], better, study(ALL[:6]))
    index = msgspec.structs.replace(stored.index, data=dict.fromkeys(stored.index.data, stored.index.data[0]))
    from alpt_ref.studies.stored import write_index

    write_index(tmp_path / "runs", index)
    assert "every seed has a split of its own" in verdict(tmp_path).cells[0].reason


def test_splits_of_the_same_rows_are_judged_for_new_rows(tmp_path: Path) -> None:
    """A gain of 1.15 naive critical values over ten splits is supported as if independent, not for new rows (1.5)."""
    clicks = tmp_path / "clicks.libfm"
    clicks.write_text("".join(f"{row % 3 == 0:d} {row % 7}:1 {7 + row % 5}:1\n" for row in range(200)))
    own = msgspec.structs.replace(STUDY.base, data=DataConfig(source="libfm", path=str(clicks)))
    outcomes = {}
    for name, base in (("independent", STUDY.base), ("splits", own)):
        (tmp_path / name).mkdir()
        shape = np.linspace(-1.0, 1.0, 10)
        critical = 1.8331 * shape.std(ddof=1) / 10**0.5  # one-sided 5 %, 9 degrees of freedom

        def numbers(config: RunConfig, shape: Any = shape, critical: float = critical) -> dict[str, Any]:
            gain = {"lpt-sr": 1e-3 * (shape[config.train.seed] - 1.15 * critical), "lpt-dr": 0.1}
            return {"logloss": 0.5 + float(gain.get(config.table.label, 0.0))}

        ten = msgspec.structs.replace(study(ALL[:10]), base=base)
        fabricate(tmp_path / name / "runs", [TABLE], numbers, ten)
        result = verdict(tmp_path / name)
        outcomes[name] = [cell.outcome for cell in result.cells]
        kept = result.cells[0].measurement
        assert kept is not None
        assert kept.extra["widened_for_new_rows_by"] == {"independent": 1.0, "splits": 1.5}[name]
    assert outcomes == {"independent": ["SUPPORTED"], "splits": ["INCONCLUSIVE"]}


def test_looking_after_every_seed_supports_falsely_no_more_often_than_once() -> None:
    """Differences of mean 0, judged after each of 5 to 20 seeds: one look counts, that at the registered number.

    4,000 studies; supporting at any look would be wrong in 16 % (nominal 5 %), at the registered one in 5 %.
    """
    from scipy import stats

    values = np.random.Generator(np.random.Philox(key=1)).normal(size=(4000, 20))
    looks = {}
    for n in range(5, 21):
        some = values[:, :n]
        t = some.mean(axis=1) / (some.std(axis=1, ddof=1) / n**0.5)
        looks[n] = stats.t.cdf(t, n - 1) <= 0.05
    ever = np.mean(np.any(list(looks.values()), axis=0))
    assert ever > 0.13  # what the registration is there for
    judged = {n: looks[n] & study(ALL[:n], Registered(ALL, 20)).is_registered for n in looks}
    false = float(np.mean(np.any(list(judged.values()), axis=0)))
    assert 0 < false <= stats.binom.ppf(0.999, 4000, 0.05) / 4000


@pytest.mark.parametrize(
    ("words", "seeds", "registered"),
    [
        ([], 12, Registered(tuple(range(12)), 5)),
        (["--seeds", "20"], 20, Registered(tuple(range(12)), 5)),
        (["--few", "3"], 12, Registered(tuple(range(12)), 5)),
        (["--quick"], 10, Registered(tuple(range(10)), 5)),
        (["--libfm", "FILE"], 10, Registered(tuple(range(10)), 5)),
        (["--libfm", "FILE", "--study", "frappe"], 10, Registered(tuple(range(10)), 5)),
        (["--libfm", "FILE", "--study", "frappe", "--seeds", "12"], 12, Registered(tuple(range(10)), 5)),
        (["--libfm", "FILE", "--seeds", "12"], 12, None),  # by the folder's first start
        (["--criteo", "FILE", "--study", "criteo", "--folds", "10"], 10, Registered(tuple(range(10)), 10)),
        (["--libfm", "FILE", "--config", "STUDY"], 4, Registered((3, 5, 8, 9), 2)),
    ],
)
def test_the_study_says_which_seeds_are_registered(
    words: list[str], seeds: int, registered: Registered | None, tmp_path: Path
) -> None:
    (tmp_path / "study.toml").write_text(
        "[study]\nseeds = [3, 5, 8, 9]\nfew = 2\n[train]\nepochs = 2\nmilestones = []\n"
    )
    given = {"FILE": __file__, "STUDY": str(tmp_path / "study.toml")}
    options = reproduce_command.make_context("reproduce", [given.get(word, word) for word in words]).params
    made, _ = make_study(options, options.pop("jobs"))
    assert len(made.seeds) == seeds
    assert made.registered == registered


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds = 'ten'", "study.seeds in .* must be a number of seeds or a list of them, got 'ten'"),
        ("seeds = []", "study.seeds in .* must be a number of seeds or a list of them"),
        ("few = 0", "study.few in .* must be a whole number of at least 1, got 0"),
        ("sedes = 3", "section study in .* must have seeds and few alone, got 'sedes'"),
    ],
)
def test_a_study_file_that_fixes_no_seeds_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(f"[study]\n{text}\n")
    words = ["--libfm", __file__, "--config", str(tmp_path / "study.toml")]
    options = reproduce_command.make_context("reproduce", words).params
    with pytest.raises(InputError, match=message):
        make_study(options, options.pop("jobs"))


def test_without_a_file_the_first_start_registers_the_seeds(tmp_path: Path) -> None:
    quiet = Progress(enabled=False)
    for seeds, judged in ((ALL[:5], True), (ALL[:8], False), (ALL[:5], True)):
        prepare(study(seeds), [TABLE], tmp_path, quiet)
        made = Stored(tmp_path).index.study
        assert made.registered == Registered(ALL[:5], 5)
        assert made.is_registered == judged

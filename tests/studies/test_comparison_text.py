"""What a comparison says: columns, notes, a conclusion made of numbers, a figure that can be read in grey."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from pathlib import Path
from typing import Any

import pytest

from alpt_ref._util.statistics import Interval
from alpt_ref.errors import InputError
from alpt_ref.studies.comparison import Comparison
from alpt_ref.studies.comparison_figure import SHIFT, STYLE, _label_bytes, draw
from alpt_ref.studies.comparison_rows import further_metrics, make_rows
from alpt_ref.studies.comparison_text import as_csv, as_json, as_text, conclusion, show
from alpt_ref.studies.grid import FP32, METHODS, GridEntry, MethodSetting
from alpt_ref.studies.row import Row
from alpt_ref.studies.stored import Runs, StoredRun
from alpt_ref.training.config import RunConfig
from alpt_ref.training.results import EpochRecord, RunResult
from tests.studies.fabricated import STUDY
from tests.tolerances import CLOSED_FORM

SR8, DR2 = MethodSetting("lpt-sr", 8), MethodSetting("lpt-dr", 2)


def run(setting: MethodSetting, seed: int, auc: float, logloss: float = 0.5) -> RunResult:
    serving = {None: 6400, 8: 2000, 2: 800}[setting.bits]
    epoch = EpochRecord(1, {"table": 1e-3}, 0.5, auc, logloss, {}, {"samples_per_s": 1000.0 + seed})
    return RunResult(
        label=setting.label,
        bits=setting.bits,
        seed=seed,
        config_hash="c",
        dataset="toy",
        fingerprint="f",
        tested_epoch=1,
        valid_auc=auc,
        valid_logloss=logloss,
        test_auc=auc,
        test_logloss=logloss,
        training_bytes=serving + 5000,
        serving_bytes=serving,
        samples_per_s=1000.0 + seed,
        history=(epoch,),
        test_ne=auc / 2,
        test_calibration=1.0 + seed,
        test_gauc=None if seed else auc,
    )


def comparison(seeds: int = 3, folder: Path = Path()) -> Comparison:
    results = {
        FP32: {seed: run(FP32, seed, 0.75 + 0.01 * seed) for seed in range(seeds)},
        SR8: {seed: run(SR8, seed, 0.75 + 0.01 * seed + (-0.001, 0.001, 0.0)[seed]) for seed in range(seeds)},
        DR2: {seed: run(DR2, seed, 0.65 + 0.01 * seed + 0.001 * seed) for seed in range(seeds)},
    }
    bayes = {"auc": 0.8, "logloss": 0.4}
    grid = [GridEntry(setting, {}, RunConfig(), "fp32") for setting in results]
    runs = Runs(
        STUDY,
        tuple(range(seeds)),
        {},
        {str(one): {seed: StoredRun(RunConfig(), run, {}) for seed, run in of.items()} for one, of in results.items()},
    )
    rows = make_rows(runs, grid, [Row((), one.name, "fp32") for one in grid], {})
    return Comparison(rows, "toy", "f", tuple(range(seeds)), bayes, folder)


def test_summary_is_paired() -> None:
    fp32, sr8, dr2 = comparison().rows
    assert fp32.metric["auc"].mean == pytest.approx(0.76, rel=CLOSED_FORM)
    # the seeds' common scatter of 0.01 is not in the paired interval: s = 0.001, t(0.975, 2) = 4.302652730
    assert sr8.difference["auc"].mean == pytest.approx(0.0, abs=CLOSED_FORM)
    assert sr8.difference["auc"].half_width == pytest.approx(4.302652729911275 * 0.001 / 3**0.5, rel=1e-6)
    assert dr2.difference["auc"].mean == pytest.approx(-0.099, rel=CLOSED_FORM)
    assert fp32.difference == {}
    assert (dr2.serving_ratio, dr2.samples_per_s, dr2.training_bytes) == (8.0, 1001.0, 5800)
    # Holm: the smaller of two p-values doubles; t = 0.099 √3 / 0.001 with 2 degrees: p = 1 - t / sqrt(2 + t²)
    t = 0.099 * 3**0.5 / 0.001
    assert dr2.p_value["auc"] == pytest.approx(2 * (1 - t / (2 + t * t) ** 0.5), rel=1e-6)
    assert sr8.p_value["auc"] == pytest.approx(1.0)


def test_text_is_aligned_and_stars_what_differs() -> None:
    lines = as_text(comparison()).splitlines()
    header = lines[0]
    assert header.split()[:3] == ["method", "bits", "runs"]
    row = next(line for line in lines if line.startswith("lpt-dr"))
    assert "-0.0990 ± 0.0025 *" in row
    assert "8.00x" in row
    end = header.index("serve bytes") + len("serve bytes")
    assert [line[:end].split()[-1] for line in lines[2:5]] == ["6,400", "2,000", "800"]
    assert "*" not in next(line for line in lines if line.startswith("lpt-sr"))
    assert "Bayes optimum on the test rows (true probabilities known): AUC 0.8000, logloss 0.4000." in lines


def test_the_conclusion_is_computed() -> None:
    assert conclusion(comparison()) == (
        "1 of 2 settings differ from FP32 in test AUC (paired t-test over 3 seeds, Holm-corrected, 5% level): "
        "lpt-dr 2-bit (-0.0990 ± 0.0025). 3 seeds cannot tell the other 1 from FP32 (largest difference: lpt-sr 8-bit, "
        "+0.0000 ± 0.0025)."
    )


def test_one_seed_claims_no_interval() -> None:
    text = as_text(comparison(seeds=1))
    assert "0.7500 ± n/a" in text
    assert "-0.1000 ± n/a" in text
    assert "one seed allows no interval" in text
    assert "*" not in text
    assert conclusion(comparison(seeds=1)) == (
        "With one pair of runs per setting no difference to FP32 in test AUC can be tested: "
        "lpt-sr 8-bit -0.0010, lpt-dr 2-bit -0.1000."
    )
    assert show(None) == "n/a"
    assert show(Interval(0.5, None, 1), signed=True) == "+0.5000 ± n/a"


def test_csv_holds_full_precision_and_leaves_unknown_empty() -> None:
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(as_csv(comparison()))))
    assert [row["bits"] for row in rows] == ["32", "8", "2"]
    assert float(rows[2]["test_auc"]) == comparison().rows[2].metric["auc"].mean
    assert rows[0]["auc_minus_fp32"] == ""
    plain = as_json(comparison(), [run(FP32, 0, 0.7)])
    assert RunResult.from_dict(plain["runs"][0]) == run(FP32, 0, 0.7)


def test_figure_is_written_twice_the_same_and_told_apart_without_colour(tmp_path: Path) -> None:
    draw(comparison(), tmp_path)
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(first) == {"figure.png", "figure.svg"}
    assert first["figure.png"].startswith(b"\x89PNG")
    assert b"<svg" in first["figure.svg"]
    draw(comparison(), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first
    assert set(STYLE) == set(METHODS)
    assert max(max(shift, 1 / shift) for shift in SHIFT.values()) < 1.08
    assert len({style["marker"] for style in STYLE.values()}) == len(METHODS)
    assert len({style["linestyle"] for style in STYLE.values()}) == len(METHODS)


def test_labels_of_sizes_that_are_close_do_not_touch() -> None:
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    axes.set_xscale("log", base=2)
    _label_bytes(axes, [3200, 8000, 14208, 15204, 25600])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["3.2", "8", "14.2", "25.6"]


def test_further_metrics_are_columns_on_request_and_always_in_the_json() -> None:
    plain = comparison()
    asked = dataclasses.replace(plain, metrics=("ne", "calibration"))
    assert "NE" not in as_text(plain)
    lines = as_text(asked).splitlines()
    header = re.split(r"\s{2,}", lines[0].strip())
    assert header[3:7] == ["test AUC", "test logloss", "test NE", "test calibration"]
    first = next(line for line in lines if line.startswith("fp32"))
    assert re.split(r"\s{2,}", first)[5:7] == ["0.3800 ± 0.0124", "2.0000 ± 2.4841"]
    (fp32, *_) = csv.DictReader(io.StringIO(as_csv(asked)))
    assert float(fp32["test_ne"]) == pytest.approx(0.38, rel=CLOSED_FORM)
    assert "test_ne" not in next(csv.DictReader(io.StringIO(as_csv(plain))))
    row = as_json(plain, [])["rows"][0]
    assert row["test_ne"] == pytest.approx(0.38, rel=CLOSED_FORM)
    assert row["test_ne_half_width"] == pytest.approx(4.302652729911275 * 0.005 / 3**0.5, rel=1e-6)
    assert row["test_gauc"] is None  # two of the seeds have none: a mean over one of three would mislead


def test_weights_are_said() -> None:
    plain = comparison()
    weighted = dataclasses.replace(plain, weighted=True)
    assert "Rows are weighted: loss and metrics count each by its weight." in as_text(weighted)
    assert "Rows are weighted" not in as_text(plain)
    assert as_json(weighted, [])["weighted"] is True
    assert "weighted" not in as_json(plain, [])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["auc"], "metrics must be among ne, calibration, ece, gauc, got 'auc'"),
        (["ne", "gauc"], r"metrics 'gauc' needs the field that groups the rows; name it with --set train\.group=FIELD"),
    ],
)
def test_further_metrics_that_cannot_be_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        further_metrics(names, RunConfig())
    grouped = RunConfig().replace("train", group="user")
    assert further_metrics(["gauc", "ne", "gauc"], grouped) == ("gauc", "ne")

"""A table says what the stored runs say: means, paired differences, Holm's correction, bold only where significant."""

from __future__ import annotations

import csv
import io
import math
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alpt_ref._util.statistics import t_interval
from alpt_ref.errors import InputError
from alpt_ref.studies.inference import PairedEstimate, Undecided, decided, equivalence, estimates, undecided
from alpt_ref.studies.render import as_csv, as_latex, as_markdown, latex_text, write_table
from alpt_ref.studies.reproduce import FilledTable, Row, Study, Table, load_tables
from alpt_ref.studies.table import fill_table
from alpt_ref.training.config import DataConfig, RunConfig
from tests import tolerances
from tests.studies.fabricated import STUDY, fabricate

AUC = {"fp32": (0.70, 0.72, 0.74), "lpt-sr": (0.7099, 0.73, 0.7501), "lpt-dr": (0.60, 0.65, 0.61)}
"""Seeds 0 to 2: lpt-sr is 0.01 above fp32, nearly the same every time, lpt-dr far and irregularly below."""


def numbers(config: RunConfig) -> dict[str, Any]:
    return {"auc": AUC[config.table.label][config.train.seed], "logloss": 0.5}


def runs(study: Study) -> Mapping[str, RunConfig]:
    return {label: study.run(label, 8) for label in AUC}


def rows(study: Study) -> list[Row]:
    return [*(Row((label,), label, reference="fp32") for label in AUC), Row(("known",), fixed={"auc": 0.9})]


def table(**changes: Any) -> Table:
    options: dict[str, Any] = {
        "id": "tiny", "title": "Tiny", "label_columns": ("method",), "runs": runs, "rows": rows, "seeds": "all",
        "columns": ("auc", "auc_difference", "serving_ratio", "epochs"),
    }  # fmt: skip
    return Table(**{**options, **changes})


def laid_out(folder: Path, one: Table, **options: Any) -> list[FilledTable]:
    return fill_table(one, fabricate(folder, [one], numbers, **options).plan("tiny"))


def test_means_differences_and_ratios(tmp_path: Path) -> None:
    part = laid_out(tmp_path, table())[0]
    auc, difference, ratio, epochs = zip(*part.values, strict=True)
    assert [round(value.number, 10) for value in auc] == [0.72, 0.73, 0.62, 0.9]
    quantile = 4.302652729911275  # t(0.975, 2)
    assert auc[0].half == pytest.approx(quantile * 0.02 / math.sqrt(3), rel=tolerances.CLOSED_FORM)
    assert difference[0].number is None  # fp32 against itself
    assert difference[1].number == pytest.approx(0.01)
    assert difference[1].star
    assert difference[2].number == pytest.approx(-0.10)
    assert [value.number for value in ratio] == [1.0, 4.0, 4.0, None]
    assert [value.number for value in epochs] == [2.0, 2.0, 2.0, None]
    assert part.counts == (3, 3, 3, None)


def p_of(mean: float, deviation: float) -> float:
    """Two-sided p-value of three paired differences: with two degrees of freedom P(|T| > t) = 1 - t / sqrt(2 + t²)."""
    t = abs(mean) / (deviation / math.sqrt(3))
    return 1 - t / math.sqrt(2 + t * t)


def test_p_values_are_corrected_over_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Holm: the smaller of two p-values doubles, the larger stays."""
    monkeypatch.setitem(AUC, "lpt-sr", (0.710, 0.731, 0.752))  # +0.010, +0.011, +0.012
    part = laid_out(tmp_path, table())[0]
    assert part.values[1][1].p == pytest.approx(2 * p_of(0.011, 0.001), rel=1e-6)
    assert part.values[2][1].p == pytest.approx(p_of(0.10, 0.03), rel=1e-6)  # -0.10, -0.07, -0.13


def test_estimates_of_sentences_are_corrected_together() -> None:
    found = estimates({"small": [0.010, 0.011, 0.012], "large": [0.10, 0.07, 0.13], "alone": [0.5]})
    assert list(found) == ["small", "large"]
    assert found["small"].p == pytest.approx(2 * p_of(0.011, 0.001), rel=1e-6)
    assert found["large"].p == pytest.approx(p_of(0.10, 0.03), rel=1e-6)
    assert str(found["small"]) == "+0.0110 ± 0.0025*"  # t(0.975, 2) · 0.001 / √3
    assert str(found["large"]) == found["large"].interval + "*" == "+0.1000 ± 0.0745*"


def test_the_best_is_bold_only_where_it_differs_from_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bold = [row[0].bold for row in laid_out(tmp_path / "a", table())[0].values]
    assert bold == [False, True, False, False]
    monkeypatch.setitem(AUC, "lpt-sr", (0.71, 0.715, 0.75))  # mean still the highest, but no longer surely above fp32
    bold = [row[0].bold for row in laid_out(tmp_path / "b", table())[0].values]
    assert bold == [False, False, False, False]


CLOSE = [0.0004 + 0.0001 * (seed % 2) for seed in range(10)]


def test_runs_on_splits_of_the_same_rows_say_so(tmp_path: Path) -> None:
    """Ten pairs and one test row to eight training rows: half-widths sqrt(1 + 10 / 8) = 1.5 times as wide."""
    clicks = tmp_path / "clicks.libfm"
    clicks.write_text("".join(f"{row % 3 == 0:d} {row % 7}:1 {7 + row % 5}:1\n" for row in range(200)))
    data = DataConfig(source="libfm", path=str(clicks))
    study = msgspec.structs.replace(STUDY, base=msgspec.structs.replace(STUDY.base, data=data), seeds=tuple(range(10)))

    def close(config: RunConfig) -> dict[str, Any]:
        return {"auc": 0.7 if config.table.method == "fp32" else 0.7 + CLOSE[config.train.seed]}

    runs = fabricate(tmp_path / "study", [table()], close, study).plan("tiny")
    assert runs.share_rows
    (part,) = fill_table(table(), runs)
    assert any("standard errors are multiplied by 1.50 (Nadeau and Bengio, 2003)" in note for note in part.notes)
    difference = part.values[1][part.columns.index("auc_difference")]
    naive = t_interval(CLOSE).half_width
    assert naive is not None
    assert difference.half == pytest.approx(1.5 * naive, rel=tolerances.CLOSED_FORM)
    (sentence,) = equivalence(runs, "lpt-sr", "fp32", 0.001)
    narrow = t_interval(CLOSE, 0.90).half_width
    assert narrow is not None
    assert f"smallest margin {0.00045 + 1.5 * narrow:.5f}; naive" in sentence
    assert sentence.endswith(f"over splits of these rows alone: smallest margin {0.00045 + narrow:.5f}).")
    between = 0.00045 + 1.25 * narrow  # the naive interval lies within it, that for new rows does not
    (sentence,) = equivalence(runs, "lpt-sr", "fp32", between)
    assert "are not shown to be equivalent" in sentence


def test_equal_differences_show_no_equivalence(tmp_path: Path) -> None:
    def shifted(config: RunConfig) -> dict[str, Any]:
        return {"auc": 0.75 + (0.125 if config.table.method == "fp32" else 0.0)}

    runs = fabricate(tmp_path, [table()], shifted, STUDY).plan("tiny")
    (sentence,) = equivalence(runs, "lpt-sr", "fp32", 0.5)
    assert sentence.endswith("are -0.12500: without scatter t-tests cannot show their equivalence.")


def test_one_seed_claims_nothing(tmp_path: Path) -> None:
    from alpt_ref.studies.reproduce import with_seeds

    part = laid_out(tmp_path, table(), study=with_seeds(STUDY, (1,)))[0]
    assert [(value.half, value.p, value.bold) for row in part.values for value in row] == [(None, None, False)] * 16
    assert "One seed allows no interval and no test." in part.notes


def test_missing_runs_are_counted_and_pairs_stay_pairs(tmp_path: Path) -> None:
    part = laid_out(tmp_path, table(), skip=1)[0]  # fp32, seed 0
    assert part.counts == (2, 3, 3, None)
    assert part.values[1][1].number == pytest.approx(0.01005)
    assert any(note.startswith("1 runs are missing") for note in part.notes)


def test_times_go_to_a_table_of_their_own(tmp_path: Path) -> None:
    plain, times = laid_out(tmp_path, table(times=("seconds_an_epoch",)))
    assert (plain.id, times.id) == ("tiny", "tiny_times")
    assert "seconds" not in as_csv(plain)
    assert [row[0].number for row in times.values] == [1.0, 1.0, 1.0]


def test_columns_without_a_value_are_left_out(tmp_path: Path) -> None:
    only = table(rows=lambda study: [Row(("fp32",), "fp32", "fp32")], columns=("auc", "auc_difference", "code_kept"))
    assert laid_out(tmp_path, only)[0].columns == ("auc",)


def test_the_three_formats(tmp_path: Path) -> None:
    part = laid_out(tmp_path, table(note="SR & DR: 50 % of_it"))[0]
    markdown, latex = as_markdown(part), as_latex(part)
    assert "| lpt-sr | **0.7300 ± 0.0499** | +0.0100 ± 0.0002* | 4.00 | 2 |" in re.sub(" +", " ", markdown)
    ruler = next(line for line in markdown.splitlines() if line.startswith("|:-"))
    assert [part[-1] for part in ruler.strip("|").split("|")] == ["-", ":", ":", ":", ":"]  # labels left, numbers right
    assert markdown.count("**") == 2
    rows = list(csv.DictReader(io.StringIO(as_csv(part))))
    assert [row["runs"] for row in rows] == ["3", "3", "3", ""]
    assert float(rows[1]["auc"]) == part.values[1][0].number
    assert rows[0]["auc_difference_p_holm"] == ""
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\begin{tabular}{lrrrr}", r"\textbf{0.7300 $\pm$"):
        assert rule in latex


def test_the_caption_of_latex_is_short_and_the_notes_have_a_file(tmp_path: Path) -> None:
    part = laid_out(tmp_path, table(note="SR & DR: 50 % of_it"))[0]
    write_table(part, tmp_path)
    latex, notes = ((tmp_path / f"{part.id}.{ending}").read_text() for ending in ("tex", "notes.tex"))
    (caption,) = re.findall(r"\\caption\{(.*)\}$", latex, re.MULTILINE)
    assert caption == f"{latex_text(part.table.title)}."
    assert r"SR \& DR: 50 \% of\_it" in notes
    assert "SR" not in caption
    assert all(latex_text(note) in notes for note in part.notes)


def test_latex_has_minus_signs_for_numbers_and_hyphens_for_names(tmp_path: Path) -> None:
    latex = as_latex(laid_out(tmp_path, table())[0])
    assert r"lpt-dr & 0.6200" in latex
    assert r"& $-$0.1000 $\pm$" in latex
    assert latex_text("1/√(b·d)") == r"1/$\surd$(b$\cdot$d)"


def test_latex_has_no_markup_left() -> None:
    assert latex_text("a_b & 50 % {x} ± η/Δ − \\") == (
        r"a\_b \& 50 \% \{x\} $\pm$ $\eta$/$\Delta$ $-$ \textbackslash{}"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"columns": ("acu",)}, "columns must be among auc, .* got 'acu'"),
        ({"times": ("when",)}, "got 'when'"),
        ({"seeds": "some"}, "seeds must be 'all' or 'few', got 'some'"),
    ],
)
def test_a_table_that_cannot_be_filled_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        table(**changes)


def test_a_line_must_name_a_run_of_the_plan(tmp_path: Path) -> None:
    wrong = table(rows=lambda study: [Row(("x",), "lpt-rs")])
    with pytest.raises(InputError, match="table tiny: row 'x' names the unknown run 'lpt-rs'"):
        laid_out(tmp_path, wrong)


def test_what_a_table_file_raises_is_one_sentence(tmp_path: Path) -> None:
    def broken(study: Study) -> list[Row]:
        raise ZeroDivisionError("no")

    with pytest.raises(InputError, match=r"table tiny: ZeroDivisionError: no \(test_tables.py:\d+\)"):
        laid_out(tmp_path / "a", table(rows=broken))
    with pytest.raises(InputError, match=r"runs of tiny: ZeroDivisionError: no"):
        laid_out(tmp_path / "b", table(runs=broken))


def test_tables_are_found_by_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no tables"):
        load_tables(tmp_path)
    source = (
        "from alpt_ref.studies.reproduce import Table\n"
        "TABLE = Table(id='{}', title='t', label_columns=(), runs=lambda s: {{}}, rows=lambda s: [])\n"
    )
    (tmp_path / "b.py").write_text(source.format("two"))
    (tmp_path / "a.py").write_text(source.format("one"))
    (tmp_path / "_helper.py").write_text("raise SystemExit\n")
    assert [one.id for one in load_tables(tmp_path)] == ["one", "two"]
    (tmp_path / "c.py").write_text(source.format("two"))
    with pytest.raises(InputError, match=r"c\.py and b\.py both define table 'two'"):
        load_tables(tmp_path)


def test_what_the_seeds_cannot_decide_is_one_sentence_with_the_largest_difference(tmp_path: Path) -> None:
    runs = fabricate(tmp_path, [table()], numbers).plan("tiny")
    known = estimates({"a": [0.10, 0.11, 0.12], "b": [0.01, -0.02, 0.015]})
    told, rest = decided(runs, known)
    assert told == "AUC: a +0.1100 ± 0.0248* (paired, Holm over all 2)."
    assert rest == "AUC: 3 seeds cannot tell the other comparison apart (largest difference: b, +0.0017 ± 0.0470)."
    assert isinstance(rest, Undecided)
    assert (rest.comparisons, rest.seeds) == (1, 3)
    wide = {name: PairedEstimate(0.02, 0.0248, 0.09) for name in "abcd"}
    (said,) = undecided(runs, wide, "logloss")
    assert said == "logloss: 3 seeds cannot tell the 4 comparisons apart (largest difference: a, +0.0200 ± 0.0248)."
    (said,) = undecided(runs, {name: one._replace(half_width=0.01) for name, one in wide.items()}, "logloss")
    corrected = "4 of these intervals exclude 0, but the tests are corrected for 4 comparisons"
    assert said.endswith(f"+0.0200 ± 0.0100; {corrected}).")


def test_a_table_in_the_words_of_the_former_version_works_with_a_warning(tmp_path: Path) -> None:
    """One that a third party wrote for 0.1.0, but for the paths, which `alpt_ref._util.renamed` serves."""
    old_table: Any = Table
    old_row: Any = Row
    with warnings.catch_warnings(record=True, action="always", category=DeprecationWarning) as caught:
        former = old_table(
            id="tiny",
            title="Tiny",
            heads=("method",),
            runs=runs,
            lines=lambda study: [old_row((label,), label, against="fp32") for label in AUC],
            beside=lambda runs: [Row(("known",), fixed={"auc": 0.9})],
            seeds="all",
            columns=("auc", "auc_difference", "serving_ratio", "epochs"),
        )
        part: Any
        (part,) = laid_out(tmp_path / "former", former)
        assert former.heads == ("method",)
        assert part.lines[1].against == "fp32"
    messages = {str(warning.message).partition(";")[0] for warning in caught}
    renamed = {"Table: heads is now label_columns", "Table: lines is now rows", "Table: beside is now extra_rows"}
    assert messages == renamed | {"Row: against is now reference", "FilledTable: lines is now rows"}
    assert as_csv(part) == as_csv(laid_out(tmp_path / "now", table())[0])

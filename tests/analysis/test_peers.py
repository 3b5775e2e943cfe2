"""The table of the field: what counts as a failure, how results are kept, and that pages say what is stored."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from alpt_ref.errors import InputError
from alpt_ref.testing.quantizer.report import Example as ReportExample
from alpt_ref.testing.quantizer.report import Outcome
from analysis.peers import __main__ as command
from analysis.peers import fbgemm, idiom, measure, ours, page, peer
from analysis.peers.fbgemm_rule import NOISES, uint8_rule
from analysis.peers.record import STORED, Check, Example, Missing, Record, Row, load, merged, save

SMALL = 2e-4
"""Effort: each of the 2^16 codes some times; the idiom moves one in 2,500."""
CHEAP = ("on_grid", "fixed_points", "ties", "row_prefix")
IDIOM = idiom.NUMPY.cases()[1]


def row(name: str, version: str = "1", **checks: Check) -> Row:
    return Row(name, version, "a case", "sr", "a lattice", "a promise", "a page", checks, 1.0, 0, 2.0, "today", "here")


BROKEN = Check("fails", "3 of 9 moved", "", Example("quantizer(x, 0)[0, 0]", "2.0", "1.0"))
RECORD = Record(
    "a command",
    (
        row("first", on_grid=Check("holds", "")),
        row("second", "2.5", on_grid=Check("note", "off", "why"), unbiased=BROKEN),
    ),
    (Missing("third", "no compiler"),),
)


def measured(one: peer.Peer, seed: int) -> Row:
    rows = measure.measured(one, effort=SMALL, seed=seed, say=lambda line: None, only=CHEAP)
    assert isinstance(rows, list)
    assert len(rows) == 1
    return rows[0]


# --- what is measured -------------------------------------------------------------------------------------------------


def test_the_idiom_moves_numbers_on_the_grid_and_its_reproduction_repeats_that() -> None:
    only = replace(idiom.NUMPY, cases=lambda: [IDIOM])
    found = measured(only, seed=0)
    assert "fixed_points" in found.failed
    assert found.checks["on_grid"].verdict == "holds"
    example = found.checks["fixed_points"].example
    assert example is not None
    again = eval(f"IDIOM.{example.call}", {"IDIOM": IDIOM, "np": np})
    assert repr(float(again)) == example.result != example.expected


@pytest.mark.parametrize("rounding", ["sr", "dr"])
def test_ours_keeps_what_it_promises(rounding: str) -> None:
    only = replace(ours.PEER, cases=lambda: [next(one for one in ours.cases() if one.rounding == rounding)])
    found = measured(only, seed=1)
    assert found.failed == []
    assert found.checks["fixed_points"].verdict == "holds"


def test_a_breach_that_nobody_promised_is_a_note() -> None:
    case = replace(IDIOM, not_promised={"saturation": "no range"})
    assert measure.verdict(Outcome("saturation", "failed", "late"), case) == Check("note", "late", "no range")
    assert measure.verdict(Outcome("on_grid", "failed", "off"), case).verdict == "fails"
    assert measure.verdict(Outcome("threads", "note", "differ"), case) == Check("note", "differ")
    assert measure.verdict(Outcome("ties", "failed", "away"), case).verdict == "note"
    assert measure.verdict(Outcome("ties", "failed", "away"), replace(case, ties="even")).verdict == "fails"
    assert measure.verdict(Outcome("threads", "failed"), replace(case, left_out=("threads",))).verdict == "left out"
    assert measure.verdict(Outcome("layout", "failed", "other words"), case).verdict == "note"
    assert measure.verdict(Outcome("layout", "failed", "other"), replace(case, require=("layout",))).verdict == "fails"
    assert measure.verdict(Outcome("ties", "not applicable"), case).verdict == "left out"


def test_an_example_that_no_array_of_one_number_repeats_says_so() -> None:
    seen = ReportExample(0.3, 5, 9.0, 0.25, 0.5, (4, 2), (3, 1))
    found = measure.reproduction(seen, IDIOM)
    assert found == Example("quantizer(x, 5)[3, 1]  # x of shape (4, 2) with x[3, 1] = 0.3", "9.0", "0.25 or 0.5")


def test_fbgemms_rule_against_whole_numbers() -> None:
    """The largest of 2^23 noises (k - 2^22) 2^-23 take 255 beyond 255.5: found with whole numbers alone."""
    every = np.arange(NOISES - 2**12, NOISES, dtype=np.uint32)
    codes = uint8_rule(np.full(every.shape, 7.9375, np.float32), every, 2.0**-4, -8.0)
    ulp = 2 ** (23 - 16)  # spacing of float32 in [128, 256), in units of 2^-23
    sums = 255 * NOISES + every.astype(np.int64) - NOISES // 2
    down, rest = np.divmod(sums, ulp)
    rounded = (down + ((rest > ulp // 2) | ((rest == ulp // 2) & (down % 2 == 1)))) * ulp
    whole, rest = np.divmod(rounded, NOISES)
    whole += (rest > NOISES // 2) | ((rest == NOISES // 2) & (whole % 2 == 1))
    assert np.array_equal(codes, whole % 256)
    assert np.count_nonzero(codes == 0) == 64


def test_rows_get_the_ends_of_the_lattice_in_fbgemms_case() -> None:
    x = np.array([[-9.0, 0.0, 99.0]], np.float32)
    for case in fbgemm.RULE.cases():
        low, high = case.lattice.low.item(), case.lattice.high.item()
        assert set(case.quantizer(x, 0)[0].tolist()) <= {low, 0.0, high}


def test_a_missing_package_is_left_out_with_the_reason() -> None:
    def cases() -> list[peer.Case]:
        raise RuntimeError("Ninja is\n required")

    def found(one: peer.Peer) -> Any:
        return measure.measured(one, effort=1.0, seed=0, say=lambda line: None)

    assert found(peer.Peer("p", None, cases)) == Missing("p", "Ninja is required")
    assert found(peer.Peer("p", "no-such-package", list)) == Missing("p", "no-such-package is not installed")


def test_tensors_are_drawn_by_the_draw_and_the_generator_is_put_back() -> None:
    torch: Any = pytest.importorskip("torch")
    quantizer = peer.on_tensors(lambda x: x + torch.rand_like(x))
    x = np.zeros((3, 4), np.float32)
    before = torch.get_rng_state()
    assert np.array_equal(quantizer(x, 7), quantizer(x, 7))
    assert not np.array_equal(quantizer(x, 7), quantizer(x, 8))
    assert torch.equal(before, torch.get_rng_state())
    x.setflags(write=False)
    assert np.array_equal(quantizer(x, 7), quantizer(x[::-1], 7))


# --- how it is kept ---------------------------------------------------------------------------------------------------


def test_new_rows_replace_those_of_their_package_and_no_others() -> None:
    new = merged(RECORD, "now", [row("second", "3")], [Missing("first", "gone")], ["second", "first", "third"])
    assert [(one.peer, one.version) for one in new.rows] == [("second", "3"), ("first", "1")]
    assert new.missing == (Missing("third", "no compiler"),)
    assert merged(RECORD, "now", [row("third")], [], ["first", "second", "third"]).missing == ()


def test_results_survive_the_file_and_another_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "peers.json"
    save(file, RECORD)
    assert load(file) == RECORD
    file.write_text('{"rows": 1}')
    with pytest.raises(InputError, match=r"holds no results of python -m analysis\.peers"):
        load(file)


def test_the_table_marks_failures_and_leads_to_their_reproduction() -> None:
    lines = page.table(RECORD, "there.md").splitlines()
    assert lines[0].endswith("| `on_grid` | `unbiased` |")
    assert lines[2] == "| first 1: a case | SR | a lattice | ✓ | – |"
    assert lines[3] == "| second 2.5: a case | SR | a lattice | n | [**✗**](there.md#f1) |"
    text = page.markdown(RECORD)
    assert '<a id="f1"></a>F1. second 2.5, a case: `unbiased`' in text
    assert "case('second', 'a case').quantizer(x, 0)[0, 0]\n# 2.0, expected 1.0" in text
    assert "2 roundings of 2 quantisers were checked; 1 of the roundings break" in text
    assert "not measured: third (no compiler)" in text


def test_the_command_measures_one_package_and_keeps_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "p.json"
    save(file, Record("old", (row("floor(x/s + rand) (NumPy)", "0"), row("HQQ", "0.1"))))

    def quick(one: peer.Peer, **options: Any) -> list[Row] | Missing:
        assert options["effort"] == "quick"
        return Missing(one.name, "not here") if one.name == "HQQ" else [row(one.name, one.version())]

    monkeypatch.setattr(command, "measured", quick)
    options = ["--effort", "quick", "--output", str(file), "--only", "HQQ", "--only", "floor(x/s + rand) (NumPy)"]
    done = CliRunner().invoke(command.main, options)
    assert done.exit_code == 0, done.output
    assert "HQQ: left out (not here)" in done.output
    assert [(one.peer, one.version) for one in load(file).rows] == [
        ("floor(x/s + rand) (NumPy)", np.__version__),
        ("HQQ", "0.1"),
    ]
    assert (tmp_path / "p.md").read_text(encoding="utf-8") == page.markdown(load(file))


@pytest.mark.parametrize(
    ("options", "said"), [(["--only", "qt"], "--only takes one of"), (["--output", "x.md"], "must be a file that ends")]
)
def test_the_command_refuses_what_it_does_not_know(options: list[str], said: str) -> None:
    done = CliRunner().invoke(command.main, options)
    assert done.exit_code == 2
    assert said in done.output


# --- what is stored ---------------------------------------------------------------------------------------------------


def test_the_pages_say_what_is_stored() -> None:
    record = load(STORED)
    assert STORED.with_suffix(".md").read_text(encoding="utf-8") == page.markdown(record)
    text = page.DOCS.read_text(encoding="utf-8")
    for name, content in page.docs_parts(record).items():
        assert f"<!-- {name}:begin -->\n{content}\n<!-- {name}:end -->" in text, name


def test_every_package_is_stored_with_its_version_or_a_reason() -> None:
    record = load(STORED)
    names = {one.peer for one in record.rows} | {one.peer for one in record.missing}
    assert names == {one.name for one in measure.PEERS}
    assert all(one.version and one.date and one.machine for one in record.rows)
    assert not any(one.failed for one in record.rows if one.peer == "alpt_ref")


def test_an_adapter_is_at_most_a_hundred_lines() -> None:
    for file in Path(measure.__file__).parent.glob("*.py"):
        if re.search(r"^(PEER|NUMPY|TORCH|RULE) = Peer\(", text := file.read_text(encoding="utf-8"), re.MULTILINE):
            assert len(text.splitlines()) <= 100, file.name

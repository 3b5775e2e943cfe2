"""``alpt-ref bench --compare``: what changed by more than the noise of both, what else differs, foreign files."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from alpt_ref import InputError
from alpt_ref.cli import cli
from analysis.benchmarks import bench
from analysis.benchmarks.compare import changes, comparison

from .test_bench import TINY

MACHINE = {"processor": "P", "cores": 2, "python": "3.11.7", "versions": {"numpy": "2.4.6"}, "blas": ["b"], "date": "D"}


def report(*, machine: dict[str, Any] | None = None, **cases: tuple[float, ...]) -> dict[str, Any]:
    """Cases by median and, where given, the ends of the middle half."""
    found = {
        name: {"seconds": values[0], **dict(zip(("low_seconds", "high_seconds"), values[1:], strict=False))}
        for name, values in cases.items()
    }
    return {"device": "cpu", "machine": {**MACHINE, **(machine or {})}, "size": {"elements": 1}, "cases": found}


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [
        ((1.0, 0.95, 1.05), (1.2, 1.1, 1.3), "slower"),
        ((1.2, 1.1, 1.3), (1.0, 0.95, 1.05), "faster"),
        ((1.0, 0.95, 1.05), (1.05, 1.04, 1.2), "same"),  # the halves overlap
        ((1.0, 1.0, 1.0), (1.02, 1.02, 1.02), "same"),  # two runs differ by as much
        ((1.0, 1.0, 1.0), (1.04, 1.04, 1.04), "slower"),
        ((1.0,), (1.1, 1.1, 1.1), "same"),  # an old report without its noise
        ((1.0,), (1.2, 1.2, 1.2), "slower"),
    ],
)
def test_only_what_exceeds_the_noise_of_both_is_a_change(
    old: tuple[float, ...], new: tuple[float, ...], verdict: str
) -> None:
    (found,) = changes(report(x=old), report(x=new))
    assert found.verdict == verdict
    assert found.ratio == new[0] / old[0]


def test_cases_that_came_or_went_are_named() -> None:
    text, slower = comparison(report(gone=(1.0,), both=(1.0,)), report(both=(1.0,), come=(1.0,)))
    assert "gone: no more" in text
    assert "come: new" in text
    assert "1 cases in both" in text
    assert not slower


def test_another_machine_or_version_is_said_and_another_machine_decides_nothing() -> None:
    old, slow = report(x=(1.0, 1.0, 1.0)), (2.0, 2.0, 2.0)
    text, slower = comparison(old, report(machine={"versions": {"numpy": "2.5.0"}}, x=slow))
    assert "another version of numpy: 2.4.6 then, 2.5.0 now" in text
    assert slower
    text, slower = comparison(old, report(machine={"processor": "Q"}, x=slow))
    assert "another processor: P then, Q now" in text
    assert "the machines differ" in text
    assert not slower


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["bench", *arguments])


def stored(folder: Path, name: str, value: Any) -> str:
    file = folder / name
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    return str(file)


def test_the_command_ends_with_1_where_something_is_slower(tmp_path: Path) -> None:
    old = stored(tmp_path, "old.json", report(x=(1.0, 1.0, 1.0)))
    new = stored(tmp_path, "new.json", report(x=(2.0, 2.0, 2.0)))
    done = run("--compare", old, "--figures", new)
    assert done.exit_code == 1, done.output
    assert "x  2.00  SLOWER" in done.output
    assert run("--compare", new, "--figures", old).exit_code == 0


def test_what_is_measured_now_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite: Any = importlib.import_module("alpt_ref.analysis.benchmarks")
    monkeypatch.setitem(suite.SIZES, "cpu", TINY)
    found = bench("cpu", size=TINY, repeats=2, with_peers=False)
    assert all(one["low_seconds"] <= one["seconds"] <= one["high_seconds"] for one in found["cases"].values())
    for one in found["cases"].values():
        one["seconds"] = one["low_seconds"] = one["high_seconds"] = 1e-9
    old = stored(tmp_path, "old.json", found)
    done = run("--repeats", "1", "--no-peers", "--quiet", "--compare", old)
    assert done.exit_code == 1, done.output
    assert f"{len(found['cases'])} slower and 0 faster" in done.output


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "is not a file"),
        ("{", "is no report of `alpt-ref bench"),
        ("[1]", "is no report of `alpt-ref bench"),
        ({"cases": {"x": {"milliseconds": 3}}}, "is no report of `alpt-ref bench"),
        ({**report(x=(1.0,)), "cases": {}}, "is no report of `alpt-ref bench"),
        ({**report(x=(1.0,)), "device": "NVIDIA H200"}, "was measured with --device cuda, this with --device cpu"),
        ({**report(x=(1.0,)), "size": {"elements": 2}}, "measured other sizes than this version does (elements)"),
    ],
)
def test_a_foreign_file_is_refused_in_a_sentence(tmp_path: Path, content: Any, sentence: str) -> None:
    path = str(tmp_path / "none.json") if content is None else stored(tmp_path, "old.json", content)
    done = run("--compare", path, "--figures", stored(tmp_path, "new.json", report(x=(1.0,))))
    assert isinstance(done.exception, InputError)  # a sentence and exit status 2 on the command line
    assert sentence in str(done.exception)


def test_figures_need_something_to_compare_with(tmp_path: Path) -> None:
    done = run("--figures", stored(tmp_path, "new.json", report(x=(1.0,))))
    assert done.exit_code == 2
    assert "--figures goes with --compare" in done.output

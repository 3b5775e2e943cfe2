"""Where results may go is decided first: each verb refuses a wrong folder before it reads or makes anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpt_ref.cli import run

VERBS = (
    ["train"],
    ["compare", "--seeds", "1"],
    ["reproduce", "--quick"],
    ["verify", "--claim", "r2"],
    ["figures"],
    ["data", "encode", "--libfm", "clicks"],
)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: " ".join(verb[:2]))
def test_refused_first(
    verb: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    Path("run/result.json").write_text("{}")
    Path("link").symlink_to("/")
    Path("clicks").write_text("1 1:1\n0 2:1\n")
    for output, rule in (("/", "root of"), ("link", "root of"), ("run/mine", "belongs to alpt-ref")):
        assert run([*verb, "--output", output]) == 2
        said = capsys.readouterr()
        assert rule in said.err
        assert said.out == ""  # nothing was done before
    assert sorted(str(path) for path in Path().rglob("*")) == ["clicks", "link", "run", "run/result.json"]

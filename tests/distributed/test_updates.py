"""The file of 1,000 updates: what it holds, merged from several machines, and that the documentation says the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.distributed.updates import cases, merge, name_of, read, write

ROOT = Path(__file__).parents[2]
KEPT = ROOT / "analysis" / "results" / "ranks" / "updates.json"


def _case(state: str, *, same: bool = True, **more: Any) -> dict[str, Any]:
    return {"ranks": [1, 2], "same_bits": [True, same], "state": state, "seconds": 1.0, **more}


def test_files_of_two_machines_are_one_and_each_case_says_where_it_ran(tmp_path: Path) -> None:
    first, second, third = (name_of(one) for one in cases()[:3])
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps({"made_with": {"python": "3.12"}, "cases": {third: _case("c"), first: _case("a")}}))
    write(
        new, {second: _case("b", made_with={"python": "3.11"}), first: _case("a", made_with={"python": "3.11"})}, 1000
    )
    found = read(old)
    assert merge(found, read(new)) == []
    write(old, found, 1000)
    again = read(old)
    assert list(again) == [first, second, third]
    assert [one["made_with"]["python"] for one in again.values()] == ["3.12", "3.11", "3.12"]


def test_other_bits_on_another_machine_are_told() -> None:
    one, two, three = {"x": _case("a")}, {"x": _case("b")}, {"y": _case("c", same=False)}
    assert merge(one, two) == ["x"]
    assert merge(one, three) == ["y"]


def test_what_is_kept_is_what_the_documentation_says() -> None:
    known, found = {name_of(one) for one in cases()}, read(KEPT)
    assert set(found) <= known
    assert all(one["same_bits"] == [True] * 4 and one["made_with"] for one in found.values())
    page = (ROOT / "docs" / "distributed.md").read_text()
    assert re.findall(r"(\d+) of (\d+) cases of 1,000 updates", page) == [(str(len(found)), str(len(known)))]

"""Which files the tests of a GPU are looked for in, and in which order several workers run them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import GPU_LEADERS, leaders_first, pytest_ignore_collect


@pytest.mark.parametrize(("wanted", "left_out"), [("gpu", True), ("simulator", False), ("", False), ("not gpu", False)])
def test_files_without_such_a_test_are_not_imported(wanted: str, left_out: bool, tmp_path: Path) -> None:
    file = tmp_path / "test_some.py"
    file.write_text("pytestmark = pytest.mark.simulator\n")
    config: Any = SimpleNamespace(getoption=lambda name, default: {"markexpr": wanted}.get(name, default))
    assert bool(pytest_ignore_collect(file, config)) == left_out
    assert not pytest_ignore_collect(tmp_path, config)
    assert not pytest_ignore_collect(tmp_path / "conftest.py", config)


def test_each_worker_begins_with_a_leader_and_the_longest_has_the_shortest_beside_it() -> None:
    names = [f"test_{number}" for number in range(40)] + list(reversed(GPU_LEADERS))
    long = dict.fromkeys(names[::2], "tests/tables/test_cuda.py")
    items: Any = [SimpleNamespace(name=name, nodeid=f"{long.get(name, 'tests/x.py')}::{name}") for name in names]
    found = [item.name for item in leaders_first(items, 4)]
    assert sorted(found) == sorted(names)
    first, last = GPU_LEADERS[:4], GPU_LEADERS[7:3:-1]
    assert found[:8] == [name for pair in zip(first, last, strict=True) for name in pair]
    assert found[8 : len(GPU_LEADERS)] == list(GPU_LEADERS[8:])
    rest = [name in long for name in found[len(GPU_LEADERS) :]]
    assert rest == sorted(rest, reverse=True)
    assert found == [item.name for item in leaders_first(items[::-1], 4)]  # on every worker


def test_every_leader_is_a_test() -> None:
    folder = Path(__file__).parent
    text = "".join(file.read_text(encoding="utf-8") for file in folder.glob("*/test_*.py"))
    assert [name for name in GPU_LEADERS if f"def {name.partition('[')[0]}(" not in text] == []

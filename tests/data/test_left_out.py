"""Numbers of rows among all rows of their files, where bad ones were left out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.data.formats import left_out
from alpt_ref.data.formats.left_out import joined, rows_of_files, runs_of, valid_runs


@given(pieces=st.lists(st.lists(st.booleans(), max_size=12), max_size=6))
def test_good_rows_keep_their_numbers(pieces: list[list[bool]]) -> None:
    runs: list[int] | None = []
    for number, piece in enumerate(pieces):
        runs = joined(runs, runs_of(np.array(piece, bool)), sum(map(len, pieces[:number])))
    everything = [bad for piece in pieces for bad in piece]
    good = [row for row, bad in enumerate(everything) if not bad]
    assert valid_runs(runs, sum(everything))
    info = {"bad_rows": {"count": sum(everything), "examples": [], "rows": runs}}
    found = rows_of_files(info, np.arange(len(good)))
    assert found is not None
    assert found.tolist() == good
    assert len(runs or ()) // 2 == sum(
        bad > before for before, bad in zip([False, *everything], everything, strict=False)
    )


def test_too_many_runs_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(left_out, "MAX_RUNS", 2)
    assert runs_of(np.array([True, False, True])) == [0, 1, 2, 1]
    assert runs_of(np.array([True, False, True, False, True])) is None
    assert joined([0, 1, 2, 1], [1, 1], 5) is None
    assert joined(None, [], 5) is None
    assert rows_of_files({"bad_rows": {"count": 3, "examples": []}}, np.arange(2)) is None


BAD: list[Any] = [
    [0, 1, 1],
    [0, 3],
    [0, 1, 0, 1],
    [3, 1, 0, 1],
    [-1, 2],
    [0, 0, 2, 2],
    [0.0, 2],
    [True, 2],
    "0,2",
    {"0": 2},
]


@pytest.mark.parametrize("runs", [*BAD, [2**70, 2]])
def test_numbers_that_nobody_wrote_are_found(runs: Any) -> None:
    assert not valid_runs(runs, 2)
    assert valid_runs([0, 1, 4, 1], 2)

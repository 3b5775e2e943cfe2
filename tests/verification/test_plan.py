"""Which cells controls are planned in, and what becomes of verdicts that an older version stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from alpt_ref.errors import InputError
from alpt_ref.verification import Control
from alpt_ref.verification.results import Results, save_results
from alpt_ref.verification.runner import choose, load_claims, plan, verify

Toys = Callable[..., Path]


def test_verdicts_that_an_older_version_stored_are_refused_in_one_sentence(toys: Toys, tmp_path: Path) -> None:
    output = tmp_path
    save_results(output, verify(choose(load_claims(toys("good_mean")), []), output, jobs=1))
    path = output / "claims" / "good.json"
    stored = json.loads(path.read_text())
    for part in ("p", "normal"):
        path.write_text(json.dumps({key: value for key, value in stored.items() if key != part}))
        with pytest.raises(InputError, match="was not written by this version; run 'alpt-ref verify --claim good'"):
            Results(output)["good"]


def test_controls_are_not_run_where_the_claim_is_silent(toys: Toys) -> None:
    silent = plan(load_claims(toys("na_domain"))["na"], "quick", 0)
    assert [len(group) for group in silent.controls] == [0]
    lost = load_claims(toys("lost_domain"))["lost"]
    everywhere = Control("two", "gives 2")
    planned = plan(replace(lost, claim=replace(lost.claim, control=everywhere)), "quick", 0)
    assert [cell["lr"] for cell, _ in planned.controls[0]] == [0.1, 9.0]
    nowhere = Control("two", "gives 2", where=lambda cell: cell["lr"] == 10.0)
    with pytest.raises(InputError, match="control 'two' applies to no cell of this budget in which the claim does"):
        plan(replace(lost, claim=replace(lost.claim, control=nowhere)), "quick", 0)

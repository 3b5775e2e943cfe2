"""Every term and factor of every bound has a control that breaks it, and the formula in words lists them all."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory.theorem import terms
from alpt_ref.verification.runner import load_claims
from analysis import necessity

FOLDER = Path(__file__).resolve().parents[2] / "analysis" / "claims"
NOTHING_ADDED_UP = {
    "sr_bias": "an exact zero",
    "lattice_bias": "an exact count",
    "dr_is_fixed": "an equivalence",
}
"""Theorems without a formula to take apart, and what they state in its place."""


def test_every_theorem_lists_its_terms_or_has_none() -> None:
    without = {name for name, function in necessity.theorems().items() if not terms(function)}
    assert without - set(NOTHING_ADDED_UP) == set()


def test_every_term_and_factor_has_a_control() -> None:
    assert necessity.missing(load_claims(FOLDER).values()) == []


def test_a_label_is_one_that_the_theorem_lists() -> None:
    known: dict[str, set[str]] = {}
    for function in necessity.theorems().values():
        claim, needed = necessity.labels(function)
        known.setdefault(claim, set()).update(needed)
    for name, loaded in load_claims(FOLDER).items():
        if known.get(name):
            assert {label for control in loaded.claim.controls for label in control.removes} <= known[name], name


def words(formula: str, listed: str) -> Callable[..., Any]:
    def function() -> None: ...

    lines = "\n".join(f"    {line}" for line in listed.splitlines())
    function.__doc__ = f"E1: a bound.\n\n    In words\n    --------\n    {formula}\n\n    Terms\n    -----\n{lines}\n"
    return function


def test_the_terms_of_a_formula_are_read_in_its_order() -> None:
    found = terms(words("Always f <= min(a + sqrt(d) b/2, c). Else more.", "a\nsqrt(d) b/2: sqrt(d)\nc"))
    assert [(one.text, one.factors) for one in found] == [("a", ()), ("sqrt(d) b/2", ("sqrt(d)",)), ("c", ())]
    assert [one.text for one in terms(words("x <= a + F with F = b + c", "a\nF\nb\nc"))] == ["a", "F", "b", "c"]


@pytest.mark.parametrize(
    ("formula", "listed", "message"),
    [
        ("f <= a + b + c.", "a\nb", "goes on with"),
        ("f <= a + b + c.", "b\nc", "before b: f <= a \\+"),
        ("f <= a + b + c.", "a\nc", "before c"),
        ("f <= a + b, F = c", "a\nc", "goes on with:  \\+ b"),
        ("f <= a/2.", "a", "goes on with: /2"),
        ("f <= a + b.", "a\nc", "no \\(further\\) term c"),
        ("f <= L sqrt(d) a.", "L sqrt(d) a: L", "factor sqrt\\(d\\)"),
        ("f <= d a.", "d a", "factor d"),
    ],
)
def test_a_formula_with_an_unlisted_term_is_refused(formula: str, listed: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        terms(words(formula, listed))


def test_the_stored_table_has_a_line_for_each_term_and_was_refuted_everywhere() -> None:
    lines = list(csv.DictReader(io.StringIO(necessity.CSV.read_text(encoding="utf-8"))))
    assert tuple(lines[0]) == necessity.HEAD
    assert all(float(line["p"]) <= 0.001 for line in lines)
    have = {(line["claim"], line["term or factor"]) for line in lines}
    for loaded in load_claims(FOLDER).values():
        wanted = {(loaded.claim.id, label) for control in loaded.claim.controls for label in control.removes}
        assert wanted <= have

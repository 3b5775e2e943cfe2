"""Every term and factor of every bound has a control that breaks it, and the formula in words lists them all."""

from __future__ import annotations

import csv
import importlib
import inspect
import io
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import alpt_ref.theory
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
PARTS = {
    "adam_update_bound": "c_t of D7", "largest_update": "c_t of D7", "extremal_gradients": "where c_t is reached",
    "adam_dr_stalls": "D7, asked for one touch",
    "norm_1_bound": "lemma of S1 to S5", "rounding_rate": "lemma of S1 to S5", "whole": "an argument",
    "require_small_updates": "an argument",
    "replay_variance": "RP1, one touch", "rounding_gain": "two variances of EF1D, divided",
    "first_residual_move": "the number of updates of EF1C, exactly",
    "fourier_terms": "the series of D5b", "dither_bias": "what D5 bounds, exactly",
    "sr_up_probability": "words of R1, counted", "lattice_value": "R1, exactly",
    "lattice_neighbours": "R1, exactly", "lattice_words": "R1, exactly",
    "expected_rise_from_grid": "R9 with p(1 - p) written out",
    "squared_error": "A2, exactly", "squared_error_slope": "A2, exactly", "straight_through_slope": "A2, exactly",
    "best_step_size": "A2, exactly", "straight_through_step_size": "A2, exactly",
    "update_bias": "beta of U1, exactly", "update_second_moment": "E|M|^2 of U1, exactly",
    "largest_rounded_update": "|M| of U1, exactly",
    "gap_by_strong_convexity": "the certificate of f*", "gap_by_duality": "the certificate of f*",
}  # fmt: skip
"""Public functions beside the theorems that bound nothing of their own, and to which theorem each belongs."""
MACHINERY = {
    "applied_bounds",
    "applied_case",
    "applied_rules",
    "draws",
    "evolution",
    "gradient_source",
    "known_constants",
    "learned_steps",
    "linear",
    "long_run",
    "markov",
    "montecarlo",
    "montecarlo_cuda",
    "problem",
    "problem_checks",
    "problems",
    "rounding_rule",
    "row_functions",
    "setting",
    "simulation_arguments",
    "simulation_result",
    "stationary",
    "theorem",
    "tightness",
    "update_rules",
    "vectorised",
    "vectorised_step",
    "whole_rows",
}
"""Modules that run problems and apply theorems; all others state some."""


def test_every_theorem_lists_its_terms_or_has_none() -> None:
    without = {name for name, function in necessity.theorems().items() if not terms(function)}
    assert without - set(NOTHING_ADDED_UP) == set()


def test_a_function_beside_theorems_states_one_or_belongs_to_one() -> None:
    """A new bound without Statement and Terms would have no line in the table, and nobody would miss it."""
    stated, others = necessity.theorems(), set()
    for module in pkgutil.walk_packages(alpt_ref.theory.__path__, "alpt_ref.theory."):
        if module.name.removeprefix("alpt_ref.theory.") not in MACHINERY:
            for name, value in vars(importlib.import_module(module.name)).items():
                own = inspect.isfunction(value) and value.__module__ == module.name and not name.startswith("_")
                others |= {name} if own and name not in stated else set()
    assert others == set(PARTS)


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


def test_the_stored_table_is_that_of_the_controls_and_was_refuted_everywhere() -> None:
    lines = list(csv.DictReader(io.StringIO(necessity.CSV.read_text(encoding="utf-8"))))
    assert tuple(lines[0]) == necessity.HEAD
    assert all(float(line["p"]) <= 0.001 for line in lines)
    have = [(line["claim"], line["term or factor"], line["control"], int(line["cells"])) for line in lines]
    wanted = []
    for loaded in load_claims(FOLDER).values():
        cells = loaded.claim.grid("quick")
        for control in loaded.claim.controls:
            count = sum(control.where is None or control.where(cell) for cell in cells)
            wanted += [(loaded.claim.id, label, control.name, count) for label in control.removes]
    assert sorted(have) == sorted(wanted)

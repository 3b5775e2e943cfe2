"""A wrong bound or a wrong constant turns the claims red, by a measurement above it or because what is proved fails."""

from __future__ import annotations

import dataclasses
import inspect
import math
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from alpt_ref.theory import bounds, stalling
from alpt_ref.theory.bounds import convex, smooth, strongly_convex
from alpt_ref.theory.linear import LinearModel
from alpt_ref.theory.problems import Constants, Separable
from alpt_ref.theory.setting import Noise
from alpt_ref.verification import Cell
from alpt_ref.verification.results import ClaimResult
from alpt_ref.verification.runner import verify
from tests.analysis.test_claims_rsx import loaded

HASHES = "alpt_ref.verification.runner.source_hash"
ADDED_UP = "the bound is the sum of its terms"


@pytest.fixture(autouse=True)
def _no_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured here is stored for nobody."""
    monkeypatch.setattr(HASHES, lambda source, files, reading=None: "broken")


def verdict(name: str, folder: Path, *, without: str = "") -> ClaimResult:
    """The claim's own cells and one control; without an assumption only the exact cells."""
    one = loaded(name)
    assumptions = tuple(each for each in one.claim.assumptions if each.name != without)

    def grid(budget: str) -> list[Cell]:
        return [cell for cell in one.claim.grid(budget) if not without or "runs" not in cell]

    claim = dataclasses.replace(one.claim, assumptions=assumptions, control=one.claim.controls[0], grid=grid)
    return verify([dataclasses.replace(one, claim=claim)], folder, jobs=1)[0]


def rewrite(patch: pytest.MonkeyPatch, home: ModuleType, name: str, before: str, after: str) -> None:
    """The function of `home` with one piece of its source replaced, under every name by which claims call it."""
    source = textwrap.dedent(inspect.getsource(getattr(home, name)))
    assert source.count(before) == 1
    scope = dict(vars(home))
    exec(source.replace(before, after), scope)
    for place in (home, bounds):
        if hasattr(place, name):
            patch.setattr(place, name, scope[name])


BOUNDS: list[tuple[ModuleType, str, str, str, str]] = [
    (convex, "sr_convex_constant", "D1 * D1 /", "0.5 * D1 * D1 /", "s1"),
    (convex, "sr_convex_constant", "0.5 * eta", "0.25 * eta", "s1"),
    (convex, "sr_convex_constant", "0.5 * rounding", "0.25 * rounding", "s1"),
    (convex, "sr_convex_constant_small_updates", "0.5 * step_size", "0.25 * step_size", "s1"),
    (convex, "sr_convex_sqrt", " + c * G * G", "", "s2"),
    (convex, "sr_convex_sqrt", "c * G * G", "0.5 * c * G * G", "s2"),
    (convex, "sr_convex_sqrt", "norm_1_bound(G, dim, G1)", "G", "s2"),
    (convex, "sr_convex_schedule", "4.0 * eta", "8.0 * eta", "s2"),
    (convex, "sr_convex_schedule", "D * D /", "0.5 * D * D /", "s2"),
    (strongly_convex, "sr_strongly_convex_inverse", "norm_1_bound(G, dim, G1)", "G", "s3"),
    (strongly_convex, "sr_strongly_convex_inverse", "(1.0 + math.log(T))", "1.0", "s3"),
    (strongly_convex, "sr_strongly_convex_inverse", "(2.0 * mu * T)", "(4.0 * mu * T)", "s3"),
    (strongly_convex, "sr_strongly_convex_constant", "eta * G * G +", "0.5 * eta * G * G +", "s4"),
    (strongly_convex, "sr_strongly_convex_constant", "kept * D1 * D1", "0.5 * kept * D1 * D1", "s4"),
    (smooth, "sr_smooth", "gap / (eta", "0.5 * gap / (eta", "s5"),
    (smooth, "sr_smooth", "0.5 * L * rounding", "0.25 * L * rounding", "s5"),
    (stalling, "dr_convex_constant", "math.sqrt(dim) * step_size", "step_size", "d1"),
    (stalling, "dr_convex_constant", "0.5 * eta", "0.25 * eta", "d1"),
    (stalling, "dr_convex_constant", ", G * D)", ", 0.5 * G * D)", "d1"),
    (stalling, "dr_convex_sqrt", "c * G * G", "0.5 * c * G * G", "d2"),
    (stalling, "dr_convex_sqrt", "D * rounding / T", "0.25 * D * rounding / T", "d2"),
]
"""Pieces of the formulas, what is put in their place, and the claim that measures more than the broken bound."""
ONLY_ADDED_UP = [
    (stalling, "dr_convex_sqrt", "rounding = math.sqrt(dim) * step_size", "rounding = step_size", "d2"),
    (stalling, "dr_convex_sqrt", "/ (2.0 * c) * roots", "/ (8.0 * c) * roots", "d2"),
]
"""Not tight in any cell: the growing sum before it is cut off at G."""


def names(cases: list[tuple[ModuleType, str, str, str, str]]) -> list[str]:
    return [f"{name}: {before} -> {after}" for _, name, before, after, _ in cases]


@pytest.mark.parametrize(("home", "name", "before", "after", "claim"), BOUNDS, ids=names(BOUNDS))
def test_a_broken_bound_is_refuted_by_a_measurement(
    home: ModuleType, name: str, before: str, after: str, claim: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rewrite(monkeypatch, home, name, before, after)
    assert verdict(claim, tmp_path, without=ADDED_UP).outcome == "REFUTED"


@pytest.mark.parametrize(("home", "name", "before", "after", "claim"), ONLY_ADDED_UP, ids=names(ONLY_ADDED_UP))
def test_a_broken_bound_is_not_the_sum_of_its_terms(
    home: ModuleType, name: str, before: str, after: str, claim: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rewrite(monkeypatch, home, name, before, after)
    assert verdict(claim, tmp_path).outcome == "ERROR"


def test_sqrt_d_left_out_of_the_lemma_turns_all_five_claims_red(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def narrow(G: float, dim: int, G1: float | None) -> float:
        return G if G1 is None else min(G, G1)

    for home in (convex, strongly_convex):
        monkeypatch.setattr(home, "norm_1_bound", narrow)
    monkeypatch.setattr("alpt_ref.theory.bounds.lemma.norm_1_bound", narrow)
    outcomes = {name: verdict(name, tmp_path, without=ADDED_UP).outcome for name in ("s1", "s2", "s3", "s4", "s5")}
    assert set(outcomes.values()) == {"REFUTED"}, outcomes


Change = Callable[[Any, Constants], Constants]


def forgets_noise(self: Any, known: Constants) -> Constants:
    return dataclasses.replace(known, G=math.sqrt(max(known.G**2 - self.dim * 0.25, 1e-9)))


def one_sided(self: Any, known: Constants) -> Constants:
    return dataclasses.replace(known, D=float(np.linalg.norm(np.abs(self.minimum - self.minimum.max() - 0.01))))


CONSTANTS: list[tuple[type, Change, tuple[str, ...]]] = [
    (Separable, forgets_noise, ("s1", "s2", "d1", "d2")),
    (Separable, one_sided, ("d1", "d2")),
    (Separable, lambda self, known: dataclasses.replace(known, L=float(self.curvature.min())), ("s5",)),
    (LinearModel, lambda self, known: dataclasses.replace(known, G=known.G / 2), ("s1", "s2", "s3", "s4", "s5")),
    (LinearModel, lambda self, known: dataclasses.replace(known, L=known.L / 2), ("s5",)),
    (LinearModel, lambda self, known: dataclasses.replace(known, G1=known.G1 / 2), ("s1",)),
]


@pytest.mark.parametrize(
    ("kind", "change", "claims"), CONSTANTS, ids=["noise", "one-sided D", "smallest L", "half G", "half L", "half G1"]
)
def test_a_constant_that_is_too_small_is_an_error(
    kind: type, change: Change, claims: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    right = vars(kind)["constants"]

    def wrong(self: Any, *arguments: Any, **options: Any) -> Constants:
        return change(self, right(self, *arguments, **options))

    monkeypatch.setattr(kind, "constants", wrong)
    assert {name: verdict(name, tmp_path).outcome for name in claims} == dict.fromkeys(claims, "ERROR")


@pytest.mark.parametrize("scale", [0.5, 1.5])
def test_a_wrong_mean_of_uniform_noise_is_refuted(
    scale: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    right = Noise.absolute_mean

    def wrong(self: Noise, mean: Any) -> Any:
        return right(self, mean) * (scale if self.kind == "uniform" else 1.0)

    monkeypatch.setattr(Noise, "absolute_mean", wrong)
    assert verdict("x3", tmp_path).outcome == "REFUTED"


def test_an_unchanged_bound_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the rewriting itself changes is nothing."""
    rewrite(monkeypatch, stalling, "dr_convex_constant", "0.5 * eta", "0.50 * eta")
    assert verdict("d1", tmp_path).outcome == "SUPPORTED"

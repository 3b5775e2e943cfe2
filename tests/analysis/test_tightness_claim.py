"""Claim T1: shares of terms are what the closed formulas give, and the claim stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpt_ref.verification.runner import load_claims, verify

FOLDER = Path(__file__).resolve().parents[2] / "analysis" / "claims"


def test_the_claim_stands_and_twice_the_bound_is_refuted(tmp_path: Path) -> None:
    (result,) = verify([load_claims(FOLDER, only=["t1"])["t1"]], tmp_path, jobs=1)
    assert result.outcome == "SUPPORTED"
    assert all(control.refuted for control in result.controls)
    whole = {cell.cell["claim"] for cell in result.cells if cell.cell["term"] == "the whole bound"}
    assert whole == {"s1", "s2", "s3", "s4", "s5", "d1", "d2"}
    rooted = {(cell.cell["claim"], cell.cell["in"]["problem"]) for cell in result.cells
              if cell.cell["term"].startswith(("sqrt(d)", "L sqrt(d)"))}  # fmt: skip
    for claim in ("s1", "s2", "s3", "s4", "s5"):
        assert {name.split("d = ")[1] for one, name in rooted if one == claim} == {"1", "4", "16"}


@pytest.mark.parametrize("d", [1, 4, 16])
def test_the_share_of_the_floor_is_what_the_stationary_law_leaves(d: int) -> None:
    """|w|_1/sqrt(d): measured sqrt(d)/2 up to the start, the bound eta/2 more, so that the share is 1 - eta/sqrt(d)."""
    measure = load_claims(FOLDER, only=["t1"])["t1"].claim.measure
    cell = {"problem": f"kink, d = {d}", "reach": 0.01, "T": 1_000_000}
    found = float(measure({"claim": "s1", "term": "sqrt(d) Delta G/2", "in": cell}, 0).values[0])
    eta = 0.01 * d**0.5
    assert found == pytest.approx(1 - eta / d**0.5, abs=2e-4)

"""Claims R1-R7, S1-S5, X1-X3: each stands in the quick budget, its controls are refuted, its picture is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpt_ref.verification.picture import claim_picture, formula
from alpt_ref.verification.results import ClaimResult
from alpt_ref.verification.runner import Loaded, plan, verify
from alpt_ref.verification.task import load_claim

FOLDER = Path(__file__).resolve().parents[2] / "analysis" / "claims"
IDS = [*(f"r{i}" for i in range(1, 8)), *(f"s{i}" for i in range(1, 6)), *(f"x{i}" for i in range(1, 4))]
TIGHT = ("r3", "r4", "s1", "s2", "s3", "s4", "s5")
"""Upper bounds: each has an instance above 0.9 of its bound."""


def loaded(name: str) -> Loaded:
    (file,) = FOLDER.glob(f"{name}_*.py")
    return Loaded(load_claim(file), file)


def verdict(name: str, folder: Path, seed: int = 0) -> ClaimResult:
    return verify([loaded(name)], folder, seed=seed, jobs=1)[0]


@pytest.mark.parametrize("name", IDS)
def test_the_claim_stands_and_its_controls_fall(name: str, tmp_path: Path) -> None:
    result = verdict(name, tmp_path)
    assert result.outcome == "SUPPORTED", [cell for cell in result.cells if cell.outcome != "SUPPORTED"]
    assert [control.name for control in result.controls if not control.refuted] == []
    assert all(cell.outcome == "SUPPORTED" for cell in result.cells)
    if name in TIGHT:
        assert result.tightness is not None
        assert 0.9 < result.tightness <= 1.0 + 1e-9
    uri, problem = claim_picture(result, loaded(name).claim.figure)
    assert (uri.startswith("data:image/webp;base64,") and not problem) or "are those that are claimed" in problem


@pytest.mark.parametrize("name", IDS)
def test_the_statement_can_be_typeset_and_the_proof_is_there(name: str) -> None:
    claim = loaded(name).claim
    assert formula(claim.statement).startswith("data:")
    assert claim.plain
    assert "Theorem" not in claim.statement + claim.plain
    assert "Theorem" not in claim.source or "of H. Li et al." in claim.source  # a relative, never the paper's
    text = loaded(name).file.read_text(encoding="utf-8")
    assert text.startswith(f'r"""{name.upper()}: ')
    assert "\nProof. " in text or "theorem(" in text  # which refuses a docstring without a proof


@pytest.mark.parametrize("name", IDS)
def test_both_budgets_give_cells_with_finite_bounds(name: str) -> None:
    one = loaded(name)
    for budget in ("quick", "full"):
        assert plan(one, budget, 0).tasks
    assert len(one.claim.grid("full")) > len(one.claim.grid("quick"))

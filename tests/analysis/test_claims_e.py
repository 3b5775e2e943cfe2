"""Claims E1 to E5, about the engines that the other claims run: each stands, and each control falls in every cell."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpt_ref.verification.picture import formula
from alpt_ref.verification.runner import load_claims, plan, verify

FOLDER = Path(__file__).resolve().parents[2] / "analysis" / "claims"
IDS = ("e1", "e2", "e3", "e4", "e5")


@pytest.mark.parametrize("name", IDS)
def test_the_claim_stands_for_any_seed_and_its_controls_fall_in_every_cell(name: str, tmp_path: Path) -> None:
    loaded = load_claims(FOLDER, only=[name])[name]
    for seed in (0, 3):
        result = verify([loaded], tmp_path, seed=seed, jobs=1)[0]
        assert result.outcome == "SUPPORTED"
        missed = [(one.name, cell.cell) for one in result.controls for cell in one.cells if cell.outcome != "REFUTED"]
        assert missed == []
    assert len(loaded.claim.grid("full")) >= len(loaded.claim.grid("quick"))
    assert plan(loaded, "full", 0).tasks
    assert formula(loaded.claim.statement).startswith("data:")

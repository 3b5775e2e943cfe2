"""Claims EF1, RM1, R8, R8B, R9, S7, X4, X5b: each stands in the quick budget, its controls fall, it has a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alpt_ref.scalar import quantizer
from alpt_ref.verification.picture import claim_picture, formula
from alpt_ref.verification.runner import plan
from tests.analysis.test_claims_broken import biased_word, rebuilt
from tests.analysis.test_claims_rsx import loaded, verdict

IDS = ("ef1", "ef1b", "ef1c", "ef1d", "rm1", "r8", "r8b", "r9", "s7", "x4", "x5b")
TIGHT = {"ef1": 0.95, "ef1b": 0.95, "r8b": 0.9, "s7": 0.99}
INFORMATIVE = 10
"""Points at which the bound of an upper claim is below everything trivial."""


@pytest.mark.parametrize("name", IDS)
def test_the_claim_stands_and_its_controls_fall(name: str, tmp_path: Path) -> None:
    result = verdict(name, tmp_path)
    assert result.outcome == "SUPPORTED", [cell for cell in result.cells if cell.outcome != "SUPPORTED"]
    assert [(control.name, control.reason) for control in result.controls if not control.refuted] == []
    if name in TIGHT:
        assert result.tightness is not None
        assert TIGHT[name] < result.tightness <= 1.0 + 1e-9
        assert sum(bool(point.informative) for point in result.points) >= INFORMATIVE
    uri, problem = claim_picture(result, loaded(name).claim.figure)
    assert (uri.startswith("data:image/webp;base64,") and not problem) or "are those that are claimed" in problem


@pytest.mark.parametrize("name", [*IDS, "x5"])
def test_statement_and_full_budget(name: str) -> None:
    one = loaded(name)
    assert formula(one.claim.statement).startswith("data:")
    assert one.claim.plain
    assert one.claim.source.startswith("ours")
    assert plan(one, "full", 0).tasks
    assert len(one.claim.grid("full")) > len(one.claim.grid("quick"))


def rest_lost(patch: pytest.MonkeyPatch) -> None:
    """An update that never goes a step further than its whole part."""
    from alpt_ref.scalar.jit import scalar

    @scalar
    def broken(x: Any, word: Any) -> Any:
        return int(x)

    patch.setattr(quantizer, "moved_code", rebuilt(quantizer.moved_code, sr=broken))


@pytest.mark.parametrize("defect", [biased_word, rest_lost], ids=["biased_word", "rest_lost"])
def test_a_defect_of_the_update_rule_refutes_them(
    defect: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    defect(monkeypatch)
    assert {name: verdict(name, tmp_path).outcome for name in ("r8", "r9")} == {"r8": "REFUTED", "r9": "REFUTED"}

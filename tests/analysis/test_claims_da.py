"""Claims D1-D5, A1-A3, C1-C7 and X5: each stands in the quick budget, its controls fall, its picture is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alpt_ref.verification.picture import claim_picture, formula
from alpt_ref.verification.results import ClaimResult, Results
from alpt_ref.verification.runner import Loaded, load_claims, plan

FOLDER = Path(__file__).resolve().parents[2] / "analysis" / "claims"
IDS = [
    "d1", "d2", "d3", "d3b", "d3c", "d4", "d5", "d5b", "d7", "a1", "a1b", "a1c", "a2", "a3", "a3b",
    "c1", "c2", "c3", "c4", "c5", "c6", "c7", "x5",
]  # fmt: skip
TIGHT = {"d1": 0.99, "d2": 0.99, "d3c": 0.999, "a1": 0.9, "a1b": 0.9, "a1c": 0.99}
"""Upper bounds and how near the quick budget comes to them (D1 and D2 where they are G D)."""


@pytest.fixture(scope="module")
def claims() -> dict[str, Loaded]:
    return load_claims(FOLDER)


@pytest.fixture(scope="module")
def verdicts(stored: Path) -> dict[str, ClaimResult]:
    """All verdicts of one quick run, read back from what it stored."""
    return dict(Results(stored))


def test_no_claim_is_left_out(verdicts: dict[str, ClaimResult]) -> None:
    assert set(verdicts) == set(IDS)


@pytest.mark.parametrize("name", IDS)
def test_the_claim_stands_and_its_controls_fall(name: str, verdicts: dict[str, ClaimResult]) -> None:
    result = verdicts[name]
    assert result.outcome == "SUPPORTED", [cell for cell in result.cells if cell.outcome != "SUPPORTED"]
    assert [control.name for control in result.controls if not control.refuted] == []
    assert {cell.outcome for cell in result.cells} == {"SUPPORTED"}
    if name in TIGHT:
        assert result.tightness is not None
        assert TIGHT[name] < result.tightness <= 1.0 + 1e-9


@pytest.mark.parametrize("name", IDS)
def test_statement_picture_and_proof_are_there(
    name: str, claims: dict[str, Loaded], verdicts: dict[str, ClaimResult]
) -> None:
    claim = claims[name].claim
    assert formula(claim.statement).startswith("data:")
    assert claim.plain
    assert claim.source.startswith("ours")
    text = claims[name].file.read_text(encoding="utf-8")
    assert text.startswith('r"""' + name[:2].upper())
    assert "\nProof" in text or "theorem(" in text  # which refuses a docstring without a proof
    uri, problem = claim_picture(verdicts[name], claim.figure)
    assert (uri.startswith("data:image/webp;base64,") and not problem) or "are those that are claimed" in problem


@pytest.mark.parametrize("name", IDS)
def test_the_full_budget_has_more_to_do_and_can_be_planned(name: str, claims: dict[str, Loaded]) -> None:
    one = claims[name]
    assert plan(one, "full", 0).tasks
    assert one.claim.grid("full") != one.claim.grid("quick") or name == "a1"


def test_dither_turns_the_comparison(verdicts: dict[str, ClaimResult]) -> None:
    """SR wins by far while the noise is small, DR wins when it is half a step."""
    long = [cell for cell in verdicts["d5b"].cells if cell.cell["updates"] > 10]
    ratio = {(cell.cell["side"], cell.cell["sigma"]): cell.points[0].value for cell in long}
    assert ratio["quiet", 0.0] > 30.0
    assert ratio["loud", 0.5] < 0.85
    assert ratio["loud", 0.5] < ratio["loud", 1.0] < ratio["loud", 2.0] < 1.0


def test_the_learned_step_is_near_the_best_but_not_at_it(verdicts: dict[str, ClaimResult]) -> None:
    found = {(c.cell["distribution"], c.cell["bits"]): c.points for c in verdicts["a2"].cells}
    fitted = {(name, bits) for name in ("normal", "laplace") for bits in range(2, 9)}
    assert set(found) == fitted | {("logistic", 2), ("logistic", 4)}
    assert found["normal", 2][1].value > 0.04
    assert found["normal", 8][1].value < 1e-4


def test_full_precision_stochastic_and_nearest_rounding_come_in_this_order(verdicts: dict[str, ClaimResult]) -> None:
    for cell in verdicts["d4"].cells:
        assert cell.measurement is not None
        kept = cell.measurement.extra
        assert kept["full precision"][-1] < kept["SR"][-1] < kept["DR"][-1]
        np.testing.assert_array_equal(kept["DR"], kept["DR"][0])


def test_click_data_come_from_a_store_when_one_is_named(claims: dict[str, Loaded], tmp_path: Path) -> None:
    from alpt_ref.data.synthetic.clicks import synthetic_clicks
    from alpt_ref.verification.inputs import Inputs

    synthetic_clicks(400, fields=3, features=20, seed=2).save(tmp_path / "store")
    claim = claims["x5"].about(Inputs(clicks=tmp_path / "store")).claim
    cell = {**claim.grid("quick")[1], "steps": 200}
    assert cell["data"].startswith("store ")
    constants = claim.constants(cell)
    assert claim.measure(cell, 1).values.mean() < claim.bound(cell, constants)
    assert claim.measure(cell, 1, broken="never trains").values.mean() > claim.bound(cell, constants)


def test_runs_stop_within_their_range_and_are_otherwise_whole(verdicts: dict[str, ClaimResult]) -> None:
    """What x5 tests is X itself, up to rounding, wherever no run came near the ends of the range."""
    inside = 0
    for cell in verdicts["x5"].cells:
        assert cell.measurement is not None
        last, range_ = cell.measurement.extra["X"][:, -1], cell.measurement.extra["R"]
        np.testing.assert_array_less(np.abs(cell.measurement.values), range_)
        if np.abs(cell.measurement.extra["X"]).max() < range_ / 2:
            np.testing.assert_allclose(cell.measurement.values[:, 0], last, atol=1e-9 * range_)
            inside += 1
    assert inside >= 5


def test_a_run_stops_before_an_update_that_would_leave_the_box() -> None:
    """Where clipping ends the update it lands farther from u's road than the update itself would: looked at, too."""
    from alpt_ref.theory.supermartingale import Update
    from analysis.claims.x5_supermartingale import play

    step_size, eta, g, u = 1 / 128, 1.0, -1.0, np.array([0.5])
    high = 1.0 - step_size
    step = Update(np.array([[high]]), np.array([[high]]), np.array([[g]]), np.array([g * (high - 0.5)]))
    barrier = (high - 0.5) ** 2
    stopped, free = play(np.zeros(1), np.ones(1, dtype=bool), step, u, eta, step_size, barrier)
    assert (stopped.tolist(), free.tolist()) == ([0.0], [False])

"""Claims U1, T2, S6, S1D, D7, A1C: each stands, its controls fall in every cell they name, and its numbers by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory import Grid, Noise, absolute, quadratic
from alpt_ref.theory.markov import Chain
from alpt_ref.theory.stationary import gth
from alpt_ref.verification.picture import claim_picture, formula
from analysis.claims import (
    _adagrad,
    _changing_steps,
    a1c_learned_steps,
    d7_dr_adam_first_move,
    s6_adagrad,
    u1_unified,
)
from analysis.claims._changing_steps import CHANGE, GAP, GRADIENT, Alternating
from analysis.claims._rounded_walk import RoundedWalk
from tests import tolerances
from tests.analysis.test_claims_rsx import loaded, verdict

LARGEST = {"u1": 0.999, "t2": 0.999, "s6": 0.8, "s1d": 0.99}
"""How near the quick budget comes to each bound."""


@pytest.mark.parametrize("name", LARGEST)
def test_the_claim_stands_and_every_control_falls_in_each_of_its_cells(name: str, tmp_path: Path) -> None:
    result = verdict(name, tmp_path)
    assert result.outcome == "SUPPORTED"
    assert {cell.outcome for cell in result.cells} == {"SUPPORTED"}
    for control in result.controls:
        assert {cell.outcome for cell in control.cells} == {"REFUTED"}, control.name
    assert result.tightness is not None
    assert LARGEST[name] < result.tightness <= 1.0 + 1e-9
    uri, problem = claim_picture(result, loaded(name).claim.figure)
    assert (uri.startswith("data:image/webp;base64,") and not problem) or "are those that are claimed" in problem
    assert formula(result.statement).startswith("data:")


@pytest.mark.parametrize("name", ["u1", "t2", "s6", "s1d", "d7", "a1c"])
def test_the_bound_says_something_at_ten_points_or_more(name: str) -> None:
    claim = loaded(name).claim
    assert claim.trivial is not None
    said = 0
    for cell in claim.grid("quick"):
        known = claim.constants(cell)
        bound, trivial = claim.bound(cell, known), claim.trivial(cell, known)
        low, high = bound if isinstance(bound, tuple) else (-np.inf, bound)
        said += int((np.asarray(low) > trivial).sum() if claim.kind == "lower" else (np.asarray(high) < trivial).sum())
    assert said >= 10


def test_u1_is_below_the_trivial_bound_for_dr_under_spread_noise() -> None:
    """What no earlier bound of DR was where its updates are below half a step."""
    for cell in u1_unified.CLAIM.grid("quick"):
        if cell["rounding"] == "dr" and cell["noise"] == "normal" and cell["problem"] == "kink":
            known = u1_unified.CLAIM.constants(cell)
            assert u1_unified.CLAIM.bound(cell, known)[-1] < 0.8 * known["largest"]


@pytest.mark.parametrize("rounding", ["sr", "dr"])
@pytest.mark.parametrize("sigma", [0.0, 0.75])
def test_the_dense_walk_is_the_package_s_chain(rounding: str, sigma: float) -> None:
    problem, grid, eta = quadratic(0.8, 0.3), Grid(0.5, 4), 0.25
    noise = Noise("two-point", sigma) if sigma else Noise()
    run = Chain(problem, grid, noise, rounding).evolve(-8, np.full(64, eta))  # type: ignore[arg-type]
    walk = RoundedWalk(problem, grid, noise, eta, rounding)
    assert walk.averages(-8, (1, 8, 64)) == pytest.approx(
        [run.value[:T].mean() for T in (1, 8, 64)], rel=tolerances.TEN_DIGITS
    )


@pytest.mark.parametrize("kind", ["uniform", "normal"])
@pytest.mark.parametrize("rounding", ["sr", "dr"])
def test_the_law_of_a_rounded_update_is_that_of_drawn_ones(kind: str, rounding: str) -> None:
    problem, grid, eta, runs = absolute(1.0, 0.0), Grid(0.5, 3), 0.3, 200_000
    noise = Noise(kind, 0.9)  # type: ignore[arg-type]
    steps, chances = RoundedWalk(problem, grid, noise, eta, rounding).moves()
    assert chances.sum(axis=1) == pytest.approx(np.ones(8), abs=1e-12)
    generator = np.random.Generator(np.random.Philox(key=3))
    drawn = (
        generator.uniform(-noise.largest, noise.largest, runs)
        if kind == "uniform"
        else 0.9 * generator.standard_normal(runs)
    )
    y = -eta * (1.0 + drawn) / 0.5  # from the highest code
    whole = np.floor(y + (0.5 if rounding == "dr" else generator.random(runs)))
    shares = np.array([(whole == step).mean() for step in steps])
    deviations = np.sqrt(np.maximum(chances[-1] * (1.0 - chances[-1]), 1e-12) / runs)
    assert (np.abs(shares - chances[-1]) <= tolerances.SIX_SIGMA * deviations + 1e-5).all()


def test_s6_takes_no_table_s_average_beyond_the_box_for_one_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    cell = next(one for one in s6_adagrad.cells("quick") if one["case"] == "table, kinks")
    largest = s6_adagrad.constants(cell)["largest"]
    monkeypatch.setattr(s6_adagrad, "by_table", lambda *_: np.full((64, 64), 1.001 * largest))
    with pytest.raises(InputError, match="must lie in their range"):
        s6_adagrad.measure(cell, 0)


def test_d7_predicts_the_first_moves_that_were_seen_on_tables() -> None:
    predicted = {
        cell["ratio"]: d7_dr_adam_first_move.first_move(cell) for cell in d7_dr_adam_first_move.CLAIM.grid("quick")
    }
    assert {ratio: predicted[ratio] for ratio in (0.25, 0.4, 0.49)} == {0.25: 79, 0.4: 27, 0.49: 7}


def test_the_alternating_step_size_has_the_stationary_law_s_loss() -> None:
    """By elimination (Grassmann, Taksar, Heyman) on the codes that recur, 0 to 127; and ratios found independently."""
    chain = Alternating(slope=0.02, minimum=100.5, bits=8, eta=1e-3, change=2.0**-12, start=100, dim=1)
    there, back = (matrix[128:, 128:] for matrix in chain.matrices())
    law, codes = gth(there @ back), np.arange(128.0)
    other = law @ there
    gap = 0.01 * (law @ np.abs(codes - 100.5) + other @ np.abs(codes * (1.0 + 2.0**-12) - 100.5))
    T = a1c_learned_steps.LAST
    sums = chain.sums([T])[0] / T
    assert sums[GAP] == pytest.approx(gap, rel=1e-6)
    bound = 0.5 * chain.eta * chain.slope**2 + 0.5 * sums[GRADIENT] + 0.5 * sums[CHANGE] / chain.eta
    alone = bound - 0.5 * sums[CHANGE] / chain.eta
    assert gap / bound == pytest.approx(0.755, abs=5e-4)
    assert gap / alone == pytest.approx(167, abs=0.5)
    largest = {d: d * gap / (d * alone + 0.5 * sums[CHANGE] / chain.eta) for d in (2, 4, 16)}
    assert largest == {
        2: pytest.approx(1.50, abs=5e-3),
        4: pytest.approx(2.98, abs=5e-3),
        16: pytest.approx(11.3, abs=0.05),
    }


def test_learned_steps_that_stay_are_the_package_s_chain() -> None:
    problem = quadratic([0.8, 0.4], [0.3, -0.6])
    row = _changing_steps.Learned(problem, 3, (0.5, 1.0), 0.25, 0.75, lambda place, codes, g, coin: place)
    sums, _ = row.sums((0, (-4, -4)), (1, 5, 20))
    runs = [
        Chain(problem.coordinate(j), Grid(0.5, 3), Noise("two-point", 0.75)).evolve(-4, np.full(20, 0.25))
        for j in (0, 1)
    ]
    expected = [sum(float(run.value[:T].sum()) for run in runs) for T in (1, 5, 20)]
    assert sums[:, GAP] == pytest.approx(expected, rel=tolerances.TEN_DIGITS)
    norms = [sum(float(run.gradient1[:T].sum()) for run in runs) for T in (1, 5, 20)]
    assert sums[:, GRADIENT] == pytest.approx([0.5 * norm for norm in norms], rel=tolerances.TEN_DIGITS)
    assert not sums[:, CHANGE].any()


def test_adagrad_with_a_known_accumulator_is_the_package_s_chain_under_its_schedule() -> None:
    kink, grid, T = absolute([1.0, 0.5], 0.0), Grid(0.25, 4), 30
    given = _adagrad.gradients(kink, grid)
    rates = 0.7 / np.sqrt(np.arange(1.0, T + 1.0)[:, None] * given.square)
    gaps = _adagrad.average_gaps(kink, grid, given, rates, -8)
    runs = [Chain(kink.coordinate(j), grid, Noise()).evolve(-8, rates[:, j]).value for j in (0, 1)]
    assert gaps == pytest.approx(np.cumsum(sum(runs)) / np.arange(1, T + 1), rel=tolerances.TEN_DIGITS)


def test_two_magnitudes_by_all_paths() -> None:
    """Three iterates of |w| under noise +-1.5 from the code -4 of 8: every sign and every rounding word."""
    total, states = 0.0, {(-4, 0.0): 1.0}
    for _ in range(3):
        new: dict[tuple[int, float], float] = {}
        for (code, square), chance in states.items():
            total += chance * abs(code) * 0.25
            for noise in (1.5, -1.5):
                g = (1.0 if code >= 0 else -1.0) + noise
                y = -0.6 * g / math.sqrt(square + g * g) / 0.25
                down = math.floor(y)
                for to, p in ((down, 1.0 - (y - down)), (down + 1, y - down)):
                    key = min(max(code + to, -4), 3), square + g * g
                    new[key] = new.get(key, 0.0) + 0.5 * chance * p
        states = new
    gaps = _adagrad.average_gaps_two_magnitudes(Grid(0.25, 3), 1.0, 1.5, 0.6, 3, -4)
    assert gaps[-1] == pytest.approx(total / 3.0, rel=tolerances.TEN_DIGITS)
    root = sum(chance * math.sqrt(square) for (_, square), chance in states.items())
    assert _adagrad.expected_root(1.0, 1.5, 3) == pytest.approx(root, rel=tolerances.TEN_DIGITS)

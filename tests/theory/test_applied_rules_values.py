"""What each rule asks and gives, on a run that is written down number by number: no problem, no box, no search."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alpt_ref.theory import bounds
from alpt_ref.theory.applied_rules import RULES, _half
from alpt_ref.theory.rounding_rule import FewBits
from alpt_ref.theory.setting import Grid, Schedule
from alpt_ref.theory.update_rules import Adagrad, Eco
from tests import tolerances

RULE = {rule.name: rule for rule in RULES}
KNOWN: dict[str, float | None] = {
    "G": 3.7, "G1": 4.9, "g_max": 1.3, "D": 5.3, "L": 2.9, "mu": 0.45, "pl": 0.35, "gap": 0.07,
}  # fmt: skip
COMMON: dict[str, Any] = {"step_size": 0.11, "G": 3.7, "G1": 4.9, "dim": 3}


def case(known: dict[str, float | None] | None = None, **changed: Any) -> Any:
    """Numbers of which no two are alike; what a rule does not read is left out."""
    constants: dict[str, Any] = {name: SimpleNamespace(value=one) for name, one in {**KNOWN, **(known or {})}.items()}
    run = {
        "known": SimpleNamespace(dim=3, w_star=np.array([0.3, -0.2, 0.6]), **constants), "eta": 0.06,
        "rates": np.array([0.3, 0.2, 0.07]), "step_size": 0.11, "sizes": np.array([0.11, 0.04, 0.07]),
        "first_distance": 1.7, "first_gap": 2.3, "rounding": "sr", "grid": Grid(0.11, 5), "rule": Eco(0.6),
        "schedule": Schedule("inverse-sqrt", 0.3), "problem": None, "noise": None,
    }  # fmt: skip
    return SimpleNamespace(**{**run, **changed})


def small(**changed: Any) -> Any:
    return RULE["S1 small moves"].extra(case(**changed))


def test_updates_are_small_up_to_one_step_and_including_it() -> None:
    assert small(eta=0.5, known={"g_max": 0.5}, step_size=0.25) == []
    assert small(eta=0.5, known={"g_max": 0.5}, step_size=0.2499) == ["an update may exceed one step"]
    assert small(eta=0.5, known={"g_max": None}, step_size=0.25) == []  # the constant is missed elsewhere
    assert small(eta=0.5, known={"g_max": 0.0}, step_size=0.25) == []


@pytest.mark.parametrize(("theorem", "name"), [("S4", "mu"), ("S7", "pl")])
def test_the_rate_of_the_linear_ones_goes_up_to_half_of_one_over_the_constant(theorem: str, name: str) -> None:
    for extra in (RULE[theorem].extra, _half(name)):
        assert extra(case(eta=0.125, known={name: 4.0})) == []
        wanted = [f"it needs eta <= 1/(2 {name}) = 0.125, the run has 0.126"]
        assert extra(case(eta=0.126, known={name: 4.0})) == wanted
        assert extra(case(eta=3.0, known={name: 0.25})) == [f"it needs eta <= 1/(2 {name}) = 2, the run has 3"]
        assert extra(case(eta=0.3, known={name: 1.5})) == []
        assert extra(case(eta=3.0, known={name: None})) == []


def test_the_rate_of_s3_is_one_over_mu_t_to_nine_digits() -> None:
    def extra(scale: float) -> list[str]:
        return RULE["S3"].extra(case(known={"mu": 0.4}, schedule=Schedule("inverse", scale)))

    assert extra(2.5) == extra(2.5 * (1.0 + 0.9e-9)) == []
    for scale in (2.5 * (1.0 + 1.5e-9), 2.5 * (1.0 - 1.5e-9), 0.4):
        assert extra(scale) == [f"it has the rate 1/(mu t), scale 2.5, the run scale {scale:g}"]


def test_few_bits_add_their_bias_with_the_last_rate_used() -> None:
    few = case(rounding=FewBits(3))
    more = {eta: 3**0.5 * 5.3 * 0.11 / 8 / eta for eta in (0.06, 0.2)}
    s1 = bounds.sr_convex_constant(T=2, eta=0.06, D1=1.7, **COMMON)
    assert RULE["S1"].value(case(), 2) == s1
    assert RULE["S1"].value(few, 2) == pytest.approx(s1 + more[0.06], rel=tolerances.FLOAT64)
    s2 = bounds.sr_convex_schedule(rates=[0.3, 0.2], D=5.3, **COMMON)
    assert RULE["S2 exact sums"].value(case(), 2) == s2
    assert RULE["S2 exact sums"].value(few, 2) == pytest.approx(s2 + more[0.2], rel=tolerances.FLOAT64)


@pytest.mark.parametrize(("G", "g_max", "most"), [(3.7, 1.3, 1.3), (3.7, 4.1, 3.7), (3.7, None, 3.7)])
def test_adagrad_takes_the_smaller_of_its_two_bounds_of_an_element(G: float, g_max: float | None, most: float) -> None:
    """The farther end of -16 .. 15 steps, coordinate by coordinate."""
    far = [max(1.76 + at, 1.65 - at) for at in (0.3, -0.2, 0.6)]
    got = RULE["S6"].value(case(known={"G": G, "g_max": g_max}, rule=Adagrad(eps=0.09)), 7)
    wanted = bounds.sr_adagrad(
        T=7, c=0.06, step_size=0.11, D=far, root=[math.sqrt(7) * most] * 3, norm_1=7 * 4.9, eps=0.09
    )
    assert got == pytest.approx(wanted, rel=tolerances.FLOAT64)


def test_the_others_hand_over_the_constants_by_name() -> None:
    assert RULE["S1 small moves"].value(case(), 7) == pytest.approx(
        1.7**2 / (2 * 0.06 * 7) + 0.11 * 4.9 / 2, rel=tolerances.FLOAT64
    )
    assert RULE["S3"].value(case(), 7) == bounds.sr_strongly_convex_inverse(T=7, mu=0.45, **COMMON)
    off = math.sqrt(2 * 0.07 / 0.45)
    strong = bounds.sr_strongly_convex_constant(t=7, mu=0.45, eta=0.06, D1=1.7 + off, **COMMON)
    assert RULE["S4"].value(case(), 7) == pytest.approx((math.sqrt(strong) + off) ** 2, rel=tolerances.FLOAT64)
    assert RULE["S5"].value(case(), 7) == bounds.sr_smooth(T=7, eta=0.06, L=2.9, gap=2.3, **COMMON)
    assert RULE["S7"].value(case(), 1) == 2.3
    assert RULE["S7"].value(case(), 7) == bounds.sr_pl_constant(t=6, mu=0.35, L=2.9, eta=0.06, gap=2.3, **COMMON)
    wanted = bounds.eco_constant(T=7, eta=0.06, keep=0.6, D1=1.7, g_max=1.3, **COMMON)
    assert RULE["EF1b"].value(case(), 7) == wanted


def test_step_sizes_of_their_own_without_constants_of_coordinates() -> None:
    """``E sum Delta_i |g_i| <= |Delta|_2 G``."""
    length = math.sqrt(0.11**2 + 0.04**2 + 0.07**2)
    wanted = 1.7**2 / (2 * 0.06 * 7) + 0.06 * 3.7**2 / 2 + length * 3.7 / 2
    assert RULE["S1D"].value(case(), 7) == pytest.approx(wanted, rel=tolerances.FLOAT64)

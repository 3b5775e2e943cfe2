"""The theorems that bound what a run measures: which run each is about, what it needs, and its value at an iterate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref.theory import bounds, stalling
from alpt_ref.theory.applied_case import Case, Rule
from alpt_ref.theory.bounds.lemma import norm_1_bound
from alpt_ref.theory.problems import Separable
from alpt_ref.theory.rounding_rule import FewBits
from alpt_ref.theory.setting import Grid
from alpt_ref.theory.update_rules import Adagrad, Eco, ErrorFeedback


def _common(case: Case) -> dict[str, Any]:
    return {"step_size": case.step_size, "G": case.known.G.value, "dim": case.known.dim, "G1": case.known.G1.value}


def _words(case: Case, eta: float) -> float:
    """What few random bits add."""
    if not isinstance(case.rounding, FewBits):
        return 0.0
    return bounds.word_bias_floor(
        eta=eta,
        step_size=case.step_size,
        D=case.known.D.value or 0.0,
        dim=case.known.dim,
        random_bits=case.rounding.bits,
    )


def _s1(case: Case, t: int) -> float:
    found = bounds.sr_convex_constant(T=t, eta=case.eta, D1=case.first_distance, **_common(case))
    return found + _words(case, case.eta)


def _s1_small(case: Case, t: int) -> float:
    known = case.known
    given = {"step_size": case.step_size, "D1": case.first_distance, "g_max": known.g_max.value or 0.0}
    return bounds.sr_convex_constant_small_updates(T=t, eta=case.eta, G1=_norm_1(case), **given)


def _norm_1(case: Case) -> float:
    return norm_1_bound(case.known.G.value or 0.0, case.known.dim, case.known.G1.value)


def _small(case: Case) -> list[str]:
    if case.eta * (case.known.g_max.value or 0.0) > case.step_size:
        return ["an update may exceed one step"]
    return []


def _s1d(case: Case, t: int) -> float:
    G = float(case.known.G.value or 0.0)
    if isinstance(case.problem, Separable):
        widest = Grid(float(case.sizes.max()), case.grid.bits)
        sizes = np.array([case.problem.coordinate(j).constants(widest, case.noise).G1 for j in range(case.known.dim)])
    else:  # E sum Delta_i |g_i| <= |Delta|_2 G
        sizes = G * case.sizes / np.linalg.norm(case.sizes)
    return bounds.sr_convex_row_steps(T=t, eta=case.eta, D1=case.first_distance, G=G, step_sizes=case.sizes, G1=sizes)


def _s2(case: Case, t: int) -> float:
    eta = case.rates[:t]
    return bounds.sr_convex_schedule(rates=eta, D=case.known.D.value or 0.0, **_common(case)) + _words(
        case, float(eta[-1])
    )


def _s3(case: Case, t: int) -> float:
    return bounds.sr_strongly_convex_inverse(T=t, mu=case.known.mu.value or 0.0, **_common(case))


def _s3_rate(case: Case) -> list[str]:
    if not case.known.mu.value:
        return []
    wanted = 1.0 / case.known.mu.value
    fits = math.isclose(case.schedule.scale, wanted, rel_tol=1e-9)
    return [] if fits else [f"it has the rate 1/(mu t), scale {wanted:.6g}, the run scale {case.schedule.scale:g}"]


def _s4(case: Case, t: int) -> float:
    """Distances are measured from the point found, at most ``sqrt(2 gap/mu)`` from the minimum (Minkowski)."""
    mu = case.known.mu.value or 0.0
    off = math.sqrt(2.0 * (case.known.gap.value or 0.0) / mu)
    first = case.first_distance + off
    found = bounds.sr_strongly_convex_constant(t=t, mu=mu, eta=case.eta, D1=first, **_common(case))
    return float((math.sqrt(found) + off) ** 2)


def _half(name: str) -> Callable[[Case], list[str]]:
    def reasons(case: Case) -> list[str]:
        constant = getattr(case.known, name).value
        if constant is not None and 2.0 * case.eta * constant > 1.0:
            return [f"it needs eta <= 1/(2 {name}) = {0.5 / constant:.6g}, the run has {case.eta:g}"]
        return []

    return reasons


def _s5(case: Case, t: int) -> float:
    return bounds.sr_smooth(T=t, eta=case.eta, L=case.known.L.value or 0.0, gap=case.first_gap, **_common(case))


def _s6(case: Case, t: int) -> float:
    """``E sqrt(sum g_i^2) <= sqrt(T) min(g_max, G)`` and ``sum E|g|_1 <= T G1``."""
    most = min(case.known.g_max.value or math.inf, case.known.G.value or math.inf)
    assert isinstance(case.rule, Adagrad)
    assert case.known.w_star is not None
    ends = (code * case.step_size for code in (case.grid.low_code, case.grid.high_code))
    far = np.max([np.abs(end - case.known.w_star) for end in ends], axis=0)
    return bounds.sr_adagrad(
        T=t, c=case.eta, step_size=case.step_size, D=far, root=np.full(len(far), math.sqrt(t) * most),
        norm_1=t * _norm_1(case), eps=case.rule.eps,
    )  # fmt: skip


def _s7(case: Case, t: int) -> float:
    if t == 1:
        return case.first_gap
    mu, L = case.known.pl.value or 0.0, case.known.L.value or 0.0
    return bounds.sr_pl_constant(t=t - 1, mu=mu, L=L, eta=case.eta, gap=case.first_gap, **_common(case))


def _d(case: Case) -> dict[str, Any]:
    return {"step_size": case.step_size, "D": case.known.D.value, "G": case.known.G.value, "dim": case.known.dim}


def _d1(case: Case, t: int) -> float:
    return stalling.dr_convex_constant(T=t, eta=case.eta, D1=case.first_distance, **_d(case))


def _d2(case: Case, t: int) -> float:
    return stalling.dr_convex_sqrt(T=t, c=case.schedule.scale, **_d(case))


def _ef1(case: Case, t: int) -> float:
    return bounds.dr_residual_constant(T=t, eta=case.eta, D1=case.first_distance, **_common(case))


def _eco(case: Case, t: int) -> float:
    assert isinstance(case.rule, Eco)
    most = case.known.g_max.value or 0.0
    return bounds.eco_constant(
        T=t, eta=case.eta, keep=case.rule.keep, D1=case.first_distance, g_max=most, **_common(case)
    )


SR, EXACT = ("sr", "few", "full"), ("sr", "full")
RULES = (
    Rule("S1", "", bounds.sr_convex_constant, "average_value", SR, ("G", "D"), _s1),
    Rule("S1 small moves", "updates below one step", bounds.sr_convex_constant_small_updates, "average_value", ("sr",),
         ("G", "g_max", "D"), _s1_small, stated=False, extra=_small),
    Rule("S1D", "", bounds.sr_convex_row_steps, "average_value", ("sr",), ("G", "D"), _s1d),
    Rule("S2 exact sums", "rates that never grow", bounds.sr_convex_schedule, "average_value", SR, ("G", "D"), _s2,
         rates="falling", stated=False),
    Rule("S3", "", bounds.sr_strongly_convex_inverse, "average_value", EXACT, ("mu", "G"), _s3, rates="inverse",
         extra=_s3_rate),
    Rule("S4", "", bounds.sr_strongly_convex_constant, "distance2", EXACT, ("mu", "G", "D", "gap"), _s4,
         extra=_half("mu")),
    Rule("S5", "", bounds.sr_smooth, "average_gradient2", EXACT, ("L", "G", "gap"), _s5, convex=False, unclipped=True),
    Rule("S6", "", bounds.sr_adagrad, "average_value", ("sr",), ("G", "D"), _s6, rule=Adagrad),
    Rule("S7", "", bounds.sr_pl_constant, "value", EXACT, ("pl", "L", "G", "gap"), _s7, convex=False, unclipped=True,
         extra=_half("pl")),
    Rule("D1", "", stalling.dr_convex_constant, "average_value", ("dr",), ("G", "D"), _d1),
    Rule("D2", "", stalling.dr_convex_sqrt, "average_value", ("dr",), ("G", "D"), _d2, rates="inverse-sqrt"),
    Rule("EF1", "", bounds.dr_residual_constant, "average_value", ("dr",), ("G", "D"), _ef1, rule=ErrorFeedback,
         unclipped=True),
    Rule("EF1b", "", bounds.eco_constant, "average_value", ("dr",), ("G", "g_max", "D"), _eco, rule=Eco,
         unclipped=True),
)  # fmt: skip
"""Every theorem that bounds what a run measures."""

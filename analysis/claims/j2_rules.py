r"""J2: the judge's rules, against their definitions: conjunction, Holm, controls, tolerance, assumptions, no certainty.

Every cell is a rule. It is applied to made-up records by the judge itself, and what is counted is how often its verdict
differs from what the rule says, worked out independently: Holm as the closed test of all subsets by Bonferroni,
p-values by SciPy's t test. The controls break the judge's own functions, each where the rule is that it breaks.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from alpt_ref.verification import (
    Assumption,
    Cell,
    Claim,
    Control,
    Measurement,
    Test,
    exact,
    product,
    sampled,
)
from alpt_ref.verification import betting as bets
from alpt_ref.verification import judge as judging
from alpt_ref.verification.estimates import Exact, Student
from alpt_ref.verification.judge import Measured
from alpt_ref.verification.results import ClaimResult
from alpt_ref.verification.stats import estimate
from alpt_ref.verification.store import Record

from ._left_out import JUDGE

Floats = NDArray[np.float64]
ALPHA, RUNS, POINTS, MARGIN = 0.05, 6, 5, 1.0
DIGITS = (1e-12, 1e-10, 1e-9)
"""Tolerances that claims state; `exact` takes the last where none is stated."""


def _never(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    raise NotImplementedError("made-up records are judged; nothing is measured")


def made_up(kind: str = "upper", controls: int = 1, **changes: Any) -> Claim:
    """A claim to be judged: measured against 0 at level 0.05, or within 1 of 0."""
    names = [Control(f"c{k}", "made up") for k in range(controls)]
    given: dict[str, Any] = {"test": Test(alpha=ALPHA, normal="made up"), "margin": MARGIN, **changes}
    return Claim("made-up", "t", "x", kind, lambda budget: [{}], lambda c, k: 0.0, _never, tuple(names), **given)


def record(measurement: Measurement | None, bound: Any = 0.0, failed: tuple[str, ...] = ()) -> Record:
    return Record({}, bound, measurement, failed)


def verdict(claim: Claim, own: Sequence[Record], controls: Sequence[Sequence[Record]] | None = None) -> ClaimResult:
    """What the judge says of these cells; without `controls` each is refuted in its only cell."""

    def cells_of(records: Sequence[Record]) -> list[Measured]:
        return [Measured({"k": k}, (one,), (str(k),)) for k, one in enumerate(records)]

    broken = controls or [[record(exact([1e9, -1e9]))] for _ in claim.controls]
    return judging.judge(claim, cells_of(own), [cells_of(one) for one in broken], budget="quick", seed=0, code="")


def closed_test(p: Floats) -> Floats:
    """p-values adjusted by Bonferroni's test of every subset that holds the hypothesis: what Holm's rule gives."""
    m = range(len(p))
    kept = [set(one) for k in range(1, len(p) + 1) for one in itertools.combinations(m, k)]
    return np.array([max(min(1.0, len(one) * p[list(one)].min()) for one in kept if i in one) for i in m])


class Family(NamedTuple):
    """Values (runs, points) with the p-values that the claim fails or holds at each point, by SciPy's t test."""

    values: Floats
    violated: Floats
    within: Floats


def family(rng: np.random.Generator, width: float) -> Family:
    """Normal values on both sides of the bound 0, or of the range from -width to width."""
    shifts = rng.normal(rng.choice([-1.2, -0.4, 0.8]), 0.4, POINTS) * (0.8 if width else 1.0)
    values = rng.normal(shifts, 0.5, (RUNS, POINTS))
    above = stats.ttest_1samp(values, width, alternative="greater").pvalue
    below = stats.ttest_1samp(values, width, alternative="less").pvalue
    if not width:
        return Family(values, above, below)
    over, under = (stats.ttest_1samp(values, -width, alternative=one).pvalue for one in ("greater", "less"))
    return Family(values, np.minimum(1.0, 2.0 * np.minimum(above, under)), np.maximum(below, over))


def families(seed: int, count: int, kind: str) -> int:
    """Verdicts, p-values and limits that differ from the definitions; half of the families are near a decision."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    width = 0.0 if kind == "upper" else MARGIN
    drawn = [family(rng, width) for _ in range(6 * count)]
    nearest = sorted(drawn, key=lambda one: np.abs(np.log(closed_test(one.violated) / (1.5 * ALPHA))).min())
    return sum(differences(one, kind, width) for one in [*nearest[:count], *drawn[:count]])


def differences(one: Family, kind: str, width: float) -> int:
    """What differs on one family: the verdict, the largest p-value, and each point's label, p-values and limits."""
    refute, whole = closed_test(one.violated), float(one.within.max()) <= ALPHA
    support = one.within if whole else closed_test(one.within)
    refuted = refute <= ALPHA
    expected = "REFUTED" if refuted.any() else "SUPPORTED" if whole else "INCONCLUSIVE"
    found = verdict(made_up(kind), [*(record(sampled(column)) for column in one.values.T), record(exact(0.0))])
    differ = int(found.outcome != expected or not same(found.p or 0.0, float(one.within.max())))
    differ += found.points[-1].outcome != "SUPPORTED"  # an exact value takes no share of alpha
    for point, no, yes, p_no, p_yes in zip(found.points[:-1], refuted, support <= ALPHA, refute, support, strict=True):
        label = "REFUTED" if no else "SUPPORTED" if yes else "INCONCLUSIVE"
        beyond = point.lower > width or (width > 0 and point.upper < -width)
        inside = point.upper <= width and (width == 0 or point.lower >= -width)
        shown = "REFUTED" if beyond else "SUPPORTED" if inside else "INCONCLUSIVE"
        differ += point.outcome != label or shown != label
        differ += not same(point.p_refute, float(p_no)) or not same(point.p_support, float(p_yes))
    return differ


def same(one: float, other: float) -> bool:
    """Equal up to the digits of a special function."""
    return abs(one - other) <= 1e-8 * max(one, other)


def betting() -> int:
    """p-values that differ from one over the capital, multiplied out in fractions; ranges differ by point."""
    values = [Fraction(n, 16) for n in (4, 8, 2, 15, 1, 3, 3, 2, 5)]
    low, high = np.array([0.0, 0.0, -np.inf, -np.inf]), np.array([1.0, np.inf, 1.0, np.inf])
    measured = sampled(np.repeat(np.array(values, dtype=np.float64)[:, None], 4, axis=1), low=low, high=high)
    known, differ = estimate(measured, Test()), 0
    for m in (Fraction(1, 16), Fraction(3, 16), Fraction(5, 16), Fraction(1, 2)):
        for bound, found, end in ((m, known.p_above, 0), (1 - m, known.p_below, 1)):
            gains = [(abs(x - end) - m) / m for x in values]
            stakes = [Fraction(1), Fraction(1, 2), Fraction(1, 4)]  # down to about 1/sqrt(9)
            capital = sum(math.prod((1 + c * gain for gain in gains), start=Fraction(1)) for c in stakes) / 3
            p = min(1.0, 1.0 / float(capital)) if capital else 1.0
            expected = [p if np.isfinite((low, high)[end][k]) else 1.0 for k in range(4)]
            differ += sum(not same(*both) for both in zip(found(np.full(4, float(bound))), expected, strict=True))
    return differ


def tolerance() -> int:
    """Exact values three tolerances beyond their bound that are not refuted, and a third beyond that are."""
    differ = 0
    for digits, scale in itertools.product(DIGITS, (1e-6, 1.0, 1e6)):
        stated = digits != DIGITS[-1]
        for side, factor, outcome in itertools.product(("upper", "lower"), (3.0, 1 / 3), ("REFUTED", "SUPPORTED")):
            if (factor > 1) != (outcome == "REFUTED"):
                continue
            value = scale * (1.0 + (factor if side == "upper" else -factor) * digits)
            measured = exact(value, rtol=digits) if stated else exact(value)
            differ += verdict(made_up(side), [record(measured, scale)]).outcome != outcome
    return differ


def controls() -> int:
    """Every pattern of two controls with two cells each: the claim counts iff all four are refuted."""
    kinds = {
        "refuted": record(exact(2.0), 1.0), "supported": record(exact(0.5), 1.0),
        "silent": record(None, 1.0, ("a",)), "failed": Record({}, 1.0, None, failure="no number"),
    }  # fmt: skip
    about = made_up(controls=2)
    differ = 0
    for one in itertools.product(kinds, repeat=4):
        found = verdict(about, [record(exact(0.5), 1.0)], [[kinds[name] for name in one[k : k + 2]] for k in (0, 2)])
        expected = "SUPPORTED" if set(one) == {"refuted"} else "CONTROL_FAILED"
        differ += found.outcome != expected
    return differ


def assumptions() -> int:
    """An assumption that fails: ERROR if it is proved or the cell is not declared; then the claim is no success."""
    differ = 0
    for proved, declared, alone in itertools.product((False, True), repeat=3):
        about = made_up(
            assumptions=(Assumption("a", lambda cell, constants: False, proved=proved),),
            not_applicable=lambda cell, declared=declared: declared,
        )
        cells = [record(None, 1.0, ("a",))] + ([] if alone else [record(exact(0.5), 1.0)])
        silent = "NOT_APPLICABLE" if alone else "SUPPORTED"
        expected = silent if declared and not proved else "ERROR"
        differ += verdict(about, cells).outcome != expected
    return differ


def certainty() -> int:
    """Equal values, values of unknown distribution, a range with the wrong end: none of them supports anything."""
    equal, spread = np.full(64, -1.0), np.linspace(-2.0, -1.0, 4096)
    unknown = Test(alpha=ALPHA)
    cases: list[tuple[Test, Measurement, str]] = [
        (Test(alpha=ALPHA, normal="made up"), sampled(equal), "INCONCLUSIVE"),
        (unknown, sampled(equal), "INCONCLUSIVE"),
        (unknown, sampled(spread), "INCONCLUSIVE"),
        (Test(alpha=ALPHA, how="t"), sampled(spread), "INCONCLUSIVE"),
        (unknown, sampled(spread, low=-2.0), "INCONCLUSIVE"),
        (unknown, sampled(spread, low=-2.0, high=1.0), "SUPPORTED"),
        (unknown, sampled(equal, low=-2.0, high=1.0), "SUPPORTED"),
        (unknown, sampled(np.zeros(64), low=0.0, high=1.0), "INCONCLUSIVE"),
    ]
    bounds = [0.0] * 7 + [0.001]
    return sum(
        verdict(made_up(test=test), [record(values, bound)]).outcome != outcome
        for (test, values, outcome), bound in zip(cases, bounds, strict=True)
    )


RULES: dict[str, Callable[[int, int], int]] = {
    "conjunction and Holm, one side": lambda seed, count: families(seed, count, "upper"),
    "conjunction and Holm, two sides": lambda seed, count: families(seed, count, "equivalence"),
    "tolerance of exact values": lambda seed, count: tolerance(),
    "controls": lambda seed, count: controls(),
    "assumptions": lambda seed, count: assumptions(),
    "no certainty": lambda seed, count: certainty(),
    "betting": lambda seed, count: betting(),
}
HOLM, BOTH, TOLERANCE, CONTROLS, ASSUMPTIONS, CERTAINTY, BETTING = RULES


def _any_control(*given: Any) -> Any:
    found = _judge_control(*given)
    return dataclasses.replace(found, refuted=any(cell.outcome == "REFUTED" for cell in found.cells))


_judge_control = judging.judge_control
BROKEN: dict[str, tuple[str, tuple[str, ...], Callable[[], AbstractContextManager[Any]]]] = {
    "no Holm": (
        "every point is refuted at alpha", (HOLM, BOTH),
        lambda: mock.patch.object(judging, "holm", lambda p: np.asarray(p)),
    ),
    "level alpha": (
        "limits at alpha whatever Holm's correction says", (HOLM, BOTH),
        lambda: mock.patch.object(judging, "holm_levels", lambda p, alpha: np.full(len(p), alpha)),
    ),
    "loose": (
        "exact values are compared with a tolerance of 1e-4", (TOLERANCE,),
        lambda: mock.patch.object(Exact, "_tolerance", lambda self, bound: 1e-4 * np.abs(bound)),
    ),
    "any control": (
        "one refuted cell validates a control", (CONTROLS,),
        lambda: mock.patch.object(judging, "judge_control", _any_control),
    ),
    "forgiving": (
        "a failed assumption is never an error", (ASSUMPTIONS,),
        lambda: mock.patch.object(judging, "_failed_assumption", return_value=("NOT_APPLICABLE", "forgiven")),
    ),
    "half": (
        "half of the capital is staked, whatever happens", (BETTING,),
        lambda: mock.patch.object(bets, "shares", return_value=np.array([0.5])),
    ),
    "certain": (
        "equal values count as known under Student's t", (CERTAINTY,),
        lambda: mock.patch.object(Student, "p_below", lambda self, b: np.where(self.value < b, 0.0, 1.0)),
    ),
}  # fmt: skip


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """How many verdicts differ from what the rule says."""
    with BROKEN[broken][2]() if broken else contextlib.nullcontext():
        return exact(RULES[cell["rule"]](seed, cell["families"]), rtol=0.0)


def breaks(name: str) -> Callable[[Cell], bool]:
    """The cells of the rules that a control breaks."""
    return lambda cell: cell["rule"] in BROKEN[name][1]


CLAIM = Claim(
    id="j2",
    left_out=JUDGE,
    title="The judge: its rules against their definitions",
    statement=(
        r"SUPPORTED iff $\max_i p_i \leq \alpha$; REFUTED iff Holm rejects one of the points;"
        "\nevery control refuted in every cell that it names"
    ),
    plain=(
        "the judge supports a claim iff the largest p-value of its points is at most alpha, refutes it iff Holm's"
        " correction rejects one, accepts it only if every control is refuted in each of its cells, takes a failed"
        " assumption that is proved or not expected for an error, and nothing for certain that is not"
    ),
    source="Berger (1982), intersection-union tests; Holm (1979); Marcus, Peritz and Gabriel (1976), closed tests",
    kind="upper",
    grid=lambda budget: product(rule=list(RULES), families=[60 if budget == "full" else 12]),
    bound=lambda cell, constants: 0.0,
    measure=measure,
    control=tuple(Control(name, what, where=breaks(name)) for name, (what, _, _) in BROKEN.items()),
)

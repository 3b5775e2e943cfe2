"""What a run on a separable quadratic comes to in the long run (X2, X3, EF1D), and why a law does not hold for it.

Not bounds along a run: a value here is what the mean squared distance from the minimum approaches, or what it ends
below, however many steps that takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from numpy.typing import ArrayLike

from alpt_ref.theory import bounds, quadratic_laws
from alpt_ref.theory.linear import LinearModel
from alpt_ref.theory.problem import Problem
from alpt_ref.theory.problems import Separable
from alpt_ref.theory.rounding_rule import FewBits, Rounding
from alpt_ref.theory.setting import Grid, Noise, RateFunction, Schedule, require_setting, schedule_of
from alpt_ref.theory.simulation_arguments import minimum_outside_box, require_problem, require_rounding, sizes_of
from alpt_ref.theory.theorem import theorem
from alpt_ref.theory.update_rules import SGD, Eco, UpdateRule, rule_of


@dataclass(frozen=True)
class LongRunLaw:
    """A theorem about the long run of a quadratic.

    Attributes
    ----------
    theorem, title, statement : str
    applies : bool
    why : str
        Where it does not apply, the assumption that is missing.
    relation : {"=", "<="}
    distance2 : float
        ``E|w - w*|^2`` in the long run equals this or is at most this; NaN where it does not apply.
    watch : tuple of str
        What the run itself has to show, as in `AppliedBound`.

    Examples
    --------
    >>> from alpt_ref.theory import Grid, quadratic
    >>> law = laws_in_the_long_run(quadratic(1.0, 0.25), Grid(1.0, 3), 0.1)[0]
    >>> law.theorem, law.relation, law.distance2
    ('X2', '=', 0.1875)
    """

    theorem: str
    title: str
    statement: str
    applies: bool
    why: str
    relation: Literal["=", "<="]
    distance2: float
    watch: tuple[str, ...] = ("exceeded",)


class _Coordinate(NamedTuple):
    """One coordinate of the run."""

    curvature: float
    minimum: float
    grid: Grid
    noise: Noise
    eta: float
    keep: float


def _x2(one: _Coordinate) -> float:
    return quadratic_laws.quadratic_stationary(one.minimum, one.grid)[1]


def _x3(one: _Coordinate) -> float:
    """X3 with ``E|g| <= sqrt(lambda^2 V + sigma^2)``: ``V <= Delta E|g|/(2 lambda)`` solved for V."""
    quarter = one.grid.step_size**2 / 4.0
    ratio = one.noise.sigma * one.grid.step_size / one.curvature
    V = 0.5 * (quarter + math.sqrt(quarter * quarter + ratio * ratio))
    mean = math.sqrt((one.curvature**2) * V + one.noise.sigma**2)
    return quadratic_laws.noisy_quadratic_second_moment(
        mean_abs_gradient=mean, curvature=one.curvature, step_size=one.grid.step_size
    )


def _eco(one: _Coordinate) -> float:
    return bounds.eco_noisy_quadratic(
        eta=one.eta, keep=one.keep, curvature=one.curvature, sigma=one.noise.sigma, step_size=one.grid.step_size
    )


def _eco_nearest(one: _Coordinate) -> float:
    root = bounds.eco_noisy_quadratic_nearest(
        eta=one.eta, keep=one.keep, curvature=one.curvature, sigma=one.noise.sigma, step_size=one.grid.step_size
    )
    return root * root


def _lacks_x2(one: _Coordinate) -> str:
    if one.noise.sigma > 0.0:
        return "it is about gradients without noise"
    return "" if one.eta * one.curvature <= 1.0 else f"it needs eta <= 1/lambda, lambda = {one.curvature:g}"


def _lacks_x3(one: _Coordinate) -> str:
    if one.noise.sigma == 0.0:
        return "it is about gradients with noise (X2 without)"
    far = max(abs(one.grid.low - one.minimum), abs(one.grid.high - one.minimum))
    largest = one.eta * (one.curvature * far + one.noise.largest)
    if largest <= one.grid.step_size:
        return ""
    return f"an update may exceed one step: eta |g| <= {largest:.4g}, one step is {one.grid.step_size:g}"


def _lacks_eco(one: _Coordinate) -> str:
    decay = 2.0 * (1.0 + one.keep) - (1.0 - one.keep) * one.eta * one.curvature
    return "" if decay > 0.0 else "eta lambda is so large that the run diverges"


def _lacks_eco_nearest(one: _Coordinate) -> str:
    p = 1.0 + one.keep - (1.0 - one.keep) * one.eta * one.curvature
    swings = not (p > 0.0 and p * p > 4.0 * one.keep)
    return _lacks_eco(one) or ("eta lambda is so large that the run swings" if swings else "")


class _Law(NamedTuple):
    """A theorem, the run that it is about, what a coordinate lacks for it, and the coordinate's share."""

    name: str
    function: Callable[..., object]
    relation: Literal["=", "<="]
    rule: type
    rounding: str
    lacks: Callable[[_Coordinate], str]
    value: Callable[[_Coordinate], float]


_LAWS = (
    _Law("X2", quadratic_laws.quadratic_stationary, "=", SGD, "sr", _lacks_x2, _x2),
    _Law("X3", quadratic_laws.noisy_quadratic_second_moment, "<=", SGD, "sr", _lacks_x3, _x3),
    _Law("EF1D", bounds.eco_noisy_quadratic, "<=", Eco, "sr", _lacks_eco, _eco),
    _Law("EF1D nearest", bounds.eco_noisy_quadratic_nearest, "<=", Eco, "dr", _lacks_eco_nearest, _eco_nearest),
)


def laws_in_the_long_run(
    problem: Separable | LinearModel | Problem,
    grid: Grid,
    schedule: Schedule | ArrayLike | RateFunction,
    *,
    update: str | UpdateRule = "sgd",
    rounding: Rounding = "sr",
    step_sizes: ArrayLike | None = None,
    noise: Noise | None = None,
) -> list[LongRunLaw]:
    """X2, X3 and EF1D for a run, those that hold first.

    Parameters
    ----------
    problem, grid, schedule, update, rounding, step_sizes, noise
        As in `simulate`; the coordinates of a separable quadratic are independent, and their laws add up.

    Returns
    -------
    list of LongRunLaw

    Raises
    ------
    InputError
        If an argument breaks its rule.

    Examples
    --------
    >>> from alpt_ref.theory import Grid, Noise, quadratic
    >>> found = laws_in_the_long_run(quadratic(1.0, 0.25), Grid(0.5, 5), 0.1, noise=Noise("two-point", 1.0))
    >>> [(law.theorem, law.applies, law.why) for law in found][1]
    ('X3', False, 'an update may exceed one step: eta |g| <= 0.925, one step is 0.5')
    """
    require_problem(problem)
    require_setting(grid, noise)
    require_rounding(rounding)
    sizes, rule, noise = sizes_of(step_sizes, problem.dim, grid), rule_of(update), noise or Noise()
    plan = schedule_of(schedule)
    common = ""
    if not isinstance(problem, Separable) or problem.kind != "elastic" or problem.shape.any():
        common = "it is about separable quadratics"
    elif not problem.curvature.all():
        common = "a coordinate has no curvature"
    elif minimum_outside_box(problem, grid, sizes):
        common = f"the minimum lies outside the box: {minimum_outside_box(problem, grid, sizes)}"
    elif plan.kind != "constant":
        common = "it has a constant learning rate"
    coordinates = []
    if not common:
        assert isinstance(problem, Separable)
        keep = rule.keep if isinstance(rule, Eco) else 0.0
        coordinates = [
            _Coordinate(float(a), float(u), Grid(float(size), grid.bits), noise, plan.scale, keep)
            for a, u, size in zip(problem.curvature, problem.minimum, sizes, strict=True)
        ]
    found = []
    for one in _LAWS:
        why = common
        if not why and type(rule) is not one.rule:
            why = f"it is about {one.rule.__name__}, the run has {type(rule).__name__}"
        if not why and (isinstance(rounding, FewBits) or rounding != one.rounding):
            why = f"it is about {one.rounding.upper()}"
        why = why or next((reason for reason in map(one.lacks, coordinates) if reason), "")
        stated, total = theorem(one.function), math.nan if why else sum(map(one.value, coordinates))
        watch = () if one.name == "X2" else ("exceeded",)
        found.append(LongRunLaw(one.name, stated.title, stated.statement, not why, why, one.relation, total, watch))
    return sorted(found, key=lambda law: not law.applies)

"""Which theorems of `alpt_ref.theory` hold for a run, their values along it, and why the others do not.

`bounds_that_apply` takes what `simulate` takes. A bound that needs something of the run itself (nothing was clipped)
names it, and the run has to show it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.theory.applied_case import Case
from alpt_ref.theory.applied_rules import RULES
from alpt_ref.theory.known_constants import known_constants
from alpt_ref.theory.learned_steps import LearnedSteps
from alpt_ref.theory.linear import LinearModel
from alpt_ref.theory.problem import Problem
from alpt_ref.theory.problems import Separable
from alpt_ref.theory.rounding_rule import FewBits, Rounding
from alpt_ref.theory.setting import Grid, Noise, RateFunction, Schedule, require_setting, schedule_of
from alpt_ref.theory.simulation_arguments import (
    checked_points,
    minimum_outside_box,
    one_of,
    require_batch,
    require_clip,
    require_problem,
    require_rounding,
    sizes_of,
    start_of,
    start_outside_box,
)
from alpt_ref.theory.simulation_result import SimulationResult
from alpt_ref.theory.theorem import theorem
from alpt_ref.theory.update_rules import UpdateRule, rule_of

Floats: TypeAlias = NDArray[np.float64]
Metric: TypeAlias = Literal["average_value", "value", "distance2", "average_gradient2"]


@dataclass(frozen=True)
class AppliedBound:
    """A theorem and what it says about one run.

    Attributes
    ----------
    theorem, title : str
        ``S1`` and its name.
    statement : str
        LaTeX, as in the docstring of the bound.
    applies : bool
    why : str
        Where it applies, what it rests on; else the assumption that is missing.
    metric : str
        The field of `SimulationResult` that it bounds, on average over the runs.
    checkpoints : int64 array (c,)
    values : float64 array (c,)
        The bound at each checkpoint; NaN where it does not apply.
    watch : tuple of str
        What the run itself has to show: ``exceeded`` means that no coordinate left the range.

    Examples
    --------
    >>> from alpt_ref.theory import Grid, absolute, simulate
    >>> problem, grid, options = absolute(1.0, 0.3), Grid(0.25, 4), {"steps": 1000, "start": 4}
    >>> s1 = bounds_that_apply(problem, grid, 0.1, **options)[0]
    >>> run = simulate(problem, grid, 0.1, runs=100, averages=True, **options)
    >>> s1.theorem, s1.missing(run), bool(s1.nearness(run)[-1] <= 1.0)
    ('S1', '', True)
    """

    theorem: str
    title: str
    statement: str
    applies: bool
    why: str
    metric: str
    checkpoints: NDArray[np.int64]
    values: Floats
    watch: tuple[str, ...] = ()

    def missing(self, run: SimulationResult) -> str:
        """Why the bound does not apply to this run after all; empty where it does."""
        if not self.applies:
            return self.why
        if "exceeded" in self.watch:
            if not run.checked:
                return "whether a coordinate left the range was not watched; run with check=True"
            if run.exceeded.any():
                return f"{int((run.exceeded > 0).sum())} of {len(run.exceeded)} runs left the range"
        if getattr(run, self.metric) is None:
            return f"the run does not record {self.metric}; averages=True may be missing"
        return ""

    def nearness(self, run: SimulationResult) -> Floats:
        """Mean of the metric over the runs as a part of the bound, at each checkpoint of both: float64 (c,)."""
        measured = getattr(run, self.metric)
        if measured is None or not np.array_equal(run.checkpoints, self.checkpoints):
            return np.full(len(self.checkpoints), math.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(measured.mean(axis=1) / self.values)


def bounds_that_apply(
    problem: Separable | LinearModel | Problem,
    grid: Grid,
    schedule: Schedule | ArrayLike | RateFunction,
    *,
    steps: int,
    start: ArrayLike,
    update: str | UpdateRule = "sgd",
    rounding: Rounding = "sr",
    rounding_is: Literal["sr", "dr"] | None = None,
    clip: Literal["range"] | None = "range",
    step_sizes: ArrayLike | LearnedSteps | None = None,
    noise: Noise | None = None,
    batch: int = 1,
    checkpoints: Iterable[int] | None = None,
) -> list[AppliedBound]:
    """Every theorem about runs of SGD on a grid, whether it holds for this one, and its values.

    Parameters
    ----------
    problem, grid, schedule, steps, start, update, rounding, clip, step_sizes, noise, batch, checkpoints
        As in `simulate`.
    rounding_is : {"sr", "dr"}, optional
        What a rounding of your own is taken for; without it no theorem on roundings applies to it.

    Returns
    -------
    list of AppliedBound
        Those that apply first.

    Raises
    ------
    InputError
        If an argument breaks its rule, or a constant that was given is refuted at a point of the box.

    Examples
    --------
    >>> from alpt_ref.theory import Grid, Schedule, absolute
    >>> found = bounds_that_apply(absolute(1.0, 0.3), Grid(0.25, 4), Schedule("constant", 0.1), steps=1000, start=4)
    >>> [(bound.theorem, bound.values.round(3).tolist()) for bound in found if bound.applies]
    [('S1', [0.131]), ('S1 small moves', [0.127]), ('S2 exact sums', [0.155])]
    >>> next(bound.why for bound in found if bound.theorem == "S4")
    'f is not strongly convex on the box'
    """
    require_problem(problem)
    require_batch(batch, problem)
    require_setting(grid, noise)
    require_rounding(rounding)
    if rounding_is is not None:
        one_of("rounding_is", rounding_is, ("sr", "dr"), "or None")
    require_clip(clip)
    points, rule = checked_points(checkpoints, steps), rule_of(update)
    learned = isinstance(step_sizes, LearnedSteps)
    sizes = sizes_of(None if isinstance(step_sizes, LearnedSteps) else step_sizes, problem.dim, grid)
    named, first = schedule_of(schedule), start_of(start, problem.dim, grid, sizes, clipped=clip is not None)
    rates = named.rates(steps)
    outside = [
        f"the {what} lies outside the box: {where}"
        for what, where in (
            ("minimum", minimum_outside_box(problem, grid, sizes)),
            ("start", start_outside_box(first, grid, sizes)),  # the constants are those of the box
        )
        if where
    ]
    case = None
    if not outside:
        case = Case(
            problem=problem,
            known=known_constants(problem, grid, noise, batch=batch, step_sizes=sizes),
            grid=grid,
            sizes=sizes,
            learned=learned,
            schedule=named,
            rates=rates,
            rule=rule,
            rounding=rounding_is if not isinstance(rounding, (str, FewBits)) and rounding_is is not None else rounding,
            noise=noise or Noise(),
            start=first,
        )
    found = []
    for one in RULES:
        stated = theorem(one.function) if one.stated else None
        reasons = outside if case is None else one.reasons(case)
        values = np.full(len(points), math.nan)
        if case is not None and not reasons:
            values = np.array([one.value(case, int(t)) for t in points])
        found.append(
            AppliedBound(
                theorem=one.name,
                title=stated.title if stated else one.title,
                statement=stated.statement if stated else "",
                applies=not reasons,
                why="; ".join(reasons) if case is None or reasons else case.rests_on(one),
                metric=one.metric,
                checkpoints=points,
                values=values,
                watch=("exceeded",) if one.unclipped or clip is None else (),
            )
        )
    return sorted(found, key=lambda bound: not bound.applies)

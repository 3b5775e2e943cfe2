"""When a theorem applies to a run: the run as the theorems see it, and assumptions as tests that give a reason.

What is not known of the problem is a reason, never a guess.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory.known_constants import KnownConstants
from alpt_ref.theory.linear import LinearModel
from alpt_ref.theory.problem import Problem
from alpt_ref.theory.problems import Separable
from alpt_ref.theory.rounding_rule import FewBits, Rounding
from alpt_ref.theory.setting import Grid, Noise, Schedule
from alpt_ref.theory.update_rules import SGD, UpdateRule

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """One run: what `bounds_that_apply` was given, and the constants on its box."""

    problem: Separable | LinearModel | Problem
    known: KnownConstants
    grid: Grid
    sizes: Floats
    learned: bool
    schedule: Schedule
    rates: Floats
    rule: UpdateRule
    rounding: Rounding
    noise: Noise
    start: NDArray[Any]

    @property
    def step_size(self) -> float:
        """Delta of the bounds: 0 in full precision."""
        return 0.0 if self.rounding == "full" else float(self.sizes.max())

    @property
    def eta(self) -> float:
        """The constant learning rate."""
        return float(self.rates[0])

    def is_constant(self) -> bool:
        """Whether all rates are one number above 0."""
        used = self.rates[: max(len(self.rates) - 1, 1)]
        return bool((used == used[0]).all() and used[0] > 0.0)

    @functools.cached_property
    def first(self) -> tuple[Floats, float]:
        """The mean of ``w_1`` and ``E|w_1 - mean|^2``: a start off the grid is rounded by the method's rounding."""
        if self.start.dtype.kind == "i":
            return self.start * self.sizes, 0.0
        if self.rounding == "full":
            return self.start, 0.0
        x = self.start / self.sizes
        if self.rounding == "dr":
            return np.floor(x + 0.5) * self.sizes, 0.0
        whole = np.trunc(x)
        p = np.abs(x - whole)  # of going away from zero
        if isinstance(self.rounding, FewBits):
            p = np.floor(p * 2.0**self.rounding.bits) * 2.0**-self.rounding.bits
        mean = (whole + np.sign(x) * p) * self.sizes
        return mean, float((self.sizes**2 * p * (1.0 - p)).sum())

    @functools.cached_property
    def first_distance(self) -> float:
        """Root of ``E|w_1 - w_star|^2``."""
        assert self.known.w_star is not None
        mean, variance = self.first
        return math.sqrt(float(((mean - self.known.w_star) ** 2).sum()) + variance)

    @functools.cached_property
    def first_gap(self) -> float:
        """At least ``E f(w_1) - inf f`` of a smooth f."""
        mean, variance = self.first
        lowest = self.problem.f_star if not isinstance(self.problem, Separable) else 0.0
        above = float(self.problem.value(mean)) - (lowest or 0.0) + (self.known.gap.value or 0.0)
        return max(above, 0.0) + 0.5 * (self.known.L.value or 0.0) * variance

    def lacks(self, *names: str) -> list[str]:
        """Reasons for the constants that are not known."""
        found = []
        for name in names:
            constant = getattr(self.known, name)
            if constant.value is None:
                text = constant.origin
                found.append(
                    text if text.startswith(("f ", "no minimum", "normal noise")) else f"{name} is not known: {text}"
                )
        return found

    def rests_on(self, rule: Rule) -> str:
        """The constants of a bound that applies, with their origins."""
        parts = ["f is convex"] if rule.convex else []
        for name in rule.needs:
            constant = getattr(self.known, name)
            parts.append(f"{name} = {constant.value:.4g} ({constant.origin})")
        return "; ".join(parts)


class Rule(NamedTuple):
    """A theorem, its assumptions and its value.

    Attributes
    ----------
    name, title : str
    function : function
        Whose docstring states it.
    stated : bool
        Whether that has the full sections of a theorem.
    metric : str
    roundings : tuple of str
        ``sr``, ``few`` (bits), ``dr``, ``full``.
    rule : type
        The update rule that it is about.
    rates : str
        ``constant``, ``falling``, ``inverse`` or ``inverse-sqrt``.
    convex, unclipped : bool
    needs : tuple of str
        Constants.
    value : function
        Of the case and the iterate t.
    extra : function
        Further reasons.
    """

    name: str
    title: str
    function: Callable[..., Any]
    metric: str
    roundings: tuple[str, ...]
    needs: tuple[str, ...]
    value: Callable[[Case, int], float]
    rule: type = SGD
    rates: str = "constant"
    convex: bool = True
    unclipped: bool = False
    stated: bool = True
    extra: Callable[[Case], list[str]] = lambda case: []

    def reasons(self, case: Case) -> list[str]:
        """Why it does not apply; empty where it does."""
        found = []
        if type(case.rule) is not self.rule:
            found.append(f"it is about {self.rule.__name__}, the run has {type(case.rule).__name__}")
        found += _rounding_reasons(case, self.roundings)
        if case.learned:
            found.append("the step sizes are learned: A1C needs their changes along the run")
        elif self.name != "S1D" and (case.sizes != case.sizes[0]).any():
            found.append("it has one step size, the run one for each coordinate")
        elif self.name == "S1D" and (case.sizes == case.sizes[0]).all():
            found.append("all coordinates have one step size: S1")
        found += _rate_reasons(case, self.rates)
        if self.convex and not case.known.convex:
            found.append("f is not known to be convex")
        return found + case.lacks(*self.needs) + ([] if found else self.extra(case))


def _rounding_reasons(case: Case, known: tuple[str, ...]) -> list[str]:
    rounding = case.rounding
    if isinstance(rounding, FewBits):
        kind, name = "few", str(rounding)
    elif isinstance(rounding, str):
        kind, name = rounding, {"sr": "SR", "dr": "DR", "full": "full precision"}[rounding]
    else:
        return ["nothing is known of a rounding of your own; say rounding_is='sr' where it is unbiased"]
    if kind in known:
        return []
    about = " or ".join(
        {"sr": "SR", "dr": "DR", "full": "full precision", "few": "few random bits"}[one] for one in known
    )
    return [f"it is about {about}, the run has {name}"]


def _rate_reasons(case: Case, wanted: str) -> list[str]:
    if wanted == "constant" and not case.is_constant():
        return ["it has a constant learning rate"]
    if wanted == "falling" and ((np.diff(case.rates) > 0.0).any() or (case.rates <= 0.0).any()):
        return ["it has learning rates above 0 that never grow"]
    if wanted in ("inverse", "inverse-sqrt") and case.schedule.kind != wanted:
        return [f"it has learning rates of kind {wanted}"]
    return []

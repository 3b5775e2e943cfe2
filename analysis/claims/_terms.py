"""Bounds taken apart: necessity controls, each of which halves a term of a bound or leaves out one of its factors.

A claim writes its bound once more as a sum of the terms that the theorem's docstring lists, with a `Broken` that may
change them. Unbroken it must give what the package computes (`is_its_terms`, executed in every cell), so that a wrong
constant in the package is an error even in a cell that is not tight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from alpt_ref.verification import Assumption, Cell, Constants, Control

SAME = 1e-12
"""Relative difference of two ways to add up the same terms."""


@dataclass(frozen=True)
class Broken:
    """What is wrong with a bound: terms times `scale`, factors left out; nothing by default."""

    terms: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    scale: float = 0.5
    form: str = ""

    def term(self, name: str, value: float) -> float:
        """The value of a term."""
        return self.scale * value if name in self.terms else value

    def factor(self, name: str, value: float) -> float:
        """The value of a factor."""
        return 1.0 if name in self.factors else value

    def within(self, form: str) -> Broken:
        """What is wrong with this form of the bound."""
        return self if form == self.form else WHOLE


WHOLE = Broken()
Formula = Callable[[Cell, Constants, Broken], Sequence[float]]


def at(*problems: str, **others: object) -> Callable[[Cell], bool]:
    """The cells of these problems in which the other parameters have these values."""

    def where(cell: Cell) -> bool:
        return cell["problem"] in problems and all(cell.get(key) == value for key, value in others.items())

    return where


def needed(
    formula: Formula, cells: dict[str, Callable[[Cell], bool]], form: str = "", scale: float = 0.5
) -> list[Control]:
    """A control for each term: half of it (or `scale`) is left, in the cells where that must be refuted."""
    return [_control(formula, name, where, Broken((name,), (), scale, form)) for name, where in cells.items()]


def needed_factors(formula: Formula, cells: dict[str, Callable[[Cell], bool]], form: str = "") -> list[Control]:
    """A control for each factor, which is left out wherever it stands."""
    return [_control(formula, name, where, Broken((), (name,), form=form)) for name, where in cells.items()]


def _control(formula: Formula, name: str, where: Callable[[Cell], bool], broken: Broken) -> Control:
    label = f"{broken.form}: {name}" if broken.form else name
    left = f"{broken.scale:g} of" if broken.terms and broken.scale else "without"
    return Control(
        f"{left} {label}",
        f"the bound with {left} {name}" if broken.terms else f"the bound without the factor {name}",
        bound=lambda cell, constants: list(formula(cell, constants, broken)),
        where=where,
        removes=(label,),
    )


def is_its_terms(formula: Formula, bound: Callable[[Cell, Constants], Sequence[float]]) -> Assumption:
    """The bound that the package computes is the sum of the terms that its docstring lists."""

    def holds(cell: Cell, constants: Constants) -> bool:
        found, wanted = np.array(bound(cell, constants)), np.array(formula(cell, constants, WHOLE))
        return bool((np.abs(found - wanted) <= SAME * np.abs(wanted)).all())

    return Assumption("the bound is the sum of its terms", holds, proved=True)

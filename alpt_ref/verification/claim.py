"""What a claim is: one statement of the theory, what it assumes, how it is measured, and what must make it fail.

A claim lives in one file ``<id>_<what>.py`` that exposes ``CLAIM = Claim(...)``. Nothing here names a claim.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from alpt_ref._util.plugin import capture_error
from alpt_ref.errors import InputError
from alpt_ref.verification.inputs import NO_INPUTS, Inputs
from alpt_ref.verification.measurement import Measurement

if TYPE_CHECKING:
    from alpt_ref.verification.user_quantizer import UserQuantizer

Cell = dict[str, Any]
"""Parameters of one cell of the grid: text keys, JSON values."""
Constants = Mapping[str, Any]
"""What is known of the cell's problem (G, D, L, mu ...): from the problem, never from a fit to the runs."""
Bound = Any
"""A number, an array (points,), or a tuple ``(low, high)`` of either."""

KINDS = ("upper", "lower", "rate", "identity", "separation", "equivalence")
ONE_SIDED = {"upper": "at most", "lower": "at least", "separation": "at least"}
HOW = ("auto", "t", "betting", "bernstein", "hoeffding")
BUDGETS = ("quick", "full")
_ID = re.compile(r"[a-z][a-z0-9-]*")


class Measure(Protocol):
    """``measure(cell, seed, *, broken=None)``: all randomness from `seed`; `broken` names the control to run."""

    def __call__(self, cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
        """Measure one cell."""
        ...


@dataclass(frozen=True)
class Assumption:
    """A condition that is executed, not only stated.

    Where it fails the cell is NOT_APPLICABLE, which the claim has to declare (`Claim.not_applicable`); where it is
    `proved` to hold, a failure is a bug: ERROR.

    Attributes
    ----------
    name : the condition in words or plain text, for example ``"lr < 1/(2 mu)"``
    holds : ``holds(cell, constants)``, executed before anything is measured; with ``along_run=True``
        ``holds(cell, constants, observed)``, executed on what the measurement observed along its runs
    along_run : bool
    proved : bool
        It follows from the theory (a constant that bounds what the run does), so that it cannot fail.
    """

    name: str
    holds: Callable[..., bool]
    along_run: bool = False
    proved: bool = False


@dataclass(frozen=True)
class Control:
    """A deliberately wrong variant that the same test must refute, or the claim does not count.

    Attributes
    ----------
    name : passed to ``measure`` as ``broken``, unless only the bound is changed
    description : what is wrong with it, in words
    shrink : factor below 1 on the claimed bound (a lower bound is divided by it); the measurement stays the claim's
    bound : replaces the claim's ``bound(cell, constants)``; the measurement stays the claim's
    where : the cells to run it on, ``where(cell) -> bool``, in *each* of which it must be refuted (at one point at
        least); all cells by default
    removes : the terms and factors of the bound that it breaks, as the theorem's docstring writes them, for example
        ``("sqrt(d)",)``
    """

    name: str
    description: str
    shrink: float | None = None
    bound: Callable[[Cell, Constants], Bound] | None = None
    where: Callable[[Cell], bool] | None = None
    removes: tuple[str, ...] = ()

    @property
    def remeasures(self) -> bool:
        """Whether the broken variant is measured; otherwise the bound is broken."""
        return self.shrink is None and self.bound is None


@dataclass(frozen=True)
class Test:
    """Level, power and method of a claim's test.

    Attributes
    ----------
    alpha : chance of refuting a true claim, and of supporting a false one, each at most this over all cells (Holm)
    power : chance of refuting a violation of the size that the report calls detectable
    how : sampled values only: ``"auto"`` takes ``"t"`` where `normal` is given, else ``"betting"``; for values of
        known range ``"betting"``, ``"bernstein"`` (empirical Bernstein) and ``"hoeffding"`` hold for every sample size
        and distribution; ``"t"`` (Student) needs `normal`
    normal : why the values of the runs are normal enough for Student's t; without it and without a known range of the
        values every verdict is INCONCLUSIVE
    normal_in : ``normal_in(cell)`` -> whether `normal` is said of this cell's values too; elsewhere they are tested as
        if it were not given. Default: of all cells
    """

    __test__ = False  # not a test case of pytest

    alpha: float = 0.001
    power: float = 0.95
    how: Literal["auto", "t", "betting", "bernstein", "hoeffding"] = "auto"
    normal: str = ""
    normal_in: Callable[[Cell], bool] | None = None

    def __post_init__(self) -> None:
        """Refuse levels that mean nothing."""
        if not 0 < self.alpha < 0.5:
            raise InputError(f"alpha must be between 0 and 0.5, got {self.alpha}")
        if not 0.5 <= self.power < 1:
            raise InputError(f"power must be at least 0.5 and below 1, got {self.power}")
        if self.how not in HOW:
            raise InputError(f"how must be one of {', '.join(HOW)}, got {self.how!r}")

    @property
    def method(self) -> str:
        """How sampled values are tested: `how`, with ``"auto"`` resolved."""
        return ("t" if self.normal else "betting") if self.how == "auto" else self.how

    def of(self, cell: Cell) -> Test:
        """The test of this cell's values: itself, or without `normal` where that is not said of them."""
        return self if self.normal_in is None or self.normal_in(cell) else replace(self, normal="")


def no_constants(cell: Cell) -> Constants:
    """The default: the bound needs nothing but the cell."""
    return {}


@dataclass(frozen=True)
class Claim:
    r"""One claim; see the class attributes for what a file has to give. Only the first eight are needed.

    Attributes
    ----------
    id, title : lower case id, as the file's name begins; a few words
    statement : LaTeX, in matplotlib's subset, ``$...$`` around formulas, ``\n`` between lines
    kind : ``upper`` (measured at most the bound), ``lower`` and ``separation`` (at least), ``identity``,
        ``equivalence`` and ``rate`` (within `margin` of the bound, or inside it where it is a tuple ``(low, high)``)
    grid : ``grid(budget)`` -> cells for ``"quick"`` or ``"full"``; see `product`
    bound : ``bound(cell, constants)`` -> number, array (points,), or tuple (low, high)
    measure : ``measure(cell, seed, *, broken=None)`` -> `Measurement`
    control : one `Control` or a tuple of them; each must be refuted
    plain : the statement as plain text (default: the LaTeX source)
    source : ``"ours"`` or a citation
    assumptions : tuple of `Assumption`
    constants : ``constants(cell)`` -> mapping, from the problem alone
    margin : half width of what counts as equal: a number or ``margin(cell, constants)``
    replicates : calls of `measure` a cell, each with its own seed: a number or ``replicates(budget)``
    test : `Test`
    figure : ``figure(axes, result)``, where `result` is a `ClaimResult`; default: measured against bound
    not_applicable : ``not_applicable(cell) -> bool``: cells in which an assumption is expected to fail; where one fails
        elsewhere the cell is an ERROR
    trivial : ``trivial(cell, constants)`` -> number or array (points,): what no method can exceed (for a lower bound:
        fall below), so that a bound beyond it is trivial; the report counts the points where the bound is non-trivial
    files : files that `measure` reads, relative to the claim's file; the verdict depends on their content
    of_inputs : for a claim about folders that the caller names: ``of_inputs(inputs)`` -> the claim about these
        `Inputs`; the claim itself is the one about none
    of_quantizer : ``of_quantizer(quantizer)`` -> the claim with the user's rounding in place of SR, on its lattice
    left_out : why there is no such claim; of one that there is, which cells are not on this lattice
    """

    id: str
    title: str
    statement: str
    kind: str
    grid: Callable[[str], list[Cell]]
    bound: Callable[[Cell, Constants], Bound]
    measure: Measure
    control: Control | tuple[Control, ...]
    plain: str = ""
    source: str = "ours"
    assumptions: tuple[Assumption, ...] = ()
    constants: Callable[[Cell], Constants] = no_constants
    margin: float | Callable[[Cell, Constants], float] = 0.0
    replicates: int | Callable[[str], int] = 1
    test: Test = Test()
    figure: Callable[..., None] | None = None
    of_inputs: Callable[[Inputs], Claim] | None = None
    of_quantizer: Callable[[UserQuantizer], Claim] | None = None
    left_out: str = "nothing in it is rounded by a function from outside"
    not_applicable: Callable[[Cell], bool] | None = None
    trivial: Callable[[Cell, Constants], Bound] | None = None
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a claim that could not be run, with one sentence."""
        if not isinstance(self.id, str) or not _ID.fullmatch(self.id):
            raise InputError(f"id must be lower case letters, digits and '-', got {self.id!r}")
        if self.kind not in KINDS:
            raise InputError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        for name in ("grid", "bound", "measure", "constants"):
            if not callable(getattr(self, name)):
                raise InputError(f"{name} must be a function, got {getattr(self, name)!r}")
        if self.trivial is not None and self.kind not in ONE_SIDED:
            raise InputError(f"trivial is for one-sided claims ({', '.join(ONE_SIDED)}), not for kind {self.kind!r}")
        if not self.controls:
            raise InputError("control must be given: a test that cannot fail proves nothing")
        for control in self.controls:
            _check_control(control, self.kind)
        names = [control.name for control in self.controls]
        if len(set(names)) < len(names):
            raise InputError(f"controls must have different names, got {', '.join(names)}")

    @property
    def controls(self) -> tuple[Control, ...]:
        """The controls, also where there is one."""
        return self.control if isinstance(self.control, tuple) else (self.control,)

    @property
    def text(self) -> str:
        """The statement without pictures."""
        return self.plain or self.statement

    def about(self, inputs: Inputs) -> Claim:
        """The claim about these inputs; one that knows of none, or is given none, stays as it is.

        Raises
        ------
        InputError
            An input cannot be used, or no rounding takes the place of its own; the sentence names the claim.
        """
        if inputs == NO_INPUTS or (self.of_inputs is None and inputs.quantizer is None):
            return self
        with capture_error() as caught:
            if inputs.quantizer is None:
                return self.of_inputs(inputs) if self.of_inputs is not None else self
            if self.of_quantizer is not None:
                return self.of_quantizer(inputs.quantizer)
            raise InputError(self.left_out)
        raise InputError(f"claim {self.id}: {caught.message}")

    def replicates_of(self, budget: str) -> int:
        """Calls of `measure` a cell."""
        count = self.replicates(budget) if callable(self.replicates) else self.replicates
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise InputError(f"replicates must be a whole number of at least 1, got {count!r}")
        return count


def _check_control(control: Control, kind: str) -> None:
    if not isinstance(control, Control) or not control.name or not control.description:
        raise InputError(f"control must be a Control with name and description, got {control!r}")
    if control.shrink is not None and (kind not in ONE_SIDED or not 0 < control.shrink < 1):
        raise InputError(f"shrink must be between 0 and 1, for a one-sided claim, got {control.shrink} for {kind!r}")
    if control.shrink is not None and control.bound is not None:
        raise InputError("a control gives shrink or bound, not both")


def product(**axes: Iterable[Any]) -> list[Cell]:
    """Every combination of the values, as cells.

    Examples
    --------
    >>> product(lr=[0.1, 0.2], bits=[8])
    [{'lr': 0.1, 'bits': 8}, {'lr': 0.2, 'bits': 8}]
    """
    names = list(axes)
    values = [[item.item() if isinstance(item, np.generic) else item for item in axis] for axis in axes.values()]
    return [dict(zip(names, combination, strict=True)) for combination in itertools.product(*values)]


def allowed_interval(claim: Claim, cell: Cell, constants: Constants, bound: Bound, points: int) -> tuple[Any, Any]:
    """Where the claim allows each measured point to lie: float64 arrays ``low`` and ``high`` of shape (points,)."""
    ends: tuple[Any, Any]
    if isinstance(bound, tuple):
        if len(bound) != 2:
            raise InputError(f"a bound that is a tuple must be (low, high), got {len(bound)} values")
        ends = bound
    elif claim.kind in ONE_SIDED:
        ends = (-np.inf, bound) if ONE_SIDED[claim.kind] == "at most" else (bound, np.inf)
    else:
        margin = claim.margin(cell, constants) if callable(claim.margin) else claim.margin
        if margin < 0:
            raise InputError(f"margin must not be negative, got {margin}")
        centre = np.asarray(bound, dtype=np.float64)
        ends = (centre - margin, centre + margin)
    arrays = [np.asarray(end, dtype=np.float64) for end in ends]
    if any(array.shape not in ((), (points,)) for array in arrays):
        shapes = " and ".join(str(array.shape) for array in arrays)
        raise InputError(f"bound must be one number or one for each of the {points} points, got shape {shapes}")
    low, high = (np.broadcast_to(array, (points,)).copy() for array in arrays)
    if np.isnan(low).any() or np.isnan(high).any() or (low > high).any():
        raise InputError("bound must not be NaN, and its low end not above its high end")
    return low, high


def tighten_bound(claim: Claim, factor: float, low: Any, high: Any) -> tuple[Any, Any]:
    """The allowed interval of a one-sided claim with its bound moved into the truth by `factor` < 1."""
    return (low, high * factor) if ONE_SIDED[claim.kind] == "at most" else (low / factor, high)

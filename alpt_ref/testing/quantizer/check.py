"""`check_quantizer`: all properties of somebody's quantiser, in one call."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from alpt_ref._util import check as _check
from alpt_ref._util.plugin import require_known
from alpt_ref._util.text import printable
from alpt_ref.errors import InputError
from alpt_ref.quantizer.lattice import Lattice, require_lattice
from alpt_ref.testing.adapters import from_cupy, from_torch
from alpt_ref.testing.quantizer import bias, calls, grid, independence, nearest, policies, spread
from alpt_ref.testing.quantizer.gradient import gradient as gradient_check
from alpt_ref.testing.quantizer.probe import Broken, Probe
from alpt_ref.testing.quantizer.report import (
    FAILED,
    NOT_APPLICABLE,
    NOTE,
    NOTES,
    PASSED,
    PROPERTIES,
    Finding,
    Outcome,
    Report,
)

EFFORTS = {"quick": 0.05, "full": 1.0}
ARRAYS: dict[str, Callable[..., Any]] = {"torch": from_torch, "cupy": from_cupy}
FALSE_ALARM = 1e-6
"""Probability that a quantiser with all properties fails one, at most."""
CHECKS: dict[str, Callable[[Probe], Finding]] = {
    "on_grid": grid.on_grid,
    "saturation": grid.saturation,
    "subnormal": grid.subnormal,
    "nan_policy": policies.nan_policy,
    "layout": calls.layout,
    "input_untouched": calls.input_untouched,
    "repeatable": calls.repeatable,
    "row_prefix": calls.row_prefix,
    "column_prefix": calls.column_prefix,
    "threads": calls.parallel,
    "monotone": calls.monotone,
    "ties": nearest.ties,
    "beside_ties": nearest.beside_ties,
    "round_trip": calls.round_trip,
    "gradient": gradient_check,
    "dtype": policies.dtype,
    "independence": independence.independence,
    "variance": spread.variance,
    "fixed_points": grid.fixed_points,
    "unbiased": bias.unbiased,
    "neighbour": grid.neighbour,  # sees what the others have counted
}
"""In the order in which they run: the long ones last."""
_SAMPLED = ("subnormal", "unbiased", "variance", "independence")
"""Checks that count random events and share `FALSE_ALARM`."""


def check_quantizer(
    fn: Callable[[Any, int], Any],
    lattice: Lattice,
    *,
    rounding: str = "sr",
    require: Iterable[str] = (),
    effort: str | float = "full",
    seed: int = 0,
    only: Iterable[str] = (),
    ties: str | None = None,
    gradient: Callable[[Any, Any, int], Any] | None = None,
    arrays: str = "numpy",
    others: Sequence[Callable[[Any, int], Any]] = (),
    resolution: float = 2.0**-32,
    seconds: float | None = 24.0,
    name: str | None = None,
) -> Report:
    """Which properties of a rounding to a lattice does a quantiser have?

    Parameters
    ----------
    fn : callable ``fn(x, draw)``
        `x` is a float32 array (n, d) and `draw` an int, at least 0, the number of the call: the same x and draw give
        the same result. It returns values of the lattice, in x's shape. `alpt_ref.testing.adapters` makes such
        functions out of stateful quantisers, of those that take random words or return codes, and of torch and CuPy.
    lattice : Lattice
        `Uniform`, `PerRow`, `Affine`, `FloatFormat` or `Levels` of `alpt_ref.testing`.
    rounding : {"sr", "dr"}
        What is promised: stochastic, between the two neighbours with mean x, or nearest.
    require : names
        Notes (`NOTES`) that count as failures.
    effort : "quick", "full" or float
        Share of the full count: 1 is ``2 * 10**8`` elements for `fixed_points` and about as many for `unbiased`; quick
        is a twentieth.
    seed : int
        Decides inputs and draws; at least 0.
    only : names
        Properties; by default all.
    ties : {"up", "down", "even", "odd", "away", "toward"}, optional
        The rule for ties that is promised (dr). By default any rule will do that is the same on both sides of zero.
    gradient : callable ``gradient(x, g, draw)``, optional
        The gradient of x for the gradient g of the result, float32 (n, d), or that and the step size's (one, or one for
        each row). Adapters of torch have it.
    arrays : {"numpy", "torch", "cupy"}
        What `fn` takes and returns; with torch, autograd gives the gradient.
    others : functions like `fn`
        The same quantiser with other seeds or for other purposes, which must be independent of `fn` in equal draws.
    resolution : float
        Bias of a step that is no defect; the default passes 32 random bits.
    seconds : float, optional
        Of processor time, after which the long counts stop; the report says where. None: never.
    name : str, optional
        How the report calls the quantiser.

    Returns
    -------
    Report
        ``report.ok``, ``report.failed``, ``report.notes``, ``print(report)``, ``report.to_markdown()``.

    Raises
    ------
    InputError
        An argument is none of these. Whatever `fn` raises is part of the report.

    Examples
    --------
    >>> import numpy as np
    >>> from alpt_ref.testing import Uniform, check_quantizer
    >>> def idiom(x, draw):
    ...     u = np.random.default_rng(draw).random(x.shape, np.float32)
    ...     return np.clip(np.floor(x / np.float32(0.1) + u), -128, 127).astype(np.float32) * np.float32(0.1)
    >>> report = check_quantizer(idiom, Uniform(0.1, 8), effort=0.01)
    >>> "fixed_points" in report.failed
    True
    """
    if not (name is None or isinstance(name, str)):
        raise InputError(f"name must be a text, got {name!r}")
    probe, required, chosen = prepared(
        fn, lattice, rounding=rounding, require=require, effort=effort, seed=seed, only=only, ties=ties,
        gradient=gradient, arrays=arrays, others=others, resolution=resolution, seconds=seconds,
    )  # fmt: skip
    found = {one: _run(probe, one, one in required) for one in CHECKS if not chosen or one in chosen}
    if probe.writes and "input_untouched" in found and found["input_untouched"].status == PASSED:
        text = "x was changed in a call of another check"
        found["input_untouched"] = dataclasses.replace(found["input_untouched"], status=FAILED, text=text, detects="")
    outcomes = {one: found[one] for one in PROPERTIES if one in found}
    return Report(
        printable(" ".join((name or _name_of(fn)).split())), str(lattice), rounding, probe.effort, probe.seed, outcomes
    )


def prepared(
    fn: Callable[[Any, int], Any],
    lattice: Lattice,
    *,
    rounding: str = "sr",
    require: Iterable[str] = (),
    effort: str | float = "full",
    seed: int = 0,
    only: Iterable[str] = (),
    ties: str | None = None,
    gradient: Callable[[Any, Any, int], Any] | None = None,
    arrays: str = "numpy",
    others: Sequence[Callable[[Any, int], Any]] = (),
    resolution: float = 2.0**-32,
    seconds: float | None = 24.0,
) -> tuple[Probe, tuple[str, ...], tuple[str, ...]]:
    """The probe of `check_quantizer`, what is required and what is looked at alone, once every argument has its rule.

    Raises
    ------
    InputError
        An argument breaks its rule; nothing has been called then.
    """
    if not callable(fn):
        raise InputError(f"fn must be a function fn(x, draw), got {type(fn).__name__}")
    kind = _check.choice("arrays", arrays, ("numpy", *ARRAYS))
    if kind in ARRAYS:
        fn = ARRAYS[kind](fn)
    if ties is not None:
        ties = _check.choice("ties", ties, nearest.TIE_RULES)
    require_lattice(lattice)
    rounding = _check.choice("rounding", rounding, _check.ROUNDINGS)
    if ties is not None and rounding != "dr":
        raise InputError("ties are a rule of rounding 'dr'; with 'sr' a tie is an element like others: leave ties out")
    if not (gradient is None or callable(gradient)):
        raise InputError(f"gradient must be a function (x, g, draw), got {type(gradient).__name__}")
    if not isinstance(others, Sequence) or not all(callable(one) for one in others):
        raise InputError(f"others must be functions fn(x, draw), got {others!r}")
    if _check.number("resolution", resolution) >= 1:
        raise InputError(f"resolution must be below 1, a whole step, got {resolution!r}")
    required, chosen = _names("require", require), _names("only", only)
    probe = Probe(
        fn,
        lattice,
        rounding=rounding,
        effort=_effort(effort),
        seed=_check.whole_number("seed", seed, 0, 1 << 63),
        resolution=float(resolution),
        seconds=math.inf if seconds is None else _check.number("seconds", seconds, positive=True),
        options={"ties": ties, "gradient": gradient, "others": tuple(others)},
    )
    probe.alpha = FALSE_ALARM / len(_SAMPLED)
    return probe, required, chosen


def _run(probe: Probe, name: str, required: bool) -> Outcome:
    start, before = time.perf_counter(), probe.elements
    try:
        finding = CHECKS[name](probe)
    except Broken as broken:
        finding = Finding(False, str(broken))
    status = PASSED if finding.holds else FAILED
    if finding.holds is None and required and name not in NOTES:  # what was asked for and not looked at is not passed
        finding, status = dataclasses.replace(finding, text=f"required, but {finding.text}"), FAILED
    elif finding.holds is None:
        status = NOT_APPLICABLE
    elif not finding.holds and name in NOTES and not required:
        status = NOTE
    return Outcome(
        name,
        status,
        finding.text,
        finding.example,
        finding.false_alarm,
        probe.elements - before,
        finding.detects,
        time.perf_counter() - start,
    )


def _names(option: str, names: Iterable[str]) -> tuple[str, ...]:
    if not isinstance(names, Iterable):
        raise InputError(f"{option} must be names of properties, got {names!r}")
    chosen = (names,) if isinstance(names, str) else tuple(names)
    require_known(f"property of {option}", chosen, PROPERTIES)
    return chosen


def _effort(effort: str | float) -> float:
    if isinstance(effort, str):
        if effort not in EFFORTS:
            raise InputError(f"effort must be 'quick', 'full' or a positive number, got {effort!r}")
        return EFFORTS[effort]
    return _check.number("effort", effort, positive=True)


def _name_of(fn: Any) -> str:
    name = getattr(fn, "__name__", type(fn).__name__)
    return name if name != "<lambda>" else "a lambda"

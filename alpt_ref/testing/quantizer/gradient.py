"""The gradient through a quantiser: straight through, by one rule at the ends, and LSQ's for the step size."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.quantizer.lattices import PerRow, Uniform
from alpt_ref.testing.adapters import known_besides
from alpt_ref.testing.quantizer.probe import Broken, Floats, Probe
from alpt_ref.testing.quantizer.report import Finding

_BEYOND = (0.125, 0.375, 0.625, 0.875, 1.5, 10.0)
"""Distances beyond an end, in steps, at which the gradient is asked for."""
_HALF = 2
"""So many of them are less than half a step."""
STEP_TOLERANCE = 1e-3
"""Relative error of a float32 sum of a row's gradient of the step size."""
PASSED_ON = 2.0**-21
"""Relative error of a gradient that went through ``round(x / s) * s``: fl(fl(g s) / s)."""
_ROWS, _COLUMNS = 64, 64


def gradient(probe: Probe) -> Finding:
    """The gradient is passed on inside the range and by one rule beyond; that of the step size is LSQ's."""
    given = probe.options.get("gradient")
    function = given or known_besides(probe.fn, "gradient")
    if function is None:
        return Finding(None, "no gradient function was given")
    random, shape = probe.random("gradient"), (probe.lattice.rows or _ROWS, _COLUMNS)
    g = random.standard_normal(shape).astype(np.float32)
    x = probe.inside(random, shape)
    got, _ = _call(function, x, g, probe.next_draw())
    if got is None or (given is None and not got.any()):
        return Finding(None, "no gradient flows")
    lower_end, upper_end = np.broadcast_to(probe.lattice.low, shape), np.broadcast_to(probe.lattice.high, shape)
    within = (x > lower_end) & (x < upper_end)
    wrong = within & ~_same(got, g)
    if wrong.any():
        text = f"inside the range {int(wrong.sum()):,} of {int(within.sum()):,} gradients are not passed on as they are"
        return Finding(False, text)
    rules = [_end_rule(probe, function, g, upper) for upper in (False, True)]
    if rules[0] != rules[1] or rules[0].startswith("no rule"):
        return Finding(False, f"at the lower end: {rules[0]}; at the upper one: {rules[1]}")
    step_text, good = _step_rule(probe, function)
    return Finding(good, f"straight through; {rules[0]}{step_text}", detects=f"any of {x.size * 15:,} other gradients")


def _call(function: Any, x: Floats, g: Floats, draw: int) -> tuple[Floats | None, NDArray[np.float64] | None]:
    """Gradient of x, and of the step size where there is one."""
    try:
        result = function(x.copy(), g.copy(), draw)  # it may write to them: what it returns is compared with g
        if result is None:
            return None, None
        of_x, of_step = result if isinstance(result, tuple) else (result, None)
        numbers = np.asarray(of_x)
        steps = None if of_step is None else np.atleast_1d(np.asarray(of_step, np.float64))
    except (Exception, SystemExit) as error:
        raise Broken(f"the gradient raises {type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
    if numbers.shape != x.shape:
        raise Broken(f"the gradient has shape {numbers.shape} for x of shape {x.shape}")
    if numbers.dtype.kind not in "fiu":
        raise Broken(f"the gradient is {numbers.dtype} instead of float32")
    return numbers, steps


def _same(got: Floats, g: Floats) -> NDArray[np.bool_]:
    """Which gradients are passed on, but for the rounding of a product and a quotient."""
    return np.asarray(np.abs(got.astype(np.float64) - g) <= PASSED_ON * np.abs(g.astype(np.float64)))


def _end_rule(probe: Probe, function: Any, g: Floats, upper: bool) -> str:
    """What becomes of the gradient at an end and beyond, in words."""
    lattice = probe.lattice
    end = np.broadcast_to(lattice.high if upper else lattice.low, g.shape).astype(np.float32)
    table = lattice.table.astype(np.float64)
    gap = (table[:, -1:] - table[:, -2:-1]) if upper else (table[:, :1] - table[:, 1:2])
    passed = []
    for distance in (0.0, *_BEYOND):
        with np.errstate(over="ignore"):
            x = (end + distance * gap).astype(np.float32)
        got, _ = _call(function, np.ascontiguousarray(x), g, probe.next_draw())
        if got is None or not (_same(got, g).all() or not got.any()):
            return f"no rule {distance:g} steps beyond"
        passed.append(bool(got.any()))
    beyond = passed[1:]
    known = {
        tuple([False] * len(_BEYOND)): "0 beyond the ends",
        tuple([True] * _HALF + [False] * (len(_BEYOND) - _HALF)): "0 from half a step beyond the ends",
        tuple([True] * len(_BEYOND)): "not clipped",
    }
    rule = known.get(tuple(beyond), "no rule beyond the end")
    return rule if passed[0] else f"{rule}, and 0 at the end itself"


def _step_rule(probe: Probe, function: Any) -> tuple[str, bool]:
    """Whether the step size's gradient is proportional to LSQ's, in words."""
    lattice = probe.lattice
    if not isinstance(lattice, (Uniform, PerRow)):
        return "", True
    random, shape = probe.random("step"), (lattice.rows or _ROWS, _COLUMNS)
    steps = lattice.table[:, lattice.zero + 1 : lattice.zero + 2].astype(np.float64)
    factors: dict[str, list[float]] = {"nearest": [], "drawn": []}
    for _ in range(6):
        x = probe.inside(random, shape)
        x = np.where(random.random(shape) < 0.2, x * np.float32(3), x).astype(np.float32)
        g, draw = random.standard_normal(shape).astype(np.float32), probe.next_draw()
        _, got = _call(function, x, g, draw)
        if got is None:
            return "", True
        quotient = x.astype(np.float64) / steps
        low, high = lattice.lowest, lattice.highest
        for name in factors:
            code = np.rint(quotient) if name == "nearest" else np.rint(probe.call(x, draw) / steps)
            outside = (quotient < low) | (quotient > high)
            derivative = np.where(outside, np.clip(quotient, low, high), code - quotient)
            terms = g * derivative
            wanted = terms.sum(axis=1) if got.size == shape[0] and got.size > 1 else np.array([terms.sum()])
            if got.size != wanted.size:
                return f"; the step size's gradient has {got.size} values", False
            scale = np.abs(terms).sum() / wanted.size
            factor = float((got * wanted).sum() / (wanted * wanted).sum())
            close = np.abs(got - factor * wanted).max() <= STEP_TOLERANCE * abs(factor) * scale
            factors[name].append(factor if close else np.nan)
    for name, found in factors.items():
        spread = max(found) - min(found)
        if np.isfinite(found).all() and spread <= STEP_TOLERANCE * found[0] and found[0] > 0:
            return f"; step size as LSQ ({name} code, times {found[0]:.6g})", True
    return "; the step size's gradient is not proportional to LSQ's", False

"""What a user says about a problem, put to the test: gradient against value, constants against points of the box.

A test at points can refute a number and never prove it. Each refutation is one sentence that names the point.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError

Floats: TypeAlias = NDArray[np.float64]
Function: TypeAlias = Callable[[Floats], Floats]
STEPS = (1e-5, 1e-3, 1e-7)
"""Steps of the central differences, relative to the size of the point; agreement at one of them is enough."""
DIFFERENCE = 1e-4
"""Largest difference of a slope from the gradient, relative to the largest slope there."""
SLACK = 1e-6
"""Relative allowance for the roundings of a user's functions when a constant is put to the test."""
_DIRECTIONS = 16


def shown(w: Floats) -> str:
    """A point in a sentence."""
    text = ", ".join(f"{x:.6g}" for x in w[:6])
    return f"[{text}{', ...' if len(w) > 6 else ''}]"


def trial_points(dim: int, count: int = 8) -> Floats:
    """Points around the origin, the same every time: float64 (count, dim)."""
    generator = np.random.Generator(np.random.Philox(key=dim))
    return generator.uniform(-1.0, 1.0, (count, dim)) * np.geomspace(0.05, 2.0, count)[:, None]


def box_points(low: Floats, high: Floats, extra: Floats | None = None, count: int = 48) -> Floats:
    """Points of a box: uniform ones, random corners, and `extra` ones."""
    generator = np.random.Generator(np.random.Philox(key=len(low) + 1))
    inner = low + (high - low) * generator.random((count, len(low)))
    corners = np.where(generator.random((count // 2, len(low))) < 0.5, low, high)
    return np.concatenate([inner, corners, *([] if extra is None else [np.atleast_2d(extra)])])


def require_gradient(value: Function, gradient: Function, points: Floats) -> None:
    """InputError where the gradient is not the value's: at a point and along a coordinate or a direction.

    Central differences with three steps; a kink between the two ends lets any slope between those of both sides pass.
    """
    with np.errstate(all="ignore"):
        f, g = value(points), gradient(points)
        for name, first, again in (("value", f, value(points)), ("gradient", g, gradient(points))):
            if not np.array_equal(first, again, equal_nan=True):
                raise InputError(
                    f"{name} gives another result when it is called again; a random gradient goes to sampled_gradient="
                )
        usable = np.isfinite(f) & np.isfinite(g).all(axis=1)
        if not usable.any():
            raise InputError(f"value or gradient is not finite at any point tried, for example at {shown(points[0])}")
        for w, at, slope in zip(points[usable], f[usable], g[usable], strict=True):
            _require_slopes(value, w, float(at), slope)


def _require_slopes(value: Function, w: Floats, at: float, gradient: Floats) -> None:
    """A step at which the roundings of value hide more than `DIFFERENCE` decides nothing, but for the longest one."""
    d = len(w)
    if d <= _DIRECTIONS:
        directions = np.eye(d)
    else:
        generator = np.random.Generator(np.random.Philox(key=d + 2))
        directions = generator.standard_normal((_DIRECTIONS, d))
        directions /= np.linalg.norm(directions, axis=1)[:, None]
    wanted = directions @ gradient
    wrong, slopes = np.ones(len(directions), bool), None
    for step in STEPS:
        h = step * max(1.0, float(np.abs(w).max()))
        up, down = value(w + h * directions), value(w - h * directions)
        left, right, middle = (at - down) / h, (up - at) / h, (up - down) / (2.0 * h)
        scale = max(float(np.abs(gradient).max()), float(np.abs(middle[np.isfinite(middle)]).max(initial=0.0)))
        noise = 1e-15 * abs(at) / h
        if step < max(STEPS) and noise > DIFFERENCE * scale:
            continue
        slack = DIFFERENCE * scale + noise + 1e-10
        fits = np.abs(middle - wanted) <= slack
        fits |= (wanted >= np.minimum(left, right) - slack) & (wanted <= np.maximum(left, right) + slack)
        slopes = middle if slopes is None else slopes
        wrong &= ~fits
    if wrong.any() and slopes is not None:
        j = int(np.argmax(wrong))
        along = f"along coordinate {j}" if d <= _DIRECTIONS else "along a direction"
        raise InputError(
            f"gradient is not the derivative of value: at w = {shown(w)} {along} value rises by {slopes[j]:.6g} a unit "
            f"and gradient says {wanted[j]:.6g}; mend one of them, or pass checks=False"
        )


def require_bound(name: str, given: float, sizes: Floats, points: Floats, what: str) -> None:
    """InputError where a size at a point of the box exceeds the bound that is given for it."""
    worst = int(np.nanargmax(sizes))
    if not sizes[worst] <= given * (1.0 + SLACK):
        raise InputError(
            f"{name} = {given:g} does not hold: at w = {shown(points[worst])} {what} is {sizes[worst]:.6g}; give a "
            f"larger {name} or a smaller box"
        )


def require_shape(f: Floats, g: Floats, points: Floats, *, convex: bool, mu: float | None, L: float | None) -> None:
    """InputError where two points refute convexity, strong convexity or smoothness."""
    other = np.roll(np.arange(len(points)), 1)
    move = points[other] - points
    square = (move * move).sum(axis=1)
    slack = SLACK * (np.abs(f) + np.abs(f[other]) + np.abs((g * move).sum(axis=1))) + 1e-12
    above = f[other] - f - (g * move).sum(axis=1)
    if mu is not None or convex:
        short = above - 0.5 * (mu or 0.0) * square + slack
        if short.min() < 0.0:
            j = int(np.argmin(short))
            said = f"mu = {mu:g}" if mu is not None else "convex = True"
            raise InputError(
                f"{said} does not hold: from w = {shown(points[j])} to {shown(points[other[j]])} value lies "
                f"{-float(short[j] - slack[j]):.6g} below what it says"
            )
    if L is not None:
        change = np.linalg.norm(g[other] - g, axis=1)
        moved = np.sqrt(square)
        short = L * moved * (1.0 + SLACK) + 1e-9 * (1.0 + np.abs(g).max()) - change
        if short.min() < 0.0:
            j = int(np.argmin(short))
            if moved[j] == 0.0:
                raise InputError(f"gradient gives two results at one point, w = {shown(points[j])}")
            raise InputError(
                f"L = {L:g} does not hold: between w = {shown(points[j])} and {shown(points[other[j]])} the gradient "
                f"changes by {change[j] / moved[j]:.6g} a unit"
            )

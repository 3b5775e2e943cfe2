r"""E4: the gradient noises are what their names say: mean 0, standard deviation sigma, ``E|f' + n|`` as computed.

``E|g|`` is the G1 of every sparse bound. It is integrated numerically here, over the density of the noise; and the
numbers that the Monte Carlo driver draws (its definition, `_engine_twin.py`, with which E1 shows that the driver agrees
in every bit) are averaged over words spread evenly: both numbers of a normal pair have the moments of independent
normal numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory import Noise
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product

from . import _engine_twin as twin
from ._left_out import ENGINE

SLOPES = 0.0, 0.3, -1.0, 1.6, 2.5, -7.0
"""In standard deviations: inside and outside the support of each noise."""
NODES = 40
PANELS = 64
REACH = 14.0
"""Normal noise beyond so many standard deviations weighs less than 1e-43."""
EVEN = 1024
"""Words in a row, evenly spread: their averages miss an integral by about 1/EVEN where a logarithm diverges."""
CLOSE = 1e-9
DRAWN = 0.01
"""Of moments of evenly spread words."""
NARROW = "uniform on [-sigma, sigma]"
SQUARE = "slope squared in place of its size"
SAME = "both numbers of a pair from one word"
Floats = NDArray[np.float64]


def nodes(low: float, high: float, kink: float) -> tuple[Floats, Floats]:
    """Gauss's points and weights on panels of [low, high] that end where ``|m + x|`` has its kink."""
    inner = [kink] if low < kink < high else []
    edges = np.unique(np.concatenate([np.linspace(low, high, PANELS + 1), inner]))
    x, weight = np.polynomial.legendre.leggauss(NODES)
    half = np.diff(edges) / 2
    return (edges[:-1, None] + half[:, None] * (1 + x)).ravel(), (half[:, None] * weight).ravel()


def integrals(kind: str, sigma: float, slope: float, broken: str | None) -> tuple[float, float]:
    """``E|slope + n|`` and ``E n^2``."""
    if kind == "two-point":
        return 0.5 * abs(slope + sigma) + 0.5 * abs(slope - sigma), sigma**2
    if kind == "uniform":
        reach = sigma if broken == NARROW else math.sqrt(3.0) * sigma
        x, weight = nodes(-reach, reach, -slope)
        density = np.full_like(x, 1 / (2 * reach))
    else:
        x, weight = nodes(-REACH * sigma, REACH * sigma, -slope)
        density = np.exp(-((x / sigma) ** 2) / 2) / (sigma * math.sqrt(2 * math.pi))
    size = (slope + x) ** 2 if broken == SQUARE else np.abs(slope + x)
    return float(weight @ (density * size)), float(weight @ (density * x**2))


def drawn(kind: str, broken: str | None) -> dict[str, tuple[float, float]]:
    """Moments of the numbers made from evenly spread words, for sigma 1, beside what they must be."""
    row = (np.arange(EVEN, dtype=np.uint64) * np.uint64(2**32 // EVEN) + np.uint64(2**31 // EVEN)).astype(np.uint32)
    if kind == "uniform":
        x = math.sqrt(3.0) * twin.uniform(row).astype(np.float64)
        return {"mean": (x.mean(), 0.0), "E n^2": ((x**2).mean(), 1.0), "E n^4": ((x**4).mean(), 1.8)}
    first, second = (word.ravel() for word in np.meshgrid(row, row))
    if broken == SAME:
        second = first
    x, y = (part.astype(np.float64) for part in twin.normal(first, second))
    return {
        "mean of the first": (x.mean(), 0.0),
        "mean of the second": (y.mean(), 0.0),
        "E x^2": ((x**2).mean(), 1.0),
        "E y^2": ((y**2).mean(), 1.0),
        "E xy": ((x * y).mean(), 0.0),
        "E x^2 y^2": ((x**2 * y**2).mean(), 1.0),
        "E |x|": (np.abs(x).mean(), math.sqrt(2 / math.pi)),
        "E x^4 / 3": ((x**4).mean() / 3, 1.0),
    }


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """Distance of each computed quantity from its integral, in units of what may be."""
    kind, sigma = cell["kind"], cell.get("sigma", 1.0)
    if cell["part"] == "drawn":
        moments = drawn(kind, broken)
        return exact([abs(a - b) / DRAWN for a, b in moments.values()], rtol=0.0, labels=list(moments))
    noise = Noise(kind, sigma)
    parts: dict[str, Any] = {}
    for m in SLOPES:
        size, square = integrals(kind, sigma, m * sigma, broken)
        parts[f"E|f' + n|, f' = {m:g} sigma"] = abs(float(noise.absolute_mean(m * sigma)) - size) / (CLOSE * sigma)
        parts["E n^2"] = abs(noise.sigma**2 - square) / (CLOSE * sigma**2)
    support = {"two-point": sigma, "uniform": math.sqrt(3.0) * sigma, "normal": math.inf}[kind]
    parts["largest"] = 0.0 if noise.largest == support else 2.0
    if kind == "two-point":
        values, chances = noise.outcomes()
        parts["outcomes"] = abs(float(chances @ values)) + abs(float(chances @ values**2) - sigma**2) / CLOSE
    return exact(list(parts.values()), rtol=0.0, labels=list(parts))


def grid(budget: str) -> list[Cell]:
    """Each noise at two sizes, and what is drawn."""
    sigmas = [0.6, 3.0] if budget == "quick" else [0.01, 0.6, 3.0, 400.0]
    return product(part=["integrated"], kind=["two-point", "uniform", "normal"], sigma=sigmas) + product(
        part=["drawn"], kind=["uniform", "normal"]
    )


def bound(cell: Cell, constants: Constants) -> float:
    """One unit of what may be."""
    return 1.0


CLAIM = Claim(
    id="e4",
    left_out=ENGINE,
    title="moments of the gradient noises",
    statement=r"$E\,n = 0$, $E\,n^2 = \sigma^2$, $E\,|f' + n|$: computed, integrated and drawn",
    plain="E n = 0, E n^2 = sigma^2, and E|f' + n| as computed, against numerical integration (1e-9 of sigma) and "
    "against the numbers drawn from evenly spread words (.01): distance in these units, at most 1.",
    kind="upper",
    grid=grid,
    bound=bound,
    measure=measure,
    control=(
        Control(NARROW, "uniform on [-sigma, sigma]", where=lambda c: c["kind"] == "uniform" and "sigma" in c),
        Control(
            SQUARE,
            "E (f' + n)^2 in place of E|f' + n|",
            where=lambda c: c["part"] == "integrated" and c["kind"] != "two-point",
        ),
        Control(
            SAME,
            "radius and angle of a normal pair from one word",
            where=lambda c: c["part"] == "drawn" and c["kind"] == "normal",
        ),
    ),
)

"""A claim: rounding to float16 moves a number in [-1, 1] by at most 2^-12."""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.verification import Claim, Control, exact, product


def measure(cell: dict[str, Any], seed: int, *, broken: str | None = None) -> Any:
    """The largest distance on a grid of numbers; broken: the next lower float16 in place of the nearest."""
    x = np.linspace(-1.0, 1.0, cell["points"])
    rounded = x.astype(np.float16)
    if broken == "truncation":
        rounded = np.where(rounded > x, np.nextafter(rounded, np.float16(-2)), rounded)
    return exact(np.abs(rounded.astype(np.float64) - x).max())


CLAIM = Claim(
    id="half-exact",
    title="error of float16",
    statement=r"$|h(x) - x| \leq 2^{-12}$ for $|x| \leq 1$",
    kind="upper",
    grid=lambda budget: product(points=[1001] if budget == "quick" else [1001, 100001]),
    bound=lambda cell, constants: 2.0**-12,
    measure=measure,
    control=Control("truncation", "the next lower number in place of the nearest"),
)

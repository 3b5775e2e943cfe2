"""What cheap claims measure: every cell of their quick grids, in the grid's order."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.bits.case import Case
from tests.bits.places import checkout, find

CHEAP = ("r1", "r2", "r3", "r4", "r5", "r6", "r7", "x2", "d3", "a1")
PRODUCTS = ("r7", "x2")
"""Claims that take matrix products of NumPy."""


def cases() -> Iterator[Case]:
    """One a claim."""
    for name in CHEAP:
        yield Case(f"claim {name}", partial(_measured, name), depends="blas" if name in PRODUCTS else "")


def _measured(name: str) -> dict[str, Any]:
    (file,) = (checkout() / "analysis" / "claims").glob(f"{name}_*.py")
    claim = find("load_attribute")(file, "CLAIM")
    found = {}
    for number, cell in enumerate(claim.grid("quick")):
        constants = claim.constants(cell)
        bound = claim.bound(cell, constants)
        found[f"cell {number}, measured"] = claim.measure(cell, 1000 + number).values
        found[f"cell {number}, bound"] = list(bound) if isinstance(bound, tuple) else bound
    return found

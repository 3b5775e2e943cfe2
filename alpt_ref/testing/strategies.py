"""Hypothesis strategies for tests of quantisers: lattices, and arrays of the numbers at which rounding goes wrong.

Hypothesis is needed only where these are called (``pip install hypothesis``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._version import install_hint
from alpt_ref.errors import InputError
from alpt_ref.quantizer.lattice import require_lattice
from alpt_ref.quantizer.lattices import Affine, Lattice, PerRow, Uniform

__all__ = ["affine_lattices", "beside_ties", "beyond_ends", "inputs", "lattices", "step_sizes", "subnormals"]

Floats = NDArray[np.float32]
MOST_ROWS = MOST_COLUMNS = 8


def _hypothesis() -> Any:
    try:
        from hypothesis import strategies
    except ImportError:
        raise InputError(f"Hypothesis is not installed: {install_hint('test')}") from None
    return strategies


def step_sizes(least: float = 2.0**-30, most: float = 2.0**30) -> Any:
    """Positive float32 numbers, powers of two and others.

    Examples
    --------
    >>> step_sizes().example() > 0  # doctest: +SKIP
    True
    """
    st = _hypothesis()
    powers = st.integers(int(np.ceil(np.log2(least))), int(np.floor(np.log2(most)))).map(lambda power: 2.0**power)
    low, high = float(np.float32(least)), float(np.float32(most))
    return st.one_of(powers, st.sampled_from([0.1, 1 / 3, 1e-3]), st.floats(low, high, width=32))


def lattices(bits: Any = None, *, rows: bool = False) -> Any:
    """`Uniform` lattices of any width and step size; with `rows`, `PerRow` ones too.

    Parameters
    ----------
    bits : strategy, optional
        Of the width; by default 2 to 16.
    rows : bool
    """
    st = _hypothesis()
    widths = bits if bits is not None else st.integers(2, 16)
    uniform = st.builds(Uniform, step_sizes(), widths)
    if not rows:
        return uniform
    return st.one_of(uniform, st.builds(PerRow, st.lists(step_sizes(), min_size=1, max_size=MOST_ROWS), widths))


def affine_lattices() -> Any:
    """`Affine` lattices with a zero point among the codes."""
    st = _hypothesis()
    widths = st.integers(2, 16)
    pairs = widths.flatmap(lambda bits: st.tuples(st.just(bits), st.integers(0, (1 << bits) - 1)))
    return st.builds(lambda step, pair: Affine(step, bits=pair[0], zero_point=pair[1]), step_sizes(), pairs)


def _arrays(lattice: Lattice, elements: Any) -> Any:
    """Float32 arrays (n, d) of the lattice's number of rows, of elements that depend on the row."""
    st = _hypothesis()
    require_lattice(lattice)
    fixed = lattice.rows
    shapes = st.tuples(st.just(fixed) if fixed else st.integers(1, MOST_ROWS), st.integers(1, MOST_COLUMNS))

    def of_shape(shape: tuple[int, int]) -> Any:
        rows = [
            st.lists(elements(row if fixed else 0), min_size=shape[1], max_size=shape[1]) for row in range(shape[0])
        ]
        return st.tuples(*rows).map(lambda values: np.array(values, np.float32).reshape(shape))

    return shapes.flatmap(of_shape)


def _cells(lattice: Lattice, row: int) -> Any:
    """Pairs of neighbouring values of a row, those of special codes more often."""
    st = _hypothesis()
    special = [int(one) for one in lattice.special() if one < lattice.size - 1]
    columns = st.one_of(st.sampled_from(special), st.integers(0, lattice.size - 2))
    return columns.map(lambda column: (float(lattice.table[row, column]), float(lattice.table[row, column + 1])))


def beside_ties(lattice: Lattice) -> Any:
    """Arrays of the float32 numbers nearest to a middle between two values, and of those next to them.

    Examples
    --------
    >>> from hypothesis import given, settings
    >>> @settings(deadline=None)
    ... @given(beside_ties(Uniform(0.1, 8)))
    ... def test_nearest(x):
    ...     lower, upper = Uniform(0.1, 8).neighbours(x)
    ...     assert ((x >= lower) & (x <= upper)).all()
    >>> test_nearest()
    """
    st = _hypothesis()

    def elements(row: int) -> Any:
        def near(pair: tuple[tuple[float, float], int]) -> float:
            (low, high), side = pair
            x = np.float32(low + (high - low) / 2)
            return float(np.nextafter(x, np.float32(side * np.inf)) if side else x)

        return st.tuples(_cells(lattice, row), st.sampled_from([-1, 0, 1])).map(near)

    return _arrays(lattice, elements)


def subnormals(lattice: Lattice) -> Any:
    """Arrays of subnormal float32 numbers, the smallest normal ones, 0 and -0."""
    st = _hypothesis()
    normal = float(np.float32(2.0**-126))
    tiny = st.floats(-normal, normal, width=32)
    return _arrays(lattice, lambda row: st.one_of(st.sampled_from([0.0, -0.0, normal, -normal]), tiny))


def beyond_ends(lattice: Lattice) -> Any:
    """Arrays of the ends, and of numbers beyond them: by a float32 number, half a step, many steps."""
    st = _hypothesis()
    steps = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0, 1e6))

    def elements(row: int) -> Any:
        table = lattice.table[row].astype(np.float64)

        def beyond(pair: tuple[bool, float, bool]) -> float:
            upper, far, next_one = pair
            end, gap = (table[-1], table[-1] - table[-2]) if upper else (table[0], table[0] - table[1])
            with np.errstate(over="ignore"):
                x = np.float32(end + far * gap)
            x = x if np.isfinite(x) else np.float32(end)
            return float(np.nextafter(x, np.float32(np.inf if upper else -np.inf)) if next_one else x)

        return st.tuples(st.booleans(), steps, st.booleans()).map(beyond).filter(np.isfinite)

    return _arrays(lattice, elements)


def inputs(lattice: Lattice) -> Any:
    """Arrays of anything: inside the range, values of the lattice, beside ties, subnormal, beyond the ends."""
    st = _hypothesis()

    def inside(row: int) -> Any:
        def between(pair: tuple[tuple[float, float], float]) -> float:
            (low, high), share = pair
            return float(np.float32(low + share * (high - low)))

        return st.tuples(_cells(lattice, row), st.one_of(st.just(0.0), st.floats(0, 1))).map(between)

    return st.one_of(_arrays(lattice, inside), beside_ties(lattice), subnormals(lattice), beyond_ends(lattice))

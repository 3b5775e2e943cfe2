"""T2 against every point of small grids, in fractions."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory.bounds import grid_floor


@pytest.mark.parametrize(("d", "root"), [(1, 1), (4, 2)])
@pytest.mark.parametrize("centres", [(1, 1, 1, 1), (-3, 1, 3, -1)])
def test_the_best_grid_point_is_at_the_floor(d: int, root: int, centres: tuple[int, ...]) -> None:
    """``f = (G/sqrt(d)) |w - w*|_1`` with w* at odd half steps; d a square, so that everything is rational."""
    step_size, slope = Fraction(1, 4), Fraction(3)
    centre = [Fraction(k, 2) * step_size for k in centres[:d]]
    gaps = [
        slope / root * sum(abs(code * step_size - c) for code, c in zip(codes, centre, strict=True))
        for codes in itertools.product(range(-4, 4), repeat=d)
    ]
    least = min(gaps)
    assert float(least) == grid_floor(step_size=0.25, G=3.0, dim=d)
    assert gaps.count(least) == 2**d


@pytest.mark.parametrize("change", [{"dim": 0}, {"step_size": 0.0}, {"G": -1.0}])
def test_bad_arguments_are_named(change: dict[str, float]) -> None:
    (name,) = change
    with pytest.raises(InputError, match=name):
        grid_floor(**{"step_size": 1.0, "G": 1.0, "dim": 1, **change})  # type: ignore[arg-type]

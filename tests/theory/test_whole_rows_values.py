"""The triangular factor of small matrices in fractions, and the two limits from which on rows are taken as they are."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from alpt_ref.theory import whole_rows as module
from alpt_ref.theory.linear import LinearModel
from alpt_ref.theory.whole_rows import triangular_factor, whole_rows
from tests import tolerances


def squares(a: list[list[int]]) -> tuple[list[list[Fraction]], Fraction]:
    """What the rows of the factor before the last give, ``A' A`` but for its last corner, and what is left of that."""
    size = len(a[0])
    gram = [[Fraction(sum(row[i] * row[j] for row in a)) for j in range(size)] for i in range(size)]
    left = [row[:] for row in gram]
    for k in range(size - 1):
        for i in range(k + 1, size):
            factor = left[i][k] / left[k][k]
            left[i] = [x - factor * y for x, y in zip(left[i], left[k], strict=True)]
    return gram, left[-1][-1]


@pytest.mark.parametrize(
    "a",
    [
        [[3, 5], [4, 10]],
        [[3, 1, -2], [4, 2, 7], [0, 5, 1], [-1, 3, 3], [2, -2, 6]],
        [[3, 1, -2, 5, 9], [4, 2, 7, 0, -3], [0, 5, 1, 1, 4], [-1, 3, 3, 2, 2], [2, -2, 6, 4, -7], [1, 1, 0, -5, 3]],
    ],
    ids=["2 x 2", "5 x 3", "6 x 5"],
)
def test_the_factor_gives_the_products_of_the_columns(a: list[list[int]]) -> None:
    gram, left = squares(a)
    factor = triangular_factor(np.array(a, dtype=np.float64))
    assert factor is not None
    np.testing.assert_array_equal(factor, np.triu(factor))
    assert factor[-1, -1] == pytest.approx(float(left), rel=tolerances.FLOAT64)
    rows = factor[:-1]
    wanted = np.array(gram, dtype=np.float64)
    wanted[-1, -1] -= float(left)
    np.testing.assert_allclose(rows.T @ rows, wanted, rtol=tolerances.FLOAT64, atol=1e-12)
    assert (np.diag(factor)[:-1] > 0.0).all()


@pytest.mark.parametrize(("power", "good"), [(-30.5, False), (-29.9, True)])
def test_a_column_may_lie_2_to_the_minus_30_from_the_span_of_the_others(power: float, good: bool) -> None:
    """Squares: of the part that is not spanned, over that of the column."""
    a = np.array([[1.0, 1.0, 0.5], [0.0, 2.0 ** (power / 2.0), 0.25], [0.0, 0.0, 2.0]])
    assert (triangular_factor(a) is not None) is good


def test_offsets_that_the_columns_span_leave_nothing() -> None:
    """The corner comes out as a rounding of 0 or below, never less than 0."""
    for seed in range(6):
        random = np.random.default_rng(seed)
        features = random.standard_normal((9, 3))
        factor = triangular_factor(np.column_stack([features, features @ random.standard_normal(3)]))
        assert factor is not None
        assert 0.0 <= factor[-1, -1] < 1e-12


def test_so_many_columns_are_reduced_and_one_more_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_COLUMNS", 3)
    for d, reduced in ((3, True), (4, False)):
        features = np.random.default_rng(d).standard_normal((7, d))
        found = whole_rows(LinearModel("square", features, np.arange(7.0), np.zeros(d), 0.0, 0.0))
        assert found.triangular is reduced
        assert found.features.shape == ((d, d) if reduced else (7, d))


def test_the_products_are_of_whole_fours_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block more would read beyond the columns, a row or column less would lose some."""
    found: list[Any] = []

    def rows(kernel: Any, blocks: int, padded: Any, products: Any, **_: Any) -> None:
        found.append((blocks, padded.shape, products.shape))
        products[...] = np.eye(len(products))

    monkeypatch.setattr(module, "run_rows", rows)
    for shape in ((6, 5), (9, 2), (8, 4)):
        triangular_factor(np.ones(shape))
    assert found == [(2, (8, 8), (8, 8)), (1, (12, 4), (4, 4)), (1, (8, 4), (4, 4))]

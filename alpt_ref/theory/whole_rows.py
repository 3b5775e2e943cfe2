"""The rows whose mean loss is that of all rows of a regression: its own, or d in place of n for least squares.

With the triangular factor ``R' R = A' A`` of n rows in d < n columns, ``q = R'^-1 A' b`` and what is left,

    mean_i (a_i . w - b_i)^2/2 = mean_j (r_j . w - q_j)^2/2 + rest      (r, q scaled by sqrt(d/n))

for every w, so value and gradient cost ``d^2/2`` products in place of ``n d``: an eighth of them, at n = 4 d, and with
the zeros left out. It is still a sum of squares, so that nothing cancels near a minimum. The factor is computed in
float64, in one order of sums whatever the machine, and rounded to float32 once, as the rows are.
"""

from __future__ import annotations

import math
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.gram import gram_rows
from alpt_ref.kernels.cpu.montecarlo_products import tiles
from alpt_ref.kernels.jit import run_rows
from alpt_ref.theory.linear import LinearModel

LEAST_PIVOT = 2.0**-30
"""Square of a column's part that the columns before it do not span, over the square of the column: below, R loses
digits that float32 would show, and the rows are taken as they are."""
MOST_COLUMNS = 2048
"""More columns are taken as they are: the factor would take a minute and more."""


class WholeRows(NamedTuple):
    """Float32 rows and offsets whose mean loss, with `rest`, is that of all rows, and tiles of rows and of columns."""

    features: NDArray[np.float32]
    offsets: NDArray[np.float32]
    columns: NDArray[np.float32]
    across: NDArray[np.float32]
    triangular: bool
    rest: float


_KNOWN: WeakKeyDictionary[LinearModel, WholeRows] = WeakKeyDictionary()


def whole_rows(model: LinearModel) -> WholeRows:
    """Computed once for a model.

    Examples
    --------
    >>> from alpt_ref.theory.linear import least_squares
    >>> rows = whole_rows(least_squares([[3.0], [4.0]], [5.0, 10.0]))
    >>> rows.features * 2**0.5, rows.offsets * 2**0.5, rows.rest
    (array([[5.]], dtype=float32), array([11.], dtype=float32), 1.0)
    """
    known = _KNOWN.get(model)
    if known is None:
        known = _KNOWN[model] = _reduced(model) or _all(model)
    return known


def _all(model: LinearModel) -> WholeRows:
    features, offsets = model.features.astype(np.float32), model.offsets.astype(np.float32)
    return WholeRows(features, offsets, tiles(features), tiles(features.T), False, 0.0)


def _reduced(model: LinearModel) -> WholeRows | None:
    rows, d = model.features.shape
    if model.loss != "square" or not d < rows or d > MOST_COLUMNS:
        return None
    factor = triangular_factor(np.column_stack([model.features, model.offsets]))
    if factor is None:
        return None
    scaled = (factor * math.sqrt(d / rows)).astype(np.float32)
    features, rest = np.ascontiguousarray(scaled[:d, :d]), float(factor[d, d]) / (2.0 * rows)
    return WholeRows(features, scaled[:d, d].copy(), tiles(features), tiles(features.T), True, rest)


def triangular_factor(a: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Cholesky's factor of ``A' A`` but for its last corner, which stays the square of what is left; see above.

    None where a column but the last lies almost in the span of those before it (`LEAST_PIVOT`), or a product overflows.
    """
    rows, size = a.shape
    padded = np.zeros((-(-rows // 4) * 4, -(-size // 4) * 4))
    padded[:rows, :size] = a
    products = np.zeros((padded.shape[1],) * 2)
    run_rows(gram_rows, padded.shape[1] // 4, padded, products, grain=8)
    factor = np.triu(products[:size, :size])
    least = LEAST_PIVOT * np.diag(factor)
    if not np.isfinite(factor).all():
        return None
    for i in range(size - 1):
        if not factor[i, i] > least[i]:
            return None
        factor[i, i:] /= math.sqrt(factor[i, i])
        factor[i + 1 :, i + 1 :] -= np.outer(factor[i, i + 1 :], factor[i, i + 1 :])
    factor[-1, -1] = max(factor[-1, -1], 0.0)
    return np.triu(factor)

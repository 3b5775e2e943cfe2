r"""RM1: what it costs that a row sets its own step size (rowmax): rounding of elements that have no update.

After an update of a row its step size is its largest magnitude over q, the largest code, and every element is rounded
anew. Where the largest magnitude moves, so does the grid under all others (A1's term, `learned_step_size`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from alpt_ref.theory.setting import positive


def rowmax_regrid_variance(*, largest: float, moved: float, codes: ArrayLike, q: int) -> float:
    r"""RM1: what an update of a row's largest element costs the elements without an update, under rowmax with SR.

    Statement
    ---------
    $M \to M',\; \Delta' = M'/q:\quad \sum_{i=1}^{d-1} E(w_i' - w_i)^2 \leq
    \min\left(\frac{\Delta'|M'-M|\,\|k\|_1}{q},\; \frac{(d-1)\Delta'^2}{4}\right)$

    $k_i$ the codes of the others, $|w_i| \leq M'$; with a step size that stays it is 0

    In words
    --------
    A row under symmetric rowmax with SR, whose largest magnitude M becomes M' (still the largest) and whose other d - 1
    elements, with codes k, have no update: sum_i E (w_i' - w_i)^2 <= min(Delta' |M' - M| |k|_1/q, (d-1) Delta'^2/4),
    Delta' = M'/q. With a step size that stays it is 0.

    Terms
    -----
    Delta' |M' - M| |k|_1/q: |k|_1
    (d-1) Delta'^2/4: d

    Parameters
    ----------
    largest, moved : float
        M and M', in the units of the weights.
    codes : array_like (d - 1,)
        Codes of the other elements under the step size ``M/q``.
    q : int
        Largest code.

    Returns
    -------
    float
        In squared units of the weights. An update ``u = |M' - M|`` of the largest element alone costs the row what SR
        of such an update, ``Delta' u`` at most, would cost ``|k|_1/q = |w|_1/M - 1`` elements more.

    Proof
    -----
    ``delta = Delta' - Delta = (M' - M)/q``. A1 for each element: ``Delta' |k_i| |delta|``, and R2: ``Delta'^2/4``. The
    sum of the smaller of two is at most the smaller sum. An element that is not limited (``|w_i| <= M'``) is rounded
    between its neighbours; an unchanged Delta leaves ``k_i Delta`` on the grid.

    Source
    ------
    ours; the method: FBGEMM, torchao

    Examples
    --------
    >>> rowmax_regrid_variance(largest=1.0, moved=0.875, codes=[1, -2], q=7)
    0.006696428571428571
    """
    new = positive("moved", moved) / positive("q", float(q))
    k = np.abs(np.asarray(codes, dtype=np.float64))
    drift = new * abs(moved - positive("largest", largest)) * float(k.sum()) / q
    return float(min(drift, k.size * new * new / 4.0))

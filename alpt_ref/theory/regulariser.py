r"""R9: stochastic rounding as an implicit regulariser: what it adds to the value of a quadratic on average."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory.identities import sr_error_from_grid, sr_variance
from alpt_ref.theory.setting import positive


def expected_rise(hessian_diagonal: ArrayLike, point: ArrayLike, step_size: float) -> float:
    r"""R9: what stochastic rounding adds to a quadratic on average.

    Statement
    ---------
    $E f(SR(v)) - f(v) = \frac{1}{2}\sum_i H_{ii}\,\Delta^2 p_i(1-p_i), \quad p_i = frac(v_i/\Delta)$

    from the grid, $v = w - \eta g$, $\eta|g_i| \leq \Delta$:
    $\;\frac{1}{2}\sum_i H_{ii}\left(\Delta\eta|g_i| - \eta^2 g_i^2\right)$

    In words
    --------
    f quadratic with Hessian H, random words of different coordinates pairwise independent, v in the box, every p_i 2^r
    whole with r random bits: E f(SR(v)) - f(v) = (1/2) sum_i H_ii Delta^2 p_i (1 - p_i), p_i = frac(v_i/Delta);
    off-diagonal entries of H drop out. From a grid point with eta |g_i| <= Delta it is (1/2) sum_i H_ii (Delta eta
    |g_i| - eta^2 g_i^2).

    Terms
    -----
    (1/2) sum_i H_ii Delta^2 p_i (1 - p_i): H_ii, 1 - p_i

    Parameters
    ----------
    hessian_diagonal : float array (d,)
        ``H_ii``.
    point : float array (d,)
        v, inside the box, in the units of the weights.
    step_size : float
        Delta.

    Returns
    -------
    float
        In the units of f. Where ``p_i 2^r`` is not whole, ``<f'(v), bias>`` comes on top to first order, at most
        ``2^-r Delta |f'(v)|_1`` (R1).

    Proof
    -----
    ``eps = SR(v) - v``, ``f(v + eps) - f(v) = <f'(v), eps> + <eps, H eps>/2`` exactly. ``E eps_i = 0`` (R1, ``p_i 2^r``
    whole), ``E eps_i eps_j = 0`` for i != j (pairwise independent words) and ``E eps_i^2 = Delta^2 p_i (1 - p_i)``
    (R2), which from the grid is R3.

    Source
    ------
    ours; closest published relative: LOTION (arXiv 2510.08757), which smooths a loss by randomised rounding and takes
    its second-order term as a regulariser

    Examples
    --------
    >>> expected_rise([2.0, 1.0], [0.25, 1.5], step_size=1.0)
    0.3125
    """
    H, v = _pair(hessian_diagonal, point)
    step_size = positive("step_size", step_size)
    return float(0.5 * step_size**2 * (H * sr_variance(v / step_size)).sum())


def expected_rise_from_grid(hessian_diagonal: ArrayLike, update: ArrayLike, step_size: float) -> float:
    """R9 from a grid point: ``(1/2) sum_i H_ii E eps_i^2`` with the error of one update ``u = eta g`` (R3).

    Parameters
    ----------
    hessian_diagonal, update : float array (d,)
        ``H_ii``, and u in the units of the weights.
    step_size : float
        Delta.

    Returns
    -------
    float
        ``(1/2) sum_i H_ii (Delta |u_i| - u_i^2)`` where ``|u_i| <= Delta``; periodic in u beyond.

    Examples
    --------
    >>> expected_rise_from_grid([2.0, 1.0], [0.25, -0.5], step_size=1.0)
    0.3125
    """
    H, u = _pair(hessian_diagonal, update)
    return float(0.5 * (H * sr_error_from_grid(u, positive("step_size", step_size))).sum())


def _pair(hessian_diagonal: ArrayLike, vector: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    H, v = (np.atleast_1d(np.asarray(x, dtype=np.float64)) for x in (hessian_diagonal, vector))
    if H.ndim != 1 or H.shape != v.shape:
        raise InputError(f"the Hessian's diagonal and the vector must be (d,), got {H.shape} and {v.shape}")
    return H, v

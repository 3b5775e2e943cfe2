r"""U1: one bound for every rounding of which bias and second moment of an update are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from alpt_ref.errors import InputError
from alpt_ref.theory.bounds.lemma import whole
from alpt_ref.theory.setting import positive


def unified_convex(
    *, T: int, eta: float, D1: float, second_moment: float, D: ArrayLike = 0.0, bias: ArrayLike = 0.0
) -> float:
    r"""U1: any rounding, convex f, constant learning rate.

    Statement
    ---------
    $\frac{1}{T}\sum_t E f(w_t) - f^* \leq \frac{D_1^2}{2\eta T} + \frac{1}{\eta}\sum_i D_i \beta_i +
    \frac{1}{2\eta}\,\sup_w E|M|^2$

    $M = Q(w - \eta g) - w$, $\ |E[M_i|w] + \eta f'_i(w)| \leq \beta_i$; SR: $\beta_i = 0$,
    $E M_i^2 = E(\eta g_i)^2 + E\,\Delta^2 p(1-p)$, $p = frac(\eta g_i/\Delta)$; DR with noise of one law: $\beta_i$ is
    $\Delta$ times the bias of D5

    In words
    --------
    f convex, eta constant, M = Q(w - eta g) - w the rounded update before clipping, |E[M_i|w] + eta f'_i(w)| <= beta_i,
    D_i >= |w_{t,i} - w*_i|: (1/T) sum_t E f(w_t) - f* <= D1^2/(2 eta T) + (1/eta) sum_i D_i beta_i
    + sup E|M|^2/(2 eta). SR: beta = 0, E M_i^2 = E(eta g_i)^2 + E Delta^2 p(1-p), p = frac(eta g_i/Delta), never above
    S1. DR with noise of one law: beta_i = Delta times D5's bias, the first bound of DR below the trivial one where
    updates are small

    Terms
    -----
    D1^2/(2 eta T)
    (1/eta) sum_i D_i beta_i: D_i, beta_i
    sup E|M|^2/(2 eta)
    E(eta g_i)^2
    E Delta^2 p(1-p)

    Parameters
    ----------
    T, eta, D1
        See the notation of `alpt_ref.theory.bounds`.
    second_moment : float
        At least ``E[|M|^2 | w]`` at every reachable w, squared units of the weights; see
        `alpt_ref.theory.rounded_update.largest_rounded_update`.
    D, bias : float or float array (d,)
        At least ``|w_{t,i} - w*_i|`` at every iterate; at least ``|E[M_i|w] + eta f'_i(w)|`` at every reachable w.

    Returns
    -------
    float
        Tight: ``|w|`` with SR, with DR under spread noise, and with DR stalled.

    Raises
    ------
    InputError
        If a number breaks its rule, or D and bias differ in shape.

    Proof
    -----
    ``w' = clip_B(w + M)`` and w* lies in B: ``|w' - w*|^2 <= |w - w*|^2 + 2 <M, w - w*> + |M|^2``. Given w,
    ``E<M, w - w*> <= -eta <f', w - w*> + sum D_i beta_i <= -eta (f(w) - f*) + sum D_i beta_i``. Sum over t = 1..T, drop
    ``|w_{T+1} - w*|^2``, divide by ``2 eta T``. SR from a grid point: ``E M_i = -eta f'_i``, R2 gives ``E M_i^2``.

    Source
    ------
    ours; closest published relatives: Xia, Massei and Hochstenbach, arXiv 2202.12276 and 2301.09511 (biased rounding in
    gradient descent); Li and De Sa, Dimension-Free Bounds for Low-Precision Training, NeurIPS 2019; Li et al., Training
    Quantized Nets: A Deeper Understanding, NeurIPS 2017

    Examples
    --------
    >>> unified_convex(T=1000, eta=0.1, D1=10.0, second_moment=0.025)
    0.625
    >>> unified_convex(T=1000, eta=0.1, D1=10.0, second_moment=0.0, D=10.0, bias=0.1)
    10.5
    """
    T, eta = whole("T", T), positive("eta", eta)
    distance, beta = np.atleast_1d(np.asarray(D, np.float64)), np.atleast_1d(np.asarray(bias, np.float64))
    if distance.shape != beta.shape or distance.ndim != 1:
        raise InputError(f"D and bias must have one shape (d,), got {distance.shape} and {beta.shape}")
    if not ((distance >= 0.0).all() and (beta >= 0.0).all() and second_moment >= 0.0):
        raise InputError("D, bias and second_moment must not be negative; give magnitudes")
    return D1 * D1 / (2.0 * eta * T) + float(distance @ beta) / eta + second_moment / (2.0 * eta)

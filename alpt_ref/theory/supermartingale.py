r"""X5: what one update of stochastic rounding adds to a quantity that falls on average, whatever the data are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory.setting import positive

Floats = NDArray[np.float64]


class Update(NamedTuple):
    """One update of one run, or of many: the last axis holds the coordinates.

    Attributes
    ----------
    before, after, gradient : float arrays (..., d)
        ``w_t``, ``w_{t+1}`` and the gradient of the batch's loss at ``w_t``.
    gain : float array (...)
        ``l_t(w_t) - l_t(u)``, the batch's loss less that at the comparator.
    """

    before: ArrayLike
    after: ArrayLike
    gradient: ArrayLike
    gain: ArrayLike


def increment(update: Update, *, comparator: ArrayLike, eta: float, step_size: float) -> Floats:
    r"""X5: a supermartingale of stochastic rounding on any convex losses in any order.

    Statement
    ---------
    $X_T = \sum_{t=1}^{T}\left[2\eta_t(\ell_t(w_t) - \ell_t(u)) - \eta_t^2\|g_t\|^2 - \eta_t\Delta\|g_t\|_1\right]
    + \|w_{T+1}-u\|^2 - \|w_1-u\|^2: \quad E X_T \leq 0$

    In words
    --------
    SR, every l_t convex, g_t a subgradient of l_t at w_t, u any point of the box, w_1 on the grid, any order of the
    data (epochs shuffled or not), any learning rates that the past decides; only the random words are random: the
    gain 2 sum_t eta_t (l_t(w_t) - l_t(u)) and |w_{T+1} - u|^2 together less the price P_T = |w_1 - u|^2 + sum_t eta_t^2
    |g_t|^2 + sum_t eta_t Delta |g_t|_1 are X_T, a supermartingale: at most 0 on average. With Delta^2 p(1-p) for eta_t
    Delta |g_t| and <g_t, w_t - u> for the loss difference its mean is 0 while nothing clips.

    Terms
    -----
    |w_1 - u|^2
    eta_t^2 |g_t|^2
    eta_t Delta |g_t|_1

    Parameters
    ----------
    update : Update
    comparator : float array (d,)
        u, in the box.
    eta, step_size : float
        Learning rate of this update, and Delta.

    Returns
    -------
    float64 array (...)
        ``X_t - X_{t-1}``, of conditional mean at most 0.

    Raises
    ------
    InputError
        If the shapes do not match.

    Proof
    -----
    Clipping to the box, whose ends are grid points, is a projection: ``|w' - u|^2 <= |w + M - u|^2`` with the move M
    before it. ``E[M | past] = -eta g`` and ``E|M|^2 = eta^2 |g|^2 + sum Delta^2 p(1-p) <= eta^2 |g|^2 + eta Delta
    |g|_1`` (R3). So ``E[|w' - u|^2 | past] <= |w - u|^2 - 2 eta <g, w - u> + eta^2 |g|^2 + eta Delta |g|_1``, and
    ``<g, w - u> >= l(w) - l(u)``: the increment has conditional mean at most 0.

    Source
    ------
    ours; the regret argument of online gradient descent (Zinkevich, ICML 2003) with the rounding error of H. Li et
    al., NeurIPS 2017, kept inside the expectation

    Examples
    --------
    >>> half = Update(before=[[1.0]], after=[[0.0]], gradient=[[1.0]], gain=[1.0])  # |w|, half of the runs move
    >>> stay = half._replace(after=[[1.0]])
    >>> [increment(one, comparator=[0.0], eta=0.5, step_size=1.0)[0] for one in (half, stay)]
    [np.float64(-0.75), np.float64(0.25)]
    """
    before, after, gradient = (np.asarray(x, dtype=np.float64) for x in update[:3])
    u, gain = np.asarray(comparator, dtype=np.float64), np.asarray(update.gain, dtype=np.float64)
    if not before.shape == after.shape == gradient.shape or u.shape != before.shape[-1:]:
        raise InputError(
            f"before, after and gradient must be (..., d) and comparator (d,), got {before.shape}, {after.shape}, "
            f"{gradient.shape} and {u.shape}"
        )
    if gain.shape != before.shape[:-1]:
        raise InputError(f"gain must be {before.shape[:-1]}, one for each run, got {gain.shape}")
    eta, step_size = positive("eta", eta), positive("step_size", step_size)
    paid = eta**2 * (gradient**2).sum(axis=-1) + eta * step_size * np.abs(gradient).sum(axis=-1)
    travelled = ((after - before) * (after + before - 2.0 * u)).sum(axis=-1)  # |w' - u|^2 - |w - u|^2
    return np.asarray(2.0 * eta * gain - paid + travelled)

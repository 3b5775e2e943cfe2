r"""S1D and A1C: stochastic rounding where each row has its own step size, fixed or learned."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from alpt_ref.errors import InputError
from alpt_ref.theory.bounds.lemma import whole
from alpt_ref.theory.setting import positive


def sr_convex_row_steps(*, T: int, eta: float, D1: float, G: float, step_sizes: ArrayLike, G1: ArrayLike) -> float:
    r"""S1D: stochastic rounding, convex f, a fixed step size for each row.

    Statement
    ---------
    $\frac{1}{T}\sum_t E f(w_t) - f^* \leq \frac{D_1^2}{2\eta T} + \frac{\eta G^2}{2} +
    \frac{1}{2}\sum_i \Delta_i\,\sup_t E|g_{t,i}|$

    In words
    --------
    SR, f convex, eta constant, element i on a grid of its own step size Delta_i: (1/T) sum_t E f(w_t) - f* <=
    D1^2/(2 eta T) + eta G^2/2 + (1/2) sum_i Delta_i sup E|g_{t,i}|: a row pays by its own grid

    Terms
    -----
    D1^2/(2 eta T)
    eta G^2/2
    (1/2) sum_i Delta_i sup E|g_{t,i}|: Delta_i

    Parameters
    ----------
    T, eta, D1, G
        See the notation of `alpt_ref.theory.bounds`.
    step_sizes : float or float array (d,)
        The step size of each element; the elements of a row share one.
    G1 : float or float array (d,)
        ``sup_t E|g_{t,i}|`` of each element.

    Returns
    -------
    float
        Tight: a kink in every coordinate, each on its own grid.

    Raises
    ------
    InputError
        If a number breaks its rule, or the arrays differ in shape.

    Proof
    -----
    The lemma element by element: ``E eps_i^2 <= Delta_i dist(v_i, grid_i) <= Delta_i eta |g_i|``, as w_i is on grid_i.
    Clipping projects onto a product of intervals that end on the grids and hold w*_i. Telescope as S1.

    Source
    ------
    ours; per-row step sizes: Li et al., ALPT, AAAI 2023; closest published relatives: Li and De Sa, Dimension-Free
    Bounds for Low-Precision Training, NeurIPS 2019; Li et al., Training Quantized Nets: A Deeper Understanding,
    NeurIPS 2017

    Examples
    --------
    >>> sr_convex_row_steps(T=1000, eta=0.1, D1=10.0, G=1.0, step_sizes=[0.25, 0.125], G1=[0.5, 1.0])
    0.675
    """
    steps, norms = np.atleast_1d(np.asarray(step_sizes, np.float64)), np.atleast_1d(np.asarray(G1, np.float64))
    if steps.shape != norms.shape or steps.ndim != 1:
        raise InputError(f"step_sizes and G1 must have one shape (d,), got {steps.shape} and {norms.shape}")
    if not ((steps > 0.0).all() and (norms >= 0.0).all()):
        raise InputError("step_sizes must be above 0 and G1 must not be negative")
    T, eta = whole("T", T), positive("eta", eta)
    return D1 * D1 / (2.0 * eta * T) + 0.5 * eta * G * G + 0.5 * float(steps @ norms)


def sr_convex_learned_steps(
    *, T: int, eta: float, D1: float, G: float, gradient_sum: float, change_sum: float, capped_sum: float | None = None
) -> float:
    r"""A1C: stochastic rounding, convex f, learned step sizes.

    Statement
    ---------
    $\frac{1}{T}\sum_t E f(w_t) - f^* \leq \frac{D_1^2}{2\eta T} + \frac{\eta G^2}{2} +
    \frac{1}{2T}\sum_t E\sum_i \Delta'_{t,i}\,|g_{t,i}| +
    \frac{1}{2\eta T}\sum_t E\sum_i \Delta'_{t,i}\,|k_{t,i}|\,|\delta_{t,i}|$

    $w_{t,i} = k_{t,i}\Delta_{t,i}$ is rounded to the grid of $\Delta'_{t,i} = \Delta_{t,i} + \delta_{t,i}$; sharper:
    $\min(\Delta'(\eta|g_i| + |k_i||\delta_i|),\ \Delta'^2/4)$ for each element

    In words
    --------
    SR, f convex, eta constant, w_i = k_i Delta_i is rounded onto the grid of the new step size Delta'_i = Delta_i +
    delta_i: (1/T) sum_t E f(w_t) - f* <= D1^2/(2 eta T) + eta G^2/2 + (1/(2T)) sum_t E sum_i Delta'_{t,i} |g_{t,i}| +
    (1/(2 eta T)) sum_t E sum_i Delta'_{t,i} |k_{t,i}| |delta_{t,i}|. The new step size stays inside the expectation;
    delta may depend on the past, w_t, g_t and anything but the rounding words; w* lies in every box that occurs;
    elements that are not rounded again have no term

    Terms
    -----
    D1^2/(2 eta T)
    eta G^2/2
    (1/(2T)) sum_t E sum_i Delta'_{t,i} |g_{t,i}|: Delta'
    (1/(2 eta T)) sum_t E sum_i Delta'_{t,i} |k_{t,i}| |delta_{t,i}|: sum_i

    Parameters
    ----------
    T, eta, D1, G
        See the notation of `alpt_ref.theory.bounds`.
    gradient_sum : float
        ``sum_{t<=T} E sum_i Delta'_{t,i} |g_{t,i}|``.
    change_sum : float
        ``sum_{t<=T} E sum_i Delta'_{t,i} |k_{t,i}| |delta_{t,i}|``, the codes before the change.
    capped_sum : float, optional
        ``sum_{t<=T} E sum_i min(Delta'(eta |g_i| + |k_i| |delta_i|), Delta'^2/4)``, which then replaces both.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If a number breaks its rule.

    Proof
    -----
    ``k_i Delta'_i`` is on the new grid, at most ``eta |g_i| + |k_i| |delta_i|`` from ``v_i = w_i - eta g_i``. Given the
    past, w_t, g_t and delta_t, SR is unbiased and R2 gives ``E eps_i^2 <= Delta'_i dist(v_i, grid)`` (clipped values:
    0). The new box ends on the new grid and holds w*: clipping projects. Telescope as S1, expectations outside.

    Source
    ------
    ours; learned step sizes: Li et al., ALPT, AAAI 2023; Esser et al., Learned step size quantization, ICLR 2020; HALP
    (De Sa et al., arXiv 1803.03383) changes its grid between epochs; closest published relative: Li et al., Training
    Quantized Nets: A Deeper Understanding, NeurIPS 2017

    Examples
    --------
    >>> sr_convex_learned_steps(T=1000, eta=0.1, D1=10.0, G=1.0, gradient_sum=250.0, change_sum=2.5)
    0.6875
    """
    if not (gradient_sum >= 0.0 and change_sum >= 0.0 and (capped_sum is None or capped_sum >= 0.0)):
        raise InputError("gradient_sum, change_sum and capped_sum must not be negative")
    T, eta = whole("T", T), positive("eta", eta)
    rounding = eta * gradient_sum + change_sum if capped_sum is None else capped_sum
    return D1 * D1 / (2.0 * eta * T) + 0.5 * eta * G * G + rounding / (2.0 * eta * T)

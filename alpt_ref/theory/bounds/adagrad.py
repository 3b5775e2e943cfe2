r"""S6: stochastic rounding under Adagrad, element by element and row by row."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory.bounds.lemma import whole
from alpt_ref.theory.setting import positive

Accumulator = Literal["mean", "sum"]


def sr_adagrad(
    *, T: int, c: float, step_size: float, D: ArrayLike, root: ArrayLike, norm_1: float, eps: float = 0.0
) -> float:
    r"""S6: stochastic rounding, convex f, Adagrad.

    Statement
    ---------
    $\eta_{t,i} = c\left(\sum_{s \leq t} g_{s,i}^2\right)^{-1/2}:\quad \frac{1}{T}\sum_t E f(w_t) - f^* \leq
    \frac{1}{T}\sum_i \left(\frac{D_i^2}{2c} + c\right) E\sqrt{\sum_t g_{t,i}^2} + \frac{\Delta}{2T}\sum_t E|g_t|_1$

    by rows of $d_r$ elements, $D_r^2 = \sum_i D_i^2$: the root of the accumulated mean square takes
    $\frac{D_r^2}{2c} + c\,d_r$, of the accumulated sum of squares $\frac{D_r^2}{2c} + c$; eps in the denominator adds
    $\frac{D_i^2\,eps}{2cT}$

    In words
    --------
    SR, f convex, Adagrad with eta_{t,i} = c/(sqrt(sum_{s<=t} g_{s,i}^2) + eps) (0 while the sum is 0), D_i >=
    |w_{t,i} - w*_i| surely, R_i = E sqrt(sum_t g_{t,i}^2): (1/T) sum_t E f(w_t) - f* <= sum_i D_i^2 R_i/(2 c T) +
    sum_i c R_i/T + Delta sum_t E|g_t|_1/(2 T) + sum_i D_i^2 eps/(2 c T). One accumulator for a row of d_r elements,
    D_r^2 = sum_i D_i^2: c d_r with the mean of the row's squares, c with their sum

    Terms
    -----
    sum_i D_i^2 R_i/(2 c T)
    sum_i c R_i/T
    Delta sum_t E|g_t|_1/(2 T)
    sum_i D_i^2 eps/(2 c T)

    Parameters
    ----------
    T, step_size
        See the notation of `alpt_ref.theory.bounds`.
    c : float
        The learning rate of Adagrad, in units of the weights.
    D : float or float array (d,)
        At least ``|w_{t,i} - w*_i|`` at every iterate of every run; the box gives it.
    root : float or float array (d,)
        ``E sqrt(sum_{t<=T} g_{t,i}^2)``.
    norm_1 : float
        ``sum_{t<=T} E|g_t|_1``.
    eps : float
        Added to the root in the denominator of the learning rate.

    Returns
    -------
    float
        Tight as T grows, for ``|w|``: the term of the rounding is S1's floor.

    Raises
    ------
    InputError
        If a number breaks its rule, or D and root differ in shape.

    Proof
    -----
    Given g_t, eta_{t,i} is fixed and the lemma's step gives ``g_i e_i <= (e_i^2 - E e'_i^2)/(2 eta_i) + eta_i g_i^2/2 +
    Delta |g_i|/2``, ``e = w_t - w*``. Abel: as ``1/eta_{t,i}`` never falls, the first terms sum to at most ``D_i^2/(2
    eta_{T,i})``; ``sum_t g_t^2/sqrt(sum_{s<=t} g_s^2) <= 2 sqrt(sum_t g_t^2)``. A row: so with ``|e|^2`` and ``|g|^2``.

    Source
    ------
    ours; Adagrad: Duchi, Hazan and Singer, JMLR 12, 2011; quantised adaptive methods: Hou, Zhang and Kwok, ICLR 2019;
    SR with Adam: arXiv 2502.20566; closest published relative: Li et al., Training Quantized Nets: A Deeper
    Understanding, NeurIPS 2017

    Examples
    --------
    >>> sr_adagrad(T=100, c=1.0, step_size=0.25, D=2.0, root=10.0, norm_1=100.0)
    0.425
    """
    scale, distance, roots = _checked(c, D, root, eps)
    terms = (distance * distance / (2.0 * scale) + scale) * roots + distance * distance * eps / (2.0 * scale)
    return (float(terms.sum()) + 0.5 * positive("step_size", step_size) * norm_1) / whole("T", T)


def sr_adagrad_rows(
    *,
    T: int,
    c: float,
    step_size: float,
    D: ArrayLike,
    root: ArrayLike,
    norm_1: float,
    row_dim: int,
    eps: float = 0.0,
    accumulator: Accumulator = "mean",
) -> float:
    """S6 rows: one accumulator for each row of d_r elements, as the tables' Adagrad has it.

    In words
    --------
    SR, f convex, Adagrad whose accumulator adds the mean of a row's squared gradients, D_r >= |w_{t,r} - w*_r|_2,
    R_r = E sqrt(accumulator): (1/T) sum_t E f(w_t) - f* <= sum_r D_r^2 R_r/(2 c T) + sum_r c d_r R_r/T +
    Delta sum_t E|g_t|_1/(2 T) + sum_r D_r^2 eps/(2 c T). Where it adds the sum of the squares, c in place of c d_r

    Terms
    -----
    sum_r D_r^2 R_r/(2 c T)
    sum_r c d_r R_r/T: d_r
    Delta sum_t E|g_t|_1/(2 T)
    sum_r D_r^2 eps/(2 c T)

    Parameters
    ----------
    T, c, step_size, norm_1, eps
        See `sr_adagrad`.
    D : float or float array (rows,)
        At least ``|w_{t,r} - w*_r|_2`` of each row at every iterate of every run.
    root : float or float array (rows,)
        ``E sqrt(accumulator)`` of each row after T gradients.
    row_dim : int
        Elements of a row.
    accumulator : {"mean", "sum"}
        Whether it adds the mean or the sum of the row's squared gradients.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If a number breaks its rule.

    Proof
    -----
    As S6 with the row's ``|e|^2`` and ``|g|^2``, which is ``row_dim`` times the mean of squares. Ours.

    Examples
    --------
    >>> sr_adagrad_rows(T=100, c=1.0, step_size=0.25, D=4.0, root=10.0, norm_1=400.0, row_dim=4)
    1.7
    """
    scale, distance, roots = _checked(c, D, root, eps)
    if accumulator not in ("mean", "sum"):
        raise InputError(f"accumulator must be 'mean' or 'sum', got {accumulator!r}")
    per_row = scale * (whole("row_dim", row_dim) if accumulator == "mean" else 1)
    terms = (distance * distance / (2.0 * scale) + per_row) * roots + distance * distance * eps / (2.0 * scale)
    return (float(terms.sum()) + 0.5 * positive("step_size", step_size) * norm_1) / whole("T", T)


def _checked(
    c: float, D: ArrayLike, root: ArrayLike, eps: float
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    distance, roots = np.atleast_1d(np.asarray(D, np.float64)), np.atleast_1d(np.asarray(root, np.float64))
    if distance.shape != roots.shape or distance.ndim != 1:
        raise InputError(f"D and root must have one shape (d,), got {distance.shape} and {roots.shape}")
    if not ((distance >= 0.0).all() and (roots >= 0.0).all() and eps >= 0.0):
        raise InputError("D, root and eps must not be negative; give magnitudes")
    return positive("c", c), distance, roots

r"""Lazy Adam (D7): how large its update of a row can be, and until when nearest rounding undoes every one of them.

``|update| <= eta c_t`` after t touches of a row, whatever the gradients were; under ``Delta/2`` nearest rounding gives
back the same code. `adam_dr_first_move` turns this round: the first touch at which a code can change.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory.setting import numbers, positive, real, told

FLOAT32_MARGIN = 1e-4
"""Relative: what float32 may add to an update; half of the 1,000 roundings of ``2^-24`` behind a moment is 3e-5."""
LISTED = 1 << 20
"""Touches up to which all c_t are listed; beyond, which is b2 above 0.99996, the first one is found by bisection."""
B2_MOST = 1.0 - 1e-11
"""Beyond, float64 does not tell ``1 - b2^t`` to `FLOAT32_MARGIN` any more."""
B1, B2 = 0.9, 0.999
"""Adam's decay rates in the package's tables."""


def adam_update_bound(touches: ArrayLike, b1: float = B1, b2: float = B2) -> NDArray[np.float64]:
    """The largest ``|m^_t|/sqrt(v^_t)`` that any gradients can give after t touches: c_t of `adam_dr_first_move`.

    Parameters
    ----------
    touches : int array_like
        t, at least 1.
    b1, b2 : float
        Decay rates of the moments, ``0 <= b1``, ``b1^2 < b2 < 1``.

    Returns
    -------
    float64 array
        In units of the learning rate; 1 for the first touch; grows with t towards
        ``(1 - b1)/sqrt((1 - b2)(1 - b1^2/b2))``.

    Raises
    ------
    InputError
        If a count is below 1, or the decay rates break their rule.

    Examples
    --------
    >>> adam_update_bound([1, 10, 100, 300]).round(3)
    array([1.   , 1.043, 2.243, 3.702])
    """
    _check_rates(b1, b2)
    t = numbers("touches", touches)
    if not (t >= 1.0).all():
        raise InputError(f"touches must be at least 1, got {float(t.min()):g}")
    ratio = b1 * b1 / b2
    # sum_s a_s^2/b_s with a_s = (1-b1) b1^(t-s)/(1-b1^t): a geometric series in b1^2/b2
    head = (1.0 - b1) ** 2 / ((1.0 - b2) * (1.0 - ratio))
    return np.asarray(np.sqrt(head * (1.0 - b2**t) * (1.0 - ratio**t)) / (1.0 - b1**t))


def largest_update(b1: float = B1, b2: float = B2) -> float:
    """The limit of `adam_update_bound` for many touches, in units of the learning rate.

    Examples
    --------
    >>> round(largest_update(), 2)
    7.27
    """
    _check_rates(b1, b2)
    return (1.0 - b1) / math.sqrt((1.0 - b2) * (1.0 - b1 * b1 / b2))


def extremal_gradients(touches: int, length: int | None = None, b1: float = B1, b2: float = B2) -> NDArray[np.float64]:
    """Gradients that reach `adam_update_bound` at every touch: they grow by ``b2/b1`` from one touch to the next.

    Parameters
    ----------
    touches : int
        The touch whose gradient is 1.
    length : int, optional
        How many touches; `touches` if left out.
    b1, b2 : float
        As in `adam_update_bound`, and ``b1 > 0``.

    Returns
    -------
    float64 array (length,)

    Examples
    --------
    >>> extremal_gradients(3).round(3)
    array([0.812, 0.901, 1.   ])
    """
    _check_rates(b1, b2)
    positive("b1", b1)
    count = touches if length is None else length
    return np.asarray((b2 / b1) ** (np.arange(1, count + 1, dtype=np.float64) - touches))


def adam_dr_first_move(ratio: ArrayLike, b1: float = B1, b2: float = B2) -> NDArray[np.float64]:
    r"""D7: when a row under Adam and deterministic rounding can move.

    Statement
    ---------
    $\eta\,c_t < \frac{\Delta}{2}\ \Rightarrow\ $ no code of the row moves in its first $t$ touches;
    $c_t = \left(\sum_{s \leq t} \frac{a_s^2}{b_s}\right)^{1/2}$,
    $a_s = \frac{(1-\beta_1)\beta_1^{t-s}}{1-\beta_1^t}$, $b_s = \frac{(1-\beta_2)\beta_2^{t-s}}{1-\beta_2^t}$

    $c_1 = 1$, $c_t$ grows to $\frac{1-\beta_1}{\sqrt{(1-\beta_2)(1-\beta_1^2/\beta_2)}}$; gradients
    $g_s \propto a_s/b_s$ reach it

    In words
    --------
    Lazy Adam without decay, b1^2 < b2, fixed Delta, eta the largest learning rate so far, t the row's own touches (zero
    gradients count): under DR no code of the row moves before the first t with eta c_t >= Delta/2. Here c_t =
    sqrt(sum_s a_s^2/b_s), with Adam's normalised weights a_s, b_s; c_1 = 1 and c_t grows to
    (1-b1)/sqrt((1-b2)(1-b1^2/b2)), 7.27 for the defaults

    Terms
    -----
    Delta/2
    sqrt(sum_s a_s^2/b_s)

    Parameters
    ----------
    ratio : array_like
        ``eta/Delta``, above 0.
    b1, b2 : float
        See `adam_update_bound`.

    Returns
    -------
    float64 array
        The first touch at which a code *can* change: the least t with ``eta c_t >= (Delta/2)(1 - 1e-4)``, infinite
        where there is none. The margin is float32's. `extremal_gradients` change it there.

    Raises
    ------
    InputError
        If a ratio is not above 0, the decay rates break their rule, or b2 is above ``1 - 1e-11``.

    Proof
    -----
    ``m^ = sum a_s g_s``, ``v^ = sum b_s g_s^2``: Cauchy and Schwarz give ``|m^| <= c_t sqrt(v^)``, with equality for
    ``g_s ~ a_s/b_s``. With ``b2 = e^-x``, ``b1^2/b2 = e^-y``: ``d(log c_t^2)/d(log t) = k(xt) + k(yt) - 2 k((x+y)t/2)
    >= 0`` as ``k(u) = u/(e^u - 1)`` is convex: c_t never falls. Updates below ``Delta/2`` leave a code (D3): induction.

    Source
    ------
    ours; closest published relatives: Kingma and Ba, ICLR 2015, section 2.1 (the update after one gradient among zeros,
    (1-b1)/sqrt(1-b2)); Xia, Massei and Hochstenbach, arXiv 2202.12276 (stagnation of gradient descent under rounding)

    Examples
    --------
    >>> adam_dr_first_move([0.25, 0.4, 0.49, 0.5, 0.05])
    array([79., 27.,  7.,  1., inf])
    """
    given = numbers("ratio", ratio)
    if not (np.isfinite(given) & (given > 0.0)).all():
        raise InputError(f"ratio must be finite numbers above 0 (eta/Delta), got {ratio!r}")
    _check_rates(b1, b2)
    if b2 > B2_MOST:
        raise InputError(f"b2 must be at most 1 - 1e-11, where float64 still tells 1 - b2**t from rounding, got {b2!r}")
    needed = 0.5 * (1.0 - FLOAT32_MARGIN) / given
    last = math.ceil(math.log(2.0**-56) / math.log(b2))  # from here on c_t is its limit in float64
    if last <= LISTED:
        first = 1.0 + np.searchsorted(np.maximum.accumulate(adam_update_bound(np.arange(1, last + 1), b1, b2)), needed)
    else:
        first = _bisected(needed, last, b1, b2)
    return np.asarray(np.where(needed > largest_update(b1, b2), np.inf, first))


def _bisected(needed: NDArray[np.float64], last: int, b1: float, b2: float) -> NDArray[np.float64]:
    """The least t of 1 to `last` (below 2^53) with ``c_t >= needed``, which never falls; `last` where there is none."""
    low, high = np.ones_like(needed), np.full_like(needed, float(last))
    while (low < high).any():
        middle = np.floor((low + high) / 2.0)
        reached = adam_update_bound(middle, b1, b2) >= needed
        low, high = np.where(reached, low, np.minimum(middle + 1.0, high)), np.where(reached, middle, high)
    return low


def adam_dr_stalls(ratio: ArrayLike, touches: ArrayLike, b1: float = B1, b2: float = B2) -> NDArray[np.bool_]:
    """D7's region: whether no code of a row can have moved after `touches` touches at ``eta/Delta = ratio``.

    Parameters
    ----------
    ratio, touches : array_like
        Broadcast against each other.
    b1, b2 : float
        See `adam_update_bound`.

    Returns
    -------
    bool array

    Examples
    --------
    >>> adam_dr_stalls(0.25, [78, 79])
    array([ True, False])
    """
    return np.asarray(numbers("touches", touches) < adam_dr_first_move(ratio, b1, b2))


def _check_rates(b1: float, b2: float) -> None:
    first, second = real(b1), real(b2)
    if not (first >= 0.0 and first * first < second < 1.0):
        raise InputError(f"b1 and b2 must satisfy 0 <= b1 and b1**2 < b2 < 1, got b1={told(b1)}, b2={told(b2)}")

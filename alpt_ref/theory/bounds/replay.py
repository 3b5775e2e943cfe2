"""RP1: stochastic rounding where momentum goes on without gradients, and the missed moves are rounded once."""

from __future__ import annotations

import math

from alpt_ref.theory.bounds.lemma import norm_1_bound, whole
from alpt_ref.theory.setting import positive


def sr_replayed_moves(
    *, T: int, eta: float, step_size: float, D1: float, G: float, dim: int, G1: float | None = None
) -> float:
    r"""RP1: SR with momentum that goes on between the touches of a row, its missed moves summed and rounded once.

    Statement
    ---------
    $\frac{1}{T}\sum_t E f(w_t) - f^* \leq \frac{D_1^2}{2\eta T} + \frac{\eta G^2}{2} +
    \min\left(\frac{\sqrt{d}\,\Delta G}{2},\ \frac{d\Delta^2}{4\eta}\right)$

    In words
    --------
    SR, f convex, a row touched T times, so rarely that its momentum has died away in between, w_t as it is read:
    (1/T) sum_t E f(w_t) - f* <= D1^2/(2 eta T) + eta G^2/2 + min(sqrt(d) Delta G/2, d Delta^2/(4 eta)).
    Sparse form: sup E|g_t|_1 for sqrt(d) G.

    Terms
    -----
    D1^2/(2 eta T)
    eta G^2/2
    sqrt(d) Delta G/2: sqrt(d)
    d Delta^2/(4 eta): d

    Parameters
    ----------
    T, eta, step_size, D1, G, dim, G1
        See the notation of `alpt_ref.theory.bounds`; T counts touches.

    Returns
    -------
    float
        S1's bound, but for ``d Delta^2/(4 eta)`` in place of ``d Delta^2/(8 eta)``: two roundings a touch.

    Proof
    -----
    With ``m <- b m + (1 - b) g`` and no gradient after the touch the moves are ``eta (1 - b) b**j g_t``: the first,
    ``u = (1 - b) eta g_t``, is rounded at the touch, the others together, ``v = b eta g_t``, when the row is read
    again; so between two reads it moves by ``eta g_t`` in all. Without clipping ``E|w_{t+1} - w*|^2`` is ``E|w_t - w* -
    eta g_t|^2 + E|eps|^2 + E|eps'|^2``, both errors having mean zero given what came before. A clip after the first
    rounding happens only in a coordinate that g_t drives out of the box, so that it shortens the distance and does not
    lower ``<g_t, w - w*>``; the second is a projection. From the grid ``E eps_i^2 <= min(Delta |u_i|, Delta^2/4)``
    (claim R3), likewise ``eps'``; ``|u_i| + |v_i| = eta |g_i|``, so the sum is at most ``min(Delta eta |g|_1,
    d Delta^2/2)``. Telescope as in S1. Rounding each of k missed moves by itself gives no less: of all whole numbers
    of steps with the same mean the two neighbours' has the least variance.

    Source
    ------
    ours; the replay itself is what dense Adam does to rows without a gradient (`alpt_ref.tables.dense_adam`)

    Examples
    --------
    >>> sr_replayed_moves(T=1000, eta=0.1, step_size=0.25, D1=10.0, G=1.0, dim=1)
    0.675
    """
    T, eta = whole("T", T), positive("eta", eta)
    floor = min(step_size * norm_1_bound(G, dim, G1) / 2.0, dim * step_size**2 / (4.0 * eta))
    return D1 * D1 / (2.0 * eta * T) + 0.5 * eta * G * G + floor


def replay_variance(moves: list[float], step_size: float) -> tuple[float, float]:
    """Variance of SR from a grid point: of the sum of `moves` rounded once, and of each rounded by itself.

    The first is never larger.

    Examples
    --------
    >>> replay_variance([0.25, 0.25], 1.0)
    (0.25, 0.375)
    """

    def variance(move: float) -> float:
        part = math.fmod(move / step_size, 1.0) % 1.0
        return step_size**2 * part * (1.0 - part)

    return variance(math.fsum(moves)), math.fsum(variance(move) for move in moves)

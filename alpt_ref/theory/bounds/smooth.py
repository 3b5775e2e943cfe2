r"""S5: stochastic rounding on smooth problems, convex or not."""

from __future__ import annotations

import math

from alpt_ref.errors import InputError
from alpt_ref.theory.bounds.lemma import rounding_rate, whole
from alpt_ref.theory.setting import positive


def sr_smooth(
    *, T: int, eta: float, L: float, step_size: float, gap: float, G: float, dim: int, G1: float | None = None
) -> float:
    r"""S5: stochastic rounding, L-smooth f, convex or not, no update leaving the range.

    Statement
    ---------
    $\frac{1}{T}\sum_t E\|\nabla f(w_t)\|^2 \leq \frac{f(w_1)-f^*}{\eta T} + \frac{L\eta G^2}{2} +
    \frac{1}{2}L\sqrt{d}\,\Delta G$

    In words
    --------
    SR, f L-smooth, nothing clipped, eta constant: (1/T) sum_t E|f'(w_t)|^2 <= (f(w_1) - f*)/(eta T) + L eta G^2/2 +
    min(L sqrt(d) Delta G/2, L d Delta^2/(8 eta)). Sparse form: sup E|g_t|_1 for sqrt(d) G. If an update may be clipped,
    with probability at most q, add q sup |f'|^2, and L and f* must hold one move beyond the box too.

    Terms
    -----
    (f(w_1) - f*)/(eta T)
    L eta G^2/2: L
    L sqrt(d) Delta G/2: L, sqrt(d)
    L d Delta^2/(8 eta): L, d

    Parameters
    ----------
    T, eta, L, step_size, gap, G, dim, G1
        See the notation of `alpt_ref.theory.bounds`. With probability q of ever clipping, add q times the largest
        ``|f'|^2`` over the box to the result; L and the infimum in `gap` are then those over the box and every point
        that one unclipped move from it reaches (or over all points).

    Returns
    -------
    float
        Each term is reached: the first two by one full Newton step (T = 1, eta = 1/L), the rounding terms by large
        two-point noise on a quadratic (claim T1).

    Proof
    -----
    ``f(w') <= f(w) + <f', w' - w> + L/2 |w' - w|^2``, ``w' - w = -eta g + eps``. In expectation ``-eta |f'|^2 + L/2
    (eta^2 G^2 + E|eps|^2)``, the cross term vanishing since SR is unbiased. Sum, divide. Without clipping v and w' lie
    in the box, so L on it is enough. Else stop at the first update that would be clipped and take it unclipped: w_t was
    in the box until then (G is that of the box), the last point is one move beyond it (L and ``f >= f*`` there), and
    the iterates after it, of probability at most q, have ``|f'|^2`` at most its largest.

    Source
    ------
    ours; for the lemma and the relatives see S1; smooth problems with rounding errors, in floating point: Xia, Massei,
    Hochstenbach and Koren, arXiv 2202.12276

    Examples
    --------
    >>> sr_smooth(T=1000, eta=0.5, L=1.0, step_size=0.25, gap=8.0, G=1.0, dim=1)
    0.281625
    """
    T, eta = whole("T", T), positive("eta", eta)
    if not math.isfinite(L):
        raise InputError("S5 needs a smooth problem, got L = inf; this problem has a kink")
    return gap / (eta * T) + 0.5 * L * eta * G * G + 0.5 * L * rounding_rate(eta, step_size, G, dim, G1)

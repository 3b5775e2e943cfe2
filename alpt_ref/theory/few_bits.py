r"""R8: where stochastic rounding with few random bits stalls: between nearest rounding (D3) and exact SR (X2)."""

from __future__ import annotations

from typing import Literal

from alpt_ref.errors import InputError
from alpt_ref.theory.setting import positive

WordRule = Literal["truncated", "centred"]
"""How r random bits decide a rounding: ``floor(2^r p)`` of the words go away from the code, or the nearest number."""


def few_bits_stall(
    *, eta: float, curvature: float, step_size: float, random_bits: int, rule: WordRule = "truncated"
) -> tuple[float, float]:
    r"""R8: where stochastic rounding with r random bits stalls on a quadratic.

    Statement
    ---------
    $R_r = \frac{2^{-r}\Delta}{\eta\lambda}$: a code is fixed $\Longleftrightarrow |w - w^*| < R_r$;
    from outside $\;R_r - \Delta \leq \lim_t |w_t - w^*| < R_r$ on the same side

    $f = \frac{\lambda}{2}(w - w^*)^2$, no noise, $\eta\lambda \leq 1/2$, $R_r \geq \Delta$;
    midpoint-centred words: $2^{-(r+1)}$ for $2^{-r}$

    In words
    --------
    f = lambda/2 (w - w*)^2, no noise, w_1 on the grid, eta lambda <= 1/2, the update rounded relative to the code: one
    step further away from it with probability floor(2^r p) 2^-r, p the fraction of eta |g|/Delta. With R_r = 2^-r
    Delta/(eta lambda) >= Delta a code is fixed iff |w - w*| < R_r, and a run from |w_1 - w*| >= R_r is absorbed on its
    own side of w* with R_r - Delta <= |w - w*| < R_r. Midpoint-centred words: 2^-(r+1) in place of 2^-r.

    Terms
    -----
    2^-r Delta/(eta lambda): 2^-r, Delta, eta, lambda

    Parameters
    ----------
    eta, curvature, step_size : float
        Learning rate, lambda and Delta.
    random_bits : int
        r, 1 to 32.
    rule : {"truncated", "centred"}
        Truncated: ``floor(2^r p)`` of the ``2^r`` words move on (that of the package, at r = 32, and of `Chain`).
        Centred: ``floor(2^r p + 1/2)`` do.

    Returns
    -------
    (float, float)
        ``R - Delta`` and ``R``: the run ends at a distance of at least the first and below the second. At r = 1 (or
        centred at r = 0) R is D3's radius of nearest rounding; it halves with every bit, towards X2.

    Raises
    ------
    InputError
        If ``eta * curvature`` is above 1/2, or R is below one step: the run then comes to w* and does not stall.

    Proof
    -----
    Let ``x = eta lambda |e|/Delta`` and q the smallest p at which a word moves on (``2^-r``, or ``2^-(r+1)``). The
    code is fixed iff ``x < q``: ``|e| < R``. For ``x >= q`` it moves with positive probability, towards w*, by at most
    one step if ``x < 1``: then ``|e'| >= R - Delta >= 0``. If ``x >= 1``, by at most ``x + 1`` steps: ``|e'| >= (1 -
    eta lambda)|e| - Delta >= Delta/(eta lambda) - 2 Delta >= R - Delta``, since ``(1 - q)/(eta lambda) >= 1``. Every
    move is at least one step on the own side, so finitely many end in ``[R - Delta, R)``.

    Source
    ------
    ours; closest published relatives: Xia, Massei, Hochstenbach and others on stagnation under biased stochastic
    rounding (arXiv 2202.12276, 2301.09511); few random bits: arXiv 2408.03069, 2504.20634

    Examples
    --------
    >>> few_bits_stall(eta=0.125, curvature=1.0, step_size=1.0, random_bits=1)
    (3.0, 4.0)
    >>> few_bits_stall(eta=2.0**-10, curvature=1.0, step_size=1.0, random_bits=8)
    (3.0, 4.0)
    """
    if isinstance(random_bits, bool) or random_bits != int(random_bits) or not 1 <= random_bits <= 32:
        raise InputError(f"random_bits must be a whole number from 1 to 32, got {random_bits!r}")
    if rule not in ("truncated", "centred"):
        raise InputError(f"rule must be 'truncated' or 'centred', got {rule!r}")
    rate = positive("eta", eta) * positive("curvature", curvature)
    if rate > 0.5:
        raise InputError(f"R8 needs eta * curvature <= 1/2, got {rate:g}; lower eta")
    radius = 2.0 ** -(random_bits + (rule == "centred")) * positive("step_size", step_size) / rate
    if radius < step_size:
        raise InputError(
            f"R8 needs 2^-r/(eta * curvature) >= 1, got {radius / step_size:g}: such a run does not stall; "
            "lower eta or take fewer random bits"
        )
    return radius - step_size, radius

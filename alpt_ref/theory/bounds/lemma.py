r"""The lemma behind every bound: what one rounded step of SR-SGD does to the distance from the minimum.

Write ``m_t = v_t - w_t``. As B ends on the grid, rounding stays in B. SR is unbiased given ``v_t``, and ``w_t`` is a
grid point, so with ``p = frac(v/Delta)``: ``E eps_i^2 = Delta^2 p(1-p) <= Delta * dist(v_i, grid) <= Delta |m_i| <=
Delta eta |g_i|`` and ``<= Delta^2/4``. Clipping is the projection onto B, which holds w*, so::

    E|w_{t+1} - w*|^2 <= E|w_t - eta g_t - w*|^2 + min(Delta eta E|g_t|_1, d Delta^2/4)

Close to the lemma of H. Li et al. (Training Quantized Nets: A Deeper Understanding, NeurIPS 2017), which has
``sqrt(d) Delta eta G``; the form with the 1-norm is related to Z. Li and C. De Sa, Dimension-Free Bounds for
Low-Precision Training, NeurIPS 2019.
"""

from __future__ import annotations

import math

from alpt_ref.errors import InputError
from alpt_ref.theory.setting import real, told


def norm_1_bound(G: float, dim: int, G1: float | None) -> float:
    """Bound on ``E|g|_1``: ``sqrt(d) G``, or `G1` where it is given and smaller."""
    dense = math.sqrt(dim) * G
    return dense if G1 is None else min(G1, dense)


def rounding_rate(eta: float, step_size: float, G: float, dim: int, G1: float | None = None) -> float:
    """Bound on ``E|eps|^2 / eta`` (R3), ``min(Delta E|g|_1, d Delta^2/(4 eta))``; see the notation of the package.

    Examples
    --------
    >>> rounding_rate(eta=0.5, step_size=0.25, G=1.0, dim=4)
    0.125
    """
    return min(step_size * norm_1_bound(G, dim, G1), dim * step_size * step_size / (4.0 * eta))


def whole(name: str, value: int) -> int:
    """`value` as an int; InputError unless it is a whole number of at least 1."""
    number = real(value)
    if not (number >= 1.0 and number.is_integer()):
        raise InputError(f"{name} must be a whole number of at least 1, got {told(value)}")
    return int(value)


def require_small_updates(eta: float, g_max: float, step_size: float) -> None:
    """InputError unless no update exceeds one step of the grid."""
    if not eta * g_max <= step_size * (1.0 + 1e-12):
        raise InputError(
            f"this form needs eta * g_max <= step_size, got {eta * g_max:g} > {step_size:g}; use the general form"
        )

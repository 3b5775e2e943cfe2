r"""T2: what no method on the grid can beat, so that the floors of S1 and S2 cannot be improved in any dimension."""

from __future__ import annotations

import math

from alpt_ref.theory.bounds.lemma import whole
from alpt_ref.theory.setting import positive


def grid_floor(*, step_size: float, G: float, dim: int) -> float:
    r"""T2: no method whose iterates lie on the grid can pass this floor.

    Statement
    ---------
    $f(w) = \frac{G}{\sqrt{d}}\,|w - w^*|_1$, $w^*$ at the centre of a cell of the grid:
    $\ f(w) - f^* \geq \frac{1}{2}\sqrt{d}\,\Delta G\ $ for every grid point $w$

    hence for the last iterate, and for the average of $f(w_t)$, of every method on the grid; not for $f$ at the mean of
    the iterates

    In words
    --------
    f = (G/sqrt(d)) |w - w*|_1 has |f'|_2 = G; with w* at the centre of a cell, at least two codes per axis, every grid
    point has f - f* >= sqrt(d) Delta G/2. So the floors of S1 (small eta) and S2 are optimal for every d: no method
    with iterates on the grid has a smaller last or average loss. f at the mean of the iterates can be smaller

    Terms
    -----
    sqrt(d) Delta G/2: sqrt(d)

    Parameters
    ----------
    step_size, G, dim
        See the notation of `alpt_ref.theory.bounds`.

    Returns
    -------
    float
        Reached by the ``2^d`` grid points around w*. S3 needs strong convexity: its floor is matched only as ``mu R/G``
        goes to 0, R the size of the box.

    Raises
    ------
    InputError
        If a number breaks its rule.

    Proof
    -----
    Each ``|w_i - w*_i|`` is ``Delta/2`` at least, as w*_i lies half a step from its nearest codes. Their sum over d
    coordinates times ``G/sqrt(d)`` is the floor. Any law over grid points, so any iterate, has at least this mean.

    Source
    ------
    ours; the floor of S1 and S2 that it matches is close to Li et al., Training Quantized Nets: A Deeper Understanding,
    NeurIPS 2017, and Li and De Sa, Dimension-Free Bounds for Low-Precision Training, NeurIPS 2019; SWALP (Yang et al.,
    ICML 2019) passes it by averaging iterates

    Examples
    --------
    >>> grid_floor(step_size=0.25, G=1.0, dim=4)
    0.25
    """
    return 0.5 * math.sqrt(whole("dim", dim)) * positive("step_size", step_size) * positive("G", G)

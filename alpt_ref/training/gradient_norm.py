"""A limit on the norm of a step's gradients.

A step with gradients far larger than usual, such as the first ones through batch normalisation of small embeddings,
stays in Adam's second moments for hundreds of steps and makes every step smaller meanwhile. Scaling the gradients of
such a step down (Pascanu, Mikolov and Bengio 2013, arXiv 1211.5063) keeps it out.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from alpt_ref.models.ops_base import Array
from alpt_ref.tables.checks import CheckedIds
from alpt_ref.tables.unique_rows import sum_gradients

UNCHANGED = np.float32(1.0)


def limit_gradients(
    most: float | None, ids: CheckedIds, grads: NDArray[np.float32], dense: dict[str, Array]
) -> np.float32:
    """Scale all gradients of a step, in place, to a 2-norm of at most `most`.

    Parameters
    ----------
    most : float or None
        None changes nothing.
    ids : CheckedIds
        Rows that were looked up.
    grads : float32 array (len(ids), d)
        At the looked-up values; a row counts with the sum over its occurrences.
    dense : dict of float32 arrays
        Gradients of the dense parameters.

    Returns
    -------
    float32
        The factor. 1 too where a gradient is not finite, which the table refuses.

    Examples
    --------
    >>> grads, dense = np.full((2, 1), 1.5, np.float32), {"w": np.full(1, 4.0, np.float32)}
    >>> factor = limit_gradients(1.0, CheckedIds(np.array([3, 3]), 5), grads, dense)  # of a norm of 5
    >>> round(float(factor), 3), [round(float(one), 3) for one in (grads[0, 0], dense["w"][0])]
    (0.2, [0.3, 0.8])
    """
    if most is None:
        return UNCHANGED
    rows, finite = sum_gradients(ids.unique, grads)
    norm = math.sqrt(sum(float(np.square(one, dtype=np.float64).sum()) for one in (rows, *dense.values())))
    if not finite or not norm > most:
        return UNCHANGED
    scale = np.float32(most / norm)
    for one in (grads, *dense.values()):
        one *= scale
    return scale

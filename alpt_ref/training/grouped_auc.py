"""How well scores order the rows within groups, such as the impressions of one user: grouped AUC."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref._util.check import no_mask
from alpt_ref.errors import InputError
from alpt_ref.training.metrics import labels_and_scores, sample_weights


class GroupedAUC(NamedTuple):
    """What `grouped_auc` returns: the mean, groups it is over, groups left out because their rows have one label."""

    value: float
    groups: int
    left_out: int


def grouped_auc(
    labels: ArrayLike, scores: ArrayLike, groups: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> GroupedAUC:
    """Mean of the AUC within each group, weighted by the group's rows (impressions).

    ``GAUC = sum_g n_g AUC_g / sum_g n_g`` over the groups whose rows have both labels; the others have no AUC, are left
    out of both sums and counted. Only the order within a group matters. Source: Zhu et al. 2017, "Optimized cost per
    click in Taobao display advertising" (KDD); Zhou et al. 2018, "Deep interest network" (KDD), section 6.2.

    Parameters
    ----------
    labels : array (rows,)
        0 or 1.
    scores : array (rows,)
        Probabilities or logits.
    groups : array (rows,)
        Numbers or texts; equal ones are one group.
    sample_weight : array (rows,), optional
        A pair counts as the product of its rows' weights, a group as the sum of its rows' weights. A row of weight 0
        is not there.

    Returns
    -------
    GroupedAUC
        ``value`` in float64. Without weights, and with whole ones, every pair is counted exactly.

    Raises
    ------
    InputError
        If no group has both labels, a label is neither 0 nor 1, a score is NaN, or shapes differ.

    Examples
    --------
    >>> grouped_auc([1, 0, 1, 0, 1], [0.9, 0.2, 0.3, 0.7, 0.5], ["ann", "ann", "bob", "bob", "eve"])
    GroupedAUC(value=0.5, groups=2, left_out=1)
    """
    for name, array in (("labels", labels), ("scores", scores), ("groups", groups)):
        no_mask(name, array)
    y, s = np.asarray(labels), np.asarray(scores)
    codes = _codes(groups, len(y) if y.ndim else 0)
    weights: NDArray[Any] = np.ones(len(codes), np.int64)
    if sample_weight is not None and y.shape == s.shape == codes.shape:
        weights = sample_weights(sample_weight, len(y))
        held = weights > 0
        y, s, codes, weights = y[held], s[held], codes[held], weights[held]
    clicks, s = labels_and_scores(y, s, "scores")
    order = np.lexsort((weights, s, codes))  # by weight within ties, so that no sum depends on the order of the rows
    clicks, s, codes, weights = clicks[order], s[order], codes[order], weights[order]
    new_group = np.append(True, codes[1:] != codes[:-1])
    weights, scale = _scaled(weights, np.flatnonzero(new_group))
    ties = np.flatnonzero(new_group | np.append(True, s[1:] != s[:-1]))  # where rows of one group and score begin
    positive = np.add.reduceat(np.where(clicks, weights, 0), ties)
    negative = np.add.reduceat(np.where(clicks, 0, weights), ties)
    starts = np.flatnonzero(new_group[ties])
    below = _sums_below(negative, starts)
    won = np.add.reduceat(positive * (2 * below + negative), starts)  # twice: a tie counts one half
    clicked, others = np.add.reduceat(positive, starts), np.add.reduceat(negative, starts)
    both = (clicked > 0) & (others > 0)
    if not both.any():
        raise InputError(f"grouped AUC needs a group whose rows have both labels, got {len(both):,} groups without one")
    aucs = won[both] / (2 * clicked[both] * others[both])
    impressions = (clicked + others)[both] if scale is None else np.ldexp((clicked + others)[both], scale[both])
    value = float((aucs * impressions).sum() / impressions.sum())
    return GroupedAUC(value, int(both.sum()), int((~both).sum()))


def _scaled(weights: NDArray[Any], starts: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """Float weights over a power of two of their group, at most 1: no product overflows; and each group's exponent."""
    if weights.dtype.kind != "f":
        return weights, None
    exponents = np.frexp(np.maximum.reduceat(weights, starts))[1].astype(np.int64)
    rows = np.diff(np.append(starts, len(weights)))
    return np.ldexp(weights, -np.repeat(exponents, rows)), exponents - exponents.max()


def _sums_below(values: NDArray[Any], starts: NDArray[np.int64]) -> NDArray[Any]:
    """Sum of the values before each one in its group, from additions alone: another group's weights leave no error."""
    if values.dtype.kind != "f":
        whole: NDArray[Any] = np.cumsum(values) - values
        whole -= np.repeat(whole[starts], np.diff(np.append(starts, len(values))))
        return whole
    place = np.arange(len(values)) - np.repeat(starts, np.diff(np.append(starts, len(values))))
    below: NDArray[Any] = np.where(place, np.append(0.0, values[:-1]), 0.0)
    step, last = 1, int(place.max())
    while step <= last:  # sums of twice as many values in each round
        later = np.flatnonzero(place >= step)
        below[later] = below[later] + below[later - step]
        step *= 2
    return below


def _codes(groups: ArrayLike, rows: int) -> NDArray[np.int64]:
    """Groups as numbers from 0."""
    given = np.asarray(groups)
    if given.shape != (rows,):
        raise InputError(f"groups must be one value a row, shape ({rows},), got {given.shape}")
    if given.dtype.kind not in "biufSU":
        raise InputError(f"groups must be numbers or texts, got {given.dtype}; texts as numpy.asarray(groups, str)")
    codes: NDArray[np.int64] = np.unique(given, return_inverse=True)[1].astype(np.int64)
    return codes

"""How good predicted click probabilities are: AUC (exact), logloss, normalised entropy, calibration.

With ``sample_weight`` a row of weight 2 counts as that row twice, and one of weight 0 not at all, whatever its score.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref._util.check import no_mask, whole_number
from alpt_ref.errors import InputError

CLIP = 1e-15
"""Probabilities are moved into [CLIP, 1 - CLIP] before their logarithm, so that a certain miss costs 34.5 nats."""


def labels_and_scores(labels: ArrayLike, scores: ArrayLike, name: str) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Both as checked 1-D arrays: labels as clicks (bool), scores finite or infinite but not NaN."""
    y, s = np.asarray(labels), np.asarray(scores)
    if y.ndim != 1 or y.shape != s.shape or y.size == 0:
        raise InputError(f"labels and {name} must have one shape (rows,) with rows >= 1, got {y.shape} and {s.shape}")
    if y.dtype.kind not in "buif" or s.dtype.kind not in "buif":
        raise InputError(f"labels and {name} must be numbers, got {y.dtype} and {s.dtype}")
    clicks = y == 1
    if not np.all(clicks | (y == 0)):
        raise InputError(f"labels must be 0 or 1, got {y[~(clicks | (y == 0))][0]}")
    if np.isnan(s).any():
        raise InputError(f"{name} must not be NaN, got one at row {int(np.argmax(np.isnan(s)))}")
    return clicks, s


def sample_weights(weights: ArrayLike, rows: int, name: str = "sample_weight") -> NDArray[np.float64]:
    """Checked weights of `rows` rows: finite, at least 0, not all 0; float64 (rows,).

    Raises
    ------
    InputError
        A weight breaks the rule, or the shape is another.
    """
    no_mask(name, weights)
    w = np.asarray(weights)
    if w.dtype.kind not in "buif" or w.shape != (rows,):
        raise InputError(f"{name} must be one number a row, shape ({rows},), got {w.dtype} {w.shape}")
    w = w.astype(np.float64)
    bad = ~(np.isfinite(w) & (w >= 0))
    if bad.any():
        at = int(np.argmax(bad))
        raise InputError(f"{name} must be finite and at least 0, got {w[at]} at row {at}")
    if rows and not w.any():
        raise InputError(f"{name} must not be zero in all {rows} rows: nothing is left to count")
    return w


def _counted(
    labels: ArrayLike, scores: ArrayLike, weights: ArrayLike | None
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64] | None]:
    """Labels, scores and weights of the rows whose weight is not 0; the weights times a power of two, at most 1."""
    no_mask("labels", labels)
    no_mask("scores", scores)
    y, s = np.asarray(labels), np.asarray(scores)
    if weights is None or y.shape != s.shape or y.ndim != 1:
        return y, s, None
    w = sample_weights(weights, len(y))
    if len(w):  # every metric is a quotient: their scale does not matter, and sums must not overflow
        w = np.ldexp(w, -int(np.frexp(w.max())[1]))
    held = w > 0
    return (y, s, w) if held.all() else (y[held], s[held], w[held])


def auc(labels: ArrayLike, scores: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Area under the ROC curve: the share of (click, no click) pairs that `scores` orders rightly, ties counting 1/2.

    Parameters
    ----------
    labels : array (rows,)
        0 or 1, both present.
    scores : array (rows,)
        Probabilities or logits; only their order matters.
    sample_weight : array (rows,), optional
        A pair counts as the product of its rows' weights.

    Returns
    -------
    float
        The quotient of two integers, rounded once: exact pair counts, in O(rows log rows); with weights too, where
        they are whole multiples of one power of two and all pairs count below 2**62. Otherwise float64 sums, in an
        order that depends on the set of rows alone.

    Raises
    ------
    InputError
        If a label is neither 0 nor 1, one class is missing, a score is NaN, or a weight is negative or not finite.

    Examples
    --------
    >>> auc([1, 0, 1, 0], [0.9, 0.2, 0.4, 0.4])  # of four pairs three are ordered rightly, one is a tie
    0.875
    >>> auc([1, 0, 1], [0.9, 0.2, 0.1], sample_weight=[2, 1, 1])  # two of three pairs
    0.6666666666666666
    """
    labels, scores, weights = _counted(labels, scores, sample_weight)
    clicks, s = labels_and_scores(labels, scores, "scores")
    if weights is not None:
        return _weighted_auc(clicks, s, weights)
    positives, negatives = np.sort(s[clicks]), np.sort(s[~clicks])
    _require_both(clicks)
    # twice the pairs won: those strictly below plus those below or equal count a tie as one half
    below = int(np.searchsorted(negatives, positives, side="left").sum(dtype=np.int64))
    at_most = int(np.searchsorted(negatives, positives, side="right").sum(dtype=np.int64))
    return (below + at_most) / (2 * positives.size * negatives.size)


def _require_both(clicks: NDArray[np.bool_]) -> None:
    if clicks.all() or not clicks.any():
        only = int(clicks[0])
        raise InputError(f"AUC needs both classes among the labels, got {clicks.size} labels that are all {only}")


def _weighted_auc(clicks: NDArray[np.bool_], s: NDArray[Any], w: NDArray[np.float64]) -> float:
    """AUC of rows with weights above 0."""
    _require_both(clicks)
    whole = _whole_units(w)
    units: NDArray[Any] = w if whole is None else whole
    held, other = s[clicks], s[~clicks]
    positive, negative = units[clicks], units[~clicks]
    if whole is None:  # float sums must not depend on the order of the rows
        at, there = np.lexsort((positive, held)), np.lexsort((negative, other))
    else:
        at, there = np.argsort(held), np.argsort(other)
    held, positive, other, negative = held[at], positive[at], other[there], negative[there]
    sums = np.concatenate((np.zeros(1, units.dtype), np.cumsum(negative)))
    below = sums[np.searchsorted(other, held, side="left")]
    at_most = sums[np.searchsorted(other, held, side="right")]
    won, pairs = (positive * (below + at_most)).sum(), 2 * positive.sum() * sums[-1]
    return int(won) / int(pairs) if whole is not None else float(won / pairs)


def _whole_units(w: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Weights as whole multiples of a power of two, if all pairs of rows can be counted in 63 bits; else None."""
    _, exponents = np.frexp(w)
    mantissa = np.ldexp(w, 53 - exponents).astype(np.int64)  # in [2**52, 2**53)
    trailing = np.log2((mantissa & -mantissa).astype(np.float64)).astype(np.int64)
    unit = int((exponents - 53 + trailing).min())
    if unit < -31:  # the largest weight is near 1
        return None
    units = np.ldexp(w, -unit)
    return units.astype(np.int64) if float(units.sum()) < 2.0**31 else None


def logloss(labels: ArrayLike, probabilities: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Mean negative log-likelihood in nats, in float64, of probabilities clipped to [1e-15, 1 - 1e-15].

    Parameters
    ----------
    labels : array (rows,)
        0 or 1.
    probabilities : array (rows,)
        Of a click, in [0, 1].
    sample_weight : array (rows,), optional
        Of the mean.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If a label is neither 0 nor 1, a probability is NaN or outside [0, 1], or a weight is negative or not finite.

    Examples
    --------
    >>> round(logloss([1, 0], [0.5, 0.5]), 6)  # the logarithm of 2
    0.693147
    """
    labels, probabilities, weights = _counted(labels, probabilities, sample_weight)
    clicks, p = _probabilities(labels, probabilities)
    return _mean(-np.log(np.clip(np.where(clicks, p, 1.0 - p), CLIP, 1.0 - CLIP)), weights)


def _mean(losses: NDArray[np.float64], weights: NDArray[np.float64] | None) -> float:
    return float(losses.mean() if weights is None else (losses * weights).sum() / weights.sum())


def logloss_from_logits(labels: ArrayLike, logits: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Mean logloss in nats of ``sigmoid(logits)``, in float64, without forming or clipping probabilities.

    Raises
    ------
    InputError
        If a label is neither 0 nor 1, a logit is NaN, or a weight is negative or not finite.
    """
    labels, logits, weights = _counted(labels, logits, sample_weight)
    clicks, x = labels_and_scores(labels, logits, "logits")
    return _mean(np.logaddexp(0.0, np.where(clicks, -1.0, 1.0) * x.astype(np.float64)), weights)


def normalized_entropy(labels: ArrayLike, probabilities: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Logloss over that of predicting the rows' own click rate for each of them; below 1 is better than that.

    With p the share of clicks among the rows, ``NE = logloss / (-p ln p - (1 - p) ln(1 - p))``: unlike the logloss it
    can be compared between data of different click rates. Source: He et al. 2014, "Practical lessons from predicting
    clicks on ads at Facebook" (ADKDD), equation 1. ``1 - NE`` is the relative information gain.

    Raises
    ------
    InputError
        If one class is missing, or for labels, probabilities or weights out of range.

    Examples
    --------
    >>> normalized_entropy([1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25])
    1.0
    """
    loss = logloss(labels, probabilities, sample_weight=sample_weight)
    return normalized(loss, click_rate(labels, sample_weight))


def click_rate(labels: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """Share of clicks among rows, by their weights where they have any."""
    clicks = np.asarray(labels) == 1
    if sample_weight is None:
        return float(np.count_nonzero(clicks) / clicks.size)
    weights = sample_weights(sample_weight, len(clicks))
    return float(weights[clicks].sum() / weights.sum())


def normalized(loss: float, rate: float) -> float:
    """A logloss in nats over the entropy of a click rate; `InputError` where that is 0 or 1."""
    if not 0 < rate < 1:
        raise InputError(f"normalised entropy needs both classes among the labels, got a click rate of {rate:g}")
    return loss / -(rate * math.log(rate) + (1 - rate) * math.log1p(-rate))


def calibration(labels: ArrayLike, probabilities: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Predicted clicks over observed clicks; 1 is calibrated, above 1 predicts too many (He et al. 2014, section 3.1).

    Raises
    ------
    InputError
        If there is no click, or for labels, probabilities or weights out of range.
    """
    labels, probabilities, weights = _counted(labels, probabilities, sample_weight)
    clicks, p = _probabilities(labels, probabilities)
    observed = float(clicks.sum() if weights is None else weights[clicks].sum())
    if observed == 0:
        raise InputError(f"calibration needs at least one click among the labels, got {clicks.size} labels that are 0")
    return float((p.sum() if weights is None else (p * weights).sum()) / observed)


def expected_calibration_error(
    labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 20, sample_weight: ArrayLike | None = None
) -> float:
    """Mean absolute gap of predicted and observed click rate over `bins` bins of equal width, weighted by rows.

    Row i falls in bin ``min(floor(bins p_i), bins - 1)``; an empty bin counts nothing. Source: Naeini et al. 2015,
    "Obtaining well calibrated probabilities using Bayesian binning" (AAAI).

    Raises
    ------
    InputError
        If `bins` is below 1, or for labels, probabilities or weights out of range.
    """
    bins = whole_number("bins", bins, 1)
    labels, probabilities, weights = _counted(labels, probabilities, sample_weight)
    clicks, p = _probabilities(labels, probabilities)
    index = np.minimum((p * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(index, weights=p - clicks if weights is None else (p - clicks) * weights, minlength=bins)
    return float(np.abs(gaps).sum() / (p.size if weights is None else weights.sum()))


def _probabilities(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    clicks, p = labels_and_scores(labels, probabilities, "probabilities")
    if p.min() < 0 or p.max() > 1:
        raise InputError(f"probabilities must lie in [0, 1], got values from {p.min()} to {p.max()}")
    return clicks, p.astype(np.float64)

"""How good predicted click probabilities are: AUC (exact), logloss, calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref._util.check import whole_number
from alpt_ref.errors import InputError

CLIP = 1e-15
"""Probabilities are moved into [CLIP, 1 - CLIP] before their logarithm, so that a certain miss costs 34.5 nats."""


def _labels(labels: ArrayLike, scores: ArrayLike, name: str) -> tuple[NDArray[np.bool_], NDArray[Any]]:
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


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: the share of (click, no click) pairs that `scores` orders rightly, ties counting 1/2.

    Parameters
    ----------
    labels : array (rows,)
        0 or 1, both present.
    scores : array (rows,)
        Probabilities or logits; only their order matters.

    Returns
    -------
    float
        The quotient of two integers, rounded once: exact pair counts, in O(rows log rows).

    Raises
    ------
    InputError
        If a label is neither 0 nor 1, one class is missing, or a score is NaN.

    Examples
    --------
    >>> auc([1, 0, 1, 0], [0.9, 0.2, 0.4, 0.4])  # of four pairs three are ordered rightly, one is a tie
    0.875
    """
    clicks, s = _labels(labels, scores, "scores")
    positives, negatives = np.sort(s[clicks]), np.sort(s[~clicks])
    if positives.size == 0 or negatives.size == 0:
        only = 1 if positives.size else 0
        raise InputError(f"AUC needs both classes among the labels, got {clicks.size} labels that are all {only}")
    # twice the pairs won: those strictly below plus those below or equal count a tie as one half
    below = int(np.searchsorted(negatives, positives, side="left").sum(dtype=np.int64))
    at_most = int(np.searchsorted(negatives, positives, side="right").sum(dtype=np.int64))
    return (below + at_most) / (2 * positives.size * negatives.size)


def logloss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean negative log-likelihood in nats, in float64, of probabilities clipped to [1e-15, 1 - 1e-15].

    Parameters
    ----------
    labels : array (rows,)
        0 or 1.
    probabilities : array (rows,)
        Of a click, in [0, 1].

    Returns
    -------
    float

    Raises
    ------
    InputError
        If a label is neither 0 nor 1, or a probability is NaN or outside [0, 1].

    Examples
    --------
    >>> round(logloss([1, 0], [0.5, 0.5]), 6)  # the logarithm of 2
    0.693147
    """
    clicks, p = _probabilities(labels, probabilities)
    return float(-np.log(np.clip(np.where(clicks, p, 1.0 - p), CLIP, 1.0 - CLIP)).mean())


def logloss_from_logits(labels: ArrayLike, logits: ArrayLike) -> float:
    """Mean logloss in nats of ``sigmoid(logits)``, in float64, without forming or clipping probabilities.

    Raises
    ------
    InputError
        If a label is neither 0 nor 1, or a logit is NaN.
    """
    clicks, x = _labels(labels, logits, "logits")
    return float(np.logaddexp(0.0, np.where(clicks, -1.0, 1.0) * x.astype(np.float64)).mean())


def calibration(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Predicted clicks over observed clicks; 1 is calibrated, above 1 predicts too many.

    Raises
    ------
    InputError
        If there is no click, or for labels and probabilities out of range.
    """
    clicks, p = _probabilities(labels, probabilities)
    observed = int(np.count_nonzero(clicks))
    if observed == 0:
        raise InputError(f"calibration needs at least one click among the labels, got {clicks.size} labels that are 0")
    return float(p.sum() / observed)


def expected_calibration_error(labels: ArrayLike, probabilities: ArrayLike, *, bins: int = 20) -> float:
    """Mean absolute gap of predicted and observed click rate over `bins` bins of equal width, weighted by rows.

    Raises
    ------
    InputError
        If `bins` is below 1, or for labels and probabilities out of range.
    """
    whole_number("bins", bins, 1)
    clicks, p = _probabilities(labels, probabilities)
    index = np.minimum((p * bins).astype(np.int64), bins - 1)
    gaps = np.bincount(index, weights=p - clicks, minlength=bins)
    return float(np.abs(gaps).sum() / p.size)


def _probabilities(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    clicks, p = _labels(labels, probabilities, "probabilities")
    if p.min() < 0 or p.max() > 1:
        raise InputError(f"probabilities must lie in [0, 1], got values from {p.min()} to {p.max()}")
    return clicks, p.astype(np.float64)

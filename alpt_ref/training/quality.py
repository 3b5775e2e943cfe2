"""What an evaluation measures: every metric of one set of predictions, at the cost of one sort."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.models.loss import bce_with_logits
from alpt_ref.training.grouped_auc import grouped_auc
from alpt_ref.training.metrics import auc, calibration, click_rate, expected_calibration_error, normalized

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset

FURTHER = ("ne", "calibration", "ece", "gauc")
"""Metrics beside AUC and logloss, as they are named in results, tables and options."""

TITLES = {"auc": "AUC", "logloss": "logloss", "ne": "NE", "calibration": "calibration", "ece": "ECE", "gauc": "GAUC"}
"""Every metric as it is written for a person."""


class Quality(NamedTuple):
    """Metrics of predictions; None where the rows allow no such number.

    Attributes
    ----------
    auc, logloss : float
        Logloss in nats. `auc` is NaN where all labels are one class, and beside a logloss that is not finite.
    ne, calibration, ece : float or None
        `normalized_entropy`, `calibration` and `expected_calibration_error` (20 bins) of `metrics`.
    gauc, groups, left_out : float, int, int or None
        `grouped_auc`, where groups were given.
    """

    auc: float
    logloss: float
    ne: float | None = None
    calibration: float | None = None
    ece: float | None = None
    gauc: float | None = None
    groups: int | None = None
    left_out: int | None = None

    def further(self) -> dict[str, Any]:
        """All but AUC and logloss, by name."""
        plain = self._asdict()
        return {name: plain[name] for name in (*FURTHER, "groups", "left_out")}

    def in_words(self) -> str:
        """``NE 0.8123, calibration 1.0021, ECE 0.0043`` and, where there are groups, the grouped AUC.

        Examples
        --------
        >>> Quality(0.7, 0.5, ne=0.9, calibration=1.01, ece=0.002).in_words()
        'NE 0.90000, calibration 1.0100, ECE 0.00200'
        """
        parts = [] if self.ne is None else [f"NE {self.ne:.5f}"]
        parts += [] if self.calibration is None else [f"calibration {self.calibration:.4f}"]
        parts += [] if self.ece is None else [f"ECE {self.ece:.5f}"]
        if self.groups is not None:
            value = "no GAUC" if self.gauc is None else f"GAUC {self.gauc:.5f}"
            parts.append(f"{value} over {self.groups:,} groups ({self.left_out:,} of one label left out)")
        return ", ".join(parts)


def quality(
    labels: NDArray[np.uint8],
    logits: NDArray[np.float32],
    weights: NDArray[np.float32] | None = None,
    groups: NDArray[Any] | None = None,
) -> Quality:
    """Every metric of predictions that the rows allow.

    Parameters
    ----------
    labels : uint8 (rows,)
    logits : float32 (rows,)
    weights : float32 (rows,), optional
        Above 0.
    groups : array (rows,), optional
        Of the grouped AUC.

    Examples
    --------
    >>> import numpy as np
    >>> found = quality(np.array([1, 0], np.uint8), np.array([0.0, 0.0], np.float32))
    >>> found.auc, found.ne, found.calibration, found.ece, found.gauc
    (0.5, 1.0, 1.0, 0.0, None)
    """
    loss = float(bce_with_logits(logits, labels, weights)[0])
    if not np.isfinite(loss):
        return Quality(float("nan"), loss)
    rate = click_rate(labels, weights)
    both = 0 < rate < 1
    x = logits.astype(np.float64)
    with np.errstate(over="ignore"):
        p = 1.0 / (1.0 + np.exp(-x))
    found = Quality(
        auc=float(auc(labels, logits, sample_weight=weights)) if both else float("nan"),
        logloss=loss,
        ne=normalized(loss, rate) if both else None,
        calibration=calibration(labels, p, sample_weight=weights) if rate > 0 else None,
        ece=expected_calibration_error(labels, p, sample_weight=weights),
    )
    if groups is None:
        return found
    try:
        grouped = grouped_auc(labels, logits, groups, sample_weight=weights)
    except InputError:  # no group has both labels
        return found._replace(groups=0, left_out=len(np.unique(groups)))
    return found._replace(gauc=grouped.value, groups=grouped.groups, left_out=grouped.left_out)


def groups_of(dataset: ClickDataset, rows: NDArray[np.int64], field: str | None) -> NDArray[np.uint32] | None:
    """The field's id of each row, uint32 (len(rows),), which groups the rows; None without a field.

    Raises
    ------
    InputError
        The dataset has no such field, or one with several values a row.
    """
    if field is None:
        return None
    if field not in dataset.field_names:
        known = ", ".join(dataset.field_names[:20]) + (", …" if dataset.fields > 20 else "")
        raise InputError(f"train.group must be a field of dataset {dataset.name!r} ({known}), got {field!r}")
    place = dataset.field_names.index(field)
    slots = dataset.slots or (1,) * dataset.fields
    if slots[place] != 1:
        raise InputError(
            f"train.group must be a field with one value a row, got {field!r}, whose rows have up to {slots[place]}"
        )
    ids: NDArray[np.uint32] = np.asarray(dataset.ids)[rows, sum(slots[:place])]
    return ids

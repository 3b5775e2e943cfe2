"""Whether a dataset can be trained on and tested: rows and both labels in every part."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from alpt_ref.errors import AlptWarning, InputError
from alpt_ref.training.weights import counted_rows

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.data.fields import Part


def require_usable(dataset: ClickDataset) -> None:
    """`InputError` unless ids and labels keep to their rules, every part has rows and those with an AUC both labels.

    A store's ids and labels were checked when it was written.
    """
    dataset.validate(stored=False)
    if dataset.labels.min() == dataset.labels.max():
        raise InputError(
            f"dataset {dataset.name!r} has only the label {dataset.labels[0]} in all its {dataset.rows:,} rows; "
            "a model of clicks needs rows of both labels, impressions with a click and without"
        )
    if dataset.n == dataset.fields:
        warnings.warn(
            f"dataset {dataset.name!r} has one id in each field, so that its rows cannot be told apart and nothing is "
            "learned but the share of clicks; a lower min_count (--min-count) would give categories ids of their own",
            AlptWarning,
            stacklevel=2,
        )
    parts: tuple[Part, ...] = ("train", "valid", "test")
    for part in parts:
        labels = dataset.labels[counted_rows(dataset, part)]  # a row of weight 0 is not there
        if not len(labels):
            counted = " of a weight above 0" if len(dataset.rows_of(part)) else ""
            raise InputError(f"dataset {dataset.name!r} has no rows{counted} in its {part} part; give it more rows")
        if part == "train" and labels.min() == labels.max():
            raise InputError(
                f"dataset {dataset.name!r} has only the label {labels[0]} in its train part, which teaches nothing; "
                "give it more rows or another split seed"
            )
        if labels.min() == labels.max():
            raise InputError(
                f"dataset {dataset.name!r} has only the label {labels[0]} in its {part} part, which has no AUC; "
                "give it more rows or another split seed"
            )

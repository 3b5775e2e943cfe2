"""Whether a dataset can be trained on and tested: rows and both labels in every part."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from alpt_ref.data.fields import PARTS
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
            raise InputError(
                f"dataset {dataset.name!r} has no rows{counted} in its {part} part; {_way_out(dataset, part)}"
            )
        if labels.min() == labels.max():
            why = "teaches nothing" if part == "train" else "has no AUC"
            raise InputError(
                f"dataset {dataset.name!r} has only the label {labels[0]} in its {part} part, which {why}; "
                f"{_way_out(dataset, part)}"
            )


def _way_out(dataset: ClickDataset, part: Part) -> str:
    """What gives a part rows of both labels, by how the rows were split."""
    encoding = dataset.info.get("encoding", {})
    by, shares = encoding.get("by"), encoding.get("split")
    drawn = "seed" in encoding or by is None
    if shares is not None and not shares[PARTS[part]] and (by != "files" or (part == "valid" and drawn)):
        return f"give it a share above 0 in {':'.join(map(str, shares))} (--shares)"
    if "folds" in encoding:
        return "give it more rows, or ask for fewer folds or for --stratify"
    if by in ("time", "order"):
        return f"a split by {by} has no seed: give it a larger share (--shares) or other files, or split at random"
    if by == "files" and not (drawn and part == "valid"):
        return f"name other files as --{part}"
    return "give it more rows or another split seed"

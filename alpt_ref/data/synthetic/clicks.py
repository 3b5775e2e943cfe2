"""Synthetic clicks as a stream of blocks, as a dataset in RAM, or as a store on disk.

The best possible test logloss and AUC are known from the true probabilities and stand in ``info``:

``bayes_logloss``
    logloss of the true probabilities against the test labels as drawn,
``bayes_logloss_expected``
    mean binary entropy of the true probabilities of the test rows, i.e. the expectation of the former over labels,
``bayes_auc``
    AUC of the true probabilities against the test labels as drawn,
``main_effects_auc``
    the same of bias plus linear part alone, which a model without interactions cannot beat by more than noise.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlog1py, xlogy

from alpt_ref._util import check as _check
from alpt_ref.data.dataset import ClickDataset, manifest_head
from alpt_ref.data.fields import PARTS
from alpt_ref.data.store.writer import StoreWriter, writing_to
from alpt_ref.data.synthetic.model import BLOCK, SyntheticBlock, SyntheticModel
from alpt_ref.errors import InputError

DEFAULT_ROWS, DEFAULT_FIELDS, DEFAULT_FEATURES = 100_000, 10, 10_000
MAX_ROWS = 1 << 48


def default_field_sizes(fields: int, features: int) -> tuple[int, ...]:
    """`features` table rows over `fields` fields, growing geometrically about 1 : 100 as the fields of click logs do.

    Examples
    --------
    >>> default_field_sizes(3, 1000)
    (12, 92, 896)
    """
    fields = _check.whole_number("fields", fields, 1)
    features = _check.whole_number("features", features, 3 * fields)
    weights = np.geomspace(1.0, 100.0, fields)
    edges = np.rint((features - 3 * fields) * np.concatenate(([0.0], np.cumsum(weights) / weights.sum())))
    return tuple(int(size) + 3 for size in np.diff(edges))


def make_synthetic_model(
    *,
    fields: int = DEFAULT_FIELDS,
    features: int = DEFAULT_FEATURES,
    field_sizes: Sequence[int] | None = None,
    **rest: Any,
) -> SyntheticModel:
    """A `SyntheticModel` from either `fields` and `features` or explicit `field_sizes`."""
    sizes = default_field_sizes(fields, features) if field_sizes is None else _whole_numbers("field_sizes", field_sizes)
    if "split" in rest:
        rest["split"] = _whole_numbers("split", rest["split"])
    try:
        return SyntheticModel(field_sizes=sizes, **rest)
    except TypeError as error:
        raise InputError(f"unknown option of the synthetic click model: {error}") from None


def _whole_numbers(name: str, values: Any) -> tuple[int, ...]:
    try:
        return tuple(operator.index(value) for value in values)
    except TypeError:
        raise InputError(f"{name} must be a sequence of whole numbers, got {values!r}") from None


def iter_synthetic_blocks(
    model: SyntheticModel, rows: int, *, chunk_rows: int | None = None
) -> Iterator[SyntheticBlock]:
    """Rows ``0 .. rows-1`` of `model` in order, at most `chunk_rows` (default 32,000) at a time.

    Memory is bounded by one block whatever `rows` is; the rows do not depend on `chunk_rows`.
    """
    rows = _check.whole_number("rows", rows, 1, MAX_ROWS)
    step = BLOCK if chunk_rows is None else _check.whole_number("chunk_rows", chunk_rows, 1)
    for number in range(-(-int(rows) // BLOCK)):
        block = model.draw(number, min(BLOCK, int(rows) - number * BLOCK))
        for start in range(0, len(block.labels), step):
            part = slice(start, start + step)
            yield SyntheticBlock(
                block.start + start,
                block.ids[part],
                block.labels[part],
                block.split[part],
                block.probabilities[part],
                block.main_effects[part],
            )


class _TestPart:
    """Collects what the Bayes figures need: three numbers a test row."""

    def __init__(self) -> None:
        self.rows = 0
        self.clicks = 0
        self.parts: list[tuple[NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]] = []

    def add(self, block: SyntheticBlock) -> None:
        self.rows += len(block.labels)
        self.clicks += int(block.labels.sum())
        test = block.split == PARTS["test"]
        self.parts.append((block.labels[test], block.probabilities[test], block.main_effects[test]))

    def info(self, model: SyntheticModel) -> dict[str, Any]:
        labels, p, main = (np.concatenate(columns) for columns in zip(*self.parts, strict=True))
        info: dict[str, Any] = {
            "source": "synthetic",
            "parameters": {
                "exponent": float(model.exponent),
                "rank": model.rank,
                "linear_std": float(model.linear_std),
                "interaction_std": float(model.interaction_std),
                "positive_rate": None if model.bias is not None else float(model.positive_rate),
                "bias": model.solved_bias,
                "split": [int(share) for share in model.split],
                "seed": int(model.seed),
            },
            "click_rate": self.clicks / self.rows,
        }
        if len(labels):
            info["bayes_logloss"] = _rounded(-(xlogy(labels, p) + xlog1py(1.0 - labels, -p)).mean())
            info["bayes_logloss_expected"] = _rounded(-(xlogy(p, p) + xlog1py(1.0 - p, -p)).mean())
        if 0 < labels.sum() < len(labels):
            info["bayes_auc"] = _rounded(_auc(labels, p))
            info["main_effects_auc"] = _rounded(_auc(labels, main))
        return info


def _rounded(figure: float) -> float:
    """Ten digits: the last bits of a logarithm depend on the library, and the set's fingerprint must not."""
    return float(f"{figure:.10g}")


def _average_ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks from 1, equal values sharing the mean of theirs (``scipy.stats`` takes more than a second to import)."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    means: NDArray[np.float64] = np.cumsum(counts) - (counts - 1) / 2
    return means[place.reshape(values.shape)]


def _auc(labels: NDArray[np.uint8], scores: NDArray[np.float64]) -> float:
    """Mann-Whitney statistic over midranks; data may not import the package's metrics."""
    positives = int(labels.sum())
    ranks = _average_ranks(scores)[labels == 1].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * (len(labels) - positives)))


@overload
def synthetic_clicks(
    rows: int = ..., *, name: str = ..., return_probabilities: Literal[False] = ..., **model: Any
) -> ClickDataset: ...
@overload
def synthetic_clicks(
    rows: int = ..., *, name: str = ..., return_probabilities: Literal[True], **model: Any
) -> tuple[ClickDataset, NDArray[np.float64]]: ...
def synthetic_clicks(
    rows: int = DEFAULT_ROWS, *, name: str = "synthetic", return_probabilities: bool = False, **model: Any
) -> ClickDataset | tuple[ClickDataset, NDArray[np.float64]]:
    """Draw a synthetic click dataset in RAM.

    Parameters
    ----------
    rows : int
    name : str
    return_probabilities : bool
        Also return the true click probabilities, float64 array (rows,).
    **model
        `fields` and `features` (or `field_sizes`), and any parameter of `SyntheticModel`:
        `exponent`, `rank`, `linear_std`, `interaction_std`, `positive_rate` or `bias`, `split`, `seed`.

    Returns
    -------
    ClickDataset
        ``info`` holds the test part's Bayes figures (see the module's text).

    Raises
    ------
    InputError
        A parameter is outside its range.

    Examples
    --------
    >>> dataset = synthetic_clicks(1000, fields=4, features=100, seed=1)
    >>> dataset.ids.shape, dataset.n
    ((1000, 4), 100)
    """
    click_model = make_synthetic_model(**model)
    rows = _check.whole_number("rows", rows, 1, MAX_ROWS)
    # before anything is drawn: more rows than fit are a MemoryError now, not a killed process later
    ids = np.empty((rows, len(click_model.field_sizes)), np.uint32)
    labels, split = np.empty(rows, np.uint8), np.empty(rows, np.uint8)
    probabilities = np.empty(rows if return_probabilities else 0)
    test = _TestPart()
    for block in iter_synthetic_blocks(click_model, rows):
        test.add(block)
        part = slice(block.start, block.start + len(block.labels))
        ids[part], labels[part], split[part] = block.ids, block.labels, block.split
        if return_probabilities:
            probabilities[part] = block.probabilities
    names, sizes = click_model.field_names, click_model.field_sizes
    dataset = ClickDataset(name, ids, labels, split, names, sizes, test.info(click_model))
    return (dataset, probabilities) if return_probabilities else dataset


def write_synthetic(
    folder: str | Path,
    rows: int = DEFAULT_ROWS,
    *,
    name: str = "synthetic",
    chunk_rows: int | None = None,
    **model: Any,
) -> ClickDataset:
    """Stream the rows of `synthetic_clicks` into a store and open it.

    Memory holds one block of rows and three numbers a test row.

    Raises
    ------
    InputError
        A parameter is outside its range, or the folder cannot be written or holds something else.
    """
    click_model = make_synthetic_model(**model)
    blocks = iter_synthetic_blocks(click_model, rows, chunk_rows=chunk_rows)
    first = next(blocks)  # a bad argument must show before anything is written
    test = _TestPart()
    with StoreWriter(folder) as writer:
        ids = writer.array("ids.npy", (rows, len(click_model.field_sizes)))
        labels, split = writer.array("labels.npy", (rows,)), writer.array("split.npy", (rows,))
        for block in itertools.chain([first], blocks):
            test.add(block)
            with writing_to(writer.folder):
                ids.append(block.ids)
                labels.append(block.labels)
                split.append(block.split)
        writer.finish(manifest_head(name, click_model.field_names, click_model.field_sizes, test.info(click_model)))
    return ClickDataset.open(folder)

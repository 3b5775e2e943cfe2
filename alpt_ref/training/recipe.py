"""Settings that fit the number of training rows: what a run on one's own data uses where nothing else is named.

The paper's protocol (`RunConfig()`) is made for tens of millions of rows: batches of 10,000 for 15 epochs are 15 steps
in all on 9,661 rows. `recipe` gives each epoch about 64 steps on few rows and the paper's batches on many, trains until
validation no longer improves, and tests the best epoch. What was measured with it, and on what, is in
docs/training-numbers.md; `python -m alpt_ref.analysis.small_data` measures it again.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

from alpt_ref._util.check import whole_number
from alpt_ref.training.config import RunConfig

STEPS = 64
"""Steps an epoch that the batch size aims at."""

SMALLEST, LARGEST = 32, 10_000
"""Batch sizes; the largest is the paper's."""

EPOCHS, PATIENCE = 50, 2
"""Most epochs, and epochs without a better validation AUC after which training ends."""

FEW = 20_000
"""Below so many training rows there is no batch normalisation: it hurt on every set measured; of two larger, on one."""

WIDTHS = ((100_000, (64, 32)), (1_000_000, (256, 128, 64)))
"""Widths of the MLP below so many training rows; from the last on the paper's."""


def batch_size(rows: int) -> int:
    """Rows / 64 to the nearest power of two, from 32 to 10,000; one more where that leaves one row for the last batch.

    (From a batch of one row batch normalisation learns nothing.)

    Examples
    --------
    >>> [batch_size(rows) for rows in (100, 8_000, 46_000, 1_000_000, 40_000_000)]
    [32, 128, 512, 10000, 10000]
    """
    rows = whole_number("rows", rows, 1)
    power = 2 ** round(math.log2(rows / STEPS)) if rows > STEPS else 1
    size = min(max(power, SMALLEST), LARGEST)
    return size + 1 if rows > 1 and rows % size == 1 else size


def recipe(rows: int) -> dict[str, dict[str, Any]]:
    """Settings by section for so many training rows.

    Examples
    --------
    >>> recipe(8_000)["model"]
    {'hidden': (64, 32), 'batch_norm': False}
    """
    model: dict[str, Any] = {}
    hidden = next((widths for limit, widths in WIDTHS if rows < limit), None)
    if hidden is not None:
        model["hidden"] = hidden
    if rows < FEW:
        model["batch_norm"] = False
    train = {"batch_size": batch_size(rows), "epochs": EPOCHS, "patience": PATIENCE, "schedule": "plateau"}
    return {"model": model, "train": train}


def fitted(config: RunConfig, rows: int, named: Collection[str] = (), *, alone: bool = False) -> RunConfig:
    """`config` with the `recipe` for so many training rows.

    A run that stands `alone` gets Adam on all rows at every step for its table (``dense_adam``; docs/accuracy.md) where
    its method and device have it. A comparison of methods keeps lazy Adam, which all of them have.

    Parameters
    ----------
    config : RunConfig
    rows : int
        Training rows.
    named : collection of str
        Dotted settings that stay as they are, such as ``"train.batch_size"``. With ``train.milestones`` or
        ``train.decay_factor`` the schedule stays too. Settings that the backbone does not have are left out.
    alone : bool
        The configuration's method is not compared with others.

    Examples
    --------
    >>> from alpt_ref import RunConfig
    >>> config = fitted(RunConfig(), 8_000, named=["train.epochs"])
    >>> config.train.batch_size, config.train.epochs, config.train.schedule
    (128, 15, 'plateau')
    """
    kept = set(named)
    if kept & {"train.milestones", "train.decay_factor"}:
        kept.add("train.schedule")
    for section, values in recipe(rows).items():
        known = set(getattr(config, section).__struct_fields__)
        if section == "model":
            known &= {*config.model.entry.settings}
        chosen = {key: value for key, value in values.items() if key in known and f"{section}.{key}" not in kept}
        if chosen:
            config = config.replace(section, **chosen)
    if alone and "table.optimizer" not in kept and config.train.device == "cpu" and replays(config):
        config = config.replace("table", optimizer="dense_adam")
    return config


def replays(config: RunConfig) -> bool:
    """Whether the table's method has ``dense_adam``, for all that its settings say."""
    return bool(getattr(config.table.entry.options(), "replays", False))


def in_words(before: RunConfig, after: RunConfig, rows: int) -> str:
    """What `fitted` has changed, as a remark for the terminal; how to have the paper's settings instead."""
    changes = [
        f"{section}.{key}={_text(getattr(getattr(after, section), key))}"
        for section in ("model", "table", "train")
        for key in getattr(after, section).__struct_fields__
        if getattr(getattr(after, section), key) != getattr(getattr(before, section), key)
    ]
    return f"settings for {rows:,} training rows: {', '.join(changes)}; --preset paper has those of the paper"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return f"{value}".lower()
    return f"{list(value) if isinstance(value, tuple) else value}"

"""How many passes an estimator makes over its rows: as many as a held-out part says, then that many over all of them.

A model of categories memorises few rows in a few passes, and how few depends on the data: on 10,000 rows the held-out
logloss is lowest after two to five. So a part of the rows is held out, stratified by label, a first model is trained on
the others until the held-out logloss has not improved for `PATIENCE` passes, and the model that is kept is trained from
the same start on all rows for the number of passes that was best.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.progress import Progress
from alpt_ref.errors import InputError
from alpt_ref.training.recipe import EPOCHS, FEW, PATIENCE

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.learner import Learner

AUTO = "auto"
FALLBACK = 5
"""Passes where too few rows are there to hold any out."""
LEAST = 10
"""Rows of each label that must be held out: fewer cannot tell one pass more or less apart."""
_STREAM = 0x68656C64  # other draws than those of batches and weights


class Passes(NamedTuple):
    """How many passes, and the held-out logloss after each that was tried (None: nothing was held out)."""

    number: int
    curve: list[float] | None


def settled(settings: dict[str, Any], rows: int | None) -> dict[str, Any]:
    """An estimator's settings with a value for each ``"auto"``.

    Parameters
    ----------
    settings : dict
        Of `CTRClassifier`.
    rows : int or None
        Rows to fit, those of the first call where they come in parts; None where a model goes on.

    Raises
    ------
    InputError
        `epochs` or `batch_norm` is another word.

    Examples
    --------
    >>> settled({"epochs": "auto", "batch_norm": "auto"}, 8_000)
    {'epochs': 50, 'batch_norm': False}
    """
    own = {"epochs": EPOCHS if rows is not None else 1, "batch_norm": rows is None or rows >= FEW}
    words = {"epochs": "a whole number of at least 1", "batch_norm": "True or False"}
    for name in own:
        if isinstance(settings[name], str) and settings[name] != AUTO:
            raise InputError(f"{name} must be {words[name]}, or {AUTO!r}, got {settings[name]!r}")
    return settings | {name: value for name, value in own.items() if is_auto(settings[name])}


def is_auto(value: Any) -> bool:
    """Whether a setting is left to the data."""
    return isinstance(value, str) and value == AUTO


def held_out(labels: NDArray[np.uint8], fraction: float, seed: int) -> NDArray[np.bool_] | None:
    """Which rows are held out, bool (rows,), the same share of each label; None where that is too few.

    Parameters
    ----------
    labels : uint8 (rows,)
        0 or 1.
    fraction : float
        Above 0 and below 1.
    seed : int
    """
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 < fraction < 1:
        raise InputError(f"validation_fraction must be a number above 0 and below 1, got {fraction!r}")
    held = np.zeros(len(labels), bool)
    generator = np.random.Generator(np.random.Philox(key=np.array([seed, _STREAM], np.uint64)))
    for label in (0, 1):
        rows = np.flatnonzero(labels == label)
        count = round(fraction * len(rows))
        if count < LEAST or len(rows) - count < LEAST:
            return None
        held[generator.permutation(rows)[:count]] = True
    return held


def choose(
    make: Callable[[], Learner],
    dataset: ClickDataset,
    fraction: float,
    progress: Callable[[], Progress],
    given: int | None = None,
) -> Passes:
    """Train a model of `make` on the rows that are not held out, and say after how many passes it was best.

    With a number `given` that is it, and nothing is trained.

    Raises
    ------
    InputError
        `fraction` is no share.
    DivergedError
        A loss or gradient became NaN or infinite.
    """
    if given is not None:
        return Passes(given, None)
    learner = make()
    held = held_out(dataset.labels, fraction, learner.config.train.seed)
    if held is None:
        return Passes(FALLBACK, None)
    if np.count_nonzero(~held) % learner.config.train.batch_size == 1:
        held[np.argmin(held)] = True  # from a batch of one row batch normalisation learns nothing
    parts = replace(dataset, split=held.astype(np.uint8))
    curve: list[float] = []
    while len(curve) < EPOCHS and len(curve) - int(np.argmin([np.inf, *curve])) < PATIENCE:
        learner.train(parts, 1, progress())
        curve.append(learner.measured(parts, "valid").logloss)
    return Passes(int(np.argmin(curve)) + 1, curve)

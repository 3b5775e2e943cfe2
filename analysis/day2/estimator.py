"""`CTRClassifier` on day 3: as fitted on day 1, updated by day 2, and refitted on both days; one cause at a time."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from alpt_ref import CTRClassifier, auc
from alpt_ref.models import ops
from alpt_ref.training.learner import Learner

from .logs import Days

SETTINGS: dict[str, Any] = {"epochs": 1, "min_count": 2, "batch_norm": True}
SMALL, PASSES = 32, 5
WAYS = {"one pass": (1, None), f"{PASSES} passes": (PASSES, None), f"calls of {SMALL} rows": (1, SMALL)}
"""How day 2 comes: passes over it, and rows in a call."""
Columns = tuple[NDArray[Any], NDArray[np.int64]]


@contextmanager
def _full_rate() -> Iterator[None]:
    """Steps as large as those of the fit."""
    with mock.patch.object(Learner, "update_factor", return_value=1.0):
        yield


@contextmanager
def _no_new_rows() -> Iterator[None]:
    """At the full rate, and new categories share the out-of-vocabulary row, as before there was growth."""
    with _full_rate(), mock.patch.object(Learner, "grown", lambda self, *others: self):
        yield


@contextmanager
def _statistics_kept() -> Iterator[None]:
    """At the full rate, with batch normalisation's running statistics of day 1."""
    with _full_rate(), mock.patch.object(ops, "MOMENTUM", 0.0):
        yield


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


CAUSES: dict[str, Callable[[], Any]] = {
    "as it is": _as_it_is,
    "full rate": _full_rate,
    "full rate, no rows for new categories": _no_new_rows,
    "full rate, batch norm's statistics kept": _statistics_kept,
}
FORGOTTEN = "full rate, optimizer state forgotten"


def forget(clf: CTRClassifier) -> None:
    """Set every moment and count of both optimisers to zero."""
    engine = clf._learner.engine
    state = engine.state()
    for name, array in state.items():
        if name.startswith(("optimizer/", "table/optimizer.", "table/step_size_optimizer.")):
            array[...] = 0
    engine.load_state(state)


def measure(days: Days, seed: int, update_rows: int | None = None) -> dict[str, float]:
    """AUC on day 3 by name.

    Parameters
    ----------
    days : Days
    seed : int
    update_rows : int, optional
        Rows of day 2 that come; with them every cause is looked at. Default: all, in one pass.
    """
    first, second, third = (days.columns(day) for day in (1, 2, 3))
    fitted = CTRClassifier(random_state=seed, **SETTINGS).fit(*first)
    found = {"no update": _auc(fitted, third)}
    if update_rows is None:
        found["partial_fit"] = _auc(_updated(fitted, second, 1, None), third)
        both = [np.concatenate(pair) for pair in zip(first, second, strict=True)]
        found["refit"] = _auc(CTRClassifier(random_state=seed, **SETTINGS).fit(*both), third)
        return found
    second = (second[0][:update_rows], second[1][:update_rows])
    for way, (passes, rows) in WAYS.items():
        for cause, condition in CAUSES.items():
            with condition():
                found[f"{way}: {cause}"] = _auc(_updated(fitted, second, passes, rows), third)
        with _full_rate():
            found[f"{way}: {FORGOTTEN}"] = _auc(_updated(fitted, second, passes, rows, forget), third)
    return found


def _updated(
    fitted: CTRClassifier,
    day: Columns,
    passes: int,
    rows: int | None,
    first: Callable[[CTRClassifier], None] = lambda clf: None,
) -> CTRClassifier:
    clf: CTRClassifier = pickle.loads(pickle.dumps(fitted))
    first(clf)
    step = len(day[1]) if rows is None else rows
    for _ in range(passes):
        for start in range(0, len(day[1]), step):
            clf.partial_fit(day[0][start : start + step], day[1][start : start + step])
    return clf


def _auc(clf: CTRClassifier, day: Columns) -> float:
    return auc(day[1], clf.predict_proba(day[0])[:, 1])

"""The limit on the norm of a step's gradients: what counts, what is scaled; a run without it keeps its hash."""

from __future__ import annotations

import numpy as np
import pytest

from alpt_ref import RunConfig
from alpt_ref.errors import InputError
from alpt_ref.tables.checks import CheckedIds
from alpt_ref.training.config import canonical
from alpt_ref.training.gradient_norm import limit_gradients


def gradients() -> tuple[CheckedIds, np.ndarray, dict[str, np.ndarray]]:
    """Two positions of one row, which count with their sum (3, 0), one of another, (0, 4), and 12 in a dense array."""
    ids = CheckedIds(np.array([5, 2, 5]), 9)
    return ids, np.array([[1, 2], [0, 4], [2, -2]], np.float32), {"w": np.array([12.0], np.float32)}


def test_all_are_scaled_to_the_limit() -> None:
    ids, grads, dense = gradients()
    before = grads.copy()
    factor = limit_gradients(6.5, ids, grads, dense)  # the norm is 13
    assert factor == np.float32(0.5)
    assert np.array_equal(grads, before * np.float32(0.5))
    assert dense["w"].tolist() == [6.0]


@pytest.mark.parametrize("most", [None, 13.0, 100.0])
def test_nothing_changes_within_it(most: float | None) -> None:
    ids, grads, dense = gradients()
    assert limit_gradients(most, ids, grads, dense) == 1.0
    assert np.array_equal(grads, gradients()[1])
    assert dense["w"].tolist() == [12.0]


def test_what_is_not_finite_is_left_to_the_table() -> None:
    ids, grads, dense = gradients()
    grads[0, 0] = np.nan
    assert limit_gradients(1.0, ids, grads, dense) == 1.0


def test_settings() -> None:
    assert "max_gradient_norm" not in canonical(RunConfig())["train"]
    limited = RunConfig().replace("train", max_gradient_norm=10.0)
    assert canonical(limited)["train"]["max_gradient_norm"] == 10.0
    with pytest.raises(InputError, match=r"train\.max_gradient_norm runs on --device cpu only"):
        limited.replace("train", device="cuda")
    with pytest.raises(InputError, match=r"dense_adam runs on --device cpu only"):
        RunConfig().replace("table", optimizer="dense_adam").replace("train", device="cuda")
    with pytest.raises(InputError, match=r"table\.optimizer must not be 'dense_adam' for method 'lsq'"):
        RunConfig().replace("table", optimizer="dense_adam", method="lsq")

"""A batch cut into slices: the same bits for any number of ranks, and the gradients of the whole batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.models import make_model
from alpt_ref.models.ops_sliced import SlicedOps
from alpt_ref.models.slices import OneProcess, SliceSums, owned_slices, slice_bounds
from tests.models.ranks import on_ranks
from tests.tolerances import FLOAT64

FIELDS, DIM, SLICES = 3, 2, 4
BACKBONES: dict[str, dict[str, Any]] = {
    "dcn": {"hidden": (9, 5), "cross_layers": 2},
    "deepfm": {"hidden": (9, 5)},
    "dnn": {"hidden": (9, 5), "batch_norm": False},
    "fm": {},
    "logistic": {},
}


def _model(kind: str, device: Any, dtype: Any = np.float32) -> Any:
    dim = 1 if kind == "logistic" else DIM
    return make_model(kind, FIELDS, dim, seed=3, dtype=dtype, device=device, **BACKBONES[kind])


def _batch(kind: str, rows: int, dtype: Any = np.float32) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(rows)
    columns = FIELDS * _model(kind, "cpu").width
    return rng.normal(size=(rows, columns)).astype(dtype), rng.normal(size=rows).astype(dtype)


def _pass(kind: str, sums: SliceSums, rows: int, dtype: Any = np.float32) -> dict[str, np.ndarray]:
    """Logits and gradients of the own rows; gradients and statistics of the model."""
    ops = SlicedOps(np.dtype(dtype), sums)
    model = _model(kind, ops, dtype)
    x, dlogits = _batch(kind, rows, dtype)
    cut = ops.begin(rows)
    own = slice(cut.first, cut.last)
    with np.errstate(
        invalid="ignore"
    ):  # BLAS sets the flag where it reads beyond a small matrix; training ignores it too
        logits = model.forward(x[own].copy(), training=True).copy()
        demb = model.backward(dlogits[own].copy()).copy()
    ops.finish()
    return {
        "rows/logits": logits,
        "rows/demb": demb,
        **{f"grads/{k}": v for k, v in model.grads.items()},
        **model.state(),
    }


@pytest.mark.parametrize("kind", BACKBONES)
@pytest.mark.parametrize("rows", [300, 3])
def test_any_number_of_ranks_has_the_bits_of_one_process(kind: str, rows: int) -> None:
    alone = _pass(kind, OneProcess(SLICES), rows)
    for ranks in (2, 4):
        found = on_ranks(SLICES, ranks, lambda sums: _pass(kind, sums, rows))
        for name, array in alone.items():
            if name.startswith("rows/"):
                np.testing.assert_array_equal(np.concatenate([one[name] for one in found]), array, err_msg=name)
                continue
            for one in found:
                np.testing.assert_array_equal(one[name], array, err_msg=name)


@pytest.mark.parametrize("kind", BACKBONES)
def test_a_pass_is_that_of_the_whole_batch(kind: str) -> None:
    rows = 21
    sliced = _pass(kind, OneProcess(SLICES), rows, np.float64)
    model = _model(kind, "cpu", np.float64)
    x, dlogits = _batch(kind, rows, np.float64)
    with np.errstate(invalid="ignore"):
        logits = model.forward(x, training=True).copy()
        whole = {"rows/logits": logits, "rows/demb": model.backward(dlogits).copy()}
    whole |= {**{f"grads/{k}": v for k, v in model.grads.items()}, **model.state()}
    assert whole.keys() == sliced.keys()
    for name, array in whole.items():
        np.testing.assert_allclose(sliced[name], array, rtol=FLOAT64, atol=FLOAT64, err_msg=name)


def test_slices_have_lengths_that_differ_by_at_most_one() -> None:
    for rows in range(40):
        bounds = slice_bounds(rows, 8)
        assert (bounds[0], bounds[-1]) == (0, rows)
        assert np.ptp(np.diff(bounds)) <= 1


def test_refusals() -> None:
    with pytest.raises(
        InputError, match=r"train\.slices must be a multiple of the number of ranks, got 8 slices for 3"
    ):
        owned_slices(8, 0, 3)
    ops = SlicedOps(np.dtype(np.float32), OneProcess(2))
    with pytest.raises(InputError, match=r"call ops\.begin"):
        _model("dnn", ops).forward(np.zeros((2, 6), np.float32), training=False)
    with pytest.raises(InputError, match="dtype must be that of the operations"):
        _model("fm", ops, np.float64)

"""Every gradient, of parameters and input, against central finite differences in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.models import bce_with_logits
from tests.models.helpers import Array, batch, random_model, textbook_logits
from tests.tolerances import FLOAT32, FLOAT64, GRADIENT

STEP = 1e-6
CASES: list[tuple[str, dict[str, Any]]] = [
    ("logistic", {"dim": 1}),
    ("fm", {"fields": 4, "dim": 3}),
    ("fm", {"fields": 1, "dim": 1}),
    ("deepfm", {"hidden": (5, 4), "batch_norm": True}),
    ("deepfm", {"hidden": (5,), "batch_norm": False, "fields": 4, "dim": 3}),
    ("dnn", {"hidden": (5, 4), "batch_norm": True}),
    ("dnn", {"hidden": (5, 4), "batch_norm": False}),
    ("dcn", {"hidden": (5, 4), "batch_norm": True, "cross_layers": 3}),
    ("dcn", {"hidden": (5, 4, 3), "batch_norm": False, "cross_layers": 1}),
]


@pytest.mark.parametrize(("kind", "options"), CASES)
@pytest.mark.parametrize("rows", [7, 131])  # within one row block of the column sums, and across two
def test_every_gradient_is_the_finite_difference(kind: str, options: dict[str, Any], rows: int) -> None:
    model = random_model(kind, **options)
    emb, labels = batch(model, rows)

    def loss() -> float:
        return bce_with_logits(model.forward(emb, training=True, update_stats=False), labels)[0]

    logits = model.forward(emb, training=True)
    demb = model.backward(bce_with_logits(logits, labels)[1]).copy()
    grads = {name: grad.copy() for name, grad in model.grads.items()}
    for name, array in model.params.items():
        _check(name, array, grads[name], loss)
    some = emb.reshape(-1)[: 7 * emb.shape[1]]
    _check("input", some, demb.reshape(-1)[: some.size], loss)


def _check(name: str, array: Array, gradient: Array, loss: Any) -> None:
    flat, expected = array.reshape(-1), np.empty(array.size)
    for k in range(flat.size):
        value = flat[k]
        flat[k] = value + STEP
        high = loss()
        flat[k] = value - STEP
        expected[k] = (high - loss()) / (2 * STEP)
        flat[k] = value
    # absolute floor: differences of losses near 1 carry 1e-16 / 1e-6 of rounding
    np.testing.assert_allclose(gradient.reshape(-1), expected, rtol=GRADIENT, atol=GRADIENT * 1e-2, err_msg=name)


@pytest.mark.parametrize(("kind", "options"), CASES[1:])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logits_follow_the_textbook(kind: str, options: dict[str, Any], dtype: Any) -> None:
    model = random_model(kind, **{"fields": 5, "dim": 4} | options, dtype=dtype)
    emb, _ = batch(model, 300)
    expected = textbook_logits(model, emb)
    tolerance = FLOAT64 if dtype == np.float64 else FLOAT32
    logits = model.forward(emb, training=True)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_logistic_adds_the_weights_of_a_row() -> None:
    model = random_model("logistic", dim=1, fields=4)
    emb, _ = batch(model, 6)
    expected = model.params["bias"][0] + emb.sum(axis=1)
    np.testing.assert_allclose(model.forward(emb, training=False), expected, rtol=FLOAT64)


@pytest.mark.parametrize(("kind", "options"), CASES)
def test_data_gradients_alone_are_the_same_bits_and_leave_grads_alone(kind: str, options: dict[str, Any]) -> None:
    model = random_model(kind, dtype=np.float32, **options)
    emb, labels = batch(model, 200)
    full = model.backward(bce_with_logits(model.forward(emb, training=True), labels)[1]).copy()
    for grad in model.grads.values():
        grad[...] = 7.0
    logits = model.forward(emb, training=True, update_stats=False)
    data_only = model.backward(bce_with_logits(logits, labels)[1], params=False)
    assert data_only.tobytes() == full.tobytes()
    assert all(np.all(grad == 7.0) for grad in model.grads.values())

"""Models as objects: seeds, statistics, state, buffers, bad arguments, and bits that do not depend on threads."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from alpt_ref.catalog import MODELS
from alpt_ref.errors import InputError
from alpt_ref.kernels import jit as _jit
from alpt_ref.models import Model, bce_with_logits, make_model
from alpt_ref.models.optim import make_dense_optimizer
from tests.models.helpers import batch, random_model


@pytest.fixture
def threads() -> Iterator[Any]:
    before = _jit.num_threads()
    yield _jit.set_num_threads
    _jit.set_num_threads(before)


def train(model: Model, rows: int, steps: int) -> dict[str, bytes]:
    optimizer = make_dense_optimizer("adam", lr=1e-2)
    result = b""
    for step in range(steps):
        emb, labels = batch(model, rows, seed=step)
        result += model.backward(bce_with_logits(model.forward(emb, training=True), labels)[1]).tobytes()
        optimizer.step(model.params, model.grads)
    return {"demb": result} | {name: value.tobytes() for name, value in model.state().items()}


@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("rows", [3, 257, 1500, 5300])
def test_training_has_the_same_bits_for_any_number_of_threads(threads: Any, batch_norm: bool, rows: int) -> None:
    options: dict[str, Any] = {"hidden": (96, 33), "batch_norm": batch_norm, "dtype": np.float32}
    results = []
    for count in (1, 2, 3):
        threads(count)
        results.append(train(make_model("dcn", 7, 8, **options), rows, 2))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(("kind", "options"), [("fm", {}), ("deepfm", {"hidden": (33,), "batch_norm": True})])
@pytest.mark.parametrize("rows", [3, 1500])
def test_machines_have_the_same_bits_for_any_number_of_threads(
    threads: Any, kind: str, options: Any, rows: int
) -> None:
    results = []
    for count in (1, 2, 3):
        threads(count)
        results.append(train(make_model(kind, 7, 8, **options), rows, 2))
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(("kind", "width"), [("logistic", 1), ("fm", 5), ("dnn", 4), ("deepfm", 5), ("dcn", 4)])
def test_factorisation_machines_take_one_column_more(kind: str, width: int) -> None:
    model = make_model(kind, 3, 1 if kind == "logistic" else 4)
    assert model.width == width == type(model).table_dim(model.dim)
    emb, _ = batch(model, 6)
    model.forward(emb.reshape(6, 3, width), training=True)
    assert model.backward(np.ones(6, np.float32)).shape == (6, 3, width)


def test_pairs_of_factors_of_different_size_do_not_cancel() -> None:
    """Half of (square of the sum - sum of squares) is 4 here in float32."""
    model = make_model("fm", 2, 1)
    emb = np.array([[3000.0, 0.0, 1.3e-3, 0.0]], np.float32)
    assert model.forward(emb, training=False)[0] == np.float32(3000.0) * np.float32(1.3e-3)


def test_the_deep_part_does_not_see_the_linear_weights() -> None:
    model = random_model("deepfm", hidden=(5,), batch_norm=False)
    emb, _ = batch(model, 9)
    before = model.forward(emb, training=False).copy()
    moved = emb.reshape(9, 3, 3).copy()
    moved[:, 1, -1] += 2.0  # the linear weight of field 1
    np.testing.assert_allclose(model.forward(moved, training=False), before + 2.0, rtol=1e-12)


def test_same_seed_same_weights_and_another_seed_others() -> None:
    one, same, other = (make_model("dcn", 4, 3, hidden=(6,), seed=seed).state() for seed in (3, 3, 4))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["mlp.0.linear.weight"], other["mlp.0.linear.weight"])


def test_initial_weights_are_glorot_uniform_and_biases_zero() -> None:
    model = make_model("dcn", 20, 10, hidden=(300,))
    bound = np.sqrt(6 / (200 + 300))
    weight = np.abs(model.params["mlp.0.linear.weight"])
    assert 0.99 * bound < weight.max() <= np.float32(bound)  # 60,000 draws: the maximum misses 1 % with chance 1e-262
    assert np.abs(model.params["cross.weight"]).max() <= np.float32(np.sqrt(6 / 201))
    for name in ("cross.bias", "mlp.0.norm.bias", "output.bias"):
        assert not model.params[name].any()


@pytest.mark.parametrize("kind", MODELS)
def test_names_and_shapes_of_gradients_are_those_of_parameters(kind: str) -> None:
    model = make_model(kind, 3, 1 if kind == "logistic" else 4)
    assert {n: (p.shape, p.dtype) for n, p in model.params.items()} == {
        n: (g.shape, g.dtype) for n, g in model.grads.items()
    }
    assert model.parameter_count == sum(p.size for p in model.params.values())


def test_second_pass_uses_batch_statistics_and_leaves_the_running_ones() -> None:
    model = random_model("dcn", hidden=(5, 4))
    emb, _ = batch(model, 50)
    first = model.forward(emb, training=True).copy()
    before = {name: value.copy() for name, value in model.buffers.items()}
    again = model.forward(emb, training=True, update_stats=False).copy()
    assert np.array_equal(first, again)
    assert all(np.array_equal(before[name], value) for name, value in model.buffers.items())
    model.forward(emb, training=False)
    assert all(np.array_equal(before[name], value) for name, value in model.buffers.items())


def test_inference_uses_running_statistics_and_is_independent_of_the_batch() -> None:
    model = random_model("dnn", hidden=(5, 4))
    emb, _ = batch(model, 50)
    model.forward(emb, training=True)
    together = model.forward(emb, training=False).copy()
    alone = np.array([model.forward(row[None], training=False)[0] for row in emb])
    np.testing.assert_allclose(alone, together, rtol=1e-12)
    assert not np.allclose(together, model.forward(emb, training=True))


def test_running_variance_ignores_a_batch_of_one_row() -> None:
    model = random_model("dnn", hidden=(5,))
    model.forward(np.ones((1, 6)), training=True)
    assert np.all(model.buffers["mlp.0.norm.running_var"] == 1.0)
    assert np.isfinite(model.backward(np.ones(1))).all()


@pytest.mark.parametrize(("kind", "options"), [("logistic", {"dim": 1}), ("dnn", {}), ("dcn", {"batch_norm": False})])
def test_state_round_trip(kind: str, options: dict[str, Any]) -> None:
    options = options if kind == "logistic" else options | {"hidden": (5, 4)}
    model, copy = random_model(kind, **options), random_model(kind, seed=9, **options)
    emb, _ = batch(model, 20)
    model.forward(emb, training=True)
    state = model.state()
    copy.load_state(state)
    assert np.array_equal(model.forward(emb, training=False), copy.forward(emb, training=False))
    state[next(iter(state))][...] = np.nan  # a copy: neither model may see this
    assert np.isfinite(model.forward(emb, training=False)).all()
    assert np.isfinite(copy.forward(emb, training=False)).all()


def test_load_state_changes_nothing_when_it_refuses() -> None:
    model = random_model("dcn", hidden=(5,))
    before, wrong = model.state(), model.state()
    wrong["output.bias"] = np.zeros(2)
    wrong["cross.bias"] += 1
    with pytest.raises(InputError, match=r"output\.bias must be float64 \(1,\), got float64 \(2,\)"):
        model.load_state(wrong)
    with pytest.raises(InputError, match="must name"):
        model.load_state({})
    assert all(np.array_equal(before[name], value) for name, value in model.state().items())


def test_steps_of_one_batch_size_reuse_their_buffers_and_a_smaller_batch_fits_in() -> None:
    model = random_model("dcn", hidden=(5, 4))
    addresses = []
    for rows in (40, 40, 13):
        emb, labels = batch(model, rows)
        logits = model.forward(emb, training=True)
        demb = model.backward(bce_with_logits(logits, labels)[1])
        addresses.append((logits.ctypes.data, demb.ctypes.data))
        fresh = random_model("dcn", hidden=(5, 4))
        expected = fresh.backward(bce_with_logits(fresh.forward(emb, training=True), labels)[1])
        assert np.array_equal(demb, expected)
    assert addresses[0] == addresses[1] == addresses[2]


def test_a_later_step_allocates_no_activations() -> None:
    model = random_model("dcn", hidden=(64, 32))
    emb, labels = batch(model, 6000)  # one activation of the first layer is 3 MB
    for measured in (False, True):
        if measured:
            tracemalloc.start()
        model.backward(bce_with_logits(model.forward(emb, training=True), labels)[1])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300_000


def test_both_shapes_of_embeddings_are_the_same_input() -> None:
    model = random_model("dcn", hidden=(5,))
    emb, _ = batch(model, 9)
    flat = model.forward(emb, training=True).copy()
    assert np.array_equal(flat, model.forward(emb.reshape(9, 3, 2), training=True))
    assert model.backward(np.ones(9)).shape == (9, 3, 2)


def test_nan_reaches_the_loss() -> None:
    model = random_model("dnn", hidden=(5,), batch_norm=False)
    emb, labels = batch(model, 9)
    emb[4, 1] = np.nan
    assert np.isnan(bce_with_logits(model.forward(emb, training=True), labels)[0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "ffm"}, "kind must be logistic, fm, dnn, deepfm, dcn or module:Class, got 'ffm'"),
        ({"fields": 0}, "fields must be a whole number of at least 1, got 0"),
        ({"dim": 1.5}, "dim must be a whole number .*, got 1.5"),
        ({"kind": "logistic"}, "dim of a logistic model must be 1"),
        ({"device": "tpu"}, "device must be 'cpu' or 'cuda', got 'tpu'"),
        ({"dtype": np.float16}, "dtype must be float32 or float64, got float16"),
        ({"hidden": ()}, "hidden must list at least one layer width"),
        ({"hidden": (8, 0)}, r"hidden\[1\] must be a whole number of at least 1, got 0"),
        ({"cross_layers": 0}, "cross_layers must be a whole number of at least 1, got 0"),
        ({"seed": -1}, r"seed must be a whole number from 0 to 2\*\*64 - 1, got -1"),
        ({"dropout": 0.5}, "unknown option 'dropout' of a dcn model; it takes hidden, batch_norm, cross_layers"),
        ({"kind": "logistic", "dim": 1, "hidden": (3,)}, "unknown option 'hidden' of a logistic model; it takes none"),
    ],
)
def test_bad_arguments_are_one_sentence(arguments: dict[str, Any], message: str) -> None:
    defaults: dict[str, Any] = {"kind": "dcn", "fields": 3, "dim": 2}
    with pytest.raises(InputError, match=message):
        make_model(**(defaults | arguments))


def test_bad_batches_are_one_sentence() -> None:
    model = random_model("dcn", hidden=(5,))
    cases: list[tuple[Any, str]] = [
        (np.ones((4, 5)), r"emb must have shape \(b, 6\) or \(b, 3, 2\) with b >= 1, got \(4, 5\)"),
        (np.ones((0, 6)), "b >= 1"),
        (np.ones((4, 6), np.float32), "must be a C-contiguous float64 array, got a C-contiguous float32 array"),
        (np.ones((6, 4)).T, "got a strided float64 array"),
    ]
    for emb, message in cases:
        with pytest.raises(InputError, match=message):
            model.forward(emb, training=True)
    with pytest.raises(InputError, match="backward needs a forward"):
        model.backward(np.ones(4))
    model.forward(np.ones((4, 6)), training=False)
    with pytest.raises(InputError, match="backward needs a forward"):
        model.backward(np.ones(4))
    model.forward(np.ones((4, 6)), training=True)
    with pytest.raises(InputError, match=r"dlogits must be float64 \(4,\), got float64 \(3,\)"):
        model.backward(np.ones(3))


def test_seeds_above_two_to_the_63_are_told_apart() -> None:
    weights = [make_model("dnn", 2, 3, hidden=(4,), seed=2**64 - k).params["mlp.0.linear.weight"] for k in (1, 2, 3)]
    assert len({array.tobytes() for array in weights}) == 3

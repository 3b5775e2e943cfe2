"""Dense optimisers against their formula and PyTorch; schedule; state."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.kernels import jit as _jit
from alpt_ref.models.optim import make_dense_optimizer
from tests.tolerances import FLOAT64

Arrays = dict[str, Any]


@pytest.fixture
def threads() -> Iterator[Any]:
    before = _jit.num_threads()
    yield _jit.set_num_threads
    _jit.set_num_threads(before)


def problem(dtype: Any = np.float64, size: int = 37) -> tuple[Arrays, list[Arrays]]:
    rng = np.random.default_rng(0)
    shapes = {"weight": (size, 3), "bias": (5,)}
    params = {name: rng.standard_normal(shape).astype(dtype) for name, shape in shapes.items()}
    grads = [{n: rng.standard_normal(s).astype(dtype) for n, s in shapes.items()} for _ in range(12)]
    return params, grads


@pytest.mark.parametrize("kind", ["adam", "sgd"])
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_steps_agree_with_torch(kind: str, decay: float) -> None:
    torch: Any = pytest.importorskip("torch")
    params, grads = problem()
    peers = {name: torch.tensor(value, requires_grad=True) for name, value in params.items()}
    make = torch.optim.AdamW if kind == "adam" else torch.optim.SGD
    theirs, ours = (
        make(peers.values(), lr=0.01, weight_decay=decay),
        make_dense_optimizer(kind, lr=0.01, weight_decay=decay),
    )
    for step, gradient in enumerate(grads):
        rate = 0.01 if step < 6 else 0.001
        for group in theirs.param_groups:
            group["lr"] = rate
        for name, peer in peers.items():
            peer.grad = torch.tensor(gradient[name])
        theirs.step()
        ours.step(params, gradient, lr=rate)
    for name, value in params.items():
        np.testing.assert_allclose(value, peers[name].detach().numpy(), rtol=FLOAT64, atol=FLOAT64)


def test_first_adam_step_is_the_learning_rate_times_the_sign() -> None:
    params, grads = {"w": np.zeros(4)}, {"w": np.array([1e-3, -5.0, 0.0, 2.0])}
    make_dense_optimizer("adam", lr=0.5, eps=0.0).step({"w": params["w"][:2]}, {"w": grads["w"][:2]})
    np.testing.assert_allclose(params["w"][:2], [-0.5, 0.5], rtol=FLOAT64)
    make_dense_optimizer("adam", lr=0.5).step({"w": params["w"][2:]}, {"w": grads["w"][2:]})
    assert params["w"][2] == 0.0


@pytest.mark.parametrize("kind", ["adam", "sgd"])
def test_bits_do_not_depend_on_threads(threads: Any, kind: str) -> None:
    results = []
    for count in (1, 2, 3):
        threads(count)
        params, grads = problem(np.float32, 40_000)
        optimizer = make_dense_optimizer(kind, lr=0.01, weight_decay=0.1)
        for gradient in grads[:2]:
            optimizer.step(params, gradient)
        results.append(params["weight"].tobytes())
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("kind", ["adam", "sgd"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_restored_optimizer_goes_on_with_the_same_bits(kind: str, dtype: Any) -> None:
    params, grads = problem(dtype)
    first = make_dense_optimizer(kind, lr=0.01)
    for gradient in grads[:5]:
        first.step(params, gradient)
    copies, second = {n: p.copy() for n, p in params.items()}, make_dense_optimizer(kind, lr=0.01)
    second.load_state(first.state())
    for gradient in grads[5:]:
        first.step(params, gradient)
        second.step(copies, gradient)
    assert all(np.array_equal(params[name], copies[name]) for name in params)
    assert first.state().keys() == second.state().keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "lion"}, "kind must be 'sgd' or 'adam', got 'lion'"),
        ({"lr": -1.0}, "lr must be finite and not negative, got -1.0"),
        ({"lr": float("nan")}, "lr must be finite"),
        ({"weight_decay": "a"}, "weight_decay must be a number, got 'a'"),
        ({"betas": (0.9, 1.0)}, "betas must be two numbers of at least 0 and below 1"),
        ({"momentum": 0.9}, "unknown option 'momentum' of dense optimiser 'adam'"),
    ],
)
def test_bad_arguments_are_one_sentence(arguments: Arrays, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_dense_optimizer(**(Arrays(kind="adam") | arguments))


def test_a_refused_step_changes_nothing() -> None:
    params, grads = problem()
    before, optimizer = params["weight"].copy(), make_dense_optimizer("adam")
    with pytest.raises(InputError, match=r"grads\['bias'\] must be a float64 array \(5,\)"):
        optimizer.step(params, {"weight": grads[0]["weight"]})
    with pytest.raises(InputError, match="must be C-contiguous"):
        optimizer.step({"w": np.ones((3, 2)).T}, {"w": np.ones((2, 3))})
    assert np.array_equal(before, params["weight"])
    assert optimizer.steps == 0
    optimizer.step(params, grads[0])
    with pytest.raises(InputError, match="state of 'bias' is float64 of 5 values"):
        optimizer.step({"bias": np.zeros(6)}, {"bias": np.zeros(6)})
    assert optimizer.steps == 1
    with pytest.raises(InputError, match="must hold 'steps'"):
        optimizer.load_state({"first/w": np.ones(2)})

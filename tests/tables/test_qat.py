"""LSQ and PACT against PyTorch's automatic differentiation of a straight-through estimator, and what they store."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref import InputError, TrainingError, dequantize, make_table, set_num_threads, unpack

from ..tolerances import FLOAT32_SUM
from .helpers import arrays, batches, build, same

METHODS = ["lsq", "pact"]
N, D = 12, 7
OFFSETS = np.array([0, 5, 6, N])
UNITS = {"row": np.arange(N), "field": np.repeat(np.arange(3), np.diff(OFFSETS)), "table": np.zeros(N, np.int64)}


def code_range(method: str, bits: int) -> tuple[int, int]:
    high = 2 ** (bits - 1) - 1
    return (-high if method == "pact" else -high - 1), high


def read(torch: Any, method: str, w: Any, learned: Any, bits: int) -> Any:
    """What the table reads from weights (u, d), as a torch expression; `learned` (u, 1) is the step size or the clip.

    ``(q - x).detach()`` is the straight-through estimator: rounding in the value, the identity in the derivative.
    """
    low, high = code_range(method, bits)
    if method == "lsq":
        x = torch.clamp(w / learned, low, high)
        return (x + (torch.floor(x + 0.5) - x).detach()) * learned
    x = torch.clamp(w, -learned, learned)
    step = learned / high
    return x + (torch.floor(x / step + 0.5) * step - x).detach()


def weights_around(method: str, bits: int, step: float) -> NDArray[np.float32]:
    """Rows of weights inside the range, at ties, exactly at both ends, next to them on either side, and far outside."""
    low, high = (np.float32(step) * np.float32(code) for code in code_range(method, bits))
    if method == "pact":
        high = np.float32(step) * np.float32(code_range(method, bits)[1])
        low = -high
    ends = [low, np.nextafter(low, np.float32(-9e9)), np.nextafter(low, np.float32(0))]
    ends += [high, np.nextafter(high, np.float32(9e9)), np.nextafter(high, np.float32(0))]
    ties = np.float32(step) * np.array([-1.5, -0.5, 0.0, 0.5, 0.25], np.float32)
    rng = np.random.default_rng(5)
    rest = rng.uniform(2.5 * low, 2.5 * high, N * D - len(ends) - len(ties) - 2)
    values = np.concatenate([ends, ties, [1e30, -1e30], rest]).astype(np.float32)
    return values.reshape(N, D)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("step", [0.25, 0.0371])
def test_gradients_are_those_of_autograd_inside_outside_and_at_the_ends(method: str, bits: int, step: float) -> None:
    torch = pytest.importorskip("torch")
    weights = weights_around(method, bits, step)
    table: Any = make_table(method, N, D, bits=bits, weights=weights, init_step=step)
    grads = np.random.default_rng(6).standard_normal((N, D)).astype(np.float32)
    w = torch.tensor(weights, requires_grad=True)
    learned = torch.tensor(table.learned.reshape(N, 1), requires_grad=True)
    values = read(torch, method, w, learned, bits)
    (values * torch.tensor(grads)).sum().backward()
    ours, ours_learned, outside = table.straight_through(np.arange(N), grads)
    assert np.array_equal(ours != 0, w.grad.numpy() != 0)
    np.testing.assert_allclose(ours, w.grad.numpy(), rtol=FLOAT32_SUM)  # theirs is times the step, divided by it
    theirs = learned.grad.numpy().reshape(-1)
    magnitude = np.abs(grads).sum(axis=1) * max(1, -code_range(method, bits)[0] if method == "lsq" else 1)
    assert (np.abs(ours_learned - theirs) <= FLOAT32_SUM * magnitude).all()
    assert outside == (w.grad.numpy() == 0).sum() > 4  # both kinds occur
    assert (w.grad.numpy() != 0).sum() > 4
    np.testing.assert_allclose(table.lookup(np.arange(N)), values.detach().numpy(), rtol=1e-6, atol=1e-7 * step)


@pytest.mark.parametrize("method", METHODS)
def test_an_end_of_the_range_is_inside(method: str) -> None:
    low, high = code_range(method, 4)
    end = np.float32(0.25) * np.array([low, high], np.float32)
    beyond = np.nextafter(end, end * 2)
    table: Any = make_table(method, 2, 2, bits=4, weights=np.stack([end, beyond]), init_step=0.25)
    grads = np.array([[1, 2], [1, 2]], np.float32)
    ours, learned, outside = table.straight_through(np.arange(2), grads)
    assert ours.tolist() == [[1, 2], [0, 0]]
    assert learned.tolist() == [0.0, (low + 2 * high) if method == "lsq" else -1 + 2]
    assert outside == 2
    assert table.lookup([0, 1]).tolist() == [end.tolist(), end.tolist()]


@pytest.mark.parametrize(("method", "scale"), [("lsq", "bdq"), ("lsq", "dq"), ("lsq", "none"), ("pact", "none")])
@pytest.mark.parametrize("granularity", ["row", "field", "table"])
def test_training_follows_gradient_descent_in_pytorch(method: str, granularity: str, scale: str) -> None:
    torch = pytest.importorskip("torch")
    bits, lr, own_lr, decay, batch = 4, 0.05, 0.004, 0.1, 3
    rng = np.random.default_rng(8)
    weights = rng.uniform(-2.5, 2.5, (N, D)).astype(np.float32)
    table: Any = make_table(
        method, N, D, bits=bits, weights=weights, init_step=0.2, optimizer="sgd", lr=lr, weight_decay=decay,
        step_lr=own_lr, clip_lr=own_lr, granularity=granularity, field_offsets=OFFSETS, grad_scale=scale,
    )  # fmt: skip
    unit = torch.tensor(UNITS[granularity])
    factor = {"bdq": (batch * D * 7) ** -0.5, "dq": (D * 7) ** -0.5, "none": 1.0}[scale]
    w, learned = torch.tensor(weights), torch.tensor(table.learned)
    start = table.learned.copy()
    for rate in (lr, lr, lr / 10, lr):
        ids = rng.integers(0, N - 2, 9)
        grads = rng.standard_normal((9, D)).astype(np.float32)
        w.requires_grad_(), learned.requires_grad_()
        rows = torch.tensor(ids)
        values = read(torch, method, w, learned[unit].reshape(N, 1), bits)[rows]
        np.testing.assert_allclose(table.lookup(ids), values.detach().numpy(), rtol=1e-5, atol=1e-6)
        (values * torch.tensor(grads)).sum().backward()
        touched = torch.zeros(N, dtype=torch.bool)
        touched[rows] = True
        units = torch.zeros(len(learned), dtype=torch.bool)
        units[unit[rows]] = True
        with torch.no_grad():
            own_rate = own_lr * rate / lr
            own_decay = own_rate * decay if method == "pact" else 0.0
            new = learned - own_rate * factor * learned.grad - own_decay * learned * units
            w = w - rate * w.grad - rate * decay * w * touched[:, None]
            learned = new
        table.apply_gradients(ids, grads, lr=rate, batch_size=batch)
        np.testing.assert_allclose(table.weights, w.numpy(), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(table.learned, learned.numpy(), rtol=FLOAT32_SUM)
    assert np.abs(table.learned / start - 1).max() > 1e-3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("granularity", ["row", "field", "table"])
def test_what_is_served_is_what_is_read(method: str, bits: int, granularity: str) -> None:
    table: Any = build(method, None, bits=bits, granularity=granularity, field_offsets=[0, 20, 21, 60], init_std=0.02)
    for ids, grads in batches(60, 6):
        table.apply_gradients(ids, grads)
    units = {"row": 60, "field": 3, "table": 1}[granularity]
    served = table._arrays()
    assert table.nbytes("serving") == sum(array.nbytes for array in served.values())
    assert table.nbytes("serving") == 60 * 4 * -(-6 * bits // 32) + 4 * units
    codes = unpack(served["packed"], bits, 6)
    assert np.array_equal(codes, table.codes())
    assert codes.min() >= code_range(method, bits)[0]
    rows = {"row": np.arange(60), "field": np.repeat(np.arange(3), [20, 1, 39]), "table": np.zeros(60, int)}
    values = dequantize(codes, served["step_size"][rows[granularity]])
    assert np.array_equal(values, table.lookup(np.arange(60)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("optimizer", "a_row", "a_step"), [("sgd", 0, 0), ("adagrad", 4, 4), ("adam", 132, 12)])
def test_training_holds_the_float32_table_and_two_optimizers(
    method: str, optimizer: str, a_row: int, a_step: int
) -> None:
    table = make_table(method, 500, 16, bits=8, optimizer=optimizer)
    assert table.nbytes("training") == 500 * (64 + a_row + 4 + a_step)
    held = {name: array for name, array in table.state().items() if name != "updates"}
    assert table.nbytes("training") == sum(array.nbytes for array in held.values())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("granularity", ["field", "table"])
def test_shared_steps_are_the_same_bits_for_any_threads_and_any_order(
    method: str, granularity: str, threads: None
) -> None:
    work = batches(3_000, 8, count=3, size=9_000)
    results = []
    for count in (1, 2, 3):
        set_num_threads(count)
        table = build(
            method, None, n=3_000, d=8, bits=2, granularity=granularity, field_offsets=[0, 9, 1_300, 3_000], clip_lr=0.1
        )
        for number, (ids, grads) in enumerate(work):
            order = np.random.default_rng(number + count).permutation(len(ids))
            table.apply_gradients(ids[order], grads[order])
        results.append(arrays(table))
    assert all(same(results[0], other) for other in results[1:])
    assert np.ptp(results[0][table.learned_name]) > 0 or granularity == "table"  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", METHODS)
def test_the_learned_number_starts_on_the_grid_of_the_other_methods(method: str) -> None:
    for rule in ("lsq", 0.03, ("range", 0.4)):
        other, ours = build("lpt", "dr", init_step=rule), build(method, None, init_step=rule)
        np.testing.assert_allclose(np.asarray(ours.step_size), np.asarray(other.step_size), rtol=3e-7)
    assert np.array_equal(build("lsq", None).step_size, build("lpt", "dr").step_size)
    assert np.array_equal(build("lsq", None).codes(), build("lpt", "dr").codes())


@pytest.mark.parametrize("method", METHODS)
def test_without_a_rate_the_learned_number_stays(method: str) -> None:
    table: Any = build(method, None, step_lr=0.0, clip_lr=0.0, weight_decay=0.5, init_std=0.2, bits=2)
    before = table.learned.copy()
    for ids, grads in batches(60, 6):
        table.apply_gradients(ids, grads)
    assert np.array_equal(table.learned, before)


@pytest.mark.parametrize("method", METHODS)
def test_the_floor_holds_and_is_counted(method: str) -> None:
    weights = np.full((4, 4), 5.0, np.float32)
    options: dict[str, Any] = {"weights": weights, "init_step": 0.01, "min_step": 0.005, "optimizer": "sgd"}
    table: Any = make_table(method, 4, 4, bits=8, step_lr=1e3, clip_lr=1e3, **options)
    table.apply_gradients([0, 1, 1], np.ones((3, 4), np.float32))
    steps = np.asarray(table.step_size)
    np.testing.assert_allclose(steps[:2], 0.005, rtol=1e-6)
    np.testing.assert_allclose(steps[2:], 0.01, rtol=1e-6)
    counted = table.counters()
    figures = table.statistics()
    assert (figures["step_floor_hits"], figures["clipped_share"]) == (2.0, 1.0)
    assert table.statistics()["step_floor_hits"] == 0
    table.load_counters(counted)
    assert table.statistics() == figures


def test_steps_in_the_log_domain_move_by_factors() -> None:
    weights = np.random.default_rng(1).uniform(-2, 2, (4, 4)).astype(np.float32)
    rule: dict[str, Any] = {"init_step": 0.2, "step_lr": 0.01, "step_domain": "log", "grad_scale": "none"}
    table: Any = make_table("lsq", 4, 4, bits=4, weights=weights, optimizer="sgd", **rule)
    grads = np.random.default_rng(2).standard_normal((4, 4)).astype(np.float32)
    gradient = table.straight_through(np.arange(4), grads)[1].astype(np.float64)
    table.apply_gradients(np.arange(4), grads)
    np.testing.assert_allclose(table.step_size, 0.2 * np.exp(-0.01 * gradient * 0.2), rtol=FLOAT32_SUM)


def test_pact_at_two_bits_has_three_levels() -> None:
    table = build("pact", None, bits=2, init_std=1.0)
    assert sorted(np.unique(np.asarray(table.codes())).tolist()) == [-1, 0, 1]


@pytest.mark.parametrize("method", METHODS)
def test_a_gradient_too_large_for_its_square_changes_nothing(method: str) -> None:
    table = make_table(method, 4, 4, bits=8, weights=np.full((4, 4), 5.0, np.float32), init_step=0.01)
    before = arrays(table)
    with pytest.raises(TrainingError, match=r"must be below 2\*\*48 in magnitude.*; the table has not changed"):
        table.apply_gradients([0, 1], np.full((2, 4), 3e38, np.float32))
    assert same(before, arrays(table))


def test_a_step_size_gradient_that_overflows_changes_nothing() -> None:
    """In the log domain the gradient is multiplied by the step size, here an enormous one."""
    weights = np.full((4, 4), 1e33, np.float32)
    table = make_table("lsq", 4, 4, bits=8, weights=weights, init_step=1e30, grad_scale="none", step_domain="log")
    before = arrays(table)
    with pytest.raises(TrainingError, match=r"gradient of the step size.* overflowed in table update 0; the table has"):
        table.apply_gradients([0, 1], np.full((2, 4), 1e14, np.float32))
    assert same(before, arrays(table))


@pytest.mark.parametrize("method", METHODS)
def test_a_weight_that_is_not_finite_is_seen(method: str) -> None:
    table = build(method, None)
    state = table.state()
    state["weights"][3, 2] = np.nan
    table.load_state(state)
    assert np.isnan(table.lookup([3])).tolist() == [[False, False, True, False, False, False]]
    with pytest.raises(TrainingError, match="weights must be finite to have codes"):
        table.nbytes("serving")


@pytest.mark.parametrize("method", METHODS)
def test_what_is_refused(method: str) -> None:
    for options, message in (
        ({"bits": None}, f"bits must be 2, 4, 8 or 16 for method '{method}', got None"),
        ({"bits": 8, "rounding": "sr"}, f"rounding must be 'dr' or left out for method '{method}', got 'sr'"),
        ({"bits": 8, "min_step": 9.0}, "min_step must not exceed the initial step size"),
        ({"bits": 8, "min_step": 0.0}, "min_step must be a finite number above 0"),
        ({"bits": 8, "granularity": "cell"}, "granularity must be"),
        ({"bits": 8, "init_step": 1e38 if method == "pact" else 1e39}, "init_step must be finite"),
        ({"bits": 8, {"lsq": "step_lr", "pact": "clip_lr"}[method]: -1.0}, "_lr must be a finite number of at least 0"),
    ):
        with pytest.raises(InputError, match=message):
            make_table(method, 10, 4, **options)  # type: ignore[arg-type]
    table: Any = build(method, None)
    before = arrays(table)
    for bad in (0.0, -1.0, np.nan, np.inf):
        state = table.state()
        state[table.learned_name][7] = bad
        with pytest.raises(InputError, match="must be finite and positive"):
            table.load_state(state)
    assert same(before, arrays(table))

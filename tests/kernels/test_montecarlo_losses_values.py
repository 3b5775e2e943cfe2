"""Sampled gradients and blocks of rows of the Monte Carlo kernels, at whole numbers whose sums are exact."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref.kernels import oracle
from alpt_ref.kernels.cpu import montecarlo_each as each
from alpt_ref.kernels.cpu import montecarlo_losses as losses
from alpt_ref.kernels.cpu.montecarlo_products import BLOCK, LANES, tiles
from alpt_ref.kernels.cpu.montecarlo_types import ELASTIC, HUBER, PURPOSE_SAMPLE, SATURATING, SQUARE
from tests.plain import plain

F32 = np.float32
rng = np.random.default_rng(12)


def whole(*shape: int) -> NDArray[np.float32]:
    """Whole numbers from -3 to 3."""
    return rng.integers(-3, 4, shape).astype(F32)


def problem(rows: int, d: int, **changes: Any) -> Any:
    x, b = whole(rows, d), whole(rows)
    none = np.empty((0, 0, 0), F32)
    given = {"kind": SQUARE, "features": x, "offsets": b, "whole": x, "whole_offsets": b, "columns": none}
    given |= {"across": none, "triangular": False, "width": F32(0.5), "l2": F32(0.5), "batch": 0, "rest": 0.25}
    return SimpleNamespace(**{**given, **changes})


def gradient(about: Any, rows: list[int], w: NDArray[np.float32], weight: float) -> NDArray[np.float64]:
    """Of squared residuals of some rows, each times `weight`."""
    x, b, w = about.features.astype(float), about.offsets.astype(float), w.astype(float)
    return np.asarray(sum((weight * (x[i] @ w - b[i]) * x[i] for i in rows), float(about.l2) * w))


@pytest.mark.parametrize("room", [0, 64])
@pytest.mark.parametrize("batch", [1, 3, 4, 5, 6, 8, 9, 10, 13])
def test_a_run_adds_the_rows_that_its_words_pick(batch: int, room: int) -> None:
    run, drawn, d, rows = 2, 3, 3, 7
    about = problem(rows, d, batch=batch)
    words = rng.integers(0, 2**32, drawn + batch + 2, dtype=np.uint32)
    w, g, lanes = whole(4 * d), np.full(4 * d, 77.0, F32), np.full(room, 7.0, F32)
    plain(losses.sampled_gradient)(run, drawn, F32(0.25), about, words, w, g, lanes)
    picked = [int(word) * rows >> 32 for word in words[drawn : drawn + batch]]
    own = slice(run * d, (run + 1) * d)
    assert g[own].tolist() == gradient(about, picked, w[own], 0.25).tolist()
    g[own] = 77.0
    assert (g == 77.0).all()


@pytest.mark.parametrize(("first", "batch"), [(3, 3), (5, 5), (4, 1), (1, 2), (7, 1)])
def test_samples_take_the_words_of_their_elements(first: int, batch: int) -> None:
    """Sample j of run r has word ``r * batch + j``, at the step before `t`, wherever in a block of four it lies."""
    runs, t, d, rows, key = 3, 6, 2, 5, (123, 45)
    about = problem(rows, d, batch=batch)
    blocks = plain(losses.sample_lanes)(runs, batch)
    w = whole(4 * d)
    room = SimpleNamespace(
        w=w, g=np.full(4 * d, 77.0, F32), lanes=np.zeros(64, F32), sample_bits=np.zeros(4 * blocks, np.uint32),
        s0=np.arange(blocks, dtype=np.uint32) + np.uint32(first * batch // 4), s1=np.zeros(blocks, np.uint32),
    )  # fmt: skip
    method: Any = SimpleNamespace(k0=np.uint32(key[0]), k1=np.uint32(key[1]))
    with np.errstate(over="ignore"):
        plain(losses.linear_gradient)(t, first, runs, about, method, room)
    for r in range(runs):
        elements = [(first + r) * batch + j for j in range(batch)]
        words = [oracle.philox4x32((e // 4, 0, t - 1, PURPOSE_SAMPLE), key)[e % 4] for e in elements]
        own = slice(r * d, (r + 1) * d)
        wanted = gradient(about, [word * rows >> 32 for word in words], w[own], 1 / batch)
        np.testing.assert_allclose(room.g[own], wanted, rtol=1e-6, atol=1e-5)
    assert (room.g[runs * d :] == 77.0).all()


@pytest.mark.parametrize(("batch", "rows"), [(0, 3), (0, 9), (1, 5), (2, 5)])
def test_gradients_of_a_pass_over_some_runs(batch: int, rows: int) -> None:
    d = 3
    about = problem(rows, d, batch=batch)
    words = rng.integers(0, 2**32, 10, dtype=np.uint32)
    w, g = whole(5 * d), np.full(5 * d, 77.0, F32)
    plain(each.row_gradients)(1, 4, about, words, w, g)
    for r in range(5):
        own = slice(r * d, (r + 1) * d)
        rows_of = [int(word) * rows >> 32 for word in words[r * batch : (r + 1) * batch]] if batch else range(rows)
        wanted = gradient(about, list(rows_of), w[own], 1 / (batch or rows)) if 1 <= r < 4 else np.full(d, 77.0)
        np.testing.assert_allclose(g[own], wanted, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize(("more", "runs"), [(18, 9), (1, 12)])
def test_rows_beyond_one_block_are_taken_block_by_block(more: int, runs: int) -> None:
    """Of nine runs the last stands alone in its four; of twelve nobody, and there is no room for more."""
    assert BLOCK % LANES == 0
    rows, d = BLOCK + more, 2
    about = problem(rows, d)
    about.columns, about.across = tiles(about.whole), tiles(about.whole.T)
    w = whole(12 * d)
    room = SimpleNamespace(
        w=w, g=np.zeros(12 * d, F32), norms=np.zeros(12), total=np.full(12, 2.0), residuals=np.zeros(12 * BLOCK, F32),
        lanes=np.zeros(64, F32),
    )  # fmt: skip
    plain(losses.gradient_by_tiles)(runs, about, room)
    plain(losses.add_linear_values)(0, runs, about, room)
    plain(losses.add_linear_values)(4, runs - 4, about, room)
    for r in range(runs):
        here = w[r * d : (r + 1) * d].astype(float)
        residuals = about.whole.astype(float) @ here - about.whole_offsets
        value = (residuals**2).mean() / 2 + 0.25 * here @ here + 0.25
        assert room.total[r] == pytest.approx(2.0 + (1 + (r >= 4)) * value, rel=1e-12)
        wanted = gradient(about, list(range(rows)), w[r * d : (r + 1) * d], 1 / rows)
        np.testing.assert_allclose(room.g[r * d : (r + 1) * d], wanted, rtol=1e-5, atol=1e-5)
    assert (room.total[runs:] == 2.0).all()


@pytest.mark.parametrize("kind", [ELASTIC, HUBER, SATURATING])
def test_values_and_slopes_of_each_coordinate(kind: int) -> None:
    """Three coordinates, one beyond Huber's width on either side; a fourth is not asked for."""
    w, target = np.array([1.5, -0.5, -1.0, 9.0], F32), np.array([0.5, -0.75, 1.0, 9.0], F32)
    a, b = np.array([0.5, 2.0, 1.5, 1.0], F32), np.array([0.25, 1.0, 0.75, 1.0], F32)
    room: Any = SimpleNamespace(w=w, a=a, b=b, target=target, g=np.full(4, 77.0, F32))
    out = np.array([1.0, 2.0, 3.0, 77.0], F32)
    plain(losses.separable_gradient)(kind, 3, room)
    plain(losses.add_values)(kind, 3, room, out)
    values, slopes = {
        ELASTIC: ([0.5, 0.3125, 4.5], [0.75, 1.5, -3.75]),
        HUBER: ([0.109375, 0.0625, 1.828125], [0.125, 0.5, -1.125]),
        SATURATING: ([0.125, 0.0625 / 1.0625, 0.6], [0.125, 0.5 / 1.0625**2, -0.12]),
    }[kind]
    assert out.tolist() == pytest.approx([1.0 + values[0], 2.0 + values[1], 3.0 + values[2], 77.0], rel=1e-6)
    assert room.g.tolist() == pytest.approx([*slopes, 77.0], rel=1e-6)


def test_all_rows_one_by_one_leave_the_runs_beyond_alone() -> None:
    about, d, runs = problem(9, 3), 3, 2
    room: Any = SimpleNamespace(w=whole(3 * d), g=np.full(3 * d, 77.0, F32))
    plain(losses.linear_gradient)(4, 5, runs, about, None, room)
    for r in range(runs):
        own = slice(r * d, (r + 1) * d)
        np.testing.assert_allclose(
            room.g[own], gradient(about, list(range(9)), room.w[own], 1 / 9), rtol=1e-5, atol=1e-5
        )
    assert (room.g[runs * d :] == 77.0).all()

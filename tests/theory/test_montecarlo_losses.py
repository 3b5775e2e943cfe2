"""Losses and gradients of the Monte Carlo driver on a few rows: by the formulas in float64, and the twin's order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alpt_ref.kernels.cpu import montecarlo_each as each
from alpt_ref.kernels.cpu import montecarlo_losses as losses
from alpt_ref.kernels.cpu import montecarlo_types as kinds
from alpt_ref.theory import Grid, Noise, Schedule, montecarlo, simulate
from alpt_ref.theory.linear import LossKind, synthetic_regression
from tests import tolerances
from tests.plain import plain

from . import oracle

F, U = np.float32, np.uint32
CLOSE: dict[str, Any] = {"rel": tolerances.FLOAT32_SUM, "abs": 1e-7}
POINTS = [-3.0, -0.75, -0.5, -0.125, 0.0, 0.125, 0.5, 0.75, 2.5]


@pytest.fixture(autouse=True)
def _wrapping() -> Iterator[None]:
    """Whole numbers of NumPy warn where they wrap around."""
    with np.errstate(over="ignore"):
        yield


def test_losses_of_one_coordinate_by_their_formulas() -> None:
    """Curvature 1.5 and shape 1/2: slope of the kink, or Huber's width, at which both formulas agree."""
    a, b = 1.5, 0.5
    for e in POINTS:
        kink = math.copysign(1.0, e) if e else 1.0
        inner, outer = 0.5 * a * e * e, a * b * (abs(e) - 0.5 * b)
        wanted = {
            kinds.ELASTIC: (0.5 * a * e * e + b * abs(e), a * e + b * kink),
            kinds.HUBER: (inner if abs(e) <= b else outer, a * max(-b, min(e, b))),
            kinds.SATURATING: (0.5 * a * e * e / (1 + e * e), a * e / (1 + e * e) ** 2),
        }
        for kind, (value, slope) in wanted.items():
            assert plain(losses.loss_value)(kind, F(e), F(a), F(b)) == pytest.approx(value, **CLOSE)
            assert plain(losses.loss_slope)(kind, F(e), F(a), F(b)) == pytest.approx(slope, **CLOSE)


def test_losses_of_one_row_by_their_formulas() -> None:
    width = 0.5
    for z in POINTS:
        huber = 0.5 * z * z if abs(z) <= width else width * (abs(z) - 0.5 * width)
        wanted = {
            kinds.SQUARE: (0.5 * z * z, z),
            kinds.ABSOLUTE: (abs(z), 1.0 if z >= 0 else -1.0),
            kinds.HUBER_LOSS: (huber, max(-width, min(z, width))),
            kinds.LOGISTIC: (math.log1p(math.exp(-z)), -1.0 / (1.0 + math.exp(z))),
        }
        for kind, (value, slope) in wanted.items():
            assert plain(losses.residual_value)(kind, F(z), F(width)) == pytest.approx(value, **CLOSE)
            assert plain(losses.residual_slope)(kind, F(z), F(width)) == pytest.approx(slope, **CLOSE)
            found = plain(losses.row_slope)(kind, F(z + 0.25), F(0.25), F(width), F(0.125))
            assert found == pytest.approx(0.125 * slope, **CLOSE)


def test_which_kinds_are_linear() -> None:
    is_linear = plain(losses.is_linear)
    assert [kind for kind in range(20) if is_linear(kind)] == list(range(10, 20))


def test_rows_by_their_words_and_blocks_by_counting() -> None:
    pick, lanes = plain(losses.pick_row), plain(losses.sample_lanes)
    for rows in (1, 3, 7, 1000):
        for word in (0, 1, 2**31, 2**32 // rows, 2**32 // rows + 1, 2**32 - 1):
            assert pick(U(min(word, 2**32 - 1)), rows) == min(word, 2**32 - 1) * rows // 2**32
    for runs in range(1, 9):
        for batch in (1, 2, 3, 4, 5):
            for skipped in range(4):  # samples of the first block that are another group's
                assert lanes(runs, batch) >= -(-(skipped + runs * batch) // 4)
            assert lanes(runs, batch) == -(-(3 + runs * batch) // 4)


@pytest.mark.parametrize("batch", [1, 3, 4, 6, 0])
@pytest.mark.parametrize("loss", ["square", "absolute", "huber", "logistic"])
def test_runs_in_groups_of_four_walk_like_the_twin(loss: LossKind, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six runs of five columns: the second group has two, and its samples begin within a block for some batches."""
    monkeypatch.setattr(montecarlo, "GROUP_ELEMENTS", 16)
    problem = synthetic_regression(loss, 7, 3, seed=4, l2=0.05)
    grid, schedule = Grid(0.0625, 5), Schedule("constant", 0.7)
    options: dict[str, Any] = {"steps": 4, "runs": 6, "start": [3, -9, 0], "batch": batch, "seed": 11}
    options |= {"rounding": "sr", "noise": Noise("two-point", 0.05)}
    wanted = oracle.twin.simulate(problem, grid, schedule, **options)
    got = simulate(problem, grid, schedule, averages=True, check=True, minimum_outside=True, **options)
    np.testing.assert_array_equal(got.final, wanted.w[-1])
    assert got.average_value is not None
    average = problem.value(wanted.w.astype(np.float64)).mean(axis=0) - problem.f_star
    np.testing.assert_allclose(got.average_value[-1], average, atol=tolerances.FLOAT32_SUM)
    assert got.exceeded.tolist() == wanted.clipped.sum(axis=(0, 2)).tolist()
    sampled = (wanted.g.astype(np.float64) ** 2).sum(axis=2).max(axis=0)
    np.testing.assert_allclose(got.max_sampled_gradient2, sampled, rtol=tolerances.FLOAT32_SUM)


@pytest.mark.parametrize("size", [0, 64])
@pytest.mark.parametrize("batch", [1, 3, 4, 5, 9])
def test_the_gradient_of_sampled_rows_with_and_without_lanes(batch: int, size: int) -> None:
    """Of the second run, whose words begin at the third: a row that is drawn twice counts twice."""
    generator = np.random.default_rng(5)
    x, offsets, w = generator.standard_normal((6, 3)), generator.standard_normal(6), generator.standard_normal(6)
    words = generator.integers(0, 2**32, 12, dtype=U)
    problem = SimpleNamespace(
        features=x.astype(F), offsets=offsets.astype(F), kind=kinds.HUBER_LOSS, width=F(0.5), l2=F(0.25), batch=batch
    )
    g = np.full(6, F(9.0))
    plain(losses.sampled_gradient)(1, 2, F(1.0 / batch), problem, words, w.astype(F), g, np.full(size, F(7.0)))
    here, total = w[3:], 0.25 * w[3:]
    for word in words[2 : 2 + batch].tolist():
        row = word * 6 // 2**32
        total = total + np.clip(x[row] @ here - offsets[row], -0.5, 0.5) * x[row] / batch
    assert g.tolist() == pytest.approx([9.0] * 3 + total.tolist(), rel=1e-5)


@pytest.mark.parametrize("batch", [0, 2, 5])
@pytest.mark.parametrize("rows", [3, 4, 9])
def test_gradients_of_the_driver_in_numpy(rows: int, batch: int) -> None:
    """Runs 1 and 2 of three, of two columns; `whole` has all rows."""
    generator = np.random.default_rng(rows)
    x, offsets, w = generator.standard_normal((rows, 2)), generator.standard_normal(rows), generator.standard_normal(6)
    words = generator.integers(0, 2**32, 16, dtype=U)
    problem = SimpleNamespace(
        features=x.astype(F), offsets=offsets.astype(F), whole=x.astype(F), whole_offsets=offsets.astype(F),
        kind=kinds.SQUARE, width=F(1.0), l2=F(0.25), batch=batch,
    )  # fmt: skip
    g = np.full(6, F(9.0))
    plain(each.row_gradients)(1, 3, problem, words, w.astype(F), g)
    wanted = [9.0, 9.0]
    for r in (1, 2):
        here = w[2 * r : 2 * r + 2]
        drawn = [word * rows // 2**32 for word in words[r * batch : (r + 1) * batch].tolist()] or list(range(rows))
        wanted += (0.25 * here + sum((x[i] @ here - offsets[i]) * x[i] for i in drawn) / len(drawn)).tolist()
    assert g.tolist() == pytest.approx(wanted, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_samples_of_a_group_that_begins_within_a_block_of_words(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of two runs of two columns, as a GPU has them: a whole block of elements, half a block of samples."""
    monkeypatch.setattr(montecarlo, "_group", lambda runs, d, all_rows: 2)
    problem = synthetic_regression("square", 7, 2, seed=4, l2=0.05)
    grid, schedule = Grid(0.0625, 5), Schedule("constant", 0.7)
    options: dict[str, Any] = {"steps": 4, "runs": 7, "start": [3, -9], "batch": batch, "seed": 11}
    options |= {"rounding": "sr", "noise": Noise("two-point", 0.05)}
    wanted = oracle.simulate(problem, grid, schedule, **options)
    got = simulate(problem, grid, schedule, minimum_outside=True, **options)
    np.testing.assert_array_equal(got.final, wanted[-1])

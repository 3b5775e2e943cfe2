"""Losses of the Monte Carlo kernels and their derivatives, at numbers that float32 holds, against plain formulas."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref.kernels.cpu import montecarlo_losses as losses
from alpt_ref.kernels.cpu.montecarlo_products import BLOCK, tiles
from alpt_ref.kernels.cpu.montecarlo_types import (
    ABSOLUTE,
    ELASTIC,
    HUBER,
    HUBER_LOSS,
    LOGISTIC,
    SATURATING,
    SQUARE,
)
from tests.plain import plain

F32 = np.float32
PLACES = [-3.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 3.0]
A, B = 1.5, 0.5
rng = np.random.default_rng(8)


def separable(kind: int, e: float) -> tuple[float, float]:
    """Value and right derivative."""
    if kind == ELASTIC:
        return A / 2 * e * e + B * abs(e), A * e + (B if e >= 0 else -B)
    if kind == HUBER:
        value = A / 2 * e * e if abs(e) <= B else A * B * (abs(e) - B / 2)
        return value, A * max(-B, min(B, e))
    return A / 2 * e * e / (1 + e * e), A * e / (1 + e * e) ** 2


def of_a_row(kind: int, z: float, width: float) -> tuple[float, float]:
    if kind == SQUARE:
        return z * z / 2, z
    if kind == ABSOLUTE:
        return abs(z), 1.0 if z >= 0 else -1.0
    if kind == HUBER_LOSS:
        value = z * z / 2 if abs(z) <= width else width * (abs(z) - width / 2)
        return value, max(-width, min(width, z))
    return math.log1p(math.exp(-z)), -1 / (1 + math.exp(z))


@pytest.mark.parametrize("kind", [ELASTIC, HUBER, SATURATING])
def test_separable_losses(kind: int) -> None:
    for e in PLACES:
        value, slope = separable(kind, e)
        assert plain(losses.loss_value)(kind, F32(e), F32(A), F32(B)) == pytest.approx(value, rel=3e-7, abs=1e-12)
        assert plain(losses.loss_slope)(kind, F32(e), F32(A), F32(B)) == pytest.approx(slope, rel=3e-7, abs=1e-12)
    assert not plain(losses.is_linear)(kind)


@pytest.mark.parametrize("kind", [SQUARE, ABSOLUTE, HUBER_LOSS, LOGISTIC])
def test_losses_of_a_row(kind: int) -> None:
    assert plain(losses.is_linear)(kind)
    for z in [*PLACES, -20.0, 20.0]:
        value, slope = of_a_row(kind, z, 0.5)
        assert plain(losses.residual_value)(kind, F32(z), F32(0.5)) == pytest.approx(value, rel=1e-5, abs=2e-7)
        assert plain(losses.residual_slope)(kind, F32(z), F32(0.5)) == pytest.approx(slope, rel=1e-5, abs=1e-12)
        weighted = plain(losses.row_slope)(kind, F32(z + 0.25), F32(0.25), F32(0.5), F32(0.125))
        assert weighted == pytest.approx(slope / 8, rel=1e-5, abs=1e-12)


def test_a_word_picks_its_share_of_the_rows() -> None:
    for rows in (1, 3, 1000):
        for word in (0, 1, 2**31, 2**32 // 3, 2**32 // 3 + 1, 2**32 - 1):
            assert plain(losses.pick_row)(np.uint32(word), rows) == word * rows // 2**32


@pytest.mark.parametrize(("runs", "batch"), [(1, 1), (4, 1), (5, 3), (8, 4), (2, 0)])
def test_blocks_hold_the_samples_wherever_in_a_block_the_first_begins(runs: int, batch: int) -> None:
    blocks = plain(losses.sample_lanes)(runs, batch)
    assert 4 * blocks >= runs * batch + 3
    assert 4 * (blocks - 1) < runs * batch + 3


class Rows(NamedTuple):
    """What the loops over rows ask of a problem."""

    kind: int
    features: NDArray[np.float32]
    offsets: NDArray[np.float32]
    whole: NDArray[np.float32]
    whole_offsets: NDArray[np.float32]
    columns: NDArray[np.float32]
    across: NDArray[np.float32]
    triangular: bool
    width: np.float32
    l2: np.float32
    batch: int
    rest: float


class Room(NamedTuple):
    """And of the memory."""

    w: NDArray[np.float32]
    g: NDArray[np.float32]
    norms: NDArray[np.float64]
    total: NDArray[np.float64]
    residuals: NDArray[np.float32]
    lanes: NDArray[np.float32]


@pytest.mark.parametrize("kind", [SQUARE, LOGISTIC])
@pytest.mark.parametrize(("rows", "d", "by_tiles"), [(7, 3, False), (7, 3, True), (21, 18, True), (8, 5, False)])
def test_all_rows_make_value_and_gradient(kind: int, rows: int, d: int, by_tiles: bool) -> None:
    x, b = rng.normal(size=(rows, d)).astype(F32), rng.normal(size=rows).astype(F32)
    l2, rest, runs, width = 0.25, 0.5, 5, F32(0.5)
    columns, across = (tiles(x), tiles(x.T)) if by_tiles else (np.empty((0, 0, 0), F32),) * 2
    w = rng.normal(size=8 * d).astype(F32)
    room = Room(
        w, np.full(8 * d, 7.0, F32), np.full(8, 7.0), np.full(8, 2.0), np.ones(8 * BLOCK, F32), np.ones(64, F32)
    )
    problem: Any = Rows(kind, x, b, x, b, columns, across, False, width, F32(l2), 0, rest)
    for first in (0, 4):
        plain(losses.add_linear_values)(first, min(4, runs - first), problem, room)
    plain(losses.linear_gradient)(3, 0, runs, problem, None, room)
    for r in range(runs):
        here = w[r * d : (r + 1) * d].astype(float)
        found = [of_a_row(kind, float(a @ here) - float(c), 0.5) for a, c in zip(x.astype(float), b, strict=True)]
        value = np.mean([one for one, _ in found]) + l2 / 2 * here @ here + rest
        assert room.total[r] == pytest.approx(2.0 + value, rel=1e-5)
        gradient = np.mean([s * a for (_, s), a in zip(found, x.astype(float), strict=True)], axis=0) + l2 * here
        np.testing.assert_allclose(room.g[r * d : (r + 1) * d], gradient, rtol=1e-4, atol=2e-6)
    assert (room.total[runs:] == 2.0).all()

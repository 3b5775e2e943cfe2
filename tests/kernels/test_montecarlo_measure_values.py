"""Averages of regressions as they are measured: every run there is, none beyond, and no number before the first."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from alpt_ref.kernels.cpu import montecarlo_measure as measure
from alpt_ref.kernels.cpu.montecarlo_types import MEAN_VALUE, SQUARE
from tests.plain import plain

F32 = np.float32
X, B = np.array([[1.0, -2.0], [3.0, 0.5], [-1.5, 2.0]], F32), np.array([0.5, -1.0, 2.0], F32)


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("thin", [1, 2, 3])
@pytest.mark.parametrize("runs", [1, 4, 5, 6])
def test_an_average_takes_each_run_at_its_turns(runs: int, thin: int, recorded: bool) -> None:
    first, d, point = 8, 2, 1
    w = np.arange(8 * d, dtype=F32) * F32(0.5) - F32(3.0)
    problem = SimpleNamespace(
        kind=SQUARE, whole=X, whole_offsets=B, columns=np.empty((0, 0, 0), F32), l2=F32(0.5), rest=0.25, width=F32(1.0)
    )
    residuals = w.reshape(8, d).astype(float) @ X.T.astype(float) - B
    values = (residuals**2).mean(axis=1) / 2 + 0.25 * (w.reshape(8, d).astype(float) ** 2).sum(axis=1) + 0.25
    watch = SimpleNamespace(averages=True, thin=thin)
    for t in range(1, 5):
        room = SimpleNamespace(w=w, norms=np.zeros(8), total=np.full(8, 2.0))
        results = SimpleNamespace(records=np.full((3, 16, 5), -1.0))
        plain(measure.measure_linear)(t, point, recorded, first, runs, problem, watch, room, results)
        for r in range(8):
            turns = [s for s in range(1, t + 1) if (s + (first + r) // 4) % thin == 0]
            taken = r < runs and t in turns
            assert room.total[r] == pytest.approx(2.0 + (values[r] if taken else 0.0), rel=1e-12)
            wanted = -1.0
            if recorded and r < runs:
                wanted = room.total[r] / len(turns) if turns else np.nan
            np.testing.assert_equal(results.records[point, first + r, MEAN_VALUE], wanted)
        results.records[point, first : first + runs, MEAN_VALUE] = -1.0
        assert (results.records == -1.0).all()

r"""E2: what the Monte Carlo driver measures along a run are the quantities that the bounds speak of.

Losses and exact gradients at an iterate, their means over the iterates ``w_1 .. w_t`` (the start included, nothing
after ``w_t``), the largest gradients and distances, and how many coordinate updates left the box: all of them computed
again in float64 from the iterates of the twin (`_engine_twin.py`), with the formulas as `alpt_ref.theory` prints them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory import Separable, simulate
from alpt_ref.theory.linear import LinearModel
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact

from . import _engine_twin as twin
from ._engine_cases import ENDS, GROUPS, LINEAR, PLAIN, case_of, cells
from ._left_out import ENGINE

CLOSE = 1e-5
"""Relative to 1 plus the value: float32 terms of 3 coordinates and 70 iterates."""
AFTER = "average over t + 1"
NO_START = "average without the start"
BENT = "Huber's loss bent at twice its width"
NOISY = "gradient with its noise"
FIRST = "norms of the first coordinate"
UNCOUNTED = "clipped at the upper end alone"
Floats = NDArray[np.float64]


def losses(problem: Separable | LinearModel, w: Floats, broken: str | None = None) -> Floats:
    """``f(w)``, (T, runs), written anew."""
    width_factor = 2.0 if broken == BENT else 1.0
    if isinstance(problem, LinearModel):
        z = np.einsum("trd,nd->trn", w, problem.features) - problem.offsets
        width = width_factor * problem.width
        phi = {
            "square": z**2 / 2,
            "absolute": np.abs(z),
            "huber": np.where(np.abs(z) <= width, z**2 / 2, width * np.abs(z) - width**2 / 2),
            "logistic": np.logaddexp(0.0, -z),
        }[problem.loss]
        return np.asarray(phi.mean(axis=-1) + problem.l2 * (w**2).sum(axis=-1) / 2)
    a, b, e = problem.curvature, width_factor * problem.shape, np.abs(w - problem.minimum)
    parts = {
        "elastic": a * e**2 / 2 + problem.shape * e,
        "huber": np.where(e <= b, a * e**2 / 2, a * b * e - a * b**2 / 2),
        "saturating": a * e**2 / (2 + 2 * e**2),
    }[problem.kind]
    return np.asarray(parts.sum(axis=-1))


def squared(v: Any, broken: str | None = None) -> Floats:
    """Squared norms (T, runs)."""
    return np.asarray((np.asarray(v, np.float64)[..., : 1 if broken == FIRST else None] ** 2).sum(axis=-1))


def averages(values: Floats, points: list[int], broken: str | None) -> Floats:
    """Means over the iterates 1 .. t for each t of `points`."""
    first = 1 if broken == NO_START else 0
    return np.stack([values[first:t].sum(axis=0) / (t + 1 if broken == AFTER else t - first) for t in points])


def bound(cell: Cell, constants: Constants) -> float:
    """No difference."""
    return 0.0


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """For each quantity, how many of its values differ."""
    problem, grid, schedule, options = case_of(cell, seed)
    run = twin.simulate(problem, grid, schedule, **options)
    steps = options["steps"]
    points = sorted({2, steps // 2, steps})
    at = np.array(points) - 1
    got = simulate(
        problem,
        grid,
        schedule,
        **options,
        checkpoints=points,
        averages=True,
        check=True,
        device="cpu",
        minimum_outside=True,
    )
    w = run.w.astype(np.float64)
    value, slope = losses(problem, w, broken), problem.gradient(w)
    if broken == NOISY:
        slope = np.concatenate([run.g.astype(np.float64), slope[-1:]])
    gradient2, distance2 = squared(slope, broken), squared(w - np.asarray(problem.minimum), broken)
    beyond = run.clipped
    if broken == UNCOUNTED:
        beyond = beyond & (run.g < 0)
    seen = at if isinstance(problem, LinearModel) else slice(None)  # a problem over rows looks at checkpoints alone
    pairs: dict[str, tuple[Any, Any]] = {
        "losses": (got.value, value[at]),
        "squared gradients": (got.gradient2, gradient2[at]),
        "average losses": (got.average_value, averages(value, points, broken)),
        "largest sampled gradients": (got.max_sampled_gradient2, squared(run.g, broken).max(axis=0)),
        "largest gradients": (got.max_gradient2, gradient2[seen].max(axis=0)),
        "largest distances": (got.max_distance2, distance2[seen].max(axis=0)),
        "clipped updates": (got.exceeded, beyond.sum(axis=(0, 2))),
    }
    if not isinstance(problem, LinearModel):
        pairs["average squared gradients"] = got.average_gradient2, averages(gradient2, points, broken)
    counts = [np.count_nonzero(np.abs(a - b) > CLOSE * (1.0 + np.abs(b))) for a, b in pairs.values()]
    return exact(counts, rtol=0.0, labels=list(pairs))


CLAIM = Claim(
    id="e2",
    left_out=ENGINE,
    title="what the Monte Carlo driver measures along its runs",
    statement=r"$\frac{1}{t}\sum_{s=1}^{t} f(w_s)$, $\max_s \|g_s\|$, $\max_s \|w_s - w^*\|$, clipped updates"
    "\nas the bounds define them, for every loss, rounding and noise",
    plain="(1/t) sum_{s=1..t} f(w_s), f(w_t), |f'(w_t)|^2, the largest |g_t|, |f'(w_t)| and |w_t - w*|, and the number "
    "of updates that leave the box are those of the definition: values that differ by more than float32, at most 0.",
    kind="upper",
    grid=cells,
    bound=bound,
    measure=measure,
    control=(
        Control(AFTER, "the sum over t iterates divided by t + 1", where=lambda c: c["run"] == PLAIN),
        Control(
            NO_START,
            "the average begins after the start",
            where=lambda c: c["problem"] == "bowl" and c["run"] in (PLAIN, GROUPS),
        ),
        Control(
            BENT,
            "Huber's loss bent at twice its width",
            where=lambda c: c["run"] == PLAIN and c["problem"].startswith("huber"),
        ),
        Control(
            NOISY,
            "the sampled gradient in place of the exact one",
            where=lambda c: c["run"] == PLAIN and c["noise"] != "none" and c["problem"] not in LINEAR,
        ),
        Control(FIRST, "norms of the first coordinate alone", where=lambda c: c["run"] == PLAIN),
        Control(
            UNCOUNTED,
            "updates that leave the box downwards are not counted",
            where=lambda c: c["run"] == ENDS,
        ),
    ),
)

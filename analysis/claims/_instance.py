"""A problem with known constants, its grid, noise and start: what the claims run low-precision SGD on.

One class for all of them. Separable problems without noise or with two-point noise are Markov chains: their
expectations carry no sampling error. Regression over data and other noise go to the Monte Carlo driver. Constants come
from the problem and the box alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.theory import Chain, Evolution, Grid, Noise, Separable, bounds, evolve_separable
from alpt_ref.theory.linear import LinearModel
from alpt_ref.theory.markov import ExactRounding

from ._box import corners, noise_quantiles, row_slopes

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Instance:
    """A problem, its grid and gradient noise, and the code of ``w_1`` in every coordinate."""

    problem: Separable | LinearModel
    grid: Grid
    noise: Noise
    start: int

    @property
    def separable(self) -> Separable:
        """The problem, known to be separable."""
        assert isinstance(self.problem, Separable)
        return self.problem

    @property
    def exact(self) -> bool:
        """Whether the Markov engine takes it."""
        return isinstance(self.problem, Separable) and self.noise.kind in ("none", "two-point")

    def rate(self, reach: float) -> float:
        """Learning rate whose largest first update is `reach` steps; of the slope where the noise has no largest."""
        found = self.problem.constants(self.grid, self.noise)
        largest = found.g_max if np.isfinite(found.g_max) else self.problem.constants(self.grid, Noise()).g_max
        return float(reach) * self.grid.step_size / largest

    def constants(self, eta: float | None = None) -> dict[str, Any]:
        """What the bounds need, under their names; `eta` is the learning rate (left out: ``1/mu``)."""
        found = self.problem.constants(self.grid, self.noise)
        w_1 = np.full(found.dim, self.start * self.grid.step_size)
        return {
            "step_size": self.grid.step_size,
            "dim": found.dim,
            "G": found.G,
            "G1": found.G1,
            "g_max": found.g_max,
            "D": found.D,
            "D1": float(self.problem.distance(w_1)),
            "L": found.L,
            "mu": found.mu,
            "gap": float(self.problem.value(w_1)) - found.f_star,
            "convex": found.convex,
            "eta": 1.0 / found.mu if eta is None else eta,
        }

    def evolve(self, rates: Floats, rounding: ExactRounding = "sr") -> Evolution:
        """Exact expectations along the run."""
        return evolve_separable(self.separable, self.grid, self.start, rates, noise=self.noise, rounding=rounding)

    def stationary_loss(self, eta: float, rounding: ExactRounding = "sr") -> tuple[float, Floats]:
        """Long-run ``E f - f*`` of one coordinate, and the law behind it."""
        law = Chain(self.separable, self.grid, self.noise, rounding).stationary(eta, self.start)
        return float(law @ self.separable.values(self.grid.values[:, None])[:, 0]), law

    def floor_bound(self, eta: float) -> float:
        """What S1 leaves as T grows: its sharp form where no update exceeds a step, else the general one."""
        known = self.problem.constants(self.grid, self.noise)
        given: dict[str, Any] = {"T": 1, "eta": eta, "step_size": self.grid.step_size, "D1": 0.0, "G1": known.G1}
        if eta * known.g_max <= self.grid.step_size:
            return bounds.sr_convex_constant_small_updates(**given, g_max=known.g_max)
        return bounds.sr_convex_constant(**given, G=known.G, dim=1)

    def largest_loss(self) -> float:
        """Supremum over the box of ``f - f*``, which no method can exceed (for regressions over data a bound on it)."""
        ends = np.array([[self.grid.low], [self.grid.high]])
        if isinstance(self.problem, Separable):
            return float(self.problem.values(np.repeat(ends, self.problem.dim, axis=1)).max(axis=0).sum())
        model = self.problem
        reach = np.maximum(-self.grid.low, self.grid.high) * np.abs(model.features).sum(axis=1)
        widest = [_loss(model, sign * reach - model.offsets) for sign in (-1.0, 1.0)]
        decay = 0.5 * model.l2 * model.dim * max(-self.grid.low, self.grid.high) ** 2
        return float(np.maximum(*widest).mean()) + decay - model.f_star + model.gap

    def largest_square(self) -> float:
        """At least ``|f'|_2^2`` everywhere in the box, without noise."""
        whole = {"batch": 0} if isinstance(self.problem, LinearModel) else {}
        return float(self.problem.constants(self.grid, Noise(), **whole).G ** 2)

    def sizes_in_box(self, beyond: float = 0.0) -> dict[str, float]:
        """The constants from below, computed without `constants`: the largest that is met at points of the box.

        Single gradients at its corners, the noise by its quantiles; slopes of the gradient between neighbouring points
        (of a regression along its steepest direction), for L also `beyond` the box by so much.
        """
        noise = noise_quantiles(self.noise)
        points = corners(self.grid, self.problem.dim)
        if isinstance(self.problem, Separable):
            values = np.arange(self.grid.low - beyond, self.grid.high + beyond * 1.01 + 1e-9, self.grid.step_size)
            g = self.problem.gradient(np.repeat(values[:, None], self.problem.dim, axis=1))
            bends = np.diff(g, axis=0) / self.grid.step_size
            inside = (values[:-1] >= self.grid.low - 1e-9) & (values[1:] <= self.grid.high + 1e-9)
            rows, mu = np.abs(self.problem.gradient(points))[None], float(bends[inside].min(initial=np.inf))
            L = float(bends.max(initial=0.0))
        else:
            rows = row_slopes(self.problem, points)
            L, mu = _bend(self.problem), np.inf
        square = (rows**2).sum(axis=2).mean(axis=0).max() + self.problem.dim * float((noise**2).mean())
        size = np.abs(rows[..., None] + noise).mean(axis=3).sum(axis=2).mean(axis=0).max()
        return {
            "G": float(np.sqrt(square)),
            "G1": float(size),
            "g_max": float(np.abs(rows).max() + np.abs(noise).max()),
            "D": float(np.asarray(self.problem.distance(points)).max()),
            "L": L,
            "mu": mu,
        }


def _loss(model: LinearModel, z: Floats) -> Floats:
    """The loss of each row at its linear form `z`."""
    single = LinearModel(model.loss, np.ones((1, 1)), np.zeros(1), np.zeros(1), 0.0, 0.0, model.width)
    return np.asarray(single.value(z[:, None]))


def _bend(model: LinearModel) -> float:
    """Largest change of the gradient over the distance, near zero along the direction in which features vary most."""
    direction = np.ones(model.dim)
    for _ in range(50):
        direction = model.features.T @ (model.features @ direction)
        direction /= np.linalg.norm(direction)
    h = 1e-3
    return float(np.linalg.norm(model.gradient(h * direction) - model.gradient(-h * direction)) / (2 * h))

"""How tight each bound is: an explicit instance a theorem, in one dimension, measured exactly by `markov`.

A ratio measured/bound near 1 shows that the constant of the term that dominates in this instance, at its T, cannot be
lowered; the other terms and other T are not covered. Claim T1 goes through the terms one by one, in d = 1, 4, 16.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alpt_ref.theory import bounds, stalling
from alpt_ref.theory.evolution import Evolution
from alpt_ref.theory.markov import Chain
from alpt_ref.theory.problems import Constants, Separable, absolute, elastic, quadratic
from alpt_ref.theory.setting import Grid, Noise, Schedule


@dataclass(frozen=True)
class TightInstance:
    """One theorem at one problem: exact measurement, bound, and a sentence on what makes it tight."""

    theorem: str
    description: str
    measured: float
    bound: float

    @property
    def ratio(self) -> float:
        """``measured / bound``; a value above 1 would refute the theorem."""
        return self.measured / self.bound


def _evolve(
    problem: Separable, grid: Grid, schedule: Schedule, T: int, start: int, noise: Noise, rounding: str = "sr"
) -> tuple[Evolution, Constants]:
    chain = Chain(problem, grid, noise, "dr" if rounding == "dr" else "sr")
    return chain.evolve(start, schedule.rates(T)), problem.constants(grid, noise)


def tightness_instances() -> list[TightInstance]:
    """One instance above 0.9 for each bound, S1 to S5 with their sharp forms, D1 and D2; takes about a second."""
    return [*_convex(), *_strongly_convex(), *_smooth(), *_deterministic()]


def _convex() -> list[TightInstance]:
    """``|w|`` on the codes -2..1: SR spends half its time at 0 and half at -1, for any learning rate."""
    grid, none, kink = Grid(1.0, 2), Noise(), absolute(1.0, 0.0)
    T, eta, c = 200_000, 0.01, 1.0
    text = "|w| from its minimum, subgradient +1 at 0: half the time one step away"
    fixed, k = _evolve(kink, grid, Schedule("constant", eta), T, 0, none)
    falling, _ = _evolve(kink, grid, Schedule("inverse-sqrt", c), T, 0, none)
    rates = Schedule("inverse-sqrt", c).rates(T)
    common = {"step_size": 1.0, "G": k.G}
    return [
        TightInstance(
            "S1", text, fixed.average_value, bounds.sr_convex_constant(T=T, eta=eta, D1=0.0, dim=1, **common)
        ),
        TightInstance(
            "S1 small moves",
            text,
            fixed.average_value,
            bounds.sr_convex_constant_small_updates(T=T, eta=eta, D1=0.0, step_size=1.0, G1=k.G1, g_max=k.g_max),
        ),
        TightInstance("S2", text, falling.average_value, bounds.sr_convex_sqrt(T=T, c=c, D=k.D, dim=1, **common)),
        TightInstance(
            "S2 schedule", text, falling.average_value, bounds.sr_convex_schedule(rates=rates, D=k.D, dim=1, **common)
        ),
    ]


def _strongly_convex() -> list[TightInstance]:
    """S3: the kink again, with a little curvature. S4: noise so large that E|g| and G agree."""
    mu, T = 0.01, 200_000
    bent = elastic(mu, 1.0, 0.0)
    run, k = _evolve(bent, Grid(1.0, 2), Schedule("inverse", 1.0 / mu), T, 0, Noise())
    s3 = bounds.sr_strongly_convex_inverse(T=T, mu=mu, step_size=1.0, G=k.G, dim=1)
    grid, noise, eta, t = Grid(1.0, 8), Noise("two-point", 400.0), 2.0e-5, 200_000
    bowl = quadratic(1.0, 0.0)
    wide, q = _evolve(bowl, grid, Schedule("constant", eta), t, 0, noise)
    s4 = bounds.sr_strongly_convex_constant(t=t, mu=1.0, eta=eta, step_size=1.0, D1=0.0, G=q.G, dim=1)
    sharp = bounds.sr_strongly_convex_constant_small_updates(
        t=t, mu=1.0, eta=eta, step_size=1.0, D1=0.0, G1=q.G1, g_max=q.g_max
    )
    last = float(wide.distance2[-1])
    text = "quadratic, two-point noise far above the slopes, moves far below one step"
    return [
        TightInstance("S3", "0.005 w^2 + |w| from its minimum", run.average_value, s3),
        TightInstance("S4", text, last, s4),
        TightInstance("S4 small moves", text, last, sharp),
    ]


def _smooth() -> list[TightInstance]:
    """S5 in its first two terms (one Newton step) and in its rounding term (noise in a wide box)."""
    bowl = quadratic(1.0, 0.0)
    grid = Grid(1.0, 8)
    start, none, newton = 100, Noise(), 1.0
    once, k = _evolve(bowl, grid, Schedule("constant", newton), 1, start, none)
    first = bounds.sr_smooth(T=1, eta=newton, L=1.0, step_size=1.0, gap=0.5 * start**2, G=float(start), dim=1)
    noise, eta, T = Noise("two-point", 400.0), 1.0e-4, 400_000
    long, k = _evolve(bowl, grid, Schedule("constant", eta), T, 0, noise)
    clipped = float(long.clipped.sum()) * k.G**2  # probability of ever clipping, times the largest |f'|^2
    bound = bounds.sr_smooth(T=T, eta=eta, L=k.L, step_size=1.0, gap=0.0, G=k.G, dim=1) + clipped
    return [
        TightInstance("S5", "quadratic, one step with eta = 1/L", once.average_gradient2, first),
        TightInstance("S5 floor", "quadratic, two-point noise far above the slopes", long.average_gradient2, bound),
    ]


def _deterministic() -> list[TightInstance]:
    """``|w|`` with updates below half a step: DR never moves, and the bound is G D, which holds for every method."""
    grid, none, start, c, T = Grid(1.0, 6), Noise(), -32, 0.4, 400_000
    kink = absolute(1.0, 0.0)
    eta = 0.05
    fixed, k = _evolve(kink, grid, Schedule("constant", eta), T, start, none, "dr")
    falling, _ = _evolve(kink, grid, Schedule("inverse-sqrt", c), T, start, none, "dr")
    d1 = stalling.dr_convex_constant(T=T, eta=eta, step_size=1.0, D1=float(np.abs(start)), D=k.D, G=k.G, dim=1)
    d2 = stalling.dr_convex_sqrt(T=T, c=c, step_size=1.0, D=k.D, G=k.G, dim=1)
    text = "|w| with moves below half a step: never moves"
    return [
        TightInstance("D1", text, fixed.average_value, d1),
        TightInstance("D2", text, falling.average_value, d2),
    ]

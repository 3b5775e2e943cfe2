"""The theory: problems with known constants, bounds with proofs, an exact engine, a Monte Carlo engine.

========================  ==========================================================================
`setting`                 grid, gradient noise, learning-rate schedule
`problems`, `linear`      separable problems; regression and logistic loss over a data matrix
`identities`              R1 to R6, X1 to X3
`bounds`, `stalling`      S1 to S5 and A1; D1 to D5
`learned_step`            A2: the best step size and where the straight-through gradient rests
`markov`, `montecarlo`    exact expectations; many simulated runs
`tightness`               an instance that nearly reaches each bound
========================  ==========================================================================
"""

from __future__ import annotations

from alpt_ref.theory.markov import Chain, Evolution, evolve_separable
from alpt_ref.theory.montecarlo import simulate
from alpt_ref.theory.problems import Constants, Separable, absolute, elastic, huber, quadratic, saturating
from alpt_ref.theory.setting import Grid, Noise, Schedule
from alpt_ref.theory.simulation_result import SimulationResult

__all__ = [
    "Chain",
    "Constants",
    "Evolution",
    "Grid",
    "Noise",
    "Schedule",
    "Separable",
    "SimulationResult",
    "absolute",
    "elastic",
    "evolve_separable",
    "huber",
    "quadratic",
    "saturating",
    "simulate",
]

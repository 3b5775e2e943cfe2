"""The theory: problems with known constants, bounds with proofs, an exact engine, a Monte Carlo engine.

=========================  ==========================================================================
`setting`                  grid, gradient noise, learning-rate schedule
`problems`, `linear`       separable problems; regression and logistic loss over a data matrix
`identities`               R1 to R6: what rounding does to one number
`lattice`                  R1 of the quantiser: a float32 weight between the values of two codes
`bounds`, `stalling`       S1 to S7, S1D, A1, A1C, U1, T2, EF1 and ECO; D1 to D4
`rounded_update`           bias and second moment of one rounded update, for U1
`dither`                   D5: what gradient noise does to the bias of deterministic rounding
`quadratic_laws`           X1 to X3
`averaging`                X4: the mean of the iterates
`supermartingale`          X5: training on any losses in any order
`few_bits`                 R8: where stochastic rounding with few random bits stalls
`regulariser`              R9: what stochastic rounding adds to a quadratic
`adam_stall`               D7: when a row under Adam and deterministic rounding can move
`learned_step_size`        A2: the best step size and where the straight-through gradient rests
`row_grid`                 RM1: rows that set their own step size
`theorem`                  what the docstrings of all these state, for claims to take
`markov`, `montecarlo`     exact expectations; many simulated runs
`vectorised`               the same for a rounding, an update rule or a problem of your own
`problem`                  a problem from two functions
`update_rules`             SGD, momentum, Adagrad, Adam, error feedback, or your own
`rounding_rule`            roundings by name, with few random bits, or your own
`learned_steps`            step sizes that learn along a run
`known_constants`          the constants of a problem on a box, and where each comes from
`applied_bounds`           which theorems hold for a run, and why the others do not
`long_run`                 what a run on a quadratic comes to
`tightness`                an instance that nearly reaches each bound
=========================  ==========================================================================

Examples
--------
SGD with stochastic rounding on ``|w - 0.3|``, with weights on a grid of step size 0.25: on average near the minimum.

>>> from alpt_ref.theory import Grid, Schedule, absolute, simulate
>>> grid = Grid(step_size=0.25, bits=4)
>>> run = simulate(absolute(1.0, 0.3), grid, Schedule("constant", 0.1), steps=50, runs=1000, start=4, seed=1)
>>> bool(abs(run.final.mean() - 0.3) < grid.step_size)
True
"""

from __future__ import annotations

from alpt_ref.theory.adam_stall import adam_dr_first_move, adam_dr_stalls, adam_update_bound
from alpt_ref.theory.applied_bounds import AppliedBound, bounds_that_apply
from alpt_ref.theory.evolution import Evolution
from alpt_ref.theory.known_constants import Constant, KnownConstants, known_constants
from alpt_ref.theory.learned_steps import LearnedSteps
from alpt_ref.theory.long_run import LongRunLaw, laws_in_the_long_run
from alpt_ref.theory.markov import Chain, evolve_separable
from alpt_ref.theory.montecarlo import simulate
from alpt_ref.theory.problem import Problem
from alpt_ref.theory.problems import Constants, Separable, absolute, elastic, huber, quadratic, saturating
from alpt_ref.theory.rounding_rule import FewBits
from alpt_ref.theory.setting import Grid, Noise, Schedule
from alpt_ref.theory.simulation_result import SimulationResult
from alpt_ref.theory.update_rules import SGD, Adagrad, Adam, Eco, ErrorFeedback, Momentum, UpdateRule

__all__ = [
    "SGD",
    "Adagrad",
    "Adam",
    "AppliedBound",
    "Chain",
    "Constant",
    "Constants",
    "Eco",
    "ErrorFeedback",
    "Evolution",
    "FewBits",
    "Grid",
    "KnownConstants",
    "LearnedSteps",
    "LongRunLaw",
    "Momentum",
    "Noise",
    "Problem",
    "Schedule",
    "Separable",
    "SimulationResult",
    "UpdateRule",
    "absolute",
    "adam_dr_first_move",
    "adam_dr_stalls",
    "adam_update_bound",
    "bounds_that_apply",
    "elastic",
    "evolve_separable",
    "huber",
    "known_constants",
    "laws_in_the_long_run",
    "quadratic",
    "saturating",
    "simulate",
]

r"""Convergence bounds: one function a theorem, which its docstring states once.

Stochastic rounding: S1 to S7, a step size for each row (S1D) or one that changes (A1, A1C), replayed momentum (RP1).
Any rounding: U1, and T2, the floor that none can pass. Nearest rounding with carried residual: EF1; with noise, ECO:
EF1D; without, D1 and D2 in `alpt_ref.theory.stalling`. All of them are ours, proved in the docstrings, each of which
names its closest published relatives (`docs/theory-sources.md`).

Setting: ``v_t = clip_B(w_t - eta_t g_t)``, ``w_{t+1} = Q(v_t)``, ``eps_t = w_{t+1} - v_t``; the box B ends on grid
points and holds a minimiser w*; **w_1 is on the grid**; ``E[g_t | w_t]`` is a (sub)gradient at ``w_t``.

Notation of the arguments, the same in every function:

==============  ==============================================================================================
``T``, ``t``    number of iterates averaged over; an iterate (1 is the start): whole numbers of at least 1
``eta``, ``c``  constant learning rate; scale of ``eta_t = c/sqrt(t)``: above 0
``step_size``   distance of two grid points (Delta), in the units of the weights
``D1``, ``D``   at least ``|w_1 - w*|_2``; at least ``|w_t - w*|_2`` for every iterate (the box gives it)
``G``, ``G1``   ``E|g_t|_2^2 <= G^2``, noise included; ``E|g_t|_1 <= G1``. Left out, ``sqrt(d) G`` stands for G1:
                the sparse form of a bound is the one with G1
``g_max``       at least every ``|g_{t,i}|``
``mu``, ``L``   strong convexity and smoothness of f on the box
``gap``         at least ``f(w_1) - inf f``
``dim``         number of coordinates d
==============  ==============================================================================================

Every function returns a float, in the units of its metric, and raises `InputError` where an argument breaks a rule.
"""

from __future__ import annotations

from alpt_ref.theory.bounds.adagrad import sr_adagrad, sr_adagrad_rows
from alpt_ref.theory.bounds.additions import step_size_change_floor, word_bias_floor
from alpt_ref.theory.bounds.convex import (
    sr_convex_constant,
    sr_convex_constant_small_updates,
    sr_convex_schedule,
    sr_convex_sqrt,
)
from alpt_ref.theory.bounds.eco_noise import eco_noisy_quadratic, eco_noisy_quadratic_nearest, rounding_gain
from alpt_ref.theory.bounds.grid_floor import grid_floor
from alpt_ref.theory.bounds.lemma import rounding_rate
from alpt_ref.theory.bounds.pl import sr_pl_constant
from alpt_ref.theory.bounds.replay import replay_variance, sr_replayed_moves
from alpt_ref.theory.bounds.residual import dr_residual_constant, eco_constant, first_residual_move
from alpt_ref.theory.bounds.row_steps import sr_convex_learned_steps, sr_convex_row_steps
from alpt_ref.theory.bounds.smooth import sr_smooth
from alpt_ref.theory.bounds.strongly_convex import (
    sr_strongly_convex_constant,
    sr_strongly_convex_constant_small_updates,
    sr_strongly_convex_inverse,
)
from alpt_ref.theory.bounds.unified import unified_convex

__all__ = [
    "dr_residual_constant",
    "eco_constant",
    "eco_noisy_quadratic",
    "eco_noisy_quadratic_nearest",
    "first_residual_move",
    "grid_floor",
    "replay_variance",
    "rounding_gain",
    "rounding_rate",
    "sr_adagrad",
    "sr_adagrad_rows",
    "sr_convex_constant",
    "sr_convex_constant_small_updates",
    "sr_convex_learned_steps",
    "sr_convex_row_steps",
    "sr_convex_schedule",
    "sr_convex_sqrt",
    "sr_pl_constant",
    "sr_replayed_moves",
    "sr_smooth",
    "sr_strongly_convex_constant",
    "sr_strongly_convex_constant_small_updates",
    "sr_strongly_convex_inverse",
    "step_size_change_floor",
    "unified_convex",
    "word_bias_floor",
]

"""M2b: M2 under a constant learning rate: a decaying one alone gives LPT(SR) part of what a learned step size gives.

An observation, verified on stored runs of `alpt-ref reproduce`, paired by seed.
"""

from __future__ import annotations

from ._learned_step import learned_against_fixed

CLAIM = learned_against_fixed("m2b", "constant")

"""M2: at few bits a learned step size has the lower test logloss than a fixed one, under the decaying learning rate.

An observation of the published experiments, verified on stored runs of `alpt-ref reproduce`, paired by seed. No
bound proves it: the learned step size follows the gradient of the nearest-rounded loss, which does not see the variance
of SR.
"""

from __future__ import annotations

from ._learned_step import learned_against_fixed

CLAIM = learned_against_fixed("m2", "decaying")

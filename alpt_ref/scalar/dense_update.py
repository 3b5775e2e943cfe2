"""One step of a dense parameter: Adam and SGD with decoupled decay, in the parameter's own dtype.

Adam as in PyTorch's AdamW (Kingma and Ba 2015; Loshchilov and Hutter 2019). All numbers are of one dtype, float32 or
float64; what depends on the step alone is computed outside, in float64.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.jit import scalar


class AdamStep(NamedTuple):
    """Numbers of one Adam step, of the parameters' dtype.

    `keep` is ``1 - lr * decay``, `lr` the rate over bias correction 1, `rest1` and `rest2` are ``1 - beta``, `root` is
    the square root of bias correction 2.
    """

    keep: Any
    lr: Any
    beta1: Any
    beta2: Any
    rest1: Any
    rest2: Any
    root: Any
    eps: Any


@scalar
def adam_moments(g: Any, m: Any, v: Any, step: AdamStep) -> tuple[Any, Any]:
    """Both moments after the gradient `g`."""
    return (
        mul(step.beta1, m) + mul(step.rest1, g),
        mul(step.beta2, v) + mul(step.rest2, mul(g, g)),
    )


@scalar
def adam_parameter(p: Any, m: Any, v: Any, step: AdamStep) -> Any:
    """``keep p - lr m / (sqrt(v) / root + eps)`` of the new moments."""
    return mul(step.keep, p) - mul(step.lr, m / (math.sqrt(v) / step.root + step.eps))


@scalar
def sgd_parameter(p: Any, g: Any, keep: Any, lr: Any) -> Any:
    """``keep p - lr g``."""
    return mul(keep, p) - mul(lr, g)

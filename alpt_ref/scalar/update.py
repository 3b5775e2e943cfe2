"""The element updates of the table's optimisers, in weight units, before the learning rate.

``sgd``: the gradient. ``adagrad``: row-wise Adagrad, one accumulator a row, the mean of the squared gradient
(the form of FBGEMM and TorchRec). ``adam``: lazy Adam (Kingma and Ba 2015, applied to touched rows only, bias
correction by the row's own count): ``m / (1 - b1**t) / (sqrt(v / (1 - b2**t)) + eps)``, where the two corrections come
from a table computed on the host in float64, so that every device uses the same numbers. ``momentum``: the exponential
average of the gradients of the updates that touched the row, ``b m + (1 - b) g``.
"""

from __future__ import annotations

import math

import numpy as np

from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.code_range import largest_step_size
from alpt_ref.scalar.jit import scalar

_I0, _I1 = np.int32(0), np.int32(1)
LARGEST_LEARNED = np.float32(largest_step_size(16))
"""Where a learned step size (or clip) stops, 1.04e34: the values of the codes are finite at every width."""
LARGEST_MOMENT = np.float32(2.0**90)
"""Where a momentum stops that takes errors back: far beyond every gradient, and lazy Adam's direction stays finite."""


@scalar
def moment(old: np.float32, new: np.float32, keep: np.float32, take: np.float32) -> np.float32:
    """Exponential average ``keep * old + take * new``."""
    return np.float32(mul(keep, old) + mul(take, new))


@scalar
def adam_direction(
    first: np.float32, second: np.float32, correct_1: np.float32, correct_2: np.float32, eps: np.float32
) -> np.float32:
    """``(first * correct_1) / (sqrt(second) * correct_2 + eps)``.

    ``correct_1 = 1 / (1 - b1**t)``, ``correct_2 = 1 / sqrt(1 - b2**t)``.
    """
    return np.float32(mul(first, correct_1) / (mul(np.float32(math.sqrt(second)), correct_2) + eps))


@scalar
def fed_back(first: np.float32, error: np.float32, lr: np.float32, factor: np.float32, scale: np.float32) -> np.float32:
    """``first + (error / lr) * factor * scale``: a momentum that will return a rounding error (error feedback).

    Kept within `LARGEST_MOMENT`, which only an error that is vast beside the learning rate meets.
    """
    back = np.float32(mul(np.float32(mul(np.float32(error / lr), factor)), scale))
    return np.float32(min(max(np.float32(first + back), -LARGEST_MOMENT), LARGEST_MOMENT))


@scalar
def adagrad_direction(gradient: np.float32, accumulator: np.float32, eps: np.float32) -> np.float32:
    """``gradient / (sqrt(accumulator) + eps)``."""
    return np.float32(gradient / (np.float32(math.sqrt(accumulator)) + eps))


@scalar
def decayed_weight(w: np.float32, update: np.float32, decay: np.float32) -> np.float32:
    """``w - (update + decay * w)``: a float32 weight after its update and decoupled weight decay."""
    return np.float32(w - np.float32(update + mul(decay, w)))


@scalar
def moved_step_size(
    old: np.float32, update: np.float32, log_domain: bool, floor: np.float32
) -> tuple[np.float32, np.int32]:
    """New step size, from `floor` to `LARGEST_LEARNED`, and 1 if it was held at the floor, else 0.

    Linear: ``old - update``. Logarithmic: ``old * exp(-update)``, the update of one step limited to 1.
    """
    new = np.float32(mul(old, exp_bounded(-update))) if log_domain else np.float32(old - update)
    if not new >= floor:
        return floor, _I1
    return min(new, LARGEST_LEARNED), _I0


@scalar
def exp_bounded(x: np.float32) -> np.float32:
    """``exp(x)`` for ``|x| <= 1`` to within 1e-6, from sums and products alone, so that devices agree in every bit."""
    x = np.float32(mul(min(max(x, np.float32(-1.0)), np.float32(1.0)), np.float32(0.5)))
    p = np.float32(1.0 / 5040.0)
    p = np.float32(mul(p, x) + np.float32(1.0 / 720.0))
    p = np.float32(mul(p, x) + np.float32(1.0 / 120.0))
    p = np.float32(mul(p, x) + np.float32(1.0 / 24.0))
    p = np.float32(mul(p, x) + np.float32(1.0 / 6.0))
    p = np.float32(mul(p, x) + np.float32(0.5))
    p = np.float32(mul(p, x) + np.float32(1.0))
    p = np.float32(mul(p, x) + np.float32(1.0))
    return np.float32(mul(p, p))

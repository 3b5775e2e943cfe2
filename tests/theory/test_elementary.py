"""Float32 logarithm, exponential and sigmoid against exact twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.jit import kernel
from alpt_ref.scalar.elementary import exp_negative, log_unit, sigmoid


@kernel
def _log(x: Any, out: Any) -> None:
    for i in range(x.size):
        out[i] = log_unit(x[i])


@kernel
def _exp(x: Any, out: Any) -> None:
    for i in range(x.size):
        out[i] = exp_negative(x[i])


@kernel
def _sigmoid(x: Any, out: Any) -> None:
    for i in range(x.size):
        out[i] = sigmoid(x[i])


def _ulps(loop: Any, exact: Callable[[NDArray[np.float64]], NDArray[np.float64]], x: NDArray[np.float32]) -> float:
    out = np.empty_like(x)
    loop(x, out)
    wanted = exact(x.astype(np.float64))
    return float(np.max(np.abs(out - wanted) / np.spacing(np.abs(wanted).astype(np.float32))))


def test_logarithm_of_24_bit_fractions_is_within_two_units_in_the_last_place() -> None:
    x = (np.arange(1, 2**24, 7, dtype=np.float64) * 2.0**-24).astype(np.float32)
    assert _ulps(_log, np.log, x) < 2.0
    one = np.ones(1, np.float32)
    _log(one.copy(), one)
    assert one[0] == 0.0


def test_exponential_and_sigmoid() -> None:
    x = -np.linspace(0.0, 87.0, 1_000_003).astype(np.float32)
    assert _ulps(_exp, np.exp, x) < 2.0
    assert _ulps(_sigmoid, lambda z: 1.0 / (1.0 + np.exp(-z)), np.concatenate([x, -x])) < 4.0

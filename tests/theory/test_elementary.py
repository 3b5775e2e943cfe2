"""Float32 logarithm, exponential, sigmoid and the wide Philox against exact twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._jit import kernel
from alpt_ref.kernels.cpu.philox_wide import fill_words_wide
from alpt_ref.kernels.cpu.random import fill_words
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


@kernel
def _words(c0: Any, c1: Any, step: int, purpose: int, k0: Any, k1: Any, narrow: Any, wide: Any) -> None:
    fill_words(c0.size, c0, c1, step, purpose, k0, k1, narrow)
    fill_words_wide(c0.size, c0, c1, step, purpose, k0, k1, wide)


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


def test_wide_philox_gives_the_same_words() -> None:
    generator = np.random.default_rng(0)
    c0, c1 = generator.integers(0, 2**32, (2, 1000), dtype=np.uint32)
    for step, purpose, k0, k1 in ((0, 0, 0, 0), (2**40 + 5, 18, 2**32 - 1, 2**32 - 1), (7, 255, 123456789, 1)):
        narrow, wide = np.empty(4000, np.uint32), np.empty(4000, np.uint32)
        _words(c0, c1, step, purpose, np.uint32(k0), np.uint32(k1), narrow, wide)
        np.testing.assert_array_equal(narrow, wide)

"""The public quantiser with arrays of a GPU: where results live, the CPU's bits at size, one sentence for bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref import InputError, QuantSpec, dequantize, pack, philox4x32, quantize, step_gradient, unpack
from alpt_ref.theory import Grid, Noise, Schedule, quadratic, simulate

from ..kernels.cuda_cases import AWKWARD_STEPS, awkward_weights

pytestmark = pytest.mark.gpu
ROWS = 300_007


@pytest.fixture
def xp() -> Any:
    """CuPy."""
    return pytest.importorskip("cupy")


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("d", [1, 3, 16, 20, 64])
def test_large_random_tables_in_both_roundings(xp: Any, bits: int, d: int) -> None:
    generator = np.random.default_rng(bits * d)
    w = (generator.standard_normal((ROWS // d, d)) * 2.0 ** (bits - 3)).astype(np.float32)
    w[::97] *= np.float32(1e20)
    steps = generator.uniform(0.1, 2.0, len(w)).astype(np.float32)
    for rounding in ("sr", "dr"):
        spec = QuantSpec(bits, rounding)  # type: ignore[arg-type]
        for step in (0.77, steps):
            expected = quantize(w, step, spec, seed=3, counter=5)
            placed = step if isinstance(step, float) else xp.asarray(step)
            codes = quantize(xp.asarray(w), placed, spec, seed=3, counter=5)
            assert isinstance(codes, xp.ndarray)
            assert np.array_equal(xp.asnumpy(codes), expected)
            words = quantize(xp.asarray(w), placed, spec, seed=3, counter=5, packed=True)
            assert np.array_equal(xp.asnumpy(words), pack(expected, bits))
            assert np.array_equal(xp.asnumpy(pack(codes, bits)), pack(expected, bits))
            assert np.array_equal(xp.asnumpy(unpack(words, bits, d)), expected)
            assert np.array_equal(xp.asnumpy(dequantize(codes, placed)), dequantize(expected, step))
            moderate = np.clip(w, -1e3, 1e3)
            gradient = step_gradient(xp.asarray(moderate), xp.asarray(moderate[::-1].copy()), placed, spec)
            assert np.array_equal(xp.asnumpy(gradient), step_gradient(moderate, moderate[::-1].copy(), step, spec))


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("d", [5, 16])
def test_values_ties_and_their_neighbours_under_any_step_size(xp: Any, bits: int, d: int) -> None:
    """The CPU's bits where a compiler could round otherwise: at values of codes, at middles, one float32 beside."""
    generator = np.random.default_rng(bits + d)
    for step in (*AWKWARD_STEPS, *(2.0 ** generator.uniform(-70, 70, 20)).astype(np.float32)):
        w = awkward_weights(float(step), bits, d, 1, rows=3000)
        steps = np.full(len(w), step, np.float32)
        for rounding in ("sr", "dr"):
            spec = QuantSpec(bits, rounding)  # type: ignore[arg-type]
            expected = quantize(w, float(step), spec, seed=3)
            for given in (float(step), xp.asarray(steps)):
                found = quantize(xp.asarray(w), given, spec, seed=3)
                assert np.array_equal(xp.asnumpy(found), expected), (step, rounding)
        values = dequantize(found, float(step))
        assert np.array_equal(xp.asnumpy(values), dequantize(expected, float(step)))  # nothing is flushed to zero
        assert np.array_equal(xp.asnumpy(quantize(values, float(step), spec)), expected)


def test_numpy_in_numpy_out(xp: Any) -> None:
    w = np.random.default_rng(0).standard_normal((100, 8)).astype(np.float32)
    codes = quantize(w, 0.1, QuantSpec(8), device="cuda")
    assert type(codes) is np.ndarray
    assert np.array_equal(codes, quantize(w, 0.1, QuantSpec(8)))


def test_rows_that_do_not_begin_on_sixteen_bytes(xp: Any) -> None:
    flat = np.random.default_rng(1).standard_normal(16 * 1000 + 1).astype(np.float32)
    w = xp.asarray(flat)[1:].reshape(1000, 16)
    codes = quantize(w, 0.02, QuantSpec(8), seed=1)
    assert np.array_equal(xp.asnumpy(codes), quantize(flat[1:].reshape(1000, 16), 0.02, QuantSpec(8), seed=1))


def test_empty_arrays(xp: Any) -> None:
    for shape in ((0, 16), (5, 0)):
        w = xp.zeros(shape, np.float32)
        assert quantize(w, 0.1, QuantSpec(8)).shape == shape
        assert dequantize(xp.zeros(shape, np.int8), 0.1).shape == shape


def test_philox_of_random_counters(xp: Any) -> None:
    counters = np.random.default_rng(2).integers(0, 1 << 32, (100_003, 4), dtype=np.uint32)
    key = np.array([5, 9], np.uint32)
    assert np.array_equal(xp.asnumpy(philox4x32(xp.asarray(counters), xp.asarray(key))), philox4x32(counters, key))


def test_bad_input_is_refused(xp: Any) -> None:
    good = xp.zeros((4, 16), np.float32)
    bad = good.copy()
    bad[2, 3] = np.nan
    with pytest.raises(InputError, match="w must be finite, got nan at row 2, column 3"):
        quantize(bad, 0.1, QuantSpec(8))
    with pytest.raises(InputError, match=r"step_size must be at most 2\.658456e\+36 at 8 bits.* got 1e\+37$"):
        quantize(good, 1e37, QuantSpec(8))
    with pytest.raises(InputError, match=r"at 8 bits.* got 1e\+37 at row 0"):
        quantize(good, xp.full(4, 1e37), QuantSpec(8))
    with pytest.raises(InputError, match=r"must be finite in float32, got 1e\+37 times -128 at row 0, column 1"):
        dequantize(xp.asarray([[10, -128]], dtype=np.int8), 1e37)
    with pytest.raises(InputError, match="w must be float32, got float64"):
        quantize(good.astype(np.float64), 0.1, QuantSpec(8))
    with pytest.raises(InputError, match=r"step_size must be finite and positive in float32, got -1\.0 at row 0"):
        quantize(good, xp.full(4, -1.0), QuantSpec(8))
    with pytest.raises(InputError, match=r"codes must be in \[-8, 7\] for 4 bits, got 0 to 9"):
        pack(xp.arange(10, dtype=np.int8).reshape(1, 10), 4)


@pytest.mark.parametrize("noise", [Noise(), Noise("two-point", 0.5), Noise("uniform", 0.5), Noise("normal", 0.5)])
@pytest.mark.parametrize("watched", [False, True])
def test_large_ragged_simulations(noise: Noise, watched: bool) -> None:
    problem = quadratic(np.linspace(0.1, 2.0, 7), np.linspace(-0.4, 0.4, 7))
    results = [
        simulate(
            problem, Grid(0.0625, 6), Schedule("inverse-sqrt", 0.2), steps=100, runs=20_003, start=3, noise=noise,
            averages=watched, check=watched, checkpoints=[10, 50], seed=8, device=device,
        )
        for device in ("cpu", "cuda")
    ]  # fmt: skip
    for name in ("final", "value", "distance2", "gradient2", "exceeded", "max_gradient2"):
        assert np.array_equal(getattr(results[0], name), getattr(results[1], name)), name

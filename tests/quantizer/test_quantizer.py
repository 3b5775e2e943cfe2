"""The public quantiser: exhaustive against the oracle, properties, reproducibility, bad input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alpt_ref import InputError, QuantSpec, dequantize, pack, quantize, set_num_threads, step_gradient, unpack
from alpt_ref.kernels import oracle

from ..tolerances import SIX_SIGMA

ALL_BITS = [2, 4, 8, 16]


def grid_of(bits: int, spacing: float) -> NDArray[np.float32]:
    """Every code, and points between and beyond them, in grid units."""
    low, high = oracle.code_range(bits)
    return np.arange(low - 2, high + 2, spacing, dtype=np.float32)


@pytest.mark.parametrize("rounding", ["sr", "dr"])
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("step", [1.0, 0.37, 3e-4])
def test_every_code_and_packing_agrees_with_the_oracle(bits: int, rounding: Any, step: float) -> None:
    x = grid_of(bits, 0.25)
    w = (x * np.float32(step)).reshape(-1, 5)[:, :] if x.size % 5 == 0 else (x * np.float32(step)).reshape(1, -1)
    codes = quantize(w, step, QuantSpec(bits, rounding), seed=11, counter=5)
    expected = oracle.quantize(w, step, bits, rounding, seed=11, counter=5)
    assert np.array_equal(codes, expected)
    words = pack(codes, bits)
    assert [row.tolist() for row in words] == [oracle.pack(row.tolist(), bits) for row in codes]
    assert np.array_equal(unpack(words, bits, codes.shape[1]), codes)


@pytest.mark.parametrize("bits", ALL_BITS)
@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 15, 16, 17, 33])
def test_pack_round_trip_for_every_code_and_ragged_rows(bits: int, d: int) -> None:
    low, high = oracle.code_range(bits)
    every = np.arange(low, high + 1, dtype=QuantSpec(bits).dtype)
    codes = np.resize(every, (len(every) // d + 1, d))
    words = pack(codes, bits)
    assert words.shape == (len(codes), -(-d * bits // 32))
    assert words[-1].tolist() == oracle.pack(codes[-1].tolist(), bits)
    assert np.array_equal(unpack(words, bits, d), codes)


@given(
    st.integers(1, 5).flatmap(
        lambda d: st.lists(st.lists(st.floats(-1e3, 1e3, width=32), min_size=d, max_size=d), min_size=1, max_size=6)
    ),
    st.sampled_from(ALL_BITS),
    st.sampled_from(["sr", "dr"]),
    st.floats(2**-10, 8.0, width=32),
    st.integers(0, 2**64 - 1),
)
def test_codes_equal_the_oracle_and_values_are_fixed_points(
    rows: list[list[float]], bits: int, rounding: Any, step: float, seed: int
) -> None:
    w = np.array(rows, np.float32)
    spec = QuantSpec(bits, rounding)
    codes = quantize(w, step, spec, seed=seed, counter=3)
    assert np.array_equal(codes, oracle.quantize(w, step, bits, rounding, seed=seed, counter=3))
    # Values on the grid quantise to themselves under a power-of-two step, whatever the random words.
    exact = np.float32(2.0 ** np.round(np.log2(step)))
    assert np.array_equal(quantize(dequantize(codes, exact), exact, spec, seed=seed + 1 & (2**64 - 1)), codes)


@given(st.lists(st.floats(-20.0, 20.0, width=32), min_size=2, max_size=2), st.integers(0, 2**32))
def test_monotone_in_the_weight(pair: list[float], seed: int) -> None:
    low, high = np.array([[min(pair)]], np.float32), np.array([[max(pair)]], np.float32)
    for rounding in ("sr", "dr"):
        spec = QuantSpec(4, rounding)  # type: ignore[arg-type]
        assert quantize(low, 0.5, spec, seed=seed)[0, 0] <= quantize(high, 0.5, spec, seed=seed)[0, 0]


def test_step_per_row_equals_row_by_row() -> None:
    rng = np.random.default_rng(5)
    w = rng.standard_normal((300, 7)).astype(np.float32)
    steps = rng.uniform(0.01, 0.5, 300).astype(np.float32)
    for rounding in ("sr", "dr"):
        spec = QuantSpec(8, rounding)  # type: ignore[arg-type]
        together = quantize(w, steps, spec, seed=1)
        assert np.array_equal(together[5], oracle.quantize(w[:6], float(steps[5]), 8, rounding, seed=1)[5])
        assert np.array_equal(dequantize(together, steps), together * steps[:, None])


@pytest.mark.parametrize("d", [3, 16])
def test_same_codes_for_any_number_of_threads(d: int, threads: None) -> None:
    w = np.random.default_rng(0).standard_normal((70_000, d)).astype(np.float32)
    results = []
    for count in (1, 2, 5):
        set_num_threads(count)
        results.append(quantize(w, 0.01, QuantSpec(8, "sr"), seed=9))
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=40, unique=True),
    st.sampled_from([1, 3, 4, 5, 16, 1030]),
    st.sampled_from([0, 2**32 - 3, 2**48 - 41]),
    st.booleans(),
    st.sampled_from(ALL_BITS),
)
@example(chosen=[5, 3, 9], d=1030, start=0, per_row=False, bits=4)
def test_pieces_and_shards_of_a_matrix_get_the_codes_of_the_whole(
    chosen: list[int], d: int, start: int, per_row: bool, bits: int
) -> None:
    w = (np.sin(np.arange(41 * d)) * 2.0 ** (bits - 1)).astype(np.float32).reshape(41, d)
    sizes = np.linspace(0.3, 2.0, 41).astype(np.float32)
    shard = np.array(chosen)
    for rounding in ("sr", "dr"):
        options: Any = {"spec": QuantSpec(bits, rounding), "seed": 2**40 + 5, "counter": 2**33}  # type: ignore[arg-type]
        whole = quantize(w, sizes if per_row else 0.7, rows=start, **options)
        part = quantize(w[shard], sizes[shard] if per_row else 0.7, rows=start + shard, **options)
        assert np.array_equal(part, whole[shard])
        packed = quantize(w[shard], sizes[shard] if per_row else 0.7, rows=start + shard, packed=True, **options)
        assert np.array_equal(packed, pack(whole[shard], bits))
        cut = chosen[0]
        rest = quantize(w[cut:], sizes[cut:] if per_row else 0.7, rows=start + cut, **options)
        assert np.array_equal(rest, whole[cut:])


def test_row_numbers_key_the_words_and_default_to_the_rows_own_places() -> None:
    w = np.full((60, 9), 0.5, np.float32)
    spec = QuantSpec(8, "sr")
    plain = quantize(w, 1.0, spec, seed=1)
    assert np.array_equal(quantize(w, 1.0, spec, seed=1, rows=0), plain)
    assert np.array_equal(quantize(w, 1.0, spec, seed=1, rows=np.arange(60, dtype=np.uint8)), plain)
    assert np.array_equal(quantize(w, 1.0, spec, seed=1, rows=np.full(60, 7)), np.repeat(plain[7:8], 60, axis=0))
    assert not np.array_equal(quantize(w, 1.0, spec, seed=1, rows=1), plain)


def test_former_names_of_arguments_warn_and_work() -> None:
    w = np.array([[0.26, -0.9]], np.float32)
    spec: Any = QuantSpec(4, "dr")
    former: Any = {"step": 0.5}
    with pytest.warns(DeprecationWarning, match="quantize: step is now step_size"):
        codes = quantize(w, spec=spec, **former)
    assert np.array_equal(codes, quantize(w, 0.5, spec))
    with pytest.warns(DeprecationWarning, match="step_size"):
        assert np.array_equal(dequantize(codes, **former), dequantize(codes, 0.5))
    with pytest.warns(DeprecationWarning, match="step_size"):
        assert np.array_equal(step_gradient(w, w, spec=spec, **former), step_gradient(w, w, 0.5, spec))
    packed: Any = {"words": pack(codes, 4)}
    with pytest.warns(DeprecationWarning, match="unpack: words is now packed"):
        assert np.array_equal(unpack(**packed, bits=4, d=2), codes)
    with pytest.raises(InputError, match="quantize: give step_size once"):
        quantize(w, spec=spec, step_size=0.5, **former)


def test_seed_and_counter_select_independent_words() -> None:
    w = np.full((2000, 8), 0.5, np.float32)
    spec = QuantSpec(8, "sr")
    base = quantize(w, 1.0, spec, seed=1, counter=1).astype(float)
    for other in (
        quantize(w, 1.0, spec, seed=2, counter=1),
        quantize(w, 1.0, spec, seed=1 + 2**32, counter=1),
        quantize(w, 1.0, spec, seed=1, counter=2),
        quantize(w, 1.0, spec, seed=1, counter=1 + 2**32),
    ):
        agreement = np.mean(base == other)
        assert abs(agreement - 0.5) < SIX_SIGMA * 0.5 / np.sqrt(w.size)


def test_errors_within_a_row_are_uncorrelated() -> None:
    # R7: with one word a row every pair would have correlation 1; independent words give N(0, 1/n).
    n, d = 20_000, 12
    w = np.full((n, d), 0.3, np.float32)
    errors = quantize(w, 1.0, QuantSpec(8, "sr"), seed=4) - 0.3
    correlation = np.corrcoef(errors, rowvar=False)
    off_diagonal = correlation[~np.eye(d, dtype=bool)]
    assert np.abs(off_diagonal).max() < SIX_SIGMA / np.sqrt(n)
    between_rows = np.corrcoef(errors[:-1, 0], errors[1:, 0])[0, 1]
    assert abs(between_rows) < SIX_SIGMA / np.sqrt(n)
    one_word_a_row = np.repeat(errors[:, :1], d, axis=1)  # the control: the same statistic must see the defect
    assert np.corrcoef(one_word_a_row, rowvar=False).min() > SIX_SIGMA / np.sqrt(n)


def test_stochastic_rounding_has_the_stated_mean_and_variance() -> None:
    n = 400_000
    for fraction in (0.03, 0.5, 0.91):
        errors = quantize(np.full((n, 1), fraction, np.float32), 1.0, QuantSpec(4, "sr"), seed=8) - fraction
        variance = fraction * (1 - fraction)
        assert abs(errors.mean()) < SIX_SIGMA * np.sqrt(variance / n)
        assert errors.var() == pytest.approx(variance, rel=SIX_SIGMA / np.sqrt(n) / np.sqrt(variance))


def test_step_gradient_equals_the_definition() -> None:
    rng = np.random.default_rng(3)
    w, grad = (rng.standard_normal((50, 9)).astype(np.float32) for _ in range(2))
    step = 0.21
    result = step_gradient(w, grad, step, QuantSpec(4, "sr"))
    x = (w / np.float32(step)).astype(np.float64)
    derivative = np.where(x < -8, -8.0, np.where(x > 7, 7.0, np.floor(x + 0.5) - x))
    assert result.shape == (50,)
    np.testing.assert_allclose(result, (grad * derivative).sum(axis=1), rtol=1e-5, atol=1e-5)


W = np.zeros((2, 3), np.float32)
NAN = np.array([[0.0, np.nan]], np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: QuantSpec(3), "bits must be 2, 4, 8 or 16, got 3"),
        (lambda: QuantSpec(True), "bits must be 2, 4, 8 or 16"),
        (lambda: QuantSpec(8, "up"), "rounding must be 'sr' or 'dr', got 'up'"),  # type: ignore[arg-type]
        (lambda: quantize(W, 0.0, QuantSpec(8)), "step_size must be finite and positive in float32, got 0.0"),
        (lambda: quantize(W, -1.0, QuantSpec(8)), "step_size must be finite and positive"),
        (lambda: quantize(W, float("nan"), QuantSpec(8)), "step_size must be finite and positive in float32, got nan"),
        (lambda: quantize(W, 1e-60, QuantSpec(8)), "step_size must be finite and positive in float32"),
        (lambda: quantize(W, np.array([1.0, -2.0]), QuantSpec(8)), "got -2.0 at row 1"),
        (lambda: quantize(W, np.ones(3), QuantSpec(8)), "one value per row"),
        (lambda: quantize(NAN, 1.0, QuantSpec(8)), "w must be finite, got nan at row 0, column 1"),
        (lambda: quantize(W.astype(np.float64), 1.0, QuantSpec(8)), "w must be float32, got float64"),
        (lambda: quantize(W[0], 1.0, QuantSpec(8)), "two dimensions"),
        (lambda: quantize(W, 1.0, 8), "spec must be a QuantSpec"),  # type: ignore[arg-type]
        (lambda: quantize(W, 1.0, QuantSpec(8), seed=-1), r"seed must be a whole number from 0 to 2\*\*64 - 1, got -1"),
        (
            lambda: quantize(W, 1.0, QuantSpec(8), counter=2**56),
            r"counter must be a whole number from 0 to 2\*\*56 - 1",
        ),
        (lambda: quantize(W, 1.0, QuantSpec(8), device="tpu"), "device must be 'cpu'"),
        (
            lambda: quantize(W, 1.0, QuantSpec(8), rows=-1),
            "rows must be a whole number from 0 to 281474976710654, got -1",
        ),
        (lambda: quantize(W, 1.0, QuantSpec(8), rows=2**48 - 1), "from 0 to 281474976710654, got 281474976710655"),
        (lambda: quantize(W, 1.0, QuantSpec(8), rows=1.5), "rows must be a whole number from 0 to .*, got 1.5"),
        (lambda: quantize(W, 1.0, QuantSpec(8), rows=[0, -2]), r"rows must be in \[0, 281474976710656\), got -2 to 0"),
        (lambda: quantize(W, 1.0, QuantSpec(8), rows=[0, 2**48]), "rows must be in"),
        (
            lambda: quantize(W, 1.0, QuantSpec(8), rows=np.arange(3)),
            r"one number per row \(2\), got int64 of",
        ),
        (lambda: quantize(W, 1.0, QuantSpec(8), rows=np.ones(2)), "rows must be a whole number or an integer array"),
        (lambda: dequantize(W, 1.0), r"codes must be an array \(n, d\) of integers"),
        (lambda: pack(np.full((1, 2), 9, np.int8), 4), r"codes must be in \[-8, 7\] for 4 bits, got 9 to 9"),
        (lambda: unpack(np.zeros((1, 2), np.uint32), 8, 16), "packed must have 4 columns"),
        (lambda: step_gradient(W, W[:1], 1.0, QuantSpec(8)), "grad must have shape"),
    ],
)
def test_bad_input_is_one_clear_sentence(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_arrays_of_any_layout_and_byte_order_are_accepted_and_not_changed() -> None:
    w = np.random.default_rng(1).standard_normal((40, 6)).astype(np.float32)
    expected = quantize(w, 0.1, QuantSpec(8), seed=2)
    for variant in (np.asfortranarray(w), np.repeat(w, 2, axis=0)[::2], w.astype(">f4")):
        kept = variant.copy()
        assert np.array_equal(quantize(variant, 0.1, QuantSpec(8), seed=2), expected)
        assert np.array_equal(variant, kept)
    w.flags.writeable = False
    assert np.array_equal(quantize(w, 0.1, QuantSpec(8), seed=2), expected)


def test_empty_arrays() -> None:
    assert quantize(np.zeros((0, 4), np.float32), 1.0, QuantSpec(8)).shape == (0, 4)
    assert unpack(pack(np.zeros((0, 4), np.int8), 8), 8, 4).shape == (0, 4)

"""What the compiler makes of the GPU kernels, without a GPU: nothing fused that must not be, wide loads, no float64."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("numba_cuda")

import numba.cuda
from numba import types

cuda: Any = numba.cuda


@pytest.fixture(autouse=True)
def _hopper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Device functions ask for a device's compute capability while they are typed."""
    import numba.cuda.dispatcher as dispatcher

    monkeypatch.setattr(dispatcher, "get_current_device", lambda: SimpleNamespace(compute_capability=(9, 0)))


def ptx_of(kernel: Any, *arguments: Any) -> str:
    """PTX for compute capability 9.0; skipped where the compiler's library is missing."""
    try:
        text: str = cuda.compile_ptx(kernel.py_func, arguments, cc=(9, 0))[0]
    except (ImportError, OSError, RuntimeError) as error:
        pytest.skip(f"NVVM is not installed: {error}")
    return text


F, L, U, W, B = types.float32, types.int64, types.uint32, types.int32, types.boolean
ROW, WORDS = F[::1], U[::1]


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("stochastic", [True, False])
@pytest.mark.parametrize("each", [False, True], ids=["one step", "a step a row"])
def test_sixteen_weights_in_four_wide_loads_and_one_fused_operation_each(
    bits: int, stochastic: bool, each: bool
) -> None:
    """Float64 and division only at the end, where a thread rounds again what float32 left unsure."""
    from alpt_ref.kernels.cuda.quantize_fast import fast
    from alpt_ref.kernels.cuda.random import splitter

    step, split = ROW if each else F, splitter(4 if each else 5)[0]
    arguments = (ROW, WORDS, W[::1], step, F, F, F, U, U, U, U, U, U, U, types.UniTuple(U, 20))
    text = ptx_of(fast(bits, stochastic, each, split), *arguments)
    loads = [match.start() for match in re.finditer(r"ld\.global\.v4\.f32", text)]
    assert len(loads) >= 4
    assert (len(loads) > 4) == (stochastic or each)  # where something may be rounded again
    road, again = (text[: loads[4]], text[loads[4] :]) if stochastic or each else (text, "")
    rows = 4 if each else 0  # a reciprocal for each group of four takes one of both
    by_word, nearest = (2 * 16, 0) if stochastic else (0, 16)  # a code by the word and how sure it is; a cell
    fused = (road.count("fma.rn.f32"), road.count("fma.rz.f32"))
    assert fused == (by_word + rows + 12, nearest + rows)  # 12 find what is not finite; no other is fused
    assert road.count("add.rz.f32") == by_word // 2
    assert "div.rn.f32" not in road
    assert not re.search(r"^\s+(?!\.reg).*\.f64", road, re.MULTILINE)
    assert "fma" not in again
    if stochastic:
        assert road.count("mul.wide.u32") >= 4 * 20  # Philox's products are not taken apart
        assert road.count("shf.r.wrap.b32") == 16
    assert not re.search(r"\.local", text)


def test_runs_in_registers_fuse_nothing_and_stay_single() -> None:
    from alpt_ref.kernels.cuda.montecarlo import simulate_blocks

    arguments = (L, L, L, F, L, L, ROW, ROW, ROW, W[::1], F, W, W, ROW, L[::1], U, U, F[:, ::1])
    text = ptx_of(simulate_blocks, *arguments)
    assert "fma.rn.f32" not in text
    assert ".f64" not in text
    assert not re.search(r"\.local", text)


def test_watched_runs_and_linear_models_fuse_no_float32() -> None:
    from alpt_ref.kernels.cuda.montecarlo import measure_points
    from alpt_ref.kernels.cuda.montecarlo_groups import simulate_groups

    double = types.float64
    matrix, doubles, cube = F[:, ::1], double[:, ::1], double[:, :, ::1]
    cube_of_float32 = F[:, :, ::1]
    problem = (L, ROW, ROW, ROW, matrix, ROW, matrix, ROW, cube_of_float32, double, F, F, L)
    method = (L, L, L, W[::1], double[::1], ROW, W, W, F, double[::1], U, U)
    watch, buffers = (L[::1], B, B, L), (U[:, ::1], W[:, ::1], matrix, doubles)
    kernels = [
        (measure_points, (L, L, ROW, ROW, ROW, matrix, cube)),
        (simulate_groups, (L, L, *problem, *method, *watch, *buffers, cube, doubles, cube_of_float32)),
    ]
    for kernel, arguments in kernels:
        assert "fma.rn.f32" not in ptx_of(kernel, *arguments), kernel


def test_the_careful_kernels_fuse_nothing() -> None:
    from alpt_ref.kernels.cuda import quantize

    rows, codes = F[:, ::1], types.int8[:, ::1]
    kernels = [
        (quantize._careful_codes, (rows, ROW, codes, W[::1], B, F, F, U, U, U, L, U, U, U, U)),
        (quantize._careful_packed, (rows, ROW, U[:, ::1], W[::1], B, L, F, F, U, U, L, U, U, U, U)),
        (quantize._step_gradient, (rows, rows, ROW, L, ROW)),
    ]
    for kernel, arguments in kernels:
        text = ptx_of(kernel, *arguments)
        assert "fma." not in text
        assert (".f64" in text) == (kernel is not quantize._step_gradient)  # what float32 leaves unsure


I64, W32 = L[::1], W[::1]
PLAN = (W32, I64, W32, W32, W32, I64, ROW, ROW)  # guard, totals, records, order, peaks, sums, summed, grads
CODES = (WORDS, ROW, I64, L)  # items of 8-bit codes, step sizes, offsets, units
STATE = (ROW, ROW, W32, ROW, ROW)  # first, second, count, corrections, rates
RANDOM = (I64, U, U, I64)  # control, key, stats
RECORD, GRADIENT = 1, 3  # 128-bit accesses: a row's record; its gradient: one position, a second, a medium row's sum
MOMENTS = {"sgd": 0, "adagrad": 0, "adam": 4}  # two moments, read and written
OPTIMIZERS = list(MOMENTS)


def layout_of(bits: int | None, optimizer: str, *, row_step: bool = True, learns: bool = False) -> Any:
    from alpt_ref.kernels.backend import get_backend
    from alpt_ref.tables.cuda.store import RecordStore

    return RecordStore(get_backend("cpu"), 4, 16, bits, optimizer, per_row=row_step, learned=learns).layout


def assert_exact(text: str) -> None:
    """No float32 product is fused with a sum and nothing lies in local memory."""
    assert "fma.rn.f32" not in text
    assert not re.search(r"\.local", text)


def assert_exact_and_wide(text: str, wide: int) -> None:
    """`assert_exact`, with `wide` 128-bit accesses."""
    assert_exact(text)
    assert len(re.findall(r"(?:ld|st)\.global\.v4\.", text)) == wide


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_float32_rows_are_updated_exactly_in_wide_accesses(optimizer: str) -> None:
    from alpt_ref.kernels.cuda.update import update_weights

    text = ptx_of(update_weights(16, optimizer, layout_of(None, optimizer)), W, *PLAN, ROW, *STATE)
    assert_exact_and_wide(text, RECORD + GRADIENT + MOMENTS[optimizer] + 2)


@pytest.mark.parametrize("stochastic", [True, False], ids=["sr", "dr"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_codes_are_updated_exactly_in_wide_accesses(optimizer: str, stochastic: bool) -> None:
    from alpt_ref.kernels.cuda.update import update_codes

    kernel = update_codes(16, 8, optimizer, stochastic, layout_of(8, optimizer))
    assert_exact_and_wide(ptx_of(kernel, W, *PLAN, *CODES, *STATE, *RANDOM), RECORD + GRADIENT + MOMENTS[optimizer])


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_moves_that_wait_are_exact_and_wide(optimizer: str) -> None:
    from alpt_ref.kernels.cuda.pending import begin

    for keep_values in (False, True):
        kernel = begin(16, 8, optimizer, True, keep_values, layout_of(8, optimizer, learns=True))
        text = ptx_of(kernel, W, *PLAN, *CODES, *STATE, ROW, ROW, ROW, ROW)
        handed_out = 3 if keep_values else 0  # to one position, to a second, or to where `spread` takes it
        assert_exact_and_wide(text, RECORD + GRADIENT + MOMENTS[optimizer] + 2 + handed_out)


@pytest.mark.parametrize(  # every two of these choices meet in every way
    ("stochastic", "log_domain", "one_pass"),
    [(True, False, False), (False, True, False), (True, True, True), (False, False, True)],
    ids=["sr-linear-two-passes", "dr-log-two-passes", "sr-log-one-pass", "dr-linear-one-pass"],
)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_rows_with_learned_steps_are_finished_exactly(
    optimizer: str, stochastic: bool, log_domain: bool, one_pass: bool
) -> None:
    from alpt_ref.kernels.cuda.learned import finish_rows

    kernel = finish_rows(16, 8, optimizer, stochastic, log_domain, one_pass, layout_of(8, optimizer, learns=True))
    text = ptx_of(kernel, W, *PLAN, ROW, WORDS, ROW, *STATE, W, F, *RANDOM)
    assert_exact_and_wide(text, RECORD + 1 + (1 if one_pass else GRADIENT))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("log_domain", [False, True], ids=["linear", "log"])
def test_step_sizes_of_units_move_exactly(optimizer: str, log_domain: bool) -> None:
    from alpt_ref.kernels.cuda.units import move_units

    text = ptx_of(move_units(optimizer, log_domain), W32, L, W32, I64, I64, ROW, ROW, *STATE, W, I64)
    assert_exact_and_wide(text, 0)


@pytest.mark.parametrize("stochastic", [True, False], ids=["sr", "dr"])
def test_rows_of_units_are_rounded_exactly(stochastic: bool) -> None:
    from alpt_ref.kernels.cuda.pending import round_pending

    layout = layout_of(8, "adam", row_step=False, learns=True)
    arguments = (W32, I64, W32, ROW, WORDS, ROW, ROW, I64, L, ROW)
    assert_exact_and_wide(ptx_of(round_pending(16, 8, stochastic, layout), *arguments, *RANDOM), 1)


def test_step_gradients_and_values_of_moved_rows_are_exact_and_wide() -> None:
    from alpt_ref.kernels.cuda import learned, pending
    from alpt_ref.kernels.cuda.units import sum_units

    units = layout_of(8, "adam", row_step=False, learns=True)
    step = (*PLAN, ROW, *CODES, ROW, F, ROW, W32, I64)
    values = (W32, L, W32, W32, ROW, *CODES, ROW, ROW)
    kernels = [
        (learned.step_gradients(16, 8, False, units), step, RECORD + GRADIENT + 1),
        (learned.step_gradients(16, 8, True, units), step, RECORD + 2),
        (sum_units, (W32, I64, W32, W, ROW, I64, L, W32, I64, I64), 0),
        (pending.sum_rows(16), (*PLAN, ROW), RECORD + GRADIENT + 1),
        (pending.pending(16, 8, layout_of(8, "adam", learns=True)), values, 2),
    ]
    for kernel, arguments, wide in kernels:
        assert_exact_and_wide(ptx_of(kernel, *arguments), wide)


def test_looked_up_rows_are_exact_and_wide() -> None:
    from alpt_ref.kernels.cuda import lookup

    codes, weights = layout_of(8, "adam"), layout_of(None, "adam")
    kernels = [
        (lookup.lookup_codes(16, 8, codes), (WORDS, L, *CODES, ROW)),
        (lookup.lookup_weights(16, weights), (WORDS, L, ROW, ROW)),
        (lookup.pool_codes(16, 8, True, codes), (WORDS, I64, L, *CODES, ROW)),
        (lookup.pool_weights(16, True, weights), (WORDS, I64, L, ROW, ROW)),
    ]
    for kernel, arguments in kernels:
        text = ptx_of(kernel, *arguments)
        stored = re.findall(r"st\.global\.(v4)?", text)
        assert stored, "a lookup stores its rows"
        assert set(stored) == {"v4"}
        assert_exact(text)  # how often it stores is up to the compiler, which unrolls the loop


def test_plans_and_sums_of_many_positions_stay_in_registers() -> None:
    from alpt_ref.kernels.cuda import heavy, sums, unique

    totals, order = I64, W32
    kernels = [
        (unique.insert_ids, (WORDS, L, U, WORDS, W32, WORDS, W32, W32, I64), 1),
        (unique.scatter_positions, (L, WORDS, W32, WORDS, W32, W32, W, W32), 0),
        (sums.sum_medium(16), (totals, W32, order, ROW, ROW), 1 + 4 + 1),  # the record, four gradients, the sum
        (heavy.heavy_first(16), (totals, W32, order, ROW, W32, I64), 4 + 1),
        (heavy.heavy_rest(16), (totals, W32, order, ROW, W32, I64), 4 + 1),
    ]
    for kernel, arguments, wide in kernels:
        assert_exact_and_wide(ptx_of(kernel, *arguments), wide)


def test_dense_parameters_are_updated_as_the_cpu_rounds() -> None:
    from alpt_ref.kernels.cuda import steps

    rates, counters, guard = types.float64[::1], I64, W32
    buffers = (ROW, ROW, ROW, ROW)
    numbers = (types.float64, F, F, F, F, F)  # decay, betas, what they leave, epsilon
    for copy in (ROW, types.uint16[::1]):  # parameters in bfloat16 beside them, or none
        adam = ptx_of(steps.adam, *buffers, L, types.float64[::1], L, rates, *numbers, counters, guard, copy)
        assert_exact(adam)
        assert adam.count("sqrt.rn.f32") == 4
        assert adam.count("div.rn.f32") == 8
        assert_exact(ptx_of(steps.sgd, ROW, ROW, L, rates, types.float64, guard, copy))


def test_the_loss_fuses_no_product_with_the_label() -> None:
    from alpt_ref.kernels.cuda import steps

    text = ptx_of(steps.bce_with_logits, ROW, types.uint8[::1], L, types.float64[::1], ROW)
    assert "mul.rn.f64" in text


def test_bfloat16_passes_load_and_store_pairs_of_words_and_convert_in_pairs() -> None:
    from alpt_ref.kernels.cuda import dense, dense_backward

    half = types.uint16[::1]
    sums = (half, L, half, ROW, L, L, L, B, ROW, ROW)
    checked = (half, L, half, ROW, L, L, L, B, W[::1], L)
    kernels = [
        (dense.scale_shift_relu, (half, ROW, L, L, L, B, half), 4, 4),
        (dense_backward.norm_backward_sums, sums, 4, 0),
        (dense_backward.norm_backward, checked, 4, 2),
    ]
    for kernel, arguments, loads, stores in kernels:
        text = ptx_of(kernel, *arguments)
        assert text.count("ld.global.v2.u32") >= loads
        assert text.count("st.global.v2.u32") >= stores
        assert text.count("cvt.rn.bf16x2.f32") >= 2 * stores
        assert not re.search(r"\.local", text)

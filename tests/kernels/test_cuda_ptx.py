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
def test_sixteen_weights_in_four_wide_loads_and_three_fused_operations_each(bits: int, stochastic: bool) -> None:
    from alpt_ref.kernels.cuda.quantize_fast import fast

    text = ptx_of(fast(bits, stochastic), ROW, WORDS, W[::1], F, F, F, F, F, F, U, U, U, L, U, U, U, U)
    assert text.count("ld.global.v4.f32") == 4
    assert text.count("fma.rn.f32") == 48  # those of the division by a known step, and no other
    assert text.count("div.rn.f32") == 16  # on the side road
    assert ".f64" not in text
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
    from alpt_ref.kernels.cuda.montecarlo_linear import simulate_linear

    double = types.float64
    matrix, integers, doubles = F[:, ::1], W[:, ::1], double[:, ::1]
    common = (W[::1], F, L, L, L, L, F, ROW, ROW, L[::1], B, B, U, U, U[:, ::1], integers, matrix, doubles)
    kernels = [
        (measure_points, (L, L, ROW, ROW, ROW, matrix, double[:, :, ::1])),
        (simulate_groups, (L, L, L, L, ROW, ROW, ROW, *common, double[:, :, ::1], doubles, matrix)),
        (simulate_linear, (L, L, L, F, F, matrix, ROW, L, *common, doubles, doubles, F[:, :, ::1])),
    ]
    for kernel, arguments in kernels:
        assert "fma.rn.f32" not in ptx_of(kernel, *arguments), kernel


def test_the_careful_kernels_fuse_nothing() -> None:
    from alpt_ref.kernels.cuda import quantize

    rows, codes = F[:, ::1], types.int8[:, ::1]
    kernels = [
        (quantize._careful_codes, (rows, ROW, codes, W[::1], B, F, F, U, U, U, L, U, U, U, U)),
        (quantize._careful_words, (rows, ROW, U[:, ::1], W[::1], B, L, F, F, U, U, L, U, U, U, U)),
        (quantize._step_gradient, (rows, rows, ROW, L, ROW)),
    ]
    for kernel, arguments in kernels:
        text = ptx_of(kernel, *arguments)
        assert "fma.rn.f32" not in text
        assert ".f64" not in text

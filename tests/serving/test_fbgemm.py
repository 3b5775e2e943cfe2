"""Fused rows: at 8 bits the operators give the bits of `table.lookup`, at 4 and 2 what the export states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from alpt_ref import pack
from alpt_ref.errors import InputError
from alpt_ref.scalar.code_range import largest_step_size
from alpt_ref.serving import fbgemm
from alpt_ref.serving.table import ServingTable
from tests.serving.helpers import WIDTHS, N, same_bits, trained


def fused(serving: Any, folder: Path, **options: Any) -> Any:
    facts = fbgemm.write(serving, folder, **options)
    return load_file(folder / fbgemm.FILES[0])["fused"], facts


def extreme(bits: int, d: int = 5, n: int = 400) -> Any:
    """A table whose step sizes run from subnormal numbers to near the largest."""
    rng = np.random.default_rng(3)
    codes = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (n, d)).astype(np.int8)
    step = np.exp2(rng.uniform(-148, 118, n)).astype(np.float32)
    return ServingTable(d, bits, pack(codes, bits), step), step


def test_one_rounding_gives_step_times_code_and_two_do_not(tmp_path: Path) -> None:
    """In float64 ``scale * u + bias`` is exact (24 + 8 bits, a power of two apart), so this is a fused operation."""
    serving, step = extreme(8)
    rows, facts = fused(serving, tmp_path)
    u = rows[:, :5].astype(np.float64)
    scale, bias = rows[:, 5:].copy().view(np.float32).T
    once = (u * scale[:, None] + bias[:, None].astype(np.float64)).astype(np.float32)
    assert same_bits(once, serving.lookup(np.arange(400)))
    assert (facts["max_abs"], facts["max_rel"]) == (0.0, 0.0)
    twice = rows[:, :5].astype(np.float32) * scale[:, None] + bias[:, None]
    wrong = twice != once
    assert 0.3 < wrong.mean() < 0.6
    normal = step > 1e-30
    assert (np.abs(twice.astype(np.float64) - once)[normal] < 2.0**-15 * step[normal, None]).all()


@pytest.mark.parametrize("d", WIDTHS)
def test_pytorch_equals_lookup_bit_for_bit_at_8_bits(d: int, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    table, serving = trained(8, d)
    rows = torch.from_numpy(fused(serving, tmp_path)[0])
    ids = np.random.default_rng(0).integers(0, N, 500)
    bags = torch.ops.quantized.embedding_bag_byte_rowwise_offsets(rows, torch.from_numpy(ids), torch.arange(500))
    assert same_bits(bags.numpy(), table.lookup(ids))
    assert same_bits(torch.ops.quantized.embedding_bag_byte_unpack(rows).numpy(), table.lookup(np.arange(N)))


@pytest.mark.parametrize("bits", [8, 4, 2])
def test_pytorch_on_extreme_step_sizes(bits: int, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    serving, _ = extreme(bits)
    rows = torch.from_numpy(fused(serving, tmp_path, wide=bits < 8)[0])
    values = torch.ops.quantized.embedding_bag_byte_rowwise_offsets(rows, torch.arange(400), torch.arange(400))
    assert same_bits(values.numpy(), serving.lookup(np.arange(400)))


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("bits", [4, 2])
def test_pytorch_is_off_by_exactly_what_is_stated_at_4_and_2_bits(bits: int, d: int, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    table, serving = trained(bits, d)
    rows, facts = fused(serving, tmp_path)
    operator = getattr(torch.ops.quantized, f"embedding_bag_{bits}bit_rowwise_offsets")
    values = operator(torch.from_numpy(rows), torch.arange(N), torch.arange(N)).numpy()
    truth = table.lookup(np.arange(N)).astype(np.float64)
    gap = np.abs(values[:, :d] - truth)
    assert gap.max() == facts["max_abs"] > 0
    assert (gap[truth != 0] / np.abs(truth[truth != 0])).max() == facts["max_rel"] <= 2.0**-11
    assert (values[:, d:] == 0).all()  # columns that fill the last byte up
    assert f"{facts['max_abs']:.3g}" in facts["values"]
    assert f"{facts['max_rel']:.3g}" in facts["values"]


def test_fbgemm_equals_lookup_bit_for_bit_at_8_bits(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("fbgemm_gpu", exc_type=ImportError)
    table, serving = trained(8, 16)
    rows = torch.from_numpy(fused(serving, tmp_path)[0])
    values = torch.ops.fbgemm.Fused8BitRowwiseQuantizedToFloat(rows)
    assert same_bits(values.numpy(), table.lookup(np.arange(N)))


@pytest.mark.parametrize("bits", [4, 2])
def test_wide_rows_are_exact(bits: int, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    table, serving = trained(bits, 3)
    rows, facts = fused(serving, tmp_path, wide=True)
    assert rows.shape == (N, 3 + 8)
    assert facts["max_abs"] == 0.0
    values = torch.ops.quantized.embedding_bag_byte_rowwise_offsets(
        torch.from_numpy(rows), torch.arange(N), torch.arange(N)
    )
    assert same_bits(values.numpy(), table.lookup(np.arange(N)))


@pytest.mark.parametrize("step", [1e-8, 1e4])
def test_step_sizes_that_float16_loses_are_refused_and_wide_holds_them(step: Any, tmp_path: Path) -> None:
    serving = ServingTable(4, 4, np.zeros((2, 1), np.uint32), np.array([0.01, step], np.float32))
    with pytest.raises(InputError, match=r"1 of 2 step sizes .*number 1, .* outside what float16 can hold; use --wide"):
        fbgemm.write(serving, tmp_path)
    assert list(tmp_path.iterdir()) == []
    fbgemm.write(serving, tmp_path, wide=True)


def test_a_subnormal_float16_step_size_is_measured(tmp_path: Path) -> None:
    step = np.float32(1e-7)  # between 1 and 2 units of 2**-24
    serving = ServingTable(4, 4, np.full((1, 1), 0x1111, np.uint32), np.array([step]))
    facts = fbgemm.write(serving, tmp_path)
    expected = abs(2.0**-23 - float(step))  # nearest multiple of 2**-24
    assert facts["max_abs"] == pytest.approx(expected, rel=1e-12)
    assert facts["max_rel"] == pytest.approx(expected / float(step), rel=1e-12)


@pytest.mark.parametrize("bits", [16, 32])
def test_other_widths_are_refused(bits: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"takes tables of 8, 4 or 2 bits, this one has {bits}"):
        fbgemm.write(trained(bits, 2)[1], tmp_path)


def test_no_table_has_a_bias_beyond_float32(tmp_path: Path) -> None:
    words = np.zeros((1, 1), np.uint32)
    with pytest.raises(InputError, match=r"step_size must be at most 2\.65"):
        ServingTable(4, 8, words, np.array([1e37], np.float32))
    serving = ServingTable(4, 8, words, np.array([largest_step_size(8)], np.float32))
    rows = fused(serving, tmp_path)[0]
    assert np.isfinite(rows[:, -8:].copy().view(np.float32)).all()

"""FBGEMM's inference operator gives float16(step) * code for every width, and refuses an id that is out of range."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

from alpt_ref import pack
from alpt_ref.errors import InputError
from alpt_ref.serving import tbe
from alpt_ref.serving.table import ServingTable
from tests.serving.helpers import WIDTHS, N, same_bits, trained


def expected(serving: ServingTable) -> Any:
    step = serving.step_sizes(np.arange(serving.n)).astype(np.float16).astype(np.float32)
    return serving.codes(0, serving.n).astype(np.float32) * step[:, None]


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rows_hold_scale_and_bias_first_and_then_codes(bits: int, d: int, tmp_path: Path) -> None:
    _, serving = trained(bits, d)
    facts = tbe.write(serving, tmp_path)
    rows = load_file(tmp_path / "table.safetensors")["rows"]
    columns = facts["columns"]
    assert rows.shape == (N, 4 + columns * bits // 8)
    assert columns >= d
    scale, bias = rows[:, :4].copy().view(np.float16).T.astype(np.float32)
    shifts = np.arange(0, 8, bits)
    u = (rows[:, 4:, None] >> shifts & (2**bits - 1)).reshape(N, -1).astype(np.float32)
    values = scale[:, None] * u + bias[:, None]
    assert same_bits(values[:, :d] + np.float32(0), expected(serving) + np.float32(0))
    assert not values[:, d:].any()
    with safe_open(tmp_path / "table.safetensors", "np") as stored:
        assert stored.metadata()["columns"] == str(columns)


@pytest.mark.parametrize("d", WIDTHS)
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_operator_itself(bits: int, d: int, tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch")
    pytest.importorskip("fbgemm_gpu")
    table, serving = trained(bits, d)
    facts = tbe.write(serving, tmp_path)
    spec = importlib.util.spec_from_file_location("exported_embedding", tmp_path / tbe.MODULE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    operator = module.load(module.PoolingMode.NONE)
    ids = torch.arange(N, dtype=torch.int32)
    values = operator(ids, torch.arange(N + 1, dtype=torch.int32)).numpy()[:, :d]
    assert same_bits(values + np.float32(0), expected(serving) + np.float32(0))
    assert np.abs(values - table.lookup(np.arange(N))).max() <= facts["max_abs"]
    one = torch.tensor([0, 1], dtype=torch.int32)
    for wrong in (-2, N):
        with pytest.raises(RuntimeError, match="Expected idx"):
            operator(torch.tensor([wrong], dtype=torch.int32), one)
    assert not operator(torch.tensor([-1], dtype=torch.int32), one).any()  # its mark of a pruned row


@pytest.mark.parametrize("step", [1e-9, 1e5])
def test_step_sizes_that_float16_loses_are_refused(step: float, tmp_path: Path) -> None:
    serving = ServingTable(2, 8, pack(np.ones((3, 2), np.int8), 8), np.array([0.1, step, 0.1], np.float32))
    with pytest.raises(InputError, match="1 of 3 step sizes cannot be exported to tbe: number 1"):
        tbe.write(serving, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bits", [16, 32])
def test_other_widths_are_refused(bits: int) -> None:
    with pytest.raises(InputError, match="--to tbe takes tables of 8, 4 or 2 bits"):
        tbe.check(trained(bits, 3)[1])

"""Rows with a bias of their own (rowmax, affine) leave with the bits of their lookup, or with a stated difference."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from alpt_ref import make_table
from alpt_ref.errors import InputError
from alpt_ref.serving import export, fbgemm, onnx, safetensors, source, tbe, torch
from alpt_ref.serving.table import ServingTable
from tests.serving.helpers import same_bits, saved

N = 70


def affine(bits: int, d: int = 5) -> tuple[Any, ServingTable]:
    """A table with rows of all sizes, away from zero too, and what an export makes of it."""
    rng = np.random.default_rng(bits)
    weights = rng.standard_normal((N, d)) * np.exp(rng.uniform(-4, 2, (N, 1))) + rng.standard_normal((N, 1))
    table: Any = make_table("rowmax", N, d, bits=bits, weights=weights.astype(np.float32))
    state = table.state()
    return table, ServingTable(d, bits, state["packed"], state["step_size"], bias=state["bias"])


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_lookup_and_safetensors_have_the_bits_of_the_table(bits: int, tmp_path: Path) -> None:
    table, serving = affine(bits)
    values = table.lookup(np.arange(N))
    assert same_bits(serving.lookup(np.arange(N)), values)
    assert serving.nbytes() == N * (-(-5 * bits // 8) + 8)
    safetensors.write(serving, tmp_path)
    back = safetensors.read(tmp_path / safetensors.FILE)
    assert same_bits(back.lookup(np.arange(N)), values)


def test_a_trained_run_keeps_its_biases(tmp_path: Path) -> None:
    table, _ = saved(tmp_path / "run", method="rowmax", bits=4)
    export(tmp_path / "run", "safetensors", tmp_path / "out")
    found = source.load(tmp_path / "out").table
    assert found.bias is not None
    assert same_bits(found.bias, table.state()["bias"])
    assert found.about["method"] == "rowmax"


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_onnx_equals_lookup_bit_for_bit(bits: int, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    table, serving = affine(bits, d=3)
    onnx.write(serving, tmp_path, None, {})
    ids = np.random.default_rng(0).integers(0, N, 50)
    found = runtime.InferenceSession(str(tmp_path / onnx.TABLE)).run(None, {"ids": ids})[0]
    assert same_bits(found, table.lookup(ids))


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_pytorch_equals_lookup_bit_for_bit(bits: int, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import torch as pytorch

    table, serving = affine(bits)
    torch.write(serving, tmp_path)
    spec = importlib.util.spec_from_file_location("exported", tmp_path / torch.MODULE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert same_bits(module.QuantizedEmbedding()(pytorch.arange(N)).numpy(), table.lookup(np.arange(N)))


def test_the_module_for_pytorch_is_another_one() -> None:
    assert torch.PLAIN in torch.SOURCE
    compile(torch.SOURCE.replace(torch.PLAIN, torch.WITH_BIAS), "embedding.py", "exec")


def test_fbgemm_rows_hold_scale_and_bias_and_the_difference_is_stated(tmp_path: Path) -> None:
    table, serving = affine(8)
    facts = fbgemm.write(serving, tmp_path)
    rows = load_file(tmp_path / fbgemm.FILES[0])["fused"]
    scale, bias = rows[:, 5:].copy().view(np.float32).T
    assert same_bits(scale, table.step_size)
    assert same_bits(bias, table.bias)
    values = table.lookup(np.arange(N))
    assert same_bits((rows[:, :5].astype(np.float32) * scale[:, None]) + bias[:, None], values)  # rounded twice
    once = (rows[:, :5] * scale[:, None].astype(np.float64) + bias[:, None]).astype(np.float32)
    assert np.abs(once.astype(np.float64) - values).max() == facts["max_abs"] > 0
    assert f"{facts['max_abs']:.3g}" in facts["values"]


@pytest.mark.parametrize("bits", [2, 4])
def test_narrow_fbgemm_rows_are_float16_and_off_by_what_is_stated(bits: int, tmp_path: Path) -> None:
    table, serving = affine(bits, d=8)
    facts = fbgemm.write(serving, tmp_path)
    rows = load_file(tmp_path / fbgemm.FILES[0])["fused"]
    scale, bias = rows[:, bits:].copy().view(np.float16).astype(np.float64).T
    per = 8 // bits
    u = np.stack([(rows[:, :bits] >> np.uint8(bits * k)) & (2**bits - 1) for k in range(per)], axis=2).reshape(N, -1)
    gap = np.abs(
        (u * scale[:, None] + bias[:, None]).astype(np.float32).astype(np.float64) - table.lookup(np.arange(N))
    )
    assert gap.max() == facts["max_abs"] > 0
    assert fbgemm.write(serving, tmp_path, wide=True)["max_abs"] < 1e-6


def test_what_a_format_cannot_hold_is_refused() -> None:
    _, serving = affine(8)
    with pytest.raises(InputError, match="too coarse for rows that begin at any value"):
        tbe.check(serving)
    ones, words = np.ones(2, np.float32), np.zeros((2, 1), np.uint32)
    for bias in (ones[:1], ones.astype(np.float64), ones * np.float32(np.inf)):
        with pytest.raises(InputError, match=r"biases .* fit not 2 rows with a step size each"):
            ServingTable(4, 8, words, ones, bias=bias)
    with pytest.raises(InputError, match=r"step sizes cannot be exported to fbgemm"):
        fbgemm.check(ServingTable(4, 4, words, ones, bias=ones * np.float32(1e6)))


def test_a_file_whose_version_and_tensors_disagree_is_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    _, serving = affine(8)
    safetensors.write(serving, tmp_path)
    tensors = load_file(tmp_path / safetensors.FILE)
    del tensors["bias"]
    meta = safetensors.metadata_of(N, 5, 8, {}, safetensors.WITH_BIAS)
    save_file(tensors, tmp_path / "less.safetensors", meta)
    with pytest.raises(InputError, match="biases belong to format version 3"):
        safetensors.read(tmp_path / "less.safetensors")

"""ONNX Runtime on our graphs: tables bit for bit, backbones up to the order of float32 sums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.catalog import MODELS
from alpt_ref.serving import export, onnx
from alpt_ref.serving.onnx_models import BACKBONES
from tests.serving.helpers import BITS, N, random_ids, same_bits, saved, trained
from tests.tolerances import FLOAT32

checker = pytest.importorskip("onnx").checker
runtime = pytest.importorskip("onnxruntime")


def run(path: Path, ids: Any) -> Any:
    checker.check_model(str(path), full_check=True)
    return runtime.InferenceSession(str(path)).run(None, {"ids": ids})[0]


@pytest.mark.parametrize("d", [1, 3, 8])
@pytest.mark.parametrize("bits", BITS)
def test_a_table_equals_lookup_bit_for_bit(bits: int, d: int, tmp_path: Path) -> None:
    table, serving = trained(bits, d)
    onnx.write(serving, tmp_path, None, {})
    ids = np.random.default_rng(0).integers(0, N, 70)
    assert same_bits(run(tmp_path / onnx.TABLE, ids), table.lookup(ids))


@pytest.mark.parametrize("granularity", ["field", "table"])
def test_shared_step_sizes(granularity: str, tmp_path: Path) -> None:
    table, serving = trained(4, 5, granularity)
    onnx.write(serving, tmp_path, None, {})
    assert same_bits(run(tmp_path / onnx.TABLE, np.arange(N)), table.lookup(np.arange(N)))


@pytest.mark.parametrize("kind", list(BACKBONES))
def test_a_model_gives_its_logits(kind: str, tmp_path: Path) -> None:
    table, model = saved(tmp_path / "run", kind, bits=4)
    facts = export(tmp_path / "run", "onnx", tmp_path / "out")
    assert facts["scope"] == f"table and {kind} model"
    ids = random_ids(50)
    logits = model.forward(table.lookup(ids.reshape(-1)).reshape(50, -1), training=False)
    assert np.ptp(logits) > 0.01
    ours = run(tmp_path / "out" / onnx.MODEL, ids)
    np.testing.assert_allclose(ours, logits, rtol=0, atol=FLOAT32 * np.abs(logits).max())


def test_every_backbone_has_a_graph() -> None:
    assert set(BACKBONES) == set(MODELS)


def test_a_table_without_backbone_says_so(tmp_path: Path) -> None:
    _, serving = trained(8, 3)
    assert onnx.write(serving, tmp_path, None, {})["scope"] == "table only"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(onnx.files_of(None))
    assert onnx.write(serving, tmp_path, "new", {})["scope"] == "table only (new models are not exported)"


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("wrong", [-1, -N, N, 2**40])
def test_an_id_out_of_range_is_refused_and_never_another_row(bits: int, wrong: int, tmp_path: Path) -> None:
    _, serving = trained(bits, 3)
    onnx.write(serving, tmp_path, None, {})
    runtime.set_default_logger_severity(4)
    with pytest.raises(Exception, match="out of data bounds"):
        run(tmp_path / onnx.TABLE, np.array([0, wrong]))

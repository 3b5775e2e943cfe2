"""From raw rows to `predict`'s probabilities by an export alone, in a process that cannot import this package."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.models.base import Model
from alpt_ref.serving import export
from alpt_ref.serving.onnx_models import BACKBONES
from tests.serving import clean_environments
from tests.serving.helpers import FIELD_SIZES, random_ids, saved
from tests.serving.score_export import module
from tests.tolerances import FLOAT32

NEEDS = {"onnx": ("onnx", "onnxruntime"), "torch": ("torch",), "fbgemm": ("torch",), "tbe": ("torch", "fbgemm_gpu")}


@pytest.mark.parametrize("mixed", [False, True], ids=["criteo", "a field of every kind"])
@pytest.mark.parametrize("to", list(NEEDS))
def test_raw_rows_to_scores(to: str, mixed: bool, once: Callable[[str, Callable[[Path], None]], Path]) -> None:
    for package in NEEDS[to]:
        pytest.importorskip(package)
    make = partial(clean_environments.make, mixed=mixed)
    folder = once("mixed fields" if mixed else "criteo's shape", make)
    found = clean_environments.score(sys.executable, folder, to)
    assert found.fits(to), found


def test_a_difference_is_noticed() -> None:
    right = clean_environments.Difference(0, 0, 0.0, 9e-7)
    assert right.fits("torch")
    for change in ({"ids": 1}, {"bits": 1}, {"probability": 2e-6}):
        assert not right._replace(**change).fits("torch")
    assert right._replace(bits=9, relative=1e-7).fits("tbe")
    assert not right._replace(bits=9, relative=1e-6).fits("tbe")


def logits_of(model: Model, table: Any, ids: Any) -> Any:
    return model.forward(table.lookup(ids.reshape(-1)).reshape(len(ids), -1), training=False).copy()


def sigmoid(logits: Any) -> Any:
    return np.exp(-np.logaddexp(0, -logits.astype(np.float64)))


@pytest.mark.parametrize("to", ["torch", "fbgemm"])
@pytest.mark.parametrize("kind", list(BACKBONES))
def test_every_backbone_in_pytorch(kind: str, to: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    table, model = saved(tmp_path / "run", kind, bits=8)
    export(tmp_path / "run", to, tmp_path / "out")
    ours = module(tmp_path / "out", "model").ClickModel()
    ids = random_ids(40)
    logits, wanted = ours(torch.as_tensor(ids)).detach().numpy(), logits_of(model, table, ids)
    np.testing.assert_allclose(logits, wanted, rtol=0, atol=FLOAT32 * np.abs(wanted).max())
    np.testing.assert_allclose(ours.score(ids).numpy(), sigmoid(logits), rtol=0, atol=clean_environments.PROBABILITY)
    for wrong in (-1, FIELD_SIZES[0]):  # the second is a row of the next field
        ids[3, 0] = wrong
        with pytest.raises(IndexError, match="ids must be"):
            ours.score(torch.as_tensor(ids))
    with pytest.raises(IndexError, match=r"ids must be \(rows, 4\)"):
        ours.score(torch.as_tensor(ids[:, :3]))


@pytest.mark.parametrize("kind", list(BACKBONES))
def test_every_backbone_in_onnx_runtime(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    table, model = saved(tmp_path / "run", kind, bits=8)
    export(tmp_path / "run", "onnx", tmp_path / "out")
    ids = random_ids(40)
    session = runtime.InferenceSession(str(tmp_path / "out" / "model.onnx"))
    logits, found = session.run(["logits", "probabilities"], {"ids": ids})
    wanted = logits_of(model, table, ids)
    np.testing.assert_allclose(logits, wanted, rtol=0, atol=FLOAT32 * np.abs(wanted).max())
    np.testing.assert_allclose(found, sigmoid(logits), rtol=0, atol=clean_environments.PROBABILITY)

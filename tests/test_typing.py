"""A user's script passes ``mypy --strict``: results of the public functions have the types that their values have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import alpt_ref

ROOT = Path(__file__).parents[1]

SCRIPT = """
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

from alpt_ref import CTRClassifier, QuantSpec, RunConfig, dequantize, make_model, make_table, pack, quantize
from alpt_ref import step_gradient, synthetic_clicks, unpack
from alpt_ref.tables import AdaptiveTable, EmbeddingTable, FullTable
from alpt_ref.training.results import RunResult
from alpt_ref.training.train import train

w: NDArray[np.float32] = np.ones((5, 8), np.float32)
spec = QuantSpec(4, "sr")
codes = quantize(w, 0.5, spec, seed=1, rows=np.arange(5))
assert_type(codes, NDArray[np.int8] | NDArray[np.int16])
assert_type(quantize(w, [0.5] * 5, spec, packed=False), NDArray[np.int8] | NDArray[np.int16])
words = quantize(w, np.float32(0.5), spec, packed=True)
assert_type(words, NDArray[np.uint32])
back = unpack(words, 4, 8)
print(codes.astype(np.int64).sum(), (back == unpack(packed=pack(codes, 4), bits=4, d=8)).all())
assert_type(dequantize(back, w[:, 0]), NDArray[np.float32])
assert_type(step_gradient(w, w, 0.5, spec), NDArray[np.float32])

table = make_table("alpt", 100, 8, bits=4, step_lr=1e-3)
assert_type(table, AdaptiveTable)
assert_type(make_table("fp32", 100, 8), FullTable)
print(table.step_size.max(), table.codes().min())


def of_any_method(method: str) -> EmbeddingTable:
    made = make_table(method, 100, 8)
    assert_type(made, EmbeddingTable)
    assert made.step_size is not None
    return made


model = make_model("dcn", fields=4, dim=8, hidden=(8,))
print(of_any_method("lsq").lookup([1, 2]).shape, model.forward(np.zeros((2, 32), np.float32), training=False).shape)

config = RunConfig().replace("table", method="lpt", bits=4).replace("train", epochs=1, batch_size=100)
result = train(config, synthetic_clicks(rows=1000, fields=4, features=100, seed=1), log=print)
assert_type(result, RunResult)
score: float = result.test_auc
print(result.table.lookup(np.arange(3)).mean(), result.model.kind, [record.valid_auc for record in result.history])

classifier = CTRClassifier("alpt", bits=4, random_state=0).fit([["a", "b"], ["c", "d"]] * 50, [0, 1] * 50)
assert_type(classifier, CTRClassifier)
assert_type(classifier.predict_proba([["a", "b"]]), NDArray[np.float64])
"""

WRONG = """
import numpy as np

from alpt_ref import QuantSpec, make_table, quantize, unpack

unpack(quantize(np.ones((2, 8), np.float32), 0.5, QuantSpec(4)), 4, 8)  # codes, not words
make_table("fp32", 100, 8).step_size.max()  # a float32 table has none
make_table("alpt", 100, 8, bits="eight")
QuantSpec(4, "up")
"""


def strict(folder: Path, script: str) -> tuple[int, list[str]]:
    """Status of ``mypy --strict`` on a script outside the checkout, and what it found."""
    path = folder / "script.py"
    path.write_text(script)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--follow-imports=silent", str(path)]
    environment = os.environ | {"MYPYPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, [line for line in done.stdout.splitlines() if ": error: " in line]


@pytest.mark.slow
def test_a_users_script_passes_strict_mypy(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    assert strict(tmp_path, SCRIPT) == (0, [])
    status, errors = strict(tmp_path, WRONG)
    assert (status, [int(line.split(":")[1]) for line in errors]) == (1, [6, 7, 8, 9])


def test_the_package_says_that_it_is_typed() -> None:
    assert Path(alpt_ref.__file__).with_name("py.typed").is_file()

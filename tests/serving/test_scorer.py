"""`Scorer` gives what `predict` writes, from a run, a packed run and every export, whatever holds the rows."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from alpt_ref import Scorer
from alpt_ref.data import encode_file
from alpt_ref.errors import InputError
from alpt_ref.models import make_model
from alpt_ref.serving import export, pack
from alpt_ref.serving.arithmetic import FORWARDS
from alpt_ref.serving.predict import predict
from alpt_ref.serving.rows_of_table import lookup_of
from alpt_ref.training.config import DataConfig, ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.train import train
from tests.data.files import random_criteo, write
from tests.serving.helpers import BITS, FIELD_SIZES, N, random_ids, same_bits, saved, trained
from tests.tolerances import FLOAT32

ROWS = 120
LINES = random_criteo(ROWS, seed=5)
COLUMNS = ("label", *(f"I{k}" for k in range(1, 14)), *(f"C{k}" for k in range(1, 27)))
DICTS = [dict(zip(COLUMNS, line.split("\t"), strict=True)) for line in LINES]
SAME = 1e-6
"""Most that probabilities may differ where float32 sums have another order."""


def make(folder: Path) -> None:
    file = write(folder / "clicks.txt", "\n".join(LINES) + "\n")
    dataset = encode_file("criteo", file, folder / "store", min_count=2)
    config = RunConfig(
        data=DataConfig(source="store", path=str(folder / "store")),
        model=ModelConfig(kind="dcn", dim=2, hidden=(4,), cross_layers=1),
        table=TableConfig(init_std=0.1),
        train=TrainConfig(batch_size=50, eval_batch_size=1000, epochs=1),
    )
    train(config, dataset, output=folder / "run")
    pack(folder / "run", folder / "packed")
    for to in ("safetensors", "torch", "fbgemm", "tbe"):
        export(folder / "run", to, folder / to)
    predict(folder / "run", folder / "p.csv", kind="criteo", file=file)


@pytest.fixture(scope="module")
def made(once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    return once("scorer", make)


@pytest.fixture(scope="module")
def predicted(made: Path) -> Any:
    with (made / "p.csv").open() as stream:
        return np.array([float(row["probability"]) for row in csv.DictReader(stream)], np.float32)


@pytest.mark.parametrize("source", ["run", "packed"])
def test_many_rows_have_the_bits_of_predict(source: str, made: Path, predicted: Any) -> None:
    assert same_bits(Scorer(made / source).score(DICTS), predicted)


@pytest.mark.parametrize("source", ["run", "packed", "safetensors", "torch", "fbgemm", "tbe"])
def test_one_row_and_all_rows(source: str, made: Path, predicted: Any) -> None:
    scorer = Scorer(made / source)
    np.testing.assert_allclose(scorer.score(DICTS), predicted, rtol=0, atol=SAME)
    single = [scorer.score(row) for row in DICTS[:5]]
    assert all(isinstance(probability, float) for probability in single)
    np.testing.assert_allclose(single, predicted[:5], rtol=0, atol=SAME)
    assert scorer.columns == COLUMNS[1:]
    assert scorer.field_names == COLUMNS[1:]


def test_an_onnx_export(made: Path, predicted: Any, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    export(made / "packed", "onnx", tmp_path / "onnx")
    np.testing.assert_allclose(Scorer(tmp_path / "onnx").score(DICTS), predicted, rtol=0, atol=SAME)


def test_frames_and_ids(made: Path, predicted: Any) -> None:
    scorer = Scorer(made / "packed")
    table = pa.table({name: [row[name] for row in DICTS] for name in reversed(COLUMNS)})
    assert same_bits(scorer.score(table), predicted)
    ids = scorer.encode(DICTS)
    for held in (ids, ids.astype(np.uint32), ids.tolist()):
        assert same_bits(scorer.score(held), predicted)
    assert abs(scorer.score(ids[3]) - predicted[3]) <= SAME
    typed = pa.table({name: pa.array(table[name].to_pylist()) for name in COLUMNS[1:]})
    for number in range(1, 14):
        numbers = [None if not text else int(text) for text in table[f"I{number}"].to_pylist()]
        typed = typed.set_column(number - 1, f"I{number}", pa.array(numbers))
    assert np.array_equal(scorer.encode(typed), ids)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_of_libraries(library: str, made: Path, predicted: Any) -> None:
    frames = pytest.importorskip(library)
    assert same_bits(Scorer(made / "run").score(frames.DataFrame(DICTS)), predicted)


def test_a_pickled_one_is_loaded_again(made: Path, predicted: Any) -> None:
    again = pickle.loads(pickle.dumps(Scorer(made / "packed")))
    assert same_bits(again.score(DICTS), predicted)


def test_threads_share_one(made: Path, predicted: Any) -> None:
    scorer = Scorer(made / "run")

    def score(number: int) -> Any:
        rows = DICTS[number : number + 1] if number % 2 else DICTS
        return scorer.score(rows), predicted[number : number + 1] if number % 2 else predicted

    with ThreadPoolExecutor(4) as pool:
        for found, wanted in pool.map(score, range(40)):
            np.testing.assert_allclose(found, wanted, rtol=0, atol=SAME)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ({"I1": 1}, "row 0 lacks column 'I2'; give None where a value is missing"),
        ([DICTS[0], {**DICTS[1], "I3": "many"}], "row 1, column 'I3': 'many' is no finite number"),
        (
            {name: ["1", "2"] for name in COLUMNS},
            "column 'I1' holds a list .* several rows are a list of dicts or a frame",
        ),
        ({name: np.arange(2) for name in COLUMNS}, "column 'I1' holds a ndarray where its field has one value"),
        ([DICTS[0], 7], "row 1 must be a mapping from column to value, got int"),
        (pa.table({"I1": [1]}), r"Table \(pyarrow\) lacks columns 'I2', 'I3', 'I4', 'I5', 'I6', which the model reads"),
        (pa.table({name: pa.array([], pa.string()) for name in COLUMNS}), "the frame has no rows"),
        (pa.table({name: [0.5] for name in COLUMNS}), "column 'C1' holds double values, which have no one text"),
        (
            np.zeros((2, 3), np.int64),
            "whole numbers \\(rows, 39\\), got ndarray of int64",
        ),
        (np.zeros((2, 39)), "got ndarray of float64 \\(2, 39\\)"),
        ("a row", "rows must be dicts, a frame or whole numbers"),
        ([], "rows must be dicts, a frame or whole numbers"),
        (np.full((1, 39), -1), "row 0: id -1 is none of field I1, whose ids are 0 to"),
        (np.full((1, 39), 2**64 - 1, np.uint64), "ids must be below"),
    ],
)
def test_bad_rows_are_one_sentence(rows: Any, message: str, made: Path) -> None:
    with pytest.raises(InputError, match=message):
        Scorer(made / "packed").score(rows)


def test_what_cannot_be_scored_says_so(made: Path, tmp_path: Path) -> None:
    saved(tmp_path / "ids only")
    scorer = Scorer(tmp_path / "ids only")
    with pytest.raises(InputError, match="only ids can be scored: the model lacks a vocabulary and a schema"):
        scorer.score({"a": 1})
    assert scorer.score(random_ids(70)).shape == (70,)
    for folder, message in ((tmp_path, "holds no checkpoint"), (made / "nothing", "holds no checkpoint")):
        with pytest.raises(InputError, match=message):
            Scorer(folder)
    shutil.copytree(made / "torch", tmp_path / "torch")
    marker = json.loads((tmp_path / "torch" / "export.json").read_text())
    (tmp_path / "torch" / "export.json").write_text(json.dumps({**marker, "model": None}))
    with pytest.raises(InputError, match="lacks the backbone"):
        Scorer(tmp_path / "torch")
    (tmp_path / "torch" / "export.json").write_text(json.dumps(marker))
    (tmp_path / "torch" / "vocabulary.json").write_text("{}")
    with pytest.raises(InputError, match=r"vocabulary\.json does not have the checksum"):
        Scorer(tmp_path / "torch")


@pytest.mark.parametrize("kind", list(FORWARDS))
def test_every_backbone_in_numpy(kind: str) -> None:
    options = {} if kind in ("logistic", "fm") else {"hidden": (6, 5), "batch_norm": kind != "dnn"}
    model = make_model(kind, 4, 1 if kind == "logistic" else 3, **options)  # type: ignore[arg-type]
    rng = np.random.default_rng(1)
    model.load_state(
        {name: (a + rng.uniform(0.1, 0.4, a.shape)).astype(np.float32) for name, a in model.state().items()}
    )
    x = rng.standard_normal((9, 4, model.width)).astype(np.float32)
    logits = model.forward(x, training=False).copy()
    np.testing.assert_allclose(FORWARDS[kind](model.state())(x), logits, rtol=0, atol=FLOAT32 * np.abs(logits).max())


@pytest.mark.parametrize("granularity", ["row", "field", "table"])
@pytest.mark.parametrize("bits", BITS)
def test_rows_in_numpy_have_the_bits_of_lookup(bits: int, granularity: str) -> None:
    for d in (1, 3, 17):
        _, serving = trained(bits, d, granularity)
        ids = random_ids(20)
        assert same_bits(lookup_of(serving)(ids), serving.lookup(ids.reshape(-1)).reshape(20, len(FIELD_SIZES), d))
        assert serving.n == N

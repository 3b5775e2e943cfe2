"""Fields of several values, and values beside ids: Scorer, pack and exports give what the run's evaluation gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref import Scorer
from alpt_ref.data.formats.faulty import FaultyLines
from alpt_ref.data.formats.readers import reader_of
from alpt_ref.data.formats.schema_rows import RowPlan, code_rows
from alpt_ref.data.raw import read_raw
from alpt_ref.data.schema import Schema
from alpt_ref.data.vocabulary import build_vocabulary
from alpt_ref.errors import InputError
from alpt_ref.serving import export, pack
from alpt_ref.serving.encode_several import SeveralEncoder
from alpt_ref.serving.vocabulary_file import content_of
from alpt_ref.training.build import build, restore
from alpt_ref.training.checkpoint import read_checkpoint
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.evaluation import predict_logits
from alpt_ref.training.train import train
from tests.serving.score_export import module, with_onnx

SCHEMA = Schema.from_dict(
    {
        "label": "y",
        "categorical": ["site"],
        "multi": {"genres": {"separator": "|", "max_values": 5}, "codes": {"type": "number", "pooling": "sum"}},
        "text": {"missing": ["NA"]},
    }
)
ROWS = 150
SAME = 1e-6


def raw_rows() -> list[dict[str, Any]]:
    rng = np.random.default_rng(2)

    def some(most: int, kinds: int) -> list[int]:
        return [int(one) for one in rng.integers(0, kinds, rng.integers(0, most + 1))]

    return [
        {
            "y": int(rng.random() < 0.3),
            "site": f"s{rng.integers(9)}",
            "genres": "|".join(f"g{one}" for one in some(4, 7)),
            "codes": [float(one) for one in some(3, 6)],
        }
        for _ in range(ROWS)
    ]


RAW = raw_rows()


def make(folder: Path) -> None:
    dataset = read_raw(reader_of(pa.Table.from_pylist(RAW), schema=SCHEMA)).encode(min_count=2, name="several")
    assert dataset.values is not None
    config = RunConfig(
        model=ModelConfig(kind="dcn", dim=3, hidden=(6,), cross_layers=1),
        table=TableConfig(init_std=0.1),
        train=TrainConfig(batch_size=50, eval_batch_size=1000, epochs=1),
    )
    train(config, dataset, output=folder / "run")
    pack(folder / "run", folder / "packed")
    for to in ("torch", "safetensors", "fbgemm", "tbe"):
        export(folder / "packed", to, folder / to)
    checkpoint = read_checkpoint(folder / "run")
    table, model = build(config, dataset)
    state = {name: array for name, array in checkpoint.arrays.items() if name.startswith(("table/", "model/"))}
    restore(state, table, model)
    np.savez(
        folder / "truth.npz",
        logits=predict_logits(table, model, dataset, np.arange(ROWS)),
        ids=dataset.ids,
        values=dataset.values,
    )


@pytest.fixture(scope="module")
def made(once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    return once("several", make)


@pytest.fixture(scope="module")
def truth(made: Path) -> Any:
    stored = dict(np.load(made / "truth.npz"))
    return {**stored, "probabilities": 1 / (1 + np.exp(-stored["logits"].astype(np.float64)))}


@pytest.mark.parametrize("source", ["run", "packed", "torch", "safetensors", "fbgemm", "tbe"])
def test_dicts_frames_and_ids(source: str, made: Path, truth: Any) -> None:
    scorer = Scorer(made / source)
    frame = pa.Table.from_pylist([{name: row[name] for name in ("site", "genres", "codes")} for row in RAW])
    for found in (scorer.score(RAW), scorer.score(frame), scorer.score(truth["ids"], truth["values"])):
        np.testing.assert_allclose(found, truth["probabilities"], rtol=0, atol=SAME)
        if source in ("run", "packed"):
            assert np.array_equal(found, truth["probabilities"].astype(np.float32))
    for number in range(0, ROWS, 7):
        assert abs(scorer.score(RAW[number]) - truth["probabilities"][number]) <= SAME
        one = scorer.score(truth["ids"][number], truth["values"][number])
        assert abs(one - truth["probabilities"][number]) <= SAME


def test_what_stands_for_the_same_values(made: Path) -> None:
    scorer = Scorer(made / "packed")
    spelled = [
        {"site": "s1", "genres": "g1|g2", "codes": [1, 2]},
        {"site": "s1", "genres": ["g1", "g2"], "codes": np.array([1.0, 2.0])},
        {"site": "s1", "genres": "g1||NA|g2", "codes": "01|2.0|"},
    ]
    assert len({scorer.score(row) for row in spelled}) == 1
    absent: tuple[Any, ...] = ("", None, [], "NA", "|")
    nothing = [{"site": "s1", "genres": value, "codes": value} for value in absent]
    assert len({scorer.score(row) for row in nothing}) == 1
    assert scorer.score(nothing[0]) != scorer.score({"site": "s1", "genres": "strange", "codes": "9"})


def test_the_encoder_of_an_export(made: Path, truth: Any) -> None:
    encoder = module(made / "torch", "encode").Encoder()
    ids, values = zip(*(encoder.encode(row) for row in RAW), strict=True)
    assert np.array_equal(ids, truth["ids"])
    assert np.array_equal(np.array(values, np.float32), truth["values"])
    more = {"site": "s1", "genres": "g1|g2|g3|g4|g5", "codes": []}
    with pytest.raises(ValueError, match="column genres: 5 values for 4 places"):
        encoder.encode(more)
    with pytest.raises(ValueError, match="6 values, the schema allows 5"):
        encoder.encode({**more, "genres": "g1|g2|g3|g4|g5|g6"})


def test_onnx_runtime(made: Path, truth: Any, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    n = export(made / "run", "onnx", tmp_path)["n"]
    found, _ = with_onnx(tmp_path, {"ids": truth["ids"].astype(np.int64), "values": truth["values"]}, n)
    np.testing.assert_allclose(found, truth["probabilities"], rtol=0, atol=SAME)
    scorer = Scorer(tmp_path)
    np.testing.assert_allclose(scorer.score(RAW), truth["probabilities"], rtol=0, atol=SAME)
    for number in range(0, ROWS, 9):  # alone, a row needs fewer places than the graph has
        assert abs(scorer.score(RAW[number]) - truth["probabilities"][number]) <= SAME
    with pytest.raises(InputError, match="row 0: more values in field 1 than the 4 places that the export has"):
        scorer.score({"site": "s1", "genres": "g1|g2|g3|g4|g5", "codes": []})


@pytest.mark.parametrize("to", ["torch", "fbgemm"])
def test_pytorch(to: str, made: Path, truth: Any) -> None:
    pytest.importorskip("torch")
    model = module(made / to, "model").ClickModel()
    found = model.score(truth["ids"].astype(np.int64), truth["values"]).numpy()
    np.testing.assert_allclose(found, truth["probabilities"], rtol=0, atol=SAME)
    with pytest.raises(IndexError, match="values must say what each id counts"):
        model.score(truth["ids"].astype(np.int64))


@pytest.mark.parametrize(
    ("rows", "values", "message"),
    [
        (np.zeros((1, 3), np.int64), None, r"rows must be dicts, a frame or whole numbers \(rows, 8\)"),
        (None, None, "values must say what each id counts: some field of this model holds several values"),
        (None, np.ones((2, 2)), r"values must be numbers of the ids' shape \(1, 8\)"),
        (None, np.full((1, 8), np.nan), "values must be finite numbers"),
        (None, np.ma.array(np.ones((1, 8)), mask=np.eye(1, 8)), "values must not be masked, got 1 masked values"),
        (np.ma.array(np.zeros((1, 8), int), mask=np.eye(1, 8)), None, "rows must not be masked, got 1 masked values"),
        ([{"site": "s1", "genres": "a|b|c|d|e|f", "codes": 1}], None, "row 0, column 'genres': 6 values, the sch"),
        ([{"site": "s1", "genres": 0.5, "codes": 1}], None, "row 0, column 'genres': 0.5 is neither a text nor"),
        ([{"site": "s1", "genres": {"a": 0.3}, "codes": 1}], None, "row 0, column 'genres': {'a': 0.3} is a mapping"),
        (RAW[:1], np.ones(1), "values belong to ids"),
    ],
)  # fmt: skip
def test_bad_rows_are_one_sentence(rows: Any, values: Any, message: str, made: Path, truth: Any) -> None:
    with pytest.raises(InputError, match=message):
        Scorer(made / "packed").score(truth["ids"][:1] if rows is None else rows, values)


def test_values_beside_ids_are_scored_by_ids(tmp_path: Path) -> None:
    file = tmp_path / "clicks.libsvm"
    rng = np.random.default_rng(0)
    lines = [f"{k % 2} {rng.integers(1, 4)}:{rng.random():.3f} {rng.integers(4, 9)}:1" for k in range(60)]
    file.write_text("\n".join(lines) + "\n")
    dataset = read_raw(reader_of(file, kind="libsvm")).encode(min_count=1)
    assert dataset.values is not None
    config = RunConfig().replace("model", dim=2, hidden=(4,)).replace("train", epochs=1, batch_size=20)
    result = train(config, dataset, output=tmp_path / "run")
    facts = export(tmp_path / "run", "torch", tmp_path / "torch")
    assert facts["lacks"] == [
        "vocabulary and schema, for rows of libsvm have numbers beside their ids: give ids and values"
    ]
    wanted = predict_logits(result.table, result.model, dataset, np.arange(60))
    for source in ("run", "torch"):
        found = Scorer(tmp_path / source).score(dataset.ids, dataset.values)
        np.testing.assert_allclose(found, 1 / (1 + np.exp(-wanted.astype(np.float64))), rtol=0, atol=SAME)
    assert json.loads((tmp_path / "torch" / "export.json").read_text())["slots"] == list(dataset.slots_of_fields)


CELLS = st.none() | st.text("ag1|N .", max_size=7) | st.sampled_from(["NA", "g1|g2", "g1||g2", "NA|g1", "g1|g1", "||"])


@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
def test_cells_of_texts(rows: list[Any]) -> None:
    genres, codes = (list(column) for column in zip(*rows, strict=True))
    known = {"site": ["s", "s"], "genres": ["g1|g2", "a"], "codes": ["1", "2|11"]}
    plan = RowPlan(SCHEMA, labelled=False)

    def coded(columns: dict[str, Any]) -> Any:
        faulty = FaultyLines(0, len(columns["site"]))
        arrays = {name: pa.array(values, pa.string()) for name, values in columns.items()}
        return code_rows(plan, arrays, faulty, np.arange(len(columns["site"])), ["NA"]).fields, faulty.mask

    fields, _ = coded(known)
    texts = [field.categories.to_pylist() for field in fields]
    counts = [np.bincount(field.codes, minlength=len(field.categories)) for field in fields]
    vocabulary = build_vocabulary(SCHEMA.field_names, texts, counts, 1, plan.fields)[0]
    encoder = SeveralEncoder(content_of(SCHEMA, vocabulary, (1, 5, 64)))
    columns = {"site": ["s"] * len(rows), "genres": genres, "codes": codes}
    fields, bad = coded(columns)
    laid = vocabulary.encode_fields(fields, plan.fields, (1, 5, 64)) if not bad.all() else None
    good = 0
    for number in range(len(rows)):
        row = {name: values[number] for name, values in columns.items()}
        if bad[number]:
            with pytest.raises(ValueError, match=r"."):
                encoder.encode(row)
            continue
        assert laid is not None
        assert laid.values is not None
        ids, values = encoder.encode(row)
        assert ids == laid.ids[good].tolist(), row
        assert np.array_equal(np.array(values, np.float32), laid.values[good]), row
        good += 1

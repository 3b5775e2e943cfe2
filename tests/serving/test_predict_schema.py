"""Files by the schema that a run holds: scored as its own rows are, with their ids, into CSV or Parquet."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from alpt_ref import ClickDataset, RunConfig, train
from alpt_ref.data import read
from alpt_ref.errors import AlptWarning, InputError
from alpt_ref.serving.predict import predict
from alpt_ref.training.grouped_auc import grouped_auc
from tests.data.logs import ROWS, schema_with_layout, table, text_of


class Trained(NamedTuple):
    """A run, its rows with ids in a column of their own, and their dataset."""

    run: Path
    rows: pa.Table
    dataset: ClickDataset


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A run on the log with every kind of field."""
    rows = table().append_column("request", pa.array([f"r{row}" for row in range(ROWS)]))
    schema = msgspec.structs.replace(schema_with_layout(rows), id=("request",))
    dataset = read(rows, schema).encode(seed=3)
    config = RunConfig().replace("model", dim=4, hidden=(8,), cross_layers=1)
    config = config.replace("train", batch_size=32, epochs=1, milestones=(), eval_batch_size=50)
    run = tmp_path_factory.mktemp("predict") / "run"
    train(config.replace("table", method="alpt", bits=8), dataset, output=run)
    return Trained(run, rows, dataset)


def scores_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_files_of_any_kind_give_the_scores_of_the_store(trained: Trained, tmp_path: Path) -> None:
    trained.dataset.save(tmp_path / "store")
    stored = predict(trained.run, tmp_path / "stored.csv", store=tmp_path / "store")
    (tmp_path / "log.csv").write_bytes(text_of(trained.rows, ","))
    pq.write_table(trained.rows, tmp_path / "log.parquet", row_group_size=70)
    expected = [row["probability"] for row in scores_of(tmp_path / "stored.csv")]
    assert len(set(expected)) > ROWS / 2
    for name in ("log.csv", "log.parquet"):
        scores = predict(trained.run, tmp_path / f"{name}.scores.csv", file=tmp_path / name)
        found = scores_of(tmp_path / f"{name}.scores.csv")
        assert [row["probability"] for row in found] == expected
        assert [row["request"] for row in found] == [f"r{row}" for row in range(ROWS)]
        assert [row["label"] for row in found] == [f"{label}" for label in trained.rows["click"].to_pylist()]
        assert scores == stored


def test_weights_count_in_the_metrics(trained: Trained, tmp_path: Path) -> None:
    """Weight 3 is the row three times."""
    pq.write_table(trained.rows, tmp_path / "log.parquet")
    weighted = predict(trained.run, tmp_path / "scores.csv", file=tmp_path / "log.parquet")
    times = np.repeat(np.arange(ROWS), trained.rows["paid"].to_numpy())
    many = trained.rows.take(times)
    one = many.set_column(many.column_names.index("paid"), "paid", pa.array(np.ones(len(many), np.int64)))
    pq.write_table(one, tmp_path / "many.parquet")
    repeated = predict(trained.run, tmp_path / "many.csv", file=tmp_path / "many.parquet")
    assert repeated.rows == len(times) > weighted.rows
    assert weighted.logloss == pytest.approx(repeated.logloss, rel=1e-6)
    assert weighted.auc == pytest.approx(repeated.auc, rel=1e-6)


def test_a_column_that_goes_along_groups_the_rows(trained: Trained, tmp_path: Path) -> None:
    users = pa.array([f"u{row * row % 11}" for row in range(ROWS)])
    rows = trained.rows.set_column(trained.rows.column_names.index("request"), "request", users)
    pq.write_table(rows, tmp_path / "log.parquet", row_group_size=70)
    found = predict(trained.run, tmp_path / "scores.csv", file=tmp_path / "log.parquet", group="request").quality
    assert found is not None
    p = [float(row["probability"]) for row in scores_of(tmp_path / "scores.csv")]
    labels, paid = (rows[name].to_numpy() for name in ("click", "paid"))
    expected = grouped_auc(labels, p, users.to_pylist(), sample_weight=paid)
    assert (found.groups, found.left_out) == expected[1:]
    assert found.gauc == pytest.approx(expected.value, rel=1e-5)  # probabilities are rounded to float32
    with pytest.raises(InputError, match=r"a field .*, or a column carried along \(request\), got 'user'"):
        predict(trained.run, tmp_path / "other.csv", file=tmp_path / "log.parquet", group="user")
    assert not (tmp_path / "other.csv").exists()


def test_labels_without_the_runs_weights_are_scored_by_a_word(trained: Trained, tmp_path: Path) -> None:
    """The labels are not lost: each row counts 1, as a column of ones would say."""
    bare = trained.rows.drop_columns(["paid"])
    ones = bare.append_column("paid", pa.array(np.ones(ROWS, np.int64)))
    (tmp_path / "bare.csv").write_bytes(text_of(bare, ","))
    pq.write_table(bare, tmp_path / "bare.parquet")
    pq.write_table(ones, tmp_path / "ones.parquet")
    expected = predict(trained.run, tmp_path / "ones.csv", file=tmp_path / "ones.parquet")
    for name in ("bare.csv", "bare.parquet"):
        with pytest.warns(AlptWarning, match=f"{name} has labels but no column 'paid', the schema's weight"):
            assert predict(trained.run, tmp_path / "scores.csv", file=tmp_path / name) == expected
        assert scores_of(tmp_path / "scores.csv") == scores_of(tmp_path / "ones.csv")
    with pytest.raises(InputError, match=r"ones.parquet has weights and .*bare.csv has none"):
        predict(trained.run, tmp_path / "no.csv", file=[tmp_path / "ones.parquet", tmp_path / "bare.csv"])


def test_weights_of_nothing_but_zero_are_not_called_no_labels(trained: Trained, tmp_path: Path) -> None:
    place = trained.rows.column_names.index("paid")
    pq.write_table(trained.rows.set_column(place, "paid", pa.array([0] * ROWS)), tmp_path / "zero.parquet")
    scores = predict(trained.run, tmp_path / "scores.csv", file=tmp_path / "zero.parquet")
    assert scores.labelled
    assert scores.quality is None


def test_parquet_by_its_name_and_rows_without_labels(trained: Trained, tmp_path: Path) -> None:
    pq.write_table(trained.rows, tmp_path / "log.parquet")
    predict(trained.run, tmp_path / "scores.csv", file=tmp_path / "log.parquet")
    bare = trained.rows.drop_columns(["click", "paid"])
    (tmp_path / "bare.tsv").write_bytes(text_of(bare, "\t"))
    scores = predict(trained.run, tmp_path / "scores.parquet", file=tmp_path / "bare.tsv")
    assert (scores.rows, scores.auc, scores.logloss) == (ROWS, None, None)
    found = pq.read_table(tmp_path / "scores.parquet")
    assert found.column_names == ["row", "request", "probability"]
    expected = np.array([row["probability"] for row in scores_of(tmp_path / "scores.csv")], np.float32)
    np.testing.assert_array_equal(found["probability"].to_numpy(), expected)


def test_more_values_than_in_training(trained: Trained, tmp_path: Path) -> None:
    """Rows may hold more values of a field than any row that the run has seen, up to the schema's `max_values`."""
    tags = [["a", "b", "c", "d", "a"], ["a", "b", "c", "d", "a", "q"], *trained.rows["tags"].to_pylist()[2:]]
    place = trained.rows.column_names.index("tags")
    pq.write_table(trained.rows.set_column(place, "tags", pa.array(tags)), tmp_path / "long.parquet")
    assert predict(trained.run, tmp_path / "scores.csv", file=tmp_path / "long.parquet").rows == ROWS
    first = scores_of(tmp_path / "scores.csv")
    pq.write_table(trained.rows, tmp_path / "log.parquet")
    predict(trained.run, tmp_path / "scores.csv", file=tmp_path / "log.parquet")
    again = scores_of(tmp_path / "scores.csv")
    assert first[0] != again[0]
    assert first[2:] == again[2:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.drop_columns(["site"]), "lacks column 'site'"),
        (lambda rows: rows.drop_columns(["request"]), "lacks column 'request'"),
        (lambda rows: rows.slice(0, 0), "holds no rows"),
    ],
)
def test_refusals(trained: Trained, tmp_path: Path, change: Any, message: str) -> None:
    pq.write_table(change(trained.rows), tmp_path / "log.parquet")
    with pytest.raises(InputError, match=message):
        predict(trained.run, tmp_path / "scores.csv", file=tmp_path / "log.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["log.parquet"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_an_id_with_the_name_of_a_score_gets_another(tmp_path: Path, ending: str) -> None:
    rows = table().append_column("row", pa.array([f"r{row}" for row in range(ROWS)]))
    dataset = read(rows, msgspec.structs.replace(schema_with_layout(rows), id=("row",))).encode()
    config = RunConfig().replace("model", dim=4, hidden=(8,), cross_layers=1).replace("train", batch_size=32, epochs=1)
    train(config, dataset, output=tmp_path / "run")
    pq.write_table(rows, tmp_path / "log.parquet")
    scores = tmp_path / f"scores.{ending}"
    with pytest.warns(AlptWarning, match="id column 'row' has the name of a column of the scores; .* it 'id_row'"):
        predict(tmp_path / "run", scores, file=tmp_path / "log.parquet", group="row")
    written = pacsv.read_csv(scores) if ending == "csv" else pq.read_table(scores)
    assert written.column_names == ["row", "id_row", "label", "probability"]
    assert written["id_row"].to_pylist() == rows["row"].to_pylist()

"""Scoring: a store gives the run's own figures, a raw file the same rows, whatever is unknown or wrong in it."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.data import ClickDataset, encode_file, read_criteo, synthetic_clicks
from alpt_ref.data.formats.avazu import HEADER, avazu_format
from alpt_ref.data.formats.categories import CategoryWarning
from alpt_ref.data.formats.criteo import criteo_format
from alpt_ref.data.formats.libfm import libfm_format
from alpt_ref.data.formats.lines import Lines
from alpt_ref.data.formats.parse import code_lines
from alpt_ref.data.formats.text import TextReader
from alpt_ref.data.formats.unlabelled import has_label, without_label
from alpt_ref.errors import AlptWarning, InputError
from alpt_ref.serving.pieces import batches
from alpt_ref.serving.predict import predict
from alpt_ref.serving.raw_rows import RunReader, pieces_of
from alpt_ref.training.checkpoint import read_checkpoint
from alpt_ref.training.config import ModelConfig, RunConfig, TrainConfig
from alpt_ref.training.grouped_auc import grouped_auc
from alpt_ref.training.train import train
from tests.data.files import avazu_line, write
from tests.serving.scored import LINES, Trained, rows_of


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return Trained(tmp_path_factory.mktemp("trained"))


def test_a_part_of_the_runs_own_store_gives_its_figures_bit_for_bit(trained: Trained, tmp_path: Path) -> None:
    scores = predict(trained.run, tmp_path / "p.csv", store=trained.store, part="test")
    assert (scores.auc, scores.logloss) == (trained.result.test_auc, trained.result.test_logloss)
    assert scores.quality == trained.result.quality
    rows = trained.dataset.rows_of("test")
    written = rows_of(tmp_path / "p.csv")
    assert [int(row["row"]) for row in written] == rows.tolist()
    assert [int(row["label"]) for row in written] == trained.dataset.labels[rows].tolist()
    p = np.array([float(row["probability"]) for row in written])
    y = trained.dataset.labels[rows]
    assert scores.logloss == pytest.approx(-np.log(np.where(y, p, 1 - p)).mean(), rel=1e-5)


def test_the_raw_file_gives_what_its_store_gives(trained: Trained, tmp_path: Path) -> None:
    stored = predict(trained.run, tmp_path / "store.csv", store=trained.store)
    for number, file in enumerate((trained.file, write(tmp_path / "clicks.gz", "\n".join(LINES)))):
        raw = predict(trained.run, tmp_path / f"{number}.csv", kind="criteo", file=file)
        assert raw == stored
        assert (tmp_path / f"{number}.csv").read_bytes() == (tmp_path / "store.csv").read_bytes()
    assert stored.rows == 400
    assert 0 < stored.unseen_share < 1  # min_count leaves some out


def test_the_auc_within_groups_is_that_of_the_scores_written(trained: Trained, tmp_path: Path) -> None:
    field = trained.dataset.field_names[3]
    stored = predict(trained.run, tmp_path / "store.csv", store=trained.store, group=field)
    raw = predict(trained.run, tmp_path / "raw.csv", kind="criteo", file=trained.file, group=field)
    assert raw.quality == stored.quality is not None
    p = np.array([float(row["probability"]) for row in rows_of(tmp_path / "raw.csv")])
    expected = grouped_auc(trained.dataset.labels, p, trained.dataset.ids[:, 3])
    assert (stored.quality.groups, stored.quality.left_out) == (expected.groups, expected.left_out)
    assert stored.quality.gauc == pytest.approx(expected.value, rel=1e-5)  # probabilities are rounded to float32


def test_pieces_of_a_file_do_not_change_what_is_scored(trained: Trained) -> None:
    vocabulary = trained.dataset.vocabulary
    for chunk_bytes in (700, 1 << 20):
        reader = TextReader(trained.file, criteo_format, chunk_bytes=chunk_bytes)
        pieces = list(pieces_of(RunReader(reader, lambda: True), vocabulary))
        assert np.array_equal(np.concatenate([piece.ids for piece in pieces]), trained.dataset.ids)
        assert np.array_equal(np.concatenate([piece.rows for piece in pieces]), np.arange(400))
        sizes = [len(piece.rows) for piece in batches(iter(pieces), 17, np.zeros(39, np.uint32))]
        assert sizes == [17] * 23 + [9]


def test_a_file_without_labels(trained: Trained, tmp_path: Path) -> None:
    bare = write(tmp_path / "test.txt", "\n".join(line.partition("\t")[2] for line in LINES))
    predict(trained.run, tmp_path / "with.csv", kind="criteo", file=trained.file)
    scores = predict(trained.run, tmp_path / "without.csv", kind="criteo", file=bare)
    assert (scores.rows, scores.auc, scores.logloss) == (400, None, None)
    with_labels, without = rows_of(tmp_path / "with.csv"), rows_of(tmp_path / "without.csv")
    assert [row["probability"] for row in without] == [row["probability"] for row in with_labels]
    assert list(without[0]) == ["row", "probability"]


def test_unseen_categories_take_the_out_of_vocabulary_rows(trained: Trained, tmp_path: Path) -> None:
    columns = LINES[0].split("\t")
    strange = "\t".join([*columns[:14], *["never seen"] * 26])
    scores = predict(trained.run, tmp_path / "p.csv", kind="criteo", file=write(tmp_path / "s.txt", strange))
    ids = trained.dataset.ids[:1].copy()
    ids[0, 13:] = trained.dataset.field_offsets[13:-1]
    embedding = trained.result.table.lookup(ids.reshape(-1)).reshape(1, -1)
    logit = float(trained.result.model.forward(embedding, training=False)[0])
    assert float(rows_of(tmp_path / "p.csv")[0]["probability"]) == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-6)
    expected = (26 + (ids[0, :13] == trained.dataset.field_offsets[:13]).sum()) / 39
    assert scores.unseen_share == pytest.approx(expected)
    assert scores.auc is None  # one row, one class
    assert scores.logloss is not None


def test_a_store_knows_the_rows_of_its_files(trained: Trained, tmp_path: Path) -> None:
    bad = write(tmp_path / "bad.txt", "\n".join([*LINES[:9], "0\tx", *LINES[9:300]]))
    more = write(tmp_path / "more.txt", "\n".join(["", "x", *LINES[300:320]]))
    store = encode_file("criteo", [bad, more], tmp_path / "store", chunk_bytes=5000, on_bad_row="skip", min_count=1)
    assert store.info["bad_rows"]["rows"] == [9, 1, 301, 2]
    in_memory = read_criteo([bad, more], on_bad_row="skip").encode(min_count=1)
    assert in_memory.info["bad_rows"] == store.info["bad_rows"]
    numbers = np.array([*range(9), *range(10, 301), *range(303, 323)])
    run = tmp_path / "run"
    train(trained.config, store, output=run)
    predict(run, tmp_path / "p.csv", store=tmp_path / "store")
    assert [int(row["row"]) for row in rows_of(tmp_path / "p.csv")] == numbers.tolist()
    predict(run, tmp_path / "raw.csv", kind="criteo", file=[bad, more], on_bad_row="skip")
    assert (tmp_path / "raw.csv").read_bytes() == (tmp_path / "p.csv").read_bytes()
    predict(run, tmp_path / "t.csv", store=tmp_path / "store", part="test")
    assert [int(row["row"]) for row in rows_of(tmp_path / "t.csv")] == numbers[store.rows_of("test")].tolist()


def test_a_store_that_does_not_say_which_rows_it_left_out_is_named(trained: Trained, tmp_path: Path) -> None:
    bad_rows = {"count": 2, "examples": []}
    former = dataclasses.replace(trained.dataset, info={**trained.dataset.info, "bad_rows": bad_rows})
    former.save(tmp_path / "store")
    train(trained.config, ClickDataset.open(tmp_path / "store"), output=tmp_path / "run")
    with pytest.warns(AlptWarning, match="left out 2 bad rows and does not say which: `row` counts its own") as caught:
        predict(tmp_path / "run", tmp_path / "p.csv", store=tmp_path / "store")
    assert [warning.filename for warning in caught] == [__file__]
    assert [int(row["row"]) for row in rows_of(tmp_path / "p.csv")] == list(range(former.rows))


def test_values_that_are_spelled_in_another_way_are_named(trained: Trained, tmp_path: Path) -> None:
    columns = [line.split("\t") for line in LINES]
    padded = ["\t".join([*row[:14], *(f"{text} " for text in row[14:])]) for row in columns]
    usual = read_checkpoint(trained.run).meta["unseen"]
    test = trained.dataset.ids[trained.dataset.rows_of("test")] == trained.dataset.field_offsets[:-1]
    assert usual == test.mean(axis=0).tolist()
    with pytest.warns(CategoryWarning) as caught:
        predict(trained.run, tmp_path / "p.csv", kind="criteo", file=write(tmp_path / "padded", "\n".join(padded)))
    (warning,) = caught
    assert warning.filename == __file__
    text = str(warning.message)
    assert text.startswith("100 % of the values of C")
    assert "among the run's test rows), such as '" in text
    assert text.endswith("blanks are part of the values; take them off")


def test_a_checkpoint_takes_the_vocabulary_of_the_store(trained: Trained, tmp_path: Path) -> None:
    checkpoint = sorted((trained.run / "checkpoints").iterdir())[-1]
    assert read_checkpoint(checkpoint).vocabulary is None
    assert predict(checkpoint, tmp_path / "p.csv", kind="criteo", file=trained.file).rows == 400
    moved = tmp_path / "moved"
    shutil.copytree(trained.store, moved)
    hidden = trained.store.rename(trained.store.with_name("hidden"))
    try:
        with pytest.raises(InputError, match="does not carry its vocabulary"):
            predict(checkpoint, tmp_path / "q.csv", kind="criteo", file=trained.file)
        predict(checkpoint, tmp_path / "q.csv", kind="criteo", file=trained.file, vocabulary=moved)
    finally:
        hidden.rename(trained.store)
    assert (tmp_path / "p.csv").read_bytes() == (tmp_path / "q.csv").read_bytes()
    encode_file("criteo", trained.file, tmp_path / "other", min_count=5)
    with pytest.raises(InputError, match="does not have the vocabulary of the run"):
        predict(checkpoint, tmp_path / "q.csv", kind="criteo", file=trained.file, vocabulary=tmp_path / "other")


def test_a_run_without_vocabulary_scores_stores_only(tmp_path: Path) -> None:
    dataset = synthetic_clicks(rows=600, fields=3, features=40)
    dataset.save(tmp_path / "store")
    config = RunConfig(
        model=ModelConfig(kind="logistic", dim=1), train=TrainConfig(batch_size=100, epochs=1, eval_batch_size=50)
    )
    result = train(config, dataset, output=tmp_path / "run")
    scores = predict(tmp_path / "run", tmp_path / "p.csv", store=tmp_path / "store", part="test")
    assert scores.auc == result.test_auc
    file = write(tmp_path / "c.txt", "\n".join(LINES))
    with pytest.raises(InputError, match="no vocabulary of categories"):
        predict(tmp_path / "run", tmp_path / "p.csv", kind="criteo", file=file)


FILES = {
    "criteo": (criteo_format, None, LINES[:5], [line.partition("\t")[2] for line in LINES[:5]]),
    "avazu": (
        avazu_format,
        ",".join(HEADER),
        [avazu_line(site_id=k, click=k % 2) for k in range(5)],
        None,
    ),
    "libfm": (libfm_format, None, ["1 5:1 7:1", "0 5:1  9:1"], ["5:1 7:1", "5:1  9:1 "]),
}


@pytest.mark.parametrize("kind", list(FILES))
def test_a_format_without_labels_reads_the_same_categories(kind: str) -> None:
    make, header, lines, bare = FILES[kind]
    if bare is None:  # Avazu: take the column out, wherever it stands
        place = HEADER.index("click")
        bare = [",".join(part for k, part in enumerate(line.split(",")) if k != place) for line in [header, *lines]]
        bare_header, *bare = bare
    head, bare_head = ([header], [bare_header]) if header else (lines, bare)
    assert has_label(kind, head)
    assert not has_label(kind, bare_head)
    rows, bad = code_lines(make(head), Lines(1, ("\n".join(lines) + "\n").encode()))
    others, others_bad = code_lines(without_label(kind, bare_head), Lines(1, ("\n".join(bare) + "\n").encode()))
    assert (bad.count, others_bad.count) == (0, 0)
    assert len(others.labels) == len(lines)
    for ours, theirs in zip(rows.codes, others.codes, strict=True):
        assert np.array_equal(ours, theirs)
    assert [texts.to_pylist() for texts in rows.categories] == [texts.to_pylist() for texts in others.categories]

"""Readers of any kind: rows of several values, numbers beside them, weights, times and bins against a slow encoder."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpt_ref.data import ClickDataset, describe, describe_text
from alpt_ref.data.fields import FieldPlan
from alpt_ref.data.formats.coded import CodedField
from alpt_ref.data.raw import read_raw
from alpt_ref.data.store.ingest import encode_reader
from alpt_ref.errors import InputError
from tests.data.piece_rows import PLANS, reader, rows_by_hand

from .by_hand import HandReader, Row, slow_encode

TEXT = st.sampled_from(["a", "b", "c", "é", ""])
CELL = st.tuples(TEXT, st.just(1.0))
NUMBER = st.tuples(st.sampled_from(["", "-3", "0", "0.5", "7", "12", "1e3"]), st.just(1.0))
ROW = st.builds(
    Row,
    st.tuples(
        st.lists(CELL, min_size=1, max_size=1),
        st.lists(CELL, max_size=4),
        st.lists(st.tuples(TEXT, st.sampled_from([0.0, 0.1, -2.0, 1.0])), max_size=3),
        st.lists(NUMBER, min_size=1, max_size=1),
    ),
    st.sampled_from([0, 0, 1, None]),
    st.sampled_from([0.0, 0.5, 1.0, 3.0]),
    st.integers(-5, 5),
)  # fmt: skip


def check(dataset: ClickDataset, rows: list[Row], least: int) -> None:
    """Compare with the slow encoder, row by row."""
    sizes, expected = slow_encode(rows, PLANS, dataset.split.tolist(), least)
    assert list(dataset.field_sizes) == sizes
    slots = dataset.slots_of_fields
    edges = np.cumsum([0, *slots])
    assert list(slots) == [max([1, *(len(cells[f]) for cells in expected)]) for f in range(len(PLANS))]
    values = np.ones(dataset.ids.shape, np.float32) if dataset.values is None else dataset.values
    for row, cells in enumerate(expected):
        for field, wanted in enumerate(cells):
            place = slice(edges[field], edges[field + 1])
            found = list(zip(dataset.ids[row, place].tolist(), values[row, place].tolist(), strict=True))
            assert found[: len(wanted)] == wanted
            assert found[len(wanted) :] == [(int(dataset.field_offsets[field]), 0.0)] * (slots[field] - len(wanted))
    assert dataset.labels.tolist() == [row.label for row in rows]
    assert dataset.weights is not None
    assert dataset.weights.tolist() == [row.weight for row in rows]


@settings(deadline=None, max_examples=40)
@given(rows=st.lists(ROW, min_size=1, max_size=25), step=st.integers(1, 9), least=st.integers(1, 2))
def test_against_a_slow_encoder(rows: list[Row], step: int, least: int) -> None:
    good = [row for row in rows if row.label is not None]
    source = reader(rows, step, on_bad_row="skip", max_bad_rows=1)
    if not good:
        with pytest.raises(InputError, match=r"/data/part-0 holds no rows \(all \d+ rows are bad, row 1: no label\)"):
            read_raw(source)
        return
    raw = read_raw(source)
    dataset = raw.encode(min_count=least, seed=3)
    check(dataset, good, least)
    dataset.validate()
    assert dataset.info["rows_read"] == len(rows) == raw.rows + raw.bad_rows.count
    assert dataset.vocabulary is not None
    laid = raw.lay_out(dataset.vocabulary)
    np.testing.assert_array_equal(laid.ids, dataset.ids)
    np.testing.assert_array_equal(dataset.vocabulary.encode_clicks(raw), dataset.ids)
    assert laid.slots == dataset.slots


def test_a_store_has_the_bits_of_the_rows_in_memory(tmp_path: Path) -> None:
    rows = rows_by_hand(60)
    rows[7] = dataclasses.replace(rows[7], label=None)
    direct = read_raw(reader(rows, 60, on_bad_row="skip")).encode(min_count=2, seed=1, name="x")
    for step, workers in ((1, 3), (7, 1), (60, 2)):
        folder = tmp_path / f"{step}"
        source = reader(rows, step, on_bad_row="skip", workers=workers)
        stored = encode_reader(source, folder, min_count=2, seed=1)
        assert stored.fingerprint == direct.fingerprint
        opened = ClickDataset.open(folder, verify=True)
        for name in ("ids", "labels", "split", "weights", "values"):
            np.testing.assert_array_equal(getattr(opened, name), getattr(direct, name))
        assert opened.slots == direct.slots == (1, 3, 2, 1)
    check(direct, [row for row in rows if row.label is not None], 2)


def test_rows_of_one_value_each_have_no_values(tmp_path: Path) -> None:
    """A field that may hold several values is an ordinary one where no row has another number than one, of factor 1."""
    rows = [Row(([(f"{k % 3}", 1.0)],), k % 2) for k in range(20)]
    plain = read_raw(HandReader([rows], [FieldPlan("a")], "1")).encode()
    for shape, pooling in (("m", "mean"), ("f", "sum")):
        source = HandReader([rows], [FieldPlan("a", pooling)], shape)  # type: ignore[arg-type]
        several = encode_reader(source, tmp_path / shape)
        assert several.values is None
        assert several.slots is None
        assert several.fingerprint == plain.fingerprint
    valued = [dataclasses.replace(row, cells=([(row.cells[0][0][0], 0.5)],)) for row in rows]
    half = read_raw(HandReader([valued], [FieldPlan("a")], "f")).encode()
    assert half.slots == (1,)
    assert half.values is not None
    assert (half.values == np.float32(0.5)).all()


def test_a_killed_run_takes_over_its_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_by_hand(30)
    expected = encode_reader(reader(rows), tmp_path / "expected").fingerprint

    def killed(*arguments: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("alpt_ref.data.store.ingest.join_vocabulary", killed)
        with pytest.raises(KeyboardInterrupt):
            encode_reader(reader(rows), tmp_path / "store")
    rows[4] = dataclasses.replace(rows[4], weight=2.5)
    again = reader(rows)
    found = encode_reader(again, tmp_path / "store")
    assert again.parsed == [4]  # the piece with the row that was changed
    assert found.weights is not None
    assert found.weights[4] == 2.5
    assert found.fingerprint != expected
    assert found.fingerprint == encode_reader(reader(rows, 5), tmp_path / "other").fingerprint


def test_saving_pickling_and_replacing(tmp_path: Path) -> None:
    dataset = read_raw(reader(rows_by_hand(40))).encode(seed=2)
    dataset.save(tmp_path / "store")
    opened = ClickDataset.open(tmp_path / "store", verify=True)
    assert opened.fingerprint == dataset.fingerprint
    again = pickle.loads(pickle.dumps(opened))
    assert again.fingerprint == dataset.fingerprint
    np.testing.assert_array_equal(again.values, dataset.values)
    turned = np.ascontiguousarray(opened.split[::-1])
    for one in (dataset, opened, again):
        other = dataclasses.replace(one, split=turned)
        assert other.fingerprint != dataset.fingerprint
        other.save(tmp_path / "turned")  # all three are the same store
    assert ClickDataset.open(tmp_path / "turned", verify=True).split.tolist() == turned.tolist()
    heavier = dataclasses.replace(opened, weights=np.full(40, 2, np.float32))
    assert heavier.fingerprint != dataset.fingerprint
    assert dataclasses.replace(heavier, weights=dataset.weights).fingerprint == dataset.fingerprint


def test_what_data_info_says() -> None:
    dataset = read_raw(reader(rows_by_hand(40))).encode(name="by hand")
    summary = describe(dataset)
    assert [entry.get("slots") for entry in summary["vocabulary"]] == [None, 3, 2, None]
    assert dataset.weights is not None
    assert summary["weights"] == {"least": 0.0, "mean": float(dataset.weights.mean(dtype=np.float64)), "most": 1.0}
    text = describe_text(dataset)
    assert "genres 6 (up to 3 values a row)" in text
    assert "weights of the rows: 0 to 1" in text
    assert repr(dataset).startswith("ClickDataset 'by hand': 40 weighted rows, 4 fields, ")
    assert "genres 6 in up to 3 values" in repr(dataset)


def test_new_rows_of_several_values() -> None:
    dataset = read_raw(reader(rows_by_hand(40))).encode()
    vocabulary = dataset.vocabulary
    assert vocabulary is not None
    fields = [
        CodedField.of_texts(["d1", "new"]),
        CodedField.of_lists([["g0", "new", "g1", "g2"], []]),
        CodedField.of_lists([["w1"], ["w2", "w0"]], [[0.5], [2.0, -1.0]]),
        CodedField.of_texts(["2", ""]),
    ]
    laid = vocabulary.encode_fields(fields, PLANS)
    assert laid.slots == (1, 4, 2, 1)
    assert laid.values is not None
    assert laid.values.tolist() == [[1, 0.25, 0.25, 0.25, 0.25, 0.5, 0, 1], [1, 0, 0, 0, 0, 2, -1, 1]]
    unknown = int(dataset.field_offsets[1])
    assert laid.ids[0, 2] == unknown
    assert laid.ids[1, 1:5].tolist() == [unknown] * 4
    wider = vocabulary.encode_fields(fields, PLANS, (1, 5, 3, 1))
    assert wider.ids.shape == (2, 10)
    for arguments, message in (
        ((fields[:2],), "fields must be 4"),
        (([*fields[:3], CodedField.of_texts(["2"])],), "same number of rows"),
        ((fields, PLANS, (1, 3, 2, 1)), r"slots must be at least \(1, 4, 2, 1\)"),
    ):
        with pytest.raises(InputError, match=message):
            vocabulary.encode_fields(*arguments)

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

from alpt_ref import RunConfig, train
from alpt_ref.data import ClickDataset, describe, describe_text
from alpt_ref.data.fields import FieldPlan
from alpt_ref.data.formats.coded import CodedField
from alpt_ref.data.growth import translation
from alpt_ref.data.raw import read_raw
from alpt_ref.data.store.ingest import encode_reader
from alpt_ref.errors import InputError

from .by_hand import HandReader, Row, slow_encode

PLANS = (
    FieldPlan("device"),
    FieldPlan("genres", "mean", min_count=2),
    FieldPlan("words", "sum"),
    FieldPlan("price", bins=3),
)
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


def rows_by_hand(count: int, seed: int = 0) -> list[Row]:
    """Good rows with up to three genres and two words."""
    random = np.random.default_rng(seed)
    return [
        Row(
            (
                [("d" + str(random.integers(3)), 1.0)],
                [("g" + str(value), 1.0) for value in random.integers(5, size=random.integers(4))],
                [("w" + str(value), float(value) / 4) for value in random.integers(5, size=random.integers(3))],
                [(["", "1", "2", "2.5", "9"][random.integers(5)], 1.0)],
            ),
            int(random.integers(2)),
            float(random.integers(3)) / 2,
            int(random.integers(-9, 9)),
        )
        for _ in range(count)
    ]


def reader(rows: list[Row], step: int = 3, **options: Any) -> HandReader:
    """One source of four fields."""
    return HandReader([rows], PLANS, "1mf1", step, **options)


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": np.ones(39, np.float32)}, r"weights must be float32 of shape \(40,\)"),
        ({"weights": np.ones(40)}, "weights must be float32"),
        ({"values": np.ones((40, 4), np.float32)}, r"values must be float32 of shape \(40, 7\)"),
        ({"slots": (1, 3, 2)}, "slots must be 4 whole numbers of at least 1"),
        ({"slots": (1, 3, 3, 1)}, r"ids must be uint32 of shape \(rows, 8\)"),
        ({"slots": (2, 3, 2, 0)}, "slots must be 4 whole numbers"),
        ({"values": None}, "slots must come with values"),
        ({"split": [0] * 40}, r"split must be a NumPy array, uint8 of shape \(40,\), got a list"),
        ({"weights": [1.0] * 40}, "weights must be a NumPy array, float32"),
        ({"split": None}, "split must be a NumPy array, .* got a NoneType"),
    ],
)
def test_types_and_shapes(change: dict[str, Any], message: str) -> None:
    dataset = read_raw(reader(rows_by_hand(40))).encode()
    with pytest.raises(InputError, match=message):
        dataclasses.replace(dataset, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times": np.zeros(40)}, r"times must be int64 of shape \(40,\), got float64"),
        ({"weights": np.ones(39, np.float32)}, r"weights must be float32 of shape \(40,\)"),
        ({"parts": np.zeros((40, 1), np.uint8)}, "parts must be uint8"),
        ({"slots": (1, 3, 2)}, "slots must be 4 numbers"),
        ({"slots": (1, 3, 3, 1)}, r"codes must have the shape \(40, 8\)"),
        ({"factors": np.ones((40, 4), np.float32)}, r"factors must be float32 of shape \(40, 7\)"),
    ],
)
def test_types_and_shapes_of_raw_rows(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataclasses.replace(read_raw(reader(rows_by_hand(40))), **change)


def test_contents_are_checked_on_saving(tmp_path: Path) -> None:
    dataset = read_raw(reader(rows_by_hand(40))).encode()
    assert dataset.values is not None
    wrong: list[tuple[str, Any, str]] = [
        ("weights", -1.0, "weights must be finite and at least 0"),
        ("weights", np.nan, "weights must be finite"),
        ("values", np.inf, "values must be finite"),
    ]
    for name, value, message in wrong:
        array = getattr(dataset, name).copy()
        array.reshape(-1)[3] = value
        with pytest.raises(InputError, match=message):
            dataclasses.replace(dataset, **{name: array}).save(tmp_path / "store")
    ids = dataset.ids.copy()
    ids[5, 3] = dataset.field_offsets[2]  # the last slot of genres with an id of words
    with pytest.raises(InputError, match="field's range"):
        dataclasses.replace(dataset, ids=ids).save(tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_what_is_put_into_an_opened_store_is_checked_before_it_is_trained_on(tmp_path: Path) -> None:
    read_raw(reader(rows_by_hand(40))).encode(seed=2).save(tmp_path / "store")
    opened = ClickDataset.open(tmp_path / "store")
    ids, split, labels = opened.ids.copy(), opened.split.copy(), opened.labels.copy()
    ids[3, 0], split[7], labels[39] = opened.n, 3, 2
    opened.validate(stored=False)
    changes: list[tuple[dict[str, Any], str]] = [
        ({"ids": ids}, "ids must lie"),
        ({"split": split}, "split must be 0, 1 or 2"),
        ({"labels": labels}, "labels must be 0 or 1"),
        ({"field_sizes": (1, *opened.field_sizes[1:]), "vocabulary": None}, "ids must lie"),
    ]
    for change, message in changes:
        with pytest.raises(InputError, match=message):
            train(RunConfig(), dataclasses.replace(opened, **change))


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


def test_bins_in_a_vocabulary(tmp_path: Path) -> None:
    rows = [Row(([(text, 1.0)],), 0) for text in ["3"] * 4 + ["1", "2", "10", "10.5", "", ""]]
    plan = FieldPlan("price", bins=4)
    store = encode_reader(HandReader([rows], [plan], "1"), tmp_path / "store", split=(1, 0, 0))
    opened = ClickDataset.open(tmp_path / "store").vocabulary
    assert store.vocabulary is not None
    assert opened is not None
    assert opened.categories(0) == ["-inf", "3", "10", ""]  # 1 2 | 3 3 3 3 | 10 10.5 | missing
    column = ["-7", "2.9", "3", "9.99", "1000", "", "ten", "1e999", "nan", "2"]
    assert opened.encode([column])[:, 0].tolist() == [1, 1, 2, 2, 3, 4, 0, 0, 0, 1]
    for text, expected in zip(column, opened.encode([column])[:, 0].tolist(), strict=True):
        assert opened.encode([[text]])[0, 0] == expected  # whatever stands beside it
    assert opened.bins(0) is not None
    assert read_raw(HandReader([rows], [FieldPlan("price")], "1")).encode().vocabulary.bins(0) is None  # type: ignore[union-attr]


def test_bins_stay_where_a_vocabulary_grows() -> None:
    rows = [Row(([(text, 1.0)], [(text, 1.0)]), 0) for text in ["1", "2", "3", "4"]]
    plans = [FieldPlan("price", bins=2), FieldPlan("zone")]
    vocabulary = read_raw(HandReader([rows], plans, "11")).encode(split=(1, 0, 0)).vocabulary
    assert vocabulary is not None
    fresh = [["7", "", "2.5"], ["7", "", "2"]]
    grown, growth = vocabulary.extended(fresh, [np.array([3, 2, 9]), np.array([3, 2, 9])])
    assert grown.categories(0) == ["-inf", "3"]
    assert grown.categories(1) == ["1", "2", "3", "4", "7", ""]
    assert growth.added == [0, 2]
    assert grown.bins(0) is not None
    assert grown.encode([["0", "3", "9", ""], ["1", "2", "7", "9"]])[:, 0].tolist() == [1, 2, 2, 0]
    assert translation(vocabulary, grown).tolist() == growth.moved.tolist()


@pytest.mark.parametrize("texts", [["", ""], ["4"], ["", "4", "4"]])
def test_bins_of_hardly_any_numbers(texts: list[str]) -> None:
    rows = [Row(([(text, 1.0)],), 0) for text in texts]
    dataset = read_raw(HandReader([rows], [FieldPlan("price", bins=4)], "1")).encode(split=(1, 0, 0))
    expected = [*(["-inf"] if "4" in texts else []), *([""] if "" in texts else [])]
    assert dataset.vocabulary is not None
    assert dataset.vocabulary.categories(0) == expected
    assert dataset.vocabulary.encode([["5"]]).tolist() == [[1 if "4" in texts else 0]]


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


def test_the_first_bad_row_is_named() -> None:
    rows = rows_by_hand(9)
    rows[4] = dataclasses.replace(rows[4], label=None)
    with pytest.raises(InputError, match="/data/part-1, row 5: no label; mend the file"):
        read_raw(HandReader([rows[:4], rows], PLANS, "1mf1"))

"""LIBSVM and libffm text: numbers beside ids, several ids a field, and a reason for every bad row."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpt_ref.data import ClickDataset, RawClicks, encode_file
from alpt_ref.data.formats.libsvm import MAX_VALUES
from alpt_ref.data.formats.readers import reader_of
from alpt_ref.data.raw import read_raw
from alpt_ref.errors import InputError

from .files import write

FEATURES = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**20), st.floats(-9, 9, width=32)), max_size=5)


def read(path: Path | list[Path], kind: str, **options: object) -> RawClicks:
    return read_raw(reader_of(path, kind=kind, **options))  # type: ignore[arg-type]


def rows_of(clicks: RawClicks) -> list[list[list[tuple[str, float]]]]:
    """Per row and field the ids with their numbers."""
    assert clicks.slots is not None
    assert clicks.factors is not None
    edges = np.cumsum([0, *clicks.slots])
    return [
        [
            [
                (clicks.categories[field][clicks.codes[row, slot]], float(clicks.factors[row, slot]))
                for slot in range(edges[field], edges[field + 1])
                if clicks.codes[row, slot] >= 0
            ]
            for field in range(len(clicks.slots))
        ]
        for row in range(clicks.rows)
    ]


@settings(max_examples=settings().max_examples // 2)  # each reads two files
@given(st.lists(st.tuples(st.booleans(), FEATURES), min_size=1, max_size=6), st.integers(1, 60))
def test_rows_are_what_was_written(tmp_path_factory: pytest.TempPathFactory, rows: list, chunk_bytes: int) -> None:  # type: ignore[type-arg]
    rows = [(True, [(field, 1, 0.5) for field in range(4)] + [(0, 2, 3.0)]), *rows]  # shows all fields, two ids in one
    folder = tmp_path_factory.getbasetemp()
    plain = "\n".join(" ".join([str(int(click)), *(f"{i}:{x!r}" for _, i, x in items)]) for click, items in rows)
    fields = "\n".join(" ".join([str(int(click)), *(f"{f}:{i}:{x!r}" for f, i, x in items)]) for click, items in rows)
    svm = read(write(folder / "a.svm", plain), "libsvm", chunk_bytes=chunk_bytes)
    ffm = read(write(folder / "a.ffm", fields), "libffm", chunk_bytes=chunk_bytes)
    wanted = [[(f, str(i), float(np.float32(x))) for f, i, x in items if np.float32(x) != 0] for _, items in rows]
    assert rows_of(svm) == [[[(i, x) for _, i, x in items]] for items in wanted]
    assert rows_of(ffm) == [[[(i, x) for g, i, x in items if g == f] for f in range(4)] for items in wanted]
    assert svm.labels.tolist() == ffm.labels.tolist() == [int(click) for click, _ in rows]


def test_bad_rows_are_named_by_their_line(tmp_path: Path) -> None:
    lines = [
        "1 7:0.1 007:2",
        "0 7",
        "-1",
        "x 1:1",
        "1 7:nan",
        "1 7:1e99",
        "1 a:1",
        "1 1:2:3",
        "1 -1:2",
        "",
        " 1\t 8:1 ",
    ]
    text = "\n".join([*lines, "1 " + " ".join(f"{number}:1" for number in range(MAX_VALUES + 1)), "+1.0 9:1"])
    clicks = read(write(tmp_path / "a", text), "libsvm", on_bad_row="skip", max_bad_rows=1)
    assert rows_of(clicks) == [[[("7", pytest.approx(0.1)), ("7", 2.0)]], [[]], [[("8", 1.0)]], [[("9", 1.0)]]]
    reasons = dict(clicks.bad_rows.examples)
    assert sorted(reasons) == [2, 4, 5, 6, 7, 8, 9, 10, 12]
    assert reasons[4] == "label 'x' is not one of 1, +1, 0, -1"
    assert reasons[7] == "'a:1' is not of the form id:value (an id of at most 39 digits, a finite number)"
    assert reasons[12] == f"{MAX_VALUES + 1} values, more than {MAX_VALUES}"


def test_the_first_lines_name_the_fields_of_all_files(tmp_path: Path) -> None:
    first = write(tmp_path / "a", "1 2:5:1 10:6:0.5\n0 10:6:1\n")
    second = write(tmp_path / "b", "0 2:7:1\n1 3:1:1\n")
    clicks = read([first, second], "libffm", on_bad_row="skip", max_bad_rows=1)
    assert clicks.field_names == ("field_02", "field_10")
    assert clicks.rows == 3
    assert [line for line, _ in clicks.bad_rows.examples] == [2]
    with pytest.raises(InputError, match="must begin with rows `label field:id:value"):
        read(write(tmp_path / "c", "1 2:3\n"), "libffm")


def test_a_store_holds_the_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "a.gz", gzip.decompress(gzip.compress(b"1 3:0.25 4:2\n0 3:1\n" * 10)))
    store = encode_file("libsvm", path, tmp_path / "store")
    again = read(path, "libsvm").encode()
    assert store.fingerprint == again.fingerprint
    assert store.values is not None
    assert sorted(map(tuple, np.unique(store.values, axis=0).tolist())) == [(0.25, 2.0), (1.0, 0.0)]
    assert ClickDataset.open(tmp_path / "store", verify=True).slots_of_fields == (2,)

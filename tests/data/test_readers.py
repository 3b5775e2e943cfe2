"""What the readers make of good files: preprocessing, missing values, line ends, and independence of pieces."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.data import ClickDataset, RawClicks, encode_file, read_avazu, read_criteo, read_libfm
from alpt_ref.data.formats.avazu import CATEGORIES, HEADER
from alpt_ref.data.formats.criteo import integer_category
from alpt_ref.errors import InputError

from .files import avazu_line, criteo_line, folder_bytes, random_criteo, write


def texts(clicks: RawClicks, field: str) -> list[str]:
    """The categories of a field, row by row."""
    number = clicks.field_names.index(field)
    return [clicks.categories[number][code] for code in clicks.codes[:, number]]


@given(st.integers(-(10**18), 10**18))
def test_criteo_integer_rule(value: int) -> None:
    expected = math.floor(math.log(value) ** 2) if value > 2 else value
    assert integer_category(str(value)) == str(expected)


@pytest.mark.parametrize("text", [" 1", "1 ", "1.0", "+1", "--1", "-", "1e3", "0x1", "１", "1_0", "1" * 20, "nan"])
def test_criteo_integer_refuses_other_texts(text: str) -> None:
    assert integer_category(text) is None


def test_criteo_row(tmp_path: Path) -> None:
    rows = [
        criteo_line(1, {1: 0, 2: -1, 3: 2, 4: 3, 5: 17668, 13: 260}, C1="68fd1e64", C26="e8b83407"),
        criteo_line(0, {1: 5}, C1="not hex", C2='"quoted"'),
    ]
    clicks = read_criteo(write(tmp_path / "train.txt", "\n".join(rows) + "\n"))
    assert clicks.field_names == (*(f"I{k}" for k in range(1, 14)), *(f"C{k}" for k in range(1, 27)))
    assert clicks.labels.tolist() == [1, 0]
    assert clicks.labels.dtype == np.uint8
    assert clicks.codes.dtype == np.int32
    expected = {
        "I1": ["0", "2"],  # floor(ln(5)^2) = floor(2.59)
        "I2": ["-1", ""],
        "I3": ["2", ""],
        "I4": ["1", ""],  # floor(ln(3)^2) = floor(1.21)
        "I5": ["95", ""],  # floor(ln(17668)^2) = floor(95.67)
        "I13": ["30", ""],
        "C1": ["68fd1e64", "not hex"],
        "C2": ["", "quoted"],
        "C26": ["e8b83407", ""],
    }
    assert {field: texts(clicks, field) for field in expected} == expected


def test_avazu_row(tmp_path: Path) -> None:
    lines = [
        ",".join(HEADER),
        avazu_line(click=1, hour="14102123", C1=1005, C21=79),  # a Tuesday
        avazu_line(click=0, hour="14102500", id=1, C21=-1),  # a Saturday
    ]
    clicks = read_avazu(write(tmp_path / "train.csv", "\n".join(lines) + "\n"))
    assert clicks.field_names == ("hour_of_day", "weekday", "weekend", *CATEGORIES)
    assert len(clicks.field_names) == 24
    assert clicks.labels.tolist() == [1, 0]
    assert texts(clicks, "hour_of_day") == ["23", "0"]
    assert texts(clicks, "weekday") == ["1", "5"]
    assert texts(clicks, "weekend") == ["0", "1"]
    assert texts(clicks, "C21") == ["79", "-1"]


def test_avazu_columns_are_found_by_name(tmp_path: Path) -> None:
    plain = [",".join(HEADER), avazu_line(click=1, C14="a", C15="b")]
    turned = [",".join(reversed(line.split(","))) for line in plain]
    first = read_avazu(write(tmp_path / "a.csv", "\n".join(plain)))
    second = read_avazu(write(tmp_path / "b.csv", "\n".join(turned)))
    np.testing.assert_array_equal(first.codes, second.codes)
    assert first.categories == second.categories
    assert second.labels.tolist() == [1]


def test_libfm_row(tmp_path: Path) -> None:
    clicks = read_libfm(write(tmp_path / "a.libfm", "1 3:1 10:1\n-1 3:1.0 007:1\n+1  4:1\t10:1 \n0 4:1 11:+1\n"))
    assert clicks.labels.tolist() == [1, 0, 1, 0]
    assert texts(clicks, "field_00") == ["3", "3", "4", "4"]
    assert texts(clicks, "field_01") == ["10", "7", "10", "11"]


@pytest.mark.parametrize("suffix", [".txt", ".gz"])
@pytest.mark.parametrize("form", ["plain", "no final newline", "crlf", "crlf, no final newline", "bom"])
def test_line_ends_and_marks_make_no_difference(tmp_path: Path, form: str, suffix: str) -> None:
    rows = random_criteo(20)
    text = "\n".join(rows) + "\n"
    expected = read_criteo(write(tmp_path / "expected.txt", text))
    form_of = {
        "plain": text,
        "no final newline": text[:-1],
        "crlf": text.replace("\n", "\r\n"),
        "crlf, no final newline": text.replace("\n", "\r\n")[:-1],
        "bom": "\ufeff" + text,
    }
    for chunk_bytes in (1, 100, 1 << 20):
        clicks = read_criteo(write(tmp_path / f"form{suffix}", form_of[form]), chunk_bytes=chunk_bytes)
        np.testing.assert_array_equal(clicks.codes, expected.codes)
        np.testing.assert_array_equal(clicks.labels, expected.labels)
        assert clicks.categories == expected.categories


def test_gzip_of_several_members(tmp_path: Path) -> None:
    rows = random_criteo(10)
    whole = write(tmp_path / "one.gz", "\n".join(rows))
    parts = [write(tmp_path / f"{k}.gz", "\n".join(rows[k : k + 5]) + "\n").read_bytes() for k in (0, 5)]
    several = write(tmp_path / "several", b"".join(parts))
    np.testing.assert_array_equal(read_criteo(whole).codes, read_criteo(several).codes)


def test_unicode_categories(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", criteo_line(0, C1="été") + "\n" + criteo_line(1, C1="点击") + "\n")
    clicks = read_criteo(path)
    assert texts(clicks, "C1") == ["été", "点击"]
    vocabulary = clicks.encode(min_count=1, split=(1, 0, 0)).vocabulary
    assert vocabulary is not None
    assert sorted(vocabulary.categories(13)) == ["été", "点击"]


@pytest.mark.parametrize("kind", ["criteo", "avazu", "libfm"])
def test_piece_size_and_path_do_not_matter(tmp_path: Path, kind: str) -> None:
    random, rows_in = np.random.default_rng(1), 150  # many pieces each: the smallest hold less than a line
    if kind == "criteo":
        lines, read = random_criteo(rows_in), read_criteo
    elif kind == "avazu":
        rows = [avazu_line(click=k % 2, C14=int(random.zipf(1.5)), device_ip=k % 7) for k in range(rows_in)]
        lines, read = [",".join(HEADER), *rows], read_avazu
    else:
        lines, read = [f"{k % 2} {int(random.zipf(1.5))}:1 {9000 + k % 5}:1" for k in range(rows_in)], read_libfm
    lines[100:100] = ["damaged", ""]
    path = write(tmp_path / "clicks", "\n".join(lines))
    folders, fingerprints = [], set()
    for chunk_bytes in (61, 1000, 1 << 20):
        folders.append(tmp_path / f"store{chunk_bytes}")
        store = encode_file(
            kind, path, folders[-1], min_count=3, on_bad_row="skip", chunk_bytes=chunk_bytes, name="x", seed=4
        )
        in_ram = read(path, on_bad_row="skip", chunk_bytes=chunk_bytes).encode(min_count=3, name="x", seed=4)
        fingerprints |= {store.fingerprint, in_ram.fingerprint}
        np.testing.assert_array_equal(store.ids, in_ram.ids)
        assert store.rows == rows_in
    assert len(fingerprints) == 1
    assert folder_bytes(folders[0]) == folder_bytes(folders[1]) == folder_bytes(folders[2])
    ClickDataset.open(folders[0], verify=True)


def test_encoding_again_into_the_same_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "\n".join(random_criteo(50)))
    first = encode_file("criteo", path, tmp_path / "store", min_count=1)
    assert encode_file("criteo", path, tmp_path / "store", min_count=1).fingerprint == first.fingerprint
    with pytest.raises(InputError, match="already holds another store"):
        encode_file("criteo", path, tmp_path / "store", min_count=2)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.txt", "store"]
    assert ClickDataset.open(tmp_path / "store", verify=True).fingerprint == first.fingerprint


def test_info_tells_where_the_rows_came_from(tmp_path: Path) -> None:
    path = write(tmp_path / "clicks.tsv.gz", "\n".join(random_criteo(50)))
    dataset = encode_file("criteo", path, tmp_path / "store")
    assert dataset.name == "clicks"
    assert dataset.info["source"]["file"] == "clicks.tsv.gz"
    assert dataset.info["source"]["bytes"] == path.stat().st_size
    assert dataset.info["encoding"]["min_count"] == 10
    assert str(tmp_path) not in (tmp_path / "store" / "manifest.json").read_text()


def test_progress_runs_to_the_end(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "\n".join(random_criteo(50)))
    calls: list[tuple[int, int, int]] = []
    read_criteo(path, chunk_bytes=500, progress=lambda done, total, rows: calls.append((done, total, rows)))
    assert len(calls) > 5
    assert calls == sorted(calls)
    assert calls[-1] == (path.stat().st_size, path.stat().st_size, 50)

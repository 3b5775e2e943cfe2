"""Every way in which a raw file can be wrong ends in one clear sentence, or, where asked for, in a counted row."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.data import RawClicks, encode_file, read_avazu, read_criteo, read_libfm
from alpt_ref.data.formats.avazu import HEADER
from alpt_ref.errors import InputError

from .files import avazu_line, criteo_line, random_criteo, write

READERS: dict[str, Callable[..., RawClicks]] = {"criteo": read_criteo, "avazu": read_avazu, "libfm": read_libfm}
GOOD = criteo_line(1, {1: 7}, C1="a")


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "holds no rows"),
        (lambda path: path.write_bytes(gzip.compress(b"")), "holds no rows"),
        (lambda path: path.write_bytes(gzip.compress(b"1 1:1\n" * 9999)[:-30]), "ends too early"),
        (lambda path: path.write_bytes(gzip.compress(b"1 1:1\n" * 9999)[:-8] + b"12345678"), "damaged gzip file"),
    ],
    ids=["missing", "folder", "empty", "empty gzip", "cut-off gzip", "damaged gzip"],
)
def test_bad_files(tmp_path: Path, kind: str, make: Callable[[Path], Any], message: str) -> None:
    path = tmp_path / "clicks"
    make(path)
    before = sorted(tmp_path.rglob("*"))
    for act in (lambda: READERS[kind](path), lambda: encode_file(kind, path, tmp_path / "store", on_bad_row="skip")):
        with pytest.raises(InputError, match=message) as caught:
            act()
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user whom file rights bind")
def test_unreadable_file(tmp_path: Path) -> None:
    path = write(tmp_path / "clicks", GOOD)
    path.chmod(0)
    with pytest.raises(InputError, match="may not be read"):
        read_criteo(path)


CRITEO_BAD = {
    "short": (GOOD.rsplit("\t", 1)[0], "39 columns instead of 40"),
    "long": (GOOD + "\t", "41 columns instead of 40"),
    "label 2": (criteo_line(2), "label '2' is not one of 0, 1"),
    "no label": (criteo_line(""), "label '' is not one of 0, 1"),
    "label 0.5": (criteo_line("0.5"), "label '0.5'"),
    "float": (criteo_line(0, {3: "1.5"}), "column I3: '1.5' is not an integer"),
    "word": (criteo_line(0, {13: "many"}), "column I13: 'many' is not an integer"),
    "blank": ("", "an empty line"),
    "NUL": (criteo_line(0, C4="a\0b"), "a NUL byte"),
    "carriage return": (criteo_line(0, C4="a\rb"), "a carriage return inside the line"),
    "byte order mark": ("\ufeff" + GOOD, "byte order mark inside the file"),
    "quoted byte order mark": ('"\ufeff' + GOOD.replace("\t", '"\t', 1), "byte order mark inside the file"),
}


@pytest.mark.parametrize("chunk_bytes", [1, 90, 1 << 20])
@pytest.mark.parametrize("fault", CRITEO_BAD)
def test_first_bad_row_is_named(tmp_path: Path, fault: str, chunk_bytes: int) -> None:
    line, reason = CRITEO_BAD[fault]
    path = write(tmp_path / "a.txt", "\n".join([GOOD, GOOD, line, GOOD, criteo_line(3)]) + "\n")
    with pytest.raises(InputError) as caught:
        read_criteo(path, chunk_bytes=chunk_bytes)
    assert f"{path}, line 3: " in str(caught.value)
    assert reason in str(caught.value)
    assert "on_bad_row='skip'" in str(caught.value)


@pytest.mark.parametrize("chunk_bytes", [1, 200, 1 << 20])
def test_skipped_rows_are_counted_with_their_numbers(tmp_path: Path, chunk_bytes: int) -> None:
    lines, expected, good = [], [], []
    for number, (line, reason) in enumerate(CRITEO_BAD.values()):
        good.append(criteo_line(number % 2, {1: number}, C2=f"c{number}"))
        lines += [good[-1], line]
        expected.append((len(lines), reason))
    clicks = read_criteo(
        write(tmp_path / "a.txt", "\n".join(lines) + "\n"), on_bad_row="skip", max_bad_rows=1, chunk_bytes=chunk_bytes
    )
    wanted = read_criteo(write(tmp_path / "good.txt", "\n".join(good)))
    np.testing.assert_array_equal(clicks.labels, wanted.labels)
    first, second = clicks.encode(min_count=1, name="x"), wanted.encode(min_count=1, name="x")
    np.testing.assert_array_equal(first.ids, second.ids)
    assert clicks.bad_rows.count == len(CRITEO_BAD)
    for (line_number, reason), (found_number, found) in zip(expected, clicks.bad_rows.examples, strict=True):
        assert found_number == line_number
        assert reason in found
    assert clicks.info["rows_read"] == len(lines) == clicks.rows + clicks.bad_rows.count


def test_bytes_that_are_no_utf8(tmp_path: Path) -> None:
    latin = criteo_line(0, C1="café").encode("latin-1")
    path = write(tmp_path / "a.txt", b"\n".join([GOOD.encode(), latin, GOOD.encode()]))
    clicks = read_criteo(path, on_bad_row="skip", max_bad_rows=0.5)
    assert clicks.rows == 2
    assert clicks.bad_rows.examples[0][0] == 2
    assert "not UTF-8" in clicks.bad_rows.examples[0][1]


def test_numbers_stay_right_after_many_skipped_rows(tmp_path: Path) -> None:
    lines, bad = random_criteo(300, seed=2), []
    random = np.random.default_rng(0)
    for number in sorted(random.choice(300, 60, replace=False).tolist()):
        lines[number] = list(CRITEO_BAD.values())[number % len(CRITEO_BAD)][0]
        bad.append(number + 1)
    path = write(tmp_path / "a.txt.gz", "\n".join(lines) + "\n")
    for chunk_bytes in (300, 5000, 1 << 20):
        clicks = read_criteo(path, on_bad_row="skip", max_bad_rows=0.2, chunk_bytes=chunk_bytes)
        assert (clicks.rows, clicks.bad_rows.count) == (240, 60)
        assert [number for number, _ in clicks.bad_rows.examples] == bad[:20]


def test_file_without_a_good_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "x\n\n1\n")
    with pytest.raises(InputError, match="all 3 rows are bad"):
        read_criteo(path, on_bad_row="skip")
    with pytest.raises(InputError, match="all 3 rows are bad"):
        encode_file("criteo", path, tmp_path / "deep" / "store", on_bad_row="skip")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_one_very_long_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alpt_ref.data.formats.lines.MAX_LINE_BYTES", 1000)
    with pytest.raises(InputError, match="line 2: over 1000 bytes"):
        read_criteo(write(tmp_path / "a.txt", GOOD + "\n" + "x" * 5000), chunk_bytes=100)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (avazu_line(), "line 1: the header of an Avazu file"),
        (",".join(HEADER).replace("click,", ""), "lacks click"),
        (",".join(HEADER) + ",extra", "has extra too many"),
        (",".join(HEADER) + ",C21", "a name twice"),
        ("", "line 1: the header of an Avazu file"),
    ],
)
def test_avazu_header(tmp_path: Path, header: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_avazu(write(tmp_path / "a.csv", header + "\n" + avazu_line() + "\n"), on_bad_row="skip")


def test_avazu_header_only(tmp_path: Path) -> None:
    for text in (",".join(HEADER), ",".join(HEADER) + "\r\n"):
        with pytest.raises(InputError, match=r"holds no rows \(it is empty\)"):
            read_avazu(write(tmp_path / "a.csv", text))


@pytest.mark.parametrize("hour", ["", "1410210", "14102124", "14133100", "14023000", "2014102100", "141021 0", "x"])
def test_avazu_hour(tmp_path: Path, hour: str) -> None:
    path = write(tmp_path / "a.csv", "\n".join([",".join(HEADER), avazu_line(), avazu_line(hour=hour)]))
    with pytest.raises(InputError, match=r"line 3: column hour: .* is not a time YYMMDDHH"):
        read_avazu(path)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1 3:1", "2 columns instead of 3"),
        ("1 3:1 4:1 5:1", "4 columns instead of 3"),
        ("2 3:1 4:1", "label '2' is not one of 1, \\+1, 0, -1"),
        ("1 3:0.5 4:1", "'3:0.5' is not of the form id:1"),
        ("1 3 4:1", "'3' is not of the form id:1"),
        ("1 -3:1 4:1", "'-3:1' is not"),
        ("3:1 4:1 1", "label '3:1'"),
    ],
)
def test_libfm_rows(tmp_path: Path, line: str, reason: str) -> None:
    path = write(tmp_path / "a.libfm", f"1 1:1 2:1\n{line}\n")
    with pytest.raises(InputError, match=f"line 2: .*{reason}"):
        read_libfm(path)
    assert read_libfm(path, on_bad_row="skip", max_bad_rows=0.5).rows == 1


@pytest.mark.parametrize("first", ["1", "", "   "])
def test_libfm_first_lines_must_tell_the_fields(tmp_path: Path, first: str) -> None:
    with pytest.raises(InputError, match="line 1: a libfm file must begin with rows"):
        read_libfm(write(tmp_path / "a.libfm", f"{first}\n1\n"))


@pytest.mark.parametrize("first", ["1 1:1", "1", "1 1:1 2:1 3:1", "# ids of a day"])
def test_most_of_the_first_lines_tell_the_fields(tmp_path: Path, first: str) -> None:
    path = write(tmp_path / "a.libfm", f"{first}\n" + "1 1:1 2:1\n-1 3:1 2:1\n" * 10)
    clicks = read_libfm(path, on_bad_row="skip")
    assert (clicks.rows, clicks.bad_rows.count, clicks.bad_rows.examples[0][0]) == (20, 1, 1)
    with pytest.raises(InputError, match="line 1: "):
        read_libfm(path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_count": 0}, "min_count must be"),
        ({"min_count": 1.5}, "min_count must be"),
        ({"vocabulary": "test"}, "vocabulary must be"),
        ({"split": (0, 1, 1)}, "split must"),
        ({"seed": -1}, "seed must be"),
        ({"on_bad_row": "ignore"}, "on_bad_row must be"),
        ({"chunk_bytes": 0}, "chunk_bytes must be"),
        ({"kind": "movies"}, "kind must be criteo, avazu, libfm, libsvm, libffm or module:Class"),
    ],
)
def test_bad_arguments_change_nothing(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    path = write(tmp_path / "a.txt", GOOD)
    with pytest.raises(InputError, match=message):
        encode_file(**{"kind": "criteo", "path": path, "folder": tmp_path / "deep" / "store", **options})
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_bad_row_leaves_no_store(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", GOOD + "\n" + criteo_line(2))
    with pytest.raises(InputError, match="line 2: label '2'"):
        encode_file("criteo", path, tmp_path / "store")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_unwritable_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", GOOD)
    with pytest.raises(InputError, match="cannot write to folder"):
        encode_file("criteo", path, path / "store")


@pytest.mark.parametrize("chunk_bytes", [500, 5_000, 1 << 20])
def test_the_first_fault_in_the_file_is_the_one_reported(tmp_path: Path, chunk_bytes: int) -> None:
    """A bad row before the place where a gzip file is cut off, whichever of the two was found sooner."""
    lines = [*random_criteo(20), "damaged", *random_criteo(200, seed=1)]
    whole = gzip.compress("\n".join(lines).encode())
    path = write(tmp_path / "clicks", whole[:-40])
    with pytest.raises(InputError, match="line 21: 1 columns" if chunk_bytes < 1 << 20 else "ends too early"):
        read_criteo(path, chunk_bytes=chunk_bytes)

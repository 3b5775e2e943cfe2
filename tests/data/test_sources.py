"""Which files are read, in which order, and what is inside them: by name, folder, pattern and first bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from alpt_ref.data import encode_file, read_avazu, read_criteo, read_libfm, synthetic_clicks
from alpt_ref.data.formats.avazu import HEADER
from alpt_ref.data.formats.categories import CategoryWarning
from alpt_ref.data.formats.faulty import MAX_EXAMPLES
from alpt_ref.data.formats.sources import list_files
from alpt_ref.errors import InputError

from .files import avazu_line, criteo_line, random_criteo, write

LINES = random_criteo(60)
TEXT = ("\n".join(LINES) + "\n").encode()


def test_files_folders_and_patterns_in_the_order_given(tmp_path: Path) -> None:
    for name in ("days/part-2", "days/part-1", "days/.crc", "days/_SUCCESS", "b.txt", "a.txt", "odd[1].txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write(tmp_path / name, LINES[0])
    given = [tmp_path / "b.txt", tmp_path / "days", tmp_path / "[a]*.txt", tmp_path / "odd[1].txt"]
    names = [str(path.relative_to(tmp_path)) for path in list_files(given)]
    assert names == ["b.txt", "days/part-1", "days/part-2", "a.txt", "odd[1].txt"]
    assert list_files(str(tmp_path / "**/part-*")) == (tmp_path / "days/part-1", tmp_path / "days/part-2")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no click file is named"),
        (["absent"], "absent does not exist"),
        (["*.none"], "matches no file"),
        (["empty"], "a folder without files"),
        (["outer"], "holds the folder inner, whose files would be left out"),
        (["store"], "a folder of encoded data"),
        (["a.txt", "*.txt"], "a.txt is named twice; its rows would count twice"),
        (["a.txt", "link"], r"link is named twice \(also as .*a.txt\)"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, names: list[str], message: str) -> None:
    write(tmp_path / "a.txt", LINES[0])
    (tmp_path / "link").symlink_to(tmp_path / "a.txt")
    (tmp_path / "empty").mkdir()
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    synthetic_clicks(rows=20, fields=1, features=5).save(tmp_path / "store")
    with pytest.raises(InputError, match=message):
        list_files([tmp_path / name for name in names])


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(data)
    return bytes(sink.getvalue())


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
}


@pytest.mark.parametrize("name", COMPRESS)
def test_compression_is_told_by_the_first_bytes(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "clicks.txt", COMPRESS[name](TEXT))
    clicks = read_criteo(path, chunk_bytes=1000)
    np.testing.assert_array_equal(clicks.codes, read_criteo(write(tmp_path / "plain", TEXT)).codes)
    if name != "plain":
        with pytest.raises(InputError, match=f"is a {name} file that ends too early|is a damaged {name} file"):
            read_criteo(write(tmp_path / "cut", COMPRESS[name](TEXT * 9)[:-9]))


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_compressed_streams_one_after_the_other_and_what_else_may_follow(tmp_path: Path, name: str) -> None:
    first, second = (COMPRESS[name]("\n".join([*part, ""]).encode()) for part in (LINES[:20], LINES[20:]))
    plain = read_criteo(write(tmp_path / "plain", TEXT))
    padded = [] if name == "zstd" else [first + second + bytes(512), first + bytes(4) + second]
    for data in (first + second, *padded):
        np.testing.assert_array_equal(read_criteo(write(tmp_path / "c", data)).codes, plain.codes)
    damaged = bytes([second[0] ^ 1]) + second[1:]
    for data in (first + damaged, first + second + b"more", first + b"\0" + damaged):  # no rows are lost in silence
        with pytest.raises(InputError, match=f"is a damaged {name} file|is a {name} file that ends too early"):
            read_criteo(write(tmp_path / "c", data))
    for cut in (2, 3, 5, len(second) - 1):
        for data in (first + second[:cut], second[:cut]):
            with pytest.raises(InputError, match=f"{name} file that ends too early|damaged {name}|bad|NUL|not UTF-8"):
                read_criteo(write(tmp_path / "c", data))
            with pytest.raises(InputError):
                read_criteo([write(tmp_path / "a", TEXT), write(tmp_path / "c", data)])


def in_zip(data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("train.txt", data)
    return out.getvalue()


def in_tar(data: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("train.txt")
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


FOREIGN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "zip": (in_zip, "is a zip archive; unpack it"),
    "empty zip": (lambda data: b"PK\x05\x06" + bytes(18), "is an empty zip archive"),
    "tar": (in_tar, "is a tar archive; unpack it"),
    "tar.gz": (lambda data: gzip.compress(in_tar(data)), "holds a tar archive; unpack it"),
    "tar.xz": (lambda data: lzma.compress(in_tar(data)), "holds a tar archive; unpack it"),
    "gz.gz": (lambda data: gzip.compress(gzip.compress(data)), "is compressed twice"),
    "zstd": (lambda data: b"\x28\xb5\x2f\xfd" + data, "is a damaged zstd file"),
    "7z": (lambda data: b"7z\xbc\xaf\x27\x1c" + data, "is a 7z archive"),
    "utf-16": (lambda data: data.decode().encode("utf-16"), "is UTF-16 text; convert it to UTF-8"),
    "utf-16-be": (lambda data: data.decode().encode("utf-16-be"), "is UTF-16 text; convert it to UTF-8"),
    "utf-16-le": (lambda data: data.decode().encode("utf-16-le"), "is UTF-16 text; convert it to UTF-8"),
    "parquet": (lambda data: b"PAR1" + data, "is a Parquet file; read it with a schema"),
    "numpy": (lambda data: b"\x93NUMPY" + data, "is a NumPy file"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_text_is_called_by_its_name_and_no_damaged_line(tmp_path: Path, name: str) -> None:
    make, message = FOREIGN[name]
    path = write(tmp_path / "clicks.libfm", make(b"1 1:1 2:1\n" * 50))
    for act in (
        lambda: read_libfm(path, on_bad_row="skip", max_bad_rows=1),
        lambda: encode_file("libfm", path, tmp_path / "store", on_bad_row="skip", max_bad_rows=1),
    ):
        with pytest.raises(InputError, match=message):
            act()
    assert [entry.name for entry in tmp_path.iterdir()] == ["clicks.libfm"]


def test_several_files_are_one_file_after_the_other(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.txt", TEXT)
    (tmp_path / "parts").mkdir()
    parts = [
        write(tmp_path / "parts" / "b.gz", "\n".join(LINES[:20])),
        write(tmp_path / "parts" / "c", ""),
        write(tmp_path / "parts" / "a", "\n".join(LINES[20:])),
    ]
    one, several = read_criteo(whole), read_criteo(parts, chunk_bytes=700)
    np.testing.assert_array_equal(one.codes, several.codes)
    np.testing.assert_array_equal(one.labels, several.labels)
    source = several.info["source"]
    assert [file["file"] for file in source["files"]] == ["b.gz", "c", "a"]
    assert "files" not in one.info["source"]
    stored = encode_file("criteo", parts, tmp_path / "store", min_count=2, name="x", chunk_bytes=700)
    assert stored.fingerprint == several.encode(min_count=2, name="x").fingerprint
    again = encode_file("criteo", parts, tmp_path / "store", min_count=2, name="x")
    assert again.fingerprint == stored.fingerprint
    again = encode_file("criteo", whole, tmp_path / "store", min_count=2, name="x")  # the same rows in one file
    assert again.fingerprint == stored.fingerprint
    with pytest.raises(InputError, match="already holds another store"):
        encode_file("criteo", parts[:2], tmp_path / "store", min_count=2, name="x")


def test_every_avazu_file_has_its_own_header(tmp_path: Path) -> None:
    head, rows = ",".join(HEADER), [avazu_line(click=k % 2, C14=k) for k in range(4)]
    turned = [",".join(reversed(line.split(","))) for line in (head, *rows[2:])]
    files = [
        write(tmp_path / "a.csv", "\n".join([head, *rows[:2]])), write(tmp_path / "b.csv", "\n".join(turned)),
    ]  # fmt: skip
    whole = read_avazu(write(tmp_path / "whole.csv", "\n".join([head, *rows])))
    np.testing.assert_array_equal(read_avazu(files).codes, whole.codes)
    with pytest.raises(InputError, match=r"c\.csv, line 1: the header"):
        read_avazu([*files, write(tmp_path / "c.csv", rows[0])])


def test_a_bad_row_of_a_later_file_is_found_in_it(tmp_path: Path) -> None:
    files = [write(tmp_path / "a.txt", TEXT), write(tmp_path / "b.txt", "\n".join([LINES[0], "bad", LINES[1]]))]
    with pytest.raises(InputError, match=r"b\.txt, line 2: 1 columns instead of 40"):
        read_criteo(files)
    clicks = read_criteo(files, on_bad_row="skip")
    assert clicks.bad_rows.examples == [(2, "1 columns instead of 40 (file b.txt)")]
    assert clicks.rows + clicks.bad_rows.count == clicks.info["rows_read"] == 63
    with pytest.raises(InputError, match=r"c has 1 fields, .*d has 2"):
        read_libfm([write(tmp_path / "d", "1 1:1 2:1\n"), write(tmp_path / "c", "1 1:1\n")])


@pytest.mark.parametrize(("bad", "share", "fits"), [(1, 0.1, True), (2, 0.1, False), (2, 0.2, True), (1, 0.0, False)])
def test_more_bad_rows_than_the_share_stop_the_reading(tmp_path: Path, bad: int, share: float, fits: bool) -> None:
    path = write(tmp_path / "a.txt", "\n".join([*["bad"] * bad, *LINES[: 10 - bad]]))
    acts: tuple[Callable[[], int], ...] = (
        lambda: read_criteo(path, on_bad_row="skip", max_bad_rows=share).rows,
        lambda: encode_file("criteo", path, tmp_path / "store", on_bad_row="skip", max_bad_rows=share).rows,
    )
    for act in acts:
        if fits:
            assert act() == 10 - bad
        else:
            with pytest.raises(InputError, match=rf"{bad} of 10 rows are bad, a share above {share:g} \(line 1: 1 col"):
                act()
    assert (tmp_path / "store").exists() == fits
    with pytest.raises(InputError, match="max_bad_rows must be a share"):
        read_criteo(path, max_bad_rows=1.5)


def test_half_a_file_is_not_left_out_unless_that_is_allowed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "\n".join([*LINES[:10], *["bad"] * 10]))
    with pytest.raises(InputError, match=r"10 of 20 rows are bad, a share above 0\.1"):
        read_criteo(path, on_bad_row="skip")


def test_bad_lines_are_counted_and_few_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", b"\n" * 600_000 + b"1\n" * 600_000 + TEXT)
    clicks = read_criteo(path, on_bad_row="skip", max_bad_rows=1)
    assert (clicks.rows, clicks.bad_rows.count) == (60, 1_200_000)
    assert clicks.bad_rows.examples == [(line, "an empty line") for line in range(1, MAX_EXAMPLES + 1)]


@pytest.mark.parametrize("label", ["1.0", "1.", "1.000000e+00", "+1.0"])
def test_a_label_may_be_written_as_a_fraction(tmp_path: Path, label: str) -> None:
    assert read_libfm(write(tmp_path / "a", f"{label} 1:1\n-{label.strip('+')} 1:1\n")).labels.tolist() == [1, 0]
    if label[0] != "+":
        assert read_criteo(write(tmp_path / "b", criteo_line(label))).labels.tolist() == [1]
        text = "\n".join([",".join(HEADER), avazu_line(click=label), avazu_line(click="0.0")])
        assert read_avazu(write(tmp_path / "c", text)).labels.tolist() == [1, 0]
    with pytest.raises(InputError, match=r"label '2\.0' is not one of"):
        read_libfm(write(tmp_path / "d", "2.0 1:1\n"))


def test_ids_of_up_to_128_bits_stay_apart(tmp_path: Path) -> None:
    big = [2**64 - 1, 2**64 - 2, 2**128 - 1, 2**128 - 2]
    clicks = read_libfm(write(tmp_path / "a", "".join(f"1 {number}:1\n" for number in big)))
    assert clicks.categories == ([str(number) for number in big],)
    with pytest.raises(InputError, match="an id of at most 39 digits"):
        read_libfm(write(tmp_path / "b", f"1 {10**39}:1\n"))


QUOTED = [",".join(HEADER), avazu_line(click=1, site_id="abc", C14=5), avazu_line(click=0, site_id='a"b', C14=6)]


def test_quotes_around_a_value_are_no_part_of_it(tmp_path: Path) -> None:
    plain = read_avazu(write(tmp_path / "plain", "\n".join(QUOTED)))
    lines = [",".join('"' + value.replace('"', '""') + '"' for value in line.split(",")) for line in QUOTED]
    for number, text in enumerate(("\n".join(lines), "\r\n".join([*lines[:2], QUOTED[2]]))):
        quoted = read_avazu(write(tmp_path / f"quoted{number}", text))
        assert quoted.categories == plain.categories
        assert quoted.labels.tolist() == [1, 0]
    comma = avazu_line(click=1, site_id='"a,b"')
    with pytest.raises(InputError, match="line 4: 25 columns instead of 24"):
        read_avazu(write(tmp_path / "comma", "\n".join([*QUOTED, comma])))


def test_ids_that_stand_in_several_fields_are_warned_about(tmp_path: Path) -> None:
    path = write(tmp_path / "a", "1 5:1 7:1\n0 7:1 9:1\n1 6:1 6:1\n")
    with pytest.warns(CategoryWarning, match="2 of 4 ids stand in several fields, such as id 7 in field_00 and"):
        read_libfm(path)
    with pytest.warns(CategoryWarning, match="2 of 4 ids stand in several fields"):
        encode_file("libfm", path, tmp_path / "store")


def test_a_file_through_a_pipe(tmp_path: Path) -> None:
    read, write_end = os.pipe()
    with os.fdopen(write_end, "wb") as out:
        out.write(TEXT)
    path = f"/dev/fd/{read}"
    if not Path(path).exists():
        pytest.skip("this system names no open files")
    try:
        assert read_criteo(path).rows == 60
    finally:
        os.close(read)

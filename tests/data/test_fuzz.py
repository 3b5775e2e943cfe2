"""Readers and the store's manifest on hostile bytes: one clear error or a right result; every line is accounted for."""

from __future__ import annotations

import functools
import gzip
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from alpt_ref.data import ClickDataset, RawClicks, describe_text, encode_file, read_avazu, read_criteo, read_libfm
from alpt_ref.data.formats.avazu import HEADER
from alpt_ref.data.store.reader import fingerprint_of
from alpt_ref.errors import InputError

from .files import avazu_line, criteo_line, random_criteo, write

READERS: dict[str, Callable[..., RawClicks]] = {"criteo": read_criteo, "avazu": read_avazu, "libfm": read_libfm}
GOOD = {
    "criteo": [criteo_line(1, {1: 7}, C1="a"), criteo_line(0, {2: -1, 13: 99}, C1="b", C26="été")],
    "avazu": [avazu_line(click=1), avazu_line(hour="14103023", C14=5)],
    "libfm": ["1 1:1 2:1", "-1 3:1.0 2:1", " 0\t5:1  2:1 "],
}
PIECES = (
    *(b"\t", b",", b" ", b":", b"\0", b"\r", b"\n", b"\n\n", b"\r\n", b'"', b"\xff", b"\xef\xbb\xbf", b"\x1f\x8b"),
    *(b"1", b"x"),
)


def outcome(act: Callable[[], Any]) -> Any:
    """What `act` returns, or the sentence with which it refuses; any other exception fails the test."""
    try:
        return act()
    except InputError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017
        return str(error)


@st.composite
def files(draw: st.DrawFn) -> tuple[str, bytes]:
    """A kind, and the bytes of a file: good lines, damaged lines and noise."""
    kind = draw(st.sampled_from(sorted(READERS)))
    good = [line.encode() for line in GOOD[kind]]
    noise = st.one_of(st.binary(max_size=12), st.lists(st.sampled_from(PIECES), max_size=6).map(b"".join))

    def damage(line: bytes) -> st.SearchStrategy[bytes]:
        return st.tuples(st.integers(0, len(line)), noise).map(lambda at: line[: at[0]] + at[1] + line[at[0] :])

    line = st.one_of(st.sampled_from(good), noise, st.sampled_from(good).flatmap(damage))
    lines = draw(st.lists(line, max_size=12))
    if kind == "avazu" and draw(st.integers(0, 4)):
        lines.insert(0, ",".join(HEADER).encode())
    end, mark = draw(st.sampled_from([b"\n", b"\r\n"])), draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    return kind, mark + end.join(lines) + draw(st.sampled_from([b"", end]))


def count_lines(kind: str, data: bytes) -> int:
    """Rows of a file by the definition: what line feeds end, and a last line without one; a header is none."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    lines = data.split(b"\n")
    return len(lines) - (lines[-1] == b"") - (kind == "avazu")


@pytest.mark.filterwarnings("ignore::alpt_ref.data.formats.categories.CategoryWarning")
@given(file=files(), chunk_bytes=st.integers(1, 200))
@example(file=("libfm", b"1 1:1\n\t\xef\xbb\xbf 2:1\n1 1:1 2:1"), chunk_bytes=1)
@example(file=("libfm", b"1 1:\n\t\xef\xbb\xbf1 2:1\n1 1:1 2:1"), chunk_bytes=1)
def test_every_line_is_encoded_or_reported(file: tuple[str, bytes], chunk_bytes: int) -> None:
    kind, data = file
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "clicks", data)
        read = functools.partial(READERS[kind], path, on_bad_row="skip", max_bad_rows=1)
        first, second = (outcome(functools.partial(read, chunk_bytes=size)) for size in (chunk_bytes, 1 << 20))
        if isinstance(first, str) or isinstance(second, str):
            assert first == second
            return
        assert first.info == second.info
        assert first.rows + first.bad_rows.count == first.info["rows_read"] == count_lines(kind, data)
        np.testing.assert_array_equal(first.codes, second.codes)
        assert first.categories == second.categories
        for field, texts in enumerate(first.categories):  # no category from a line that was left out
            assert sorted(set(first.codes[:, field].tolist())) == list(range(len(texts)))
        store = encode_file(
            kind, path, Path(folder) / "store", min_count=1, on_bad_row="skip", max_bad_rows=1, chunk_bytes=chunk_bytes
        )
        assert store.fingerprint == first.encode(min_count=1).fingerprint
        assert [path.name for path in Path(folder).iterdir()] in (["clicks", "store"], ["store", "clicks"])


@st.composite
def several_files(draw: st.DrawFn) -> tuple[str, list[bytes]]:
    """A kind, and the bytes of one to three files of it."""
    kind, first = draw(files())
    others = draw(st.lists(files().filter(lambda file: file[0] == kind).map(lambda file: file[1]), max_size=2))
    return kind, [first, *others]


@pytest.mark.filterwarnings("ignore::alpt_ref.data.formats.categories.CategoryWarning")
@given(given_files=several_files(), share=st.sampled_from([0.0, 0.1, 0.5, 1.0]), skip=st.booleans())
def test_rows_in_are_rows_encoded_and_reported_or_those_of_a_refused_file(
    given_files: tuple[str, list[bytes]], share: float, skip: bool
) -> None:
    kind, contents = given_files
    lines = sum(count_lines(kind, data) for data in contents if data not in (b"", b"\xef\xbb\xbf"))
    with tempfile.TemporaryDirectory() as folder:
        paths = [write(Path(folder) / f"clicks{number}", data) for number, data in enumerate(contents)]
        clicks = outcome(
            lambda: READERS[kind](
                paths, on_bad_row="skip" if skip else "error", max_bad_rows=share, chunk_bytes=1 << 20
            )
        )
        if isinstance(clicks, str):  # refused as a whole: none of its rows is lost in silence
            assert str(paths[0].parent) in clicks
            return
        assert clicks.rows + clicks.bad_rows.count == clicks.info["rows_read"] == lines
        assert clicks.bad_rows.count <= share * lines * skip
        alone = [outcome(functools.partial(READERS[kind], path, on_bad_row="skip", max_bad_rows=1)) for path in paths]
        if not any(isinstance(one, str) for one in alone):  # one file after the other
            assert clicks.labels.tolist() == [label for one in alone for label in one.labels.tolist()]


@given(data=st.data())
def test_damaged_gzip(data: st.DataObject) -> None:
    text = "\n".join(random_criteo(30)).encode()
    damaged = bytearray(gzip.compress(text, mtime=0))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    damaged = damaged[: data.draw(st.integers(1, len(damaged)))]
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "clicks", bytes(damaged))
        clicks = outcome(lambda: read_criteo(path, on_bad_row="skip", max_bad_rows=1))
        if isinstance(clicks, str):
            assert str(path) in clicks
            return
        # Damage where gzip does not look, such as its header's time, or to the magic number: then it is odd text.
        read = clicks.info["rows_read"]
        assert clicks.rows + clicks.bad_rows.count == read
        assert read == 30 or damaged[:2] != b"\x1f\x8b"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    encode_file("criteo", write(folder / "clicks", "\n".join(random_criteo(40))), folder / "store", min_count=2)
    return folder / "store"


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def _places(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to every value inside a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [where, *(place for key, part in inner for place in _places(part, (*where, key)))]


@given(data=st.data())
def test_a_forged_manifest_is_refused_or_harmless(store: Path, data: st.DataObject) -> None:
    """Any value of a manifest is replaced and its fingerprint made to fit, as an adversary would."""
    manifest = json.loads((store / "manifest.json").read_text())
    place = data.draw(st.sampled_from([place for place in _places(manifest) if place]))
    value = data.draw(JSON)
    target = manifest
    for key in place[:-1]:
        target = target[key]
    if data.draw(st.booleans()) and isinstance(target, dict):
        del target[place[-1]]
    else:
        target[place[-1]] = value
    manifest["fingerprint"] = fingerprint_of(manifest)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(store, Path(folder) / "store"))
        (copy / "manifest.json").write_text(json.dumps(manifest))
        opened = outcome(lambda: ClickDataset.open(copy, verify=True))
        if not isinstance(opened, str):
            np.testing.assert_array_equal(opened.ids, ClickDataset.open(store).ids)
            assert opened.fingerprint in describe_text(opened)


@given(data=st.data())
def test_damaged_files_of_a_store(store: Path, data: st.DataObject) -> None:
    """One byte changed, or the file cut off: refused, or, where nothing that counts has changed, the same data."""
    name = data.draw(st.sampled_from(sorted(path.name for path in store.iterdir())))
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(store, Path(folder) / "store"))
        content = bytearray((copy / name).read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[place] ^= data.draw(st.integers(1, 255))
        else:
            content = content[:place]
        (copy / name).write_bytes(content)
        opened = outcome(lambda: ClickDataset.open(copy, verify=True))
        if isinstance(opened, str):
            assert str(copy) in opened
        else:
            assert name == "manifest.json"  # white space, or an equal spelling of the same text
            assert opened.fingerprint == ClickDataset.open(store).fingerprint

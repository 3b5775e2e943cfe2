"""What goes wrong while a file is encoded leaves a store that is whole or none, and the same command goes on."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.data import ClickDataset, encode_file
from alpt_ref.data.formats.criteo import CRITEO
from alpt_ref.data.formats.lines import Lines
from alpt_ref.data.formats.parse import code_lines
from alpt_ref.data.formats.text import Bad, counted
from alpt_ref.data.store import ingest
from alpt_ref.data.store.spill import recall, spill
from alpt_ref.data.store.workspace import Workspace
from alpt_ref.errors import InputError

from .files import criteo_line, folder_bytes, write

CHUNK = 4_000
"""Bytes a piece in these tests; the file has about ten pieces."""

CHILD = """
import os, signal, sys
from alpt_ref.data import encode_file
from alpt_ref.data.store import ingest
kind, where, calls, path, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5]
inner, seen = getattr(ingest, where), 0

def deadly(*args, **options):
    global seen
    seen += 1
    if seen > calls:
        os.kill(os.getpid(), getattr(signal, kind))
        signal.pause() if kind != "SIGINT" else None
    return inner(*args, **options)

setattr(ingest, where, deadly)
encode_file("libfm", path, folder, min_count=2, on_bad_row="skip", chunk_bytes=4_000, workers=1)
"""


def killed(kind: str, where: str, calls: int, path: Path, folder: Path) -> int:
    """Encode in a process that gets a signal at call `calls` + 1 of a function of `ingest`; its exit status."""
    command = [sys.executable, "-c", CHILD, kind, where, str(calls), str(path), str(folder)]
    return subprocess.run(command, capture_output=True, check=False, cwd=Path(__file__).parents[2]).returncode


def encode(path: Path, folder: Path, **options: Any) -> ClickDataset:
    """The command that is interrupted and repeated."""
    return encode_file("libfm", path, folder, **{"min_count": 2, "on_bad_row": "skip", "chunk_bytes": CHUNK, **options})


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    random = np.random.default_rng(5)
    lines = [
        f"{k % 2} {3 * random.zipf(1.5)}:1 {3 * random.integers(9) + 1}:1 {3 * (k % 4) + 2}:1" for k in range(2500)
    ]
    lines[60:60] = ["damaged", ""]
    return write(tmp_path / "clicks.txt", "\n".join(lines))


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """First line of each piece that is parsed rather than taken over."""
    firsts: list[int] = []

    def counted(layout: Any, lines: Any) -> Any:
        firsts.append(lines.first)
        return code_lines(layout, lines)

    monkeypatch.setattr("alpt_ref.data.formats.parse.code_lines", counted)
    return firsts


@pytest.mark.parametrize("kind", ["SIGKILL", "SIGTERM"])
def test_killed_twice(tmp_path: Path, clicks: Path, kind: str, parsed: list[int]) -> None:
    expected = folder_bytes_of(encode(clicks, tmp_path / "expected", name="clicks"))
    pieces, folder = len(parsed), tmp_path / "store"
    assert pieces > 8
    for where, calls in (("spill", 3), ("join_vocabulary", 0)):
        assert killed(kind, where, calls, clicks, folder) == -getattr(signal, kind)
        assert not folder.exists()
    parsed.clear()
    assert folder_bytes_of(encode(clicks, folder)) == expected
    assert parsed == []  # both runs' pieces were taken over
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["clicks.txt", "expected", "store"]


def folder_bytes_of(dataset: ClickDataset) -> dict[str, bytes]:
    """The files of a store, whose arrays are mapped from its folder."""
    return {name: bytes(np.ascontiguousarray(array).data) for name, array in dataset._arrays().items()} | {
        "fingerprint": dataset.fingerprint.encode()
    }


def test_killed_between_publishing_and_tidying_up(tmp_path: Path, clicks: Path, parsed: list[int]) -> None:
    folder = tmp_path / "store"
    encode(clicks, folder)
    before = folder_bytes(folder)
    (tmp_path / ".store.ingest").mkdir()
    (tmp_path / ".store.ingest" / "000000.rows").write_bytes(b"left over")
    parsed.clear()
    encode(clicks, folder)
    assert parsed == []  # the store was found to be the one wanted, from the checksum of the file
    assert folder_bytes(folder) == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["clicks.txt", "store"]


def test_interrupted_from_the_keyboard(tmp_path: Path, clicks: Path, parsed: list[int]) -> None:
    assert killed("SIGINT", "spill", 5, clicks, tmp_path / "store") in (1, -signal.SIGINT)
    encode(clicks, tmp_path / "store")
    assert 0 < len(parsed) < 6
    expected = encode(clicks, tmp_path / "expected", name="clicks").fingerprint
    assert ClickDataset.open(tmp_path / "store", verify=True).fingerprint == expected


def test_file_edited_between_two_runs(tmp_path: Path, clicks: Path, parsed: list[int]) -> None:
    """Pieces whose text is the same are taken over, all others are parsed again: nothing old is mixed in."""
    folder = tmp_path / "store"
    assert killed("SIGKILL", "join_vocabulary", 0, clicks, folder) == -signal.SIGKILL
    lines = clicks.read_text().split("\n")
    lines[1500] = "1 78:1 76:1 77:1".ljust(len(lines[1500]))
    write(clicks, "\n".join([*lines, "0 87:1 1:1 2:1"]))
    parsed.clear()
    first = encode(clicks, folder)
    assert 0 < len(parsed) < 11
    assert first.fingerprint == encode(clicks, tmp_path / "expected", name="clicks").fingerprint
    with pytest.raises(InputError, match="already holds another store"):
        encode(write(clicks, "\n".join(lines)), folder)


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "zeros"])
def test_torn_piece(tmp_path: Path, clicks: Path, damage: str, parsed: list[int]) -> None:
    """What a lost power supply may leave of a file is noticed by its checksum and made again."""
    folder = tmp_path / "store"
    assert killed("SIGKILL", "join_vocabulary", 0, clicks, folder) == -signal.SIGKILL
    path = tmp_path / ".store.ingest" / "000002.rows"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes({"cut": content[:-9], "bit": content, "empty": b"", "zeros": bytes(len(content))}[damage])
    (path.parent / ".000003.rows.1-00.part").write_bytes(b"half")
    parsed.clear()
    found = encode(clicks, folder).fingerprint
    assert len(parsed) == 1
    assert found == encode(clicks, tmp_path / "expected", name="clicks").fingerprint


def test_two_processes_in_one_folder(tmp_path: Path, clicks: Path) -> None:
    with Workspace(tmp_path / "store"):
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(InputError, match="another process is encoding into folder"):
            encode(clicks, tmp_path / "store")
        assert sorted(tmp_path.rglob("*")) == before
    holder = subprocess.Popen(
        [sys.executable, "-c", f"from alpt_ref.data.store.workspace import Workspace\nimport signal\n"
         f"with Workspace({str(tmp_path / 'store')!r}):\n    print('held', flush=True)\n    signal.pause()"],
        stdout=subprocess.PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match="another process"):
            encode(clicks, tmp_path / "store")
    finally:
        holder.kill()
        holder.communicate()
    assert encode(clicks, tmp_path / "store").rows == 2500  # the lock died with its holder
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["clicks.txt", "store"]


@pytest.mark.parametrize("limit", [1_000, 25_000])
def test_disk_full(tmp_path: Path, clicks: Path, limit: int) -> None:
    """Refused writes of a piece (small limit) and of the ids (large limit)."""
    script = (
        "import resource, sys\nfrom alpt_ref.cli import main\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\nmain(sys.argv[1:])"
    )
    command = ["data", "encode", "--libfm", str(clicks), "--on-bad-row", "skip", "--output", str(tmp_path / "store")]
    done = subprocess.run(
        [sys.executable, "-c", script, *command],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Error: cannot write to folder {tmp_path / 'store'} (File too large)")
    assert len(done.stderr.splitlines()) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["clicks.txt"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_file_that_grows_while_it_is_read(tmp_path: Path, clicks: Path) -> None:
    def write_more(step: ingest.Step) -> None:
        with clicks.open("ab") as out:
            out.write(b"\n1 1:1 1:1 1:1")

    with pytest.raises(InputError, match="changed while it was read"):
        encode(clicks, tmp_path / "store", progress=write_more)
    assert [entry.name for entry in tmp_path.iterdir()] == ["clicks.txt"]


def test_a_file_where_the_unfinished_work_would_lie(tmp_path: Path, clicks: Path) -> None:
    (tmp_path / ".store.ingest").write_text("mine")
    with pytest.raises(InputError, match="cannot write to folder"):
        encode(clicks, tmp_path / "store")
    assert (tmp_path / ".store.ingest").read_text() == "mine"


def test_one_class(tmp_path: Path) -> None:
    path = write(tmp_path / "clicks.txt", "\n".join(criteo_line(1, C1=f"c{k % 3}") for k in range(30)))
    dataset = encode_file("criteo", path, tmp_path / "store", min_count=1)
    assert dataset.labels.tolist() == [1] * 30


def test_other_arguments_are_refused_before_any_work(tmp_path: Path, clicks: Path, parsed: list[int]) -> None:
    encode(clicks, tmp_path / "store")
    parsed.clear()
    changes: list[dict[str, Any]] = [{"seed": 1}, {"vocabulary": "all"}, {"split": (1, 1, 1)}, {"name": "other"}]
    for change in changes:
        with pytest.raises(InputError, match=f"already holds another store \\({next(iter(change))} is "):
            encode(clicks, tmp_path / "store", **change)
    assert parsed == []


def test_bad_rows_are_an_error_even_where_a_store_without_them_exists(tmp_path: Path, clicks: Path) -> None:
    encode(clicks, tmp_path / "store")
    with pytest.raises(InputError, match="line 61: 1 columns instead of 4"):
        encode(clicks, tmp_path / "store", on_bad_row="error")


def test_workers_make_no_difference(tmp_path: Path, clicks: Path) -> None:
    stores = [
        folder_bytes_of(encode(clicks, tmp_path / f"{workers}-{chunk}", name="x", workers=workers, chunk_bytes=chunk))
        for workers, chunk in ((1, 1 << 20), (2, 3_000), (3, 500), (8, 12_345))
    ]
    assert all(store == stores[0] for store in stores)
    for workers in (0, 1.5, True):
        with pytest.raises(InputError, match="workers must be"):
            encode(clicks, tmp_path / "more", workers=workers)


def test_a_piece_on_disk_is_the_piece_in_memory(tmp_path: Path) -> None:

    many = [criteo_line(k % 2, {1: k % 5}, C1=f"c{k}", C2="é" if k % 3 else "") for k in range(70_000)]
    rows, bad = code_lines(CRITEO, Lines(1, "\n".join([*many, "bad", ""]).encode()))
    kept = spill(tmp_path / "piece", b"i" * 32, rows, counted(bad))
    found = recall(tmp_path / "piece", b"i" * 32)
    assert found is not None
    assert found[0].sizes.base is None  # a resumed run does not hold its pieces in memory
    assert found[1] == counted(bad) == Bad(1, [(70_001, "1 columns instead of 40")], [70_000, 1])
    assert recall(tmp_path / "piece", b"j" * 32) is None
    for piece in (kept, found[0]):
        np.testing.assert_array_equal(piece.labels(), rows.labels)
        for field in (0, 1, 13, 14, 38):
            np.testing.assert_array_equal(piece.codes(field), rows.codes[field])
            assert piece.categories(field).to_pylist() == rows.categories[field].to_pylist()
        assert [piece.codes(field).dtype.itemsize for field in (0, 13)] == [1, 4]

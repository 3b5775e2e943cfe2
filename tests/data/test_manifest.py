"""Manifests of both versions: what a fingerprint names, what the checksum guards, stores of the release before."""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.data import ClickDataset, RawClicks, describe, encode_file, read_libfm, synthetic_clicks
from alpt_ref.data.store.reader import fingerprint_of, sealed
from alpt_ref.errors import InputError

from .files import write

LINES = [f"{row % 3 == 0:d} {row % 7}:1 {100 + row % 5}:1" for row in range(60)]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    encode_file("libfm", write(tmp_path / "clicks.txt", "\n".join(LINES)), tmp_path / "store", seed=5)
    return tmp_path / "store"


def test_the_same_rows_have_one_fingerprint_whichever_files_held_them(tmp_path: Path, store: Path) -> None:
    expected = ClickDataset.open(store).fingerprint
    packed = tmp_path / "other name.txt.gz"
    packed.write_bytes(gzip.compress("\r\n".join(LINES).encode()))
    parts = [write(tmp_path / "a.txt", "\n".join(LINES[:9])), write(tmp_path / "b", "\n".join(LINES[9:]) + "\n")]
    damaged = write(tmp_path / "damaged", "\n".join([*LINES[:3], "bad", *LINES[3:]]))
    sources: list[tuple[Any, dict[str, Any]]] = [(packed, {}), (parts, {}), (damaged, {"on_bad_row": "skip"})]
    for number, (source, options) in enumerate(sources):
        stored = encode_file("libfm", source, tmp_path / f"{number}", seed=5, **options)
        assert stored.fingerprint == expected == read_libfm(source, **options).encode(seed=5).fingerprint
        assert describe(stored)["fingerprint"] == expected
        assert stored.info["source"] != ClickDataset.open(store).info["source"]
    assert encode_file("libfm", packed, store, seed=5).info["source"]["file"] == "clicks.txt"  # left as it was


def test_other_rows_or_another_encoding_have_another(tmp_path: Path, store: Path) -> None:
    expected = ClickDataset.open(store).fingerprint
    for changed in ([*LINES[:-1], LINES[-1].replace(":1 ", ":1 9")], LINES[:-1], LINES[::-1]):
        assert read_libfm(write(tmp_path / "other", "\n".join(changed))).encode(seed=5).fingerprint != expected
    raw = read_libfm(write(tmp_path / "same", "\n".join(LINES)))
    for options in ({"seed": 6}, {"min_count": 2}, {"vocabulary": "all"}, {"folds": 3}, {"stratify": True}):
        assert raw.encode(**{"seed": 5, **options}).fingerprint != expected
    named = dataclasses.replace(raw, field_names=("user", "item")).encode(seed=5)
    assert named.fingerprint != expected
    assert dataclasses.replace(raw.encode(seed=5), name="other").fingerprint == expected


@pytest.mark.parametrize("part", ["name", "source", "bad_rows", "fingerprint", "checksum"])
def test_every_part_of_a_manifest_is_guarded(store: Path, part: str) -> None:
    path = store / "manifest.json"
    manifest = json.loads(path.read_text())
    if part in ("name", "fingerprint", "checksum"):
        manifest[part] = "0" + manifest[part][1:] if manifest[part][0] != "0" else "1" + manifest[part][1:]
    elif part == "source":
        manifest["info"]["source"]["file"] = "other.txt"
    else:
        manifest["info"]["bad_rows"]["examples"] = [{"line": 3, "reason": "x"}]
    path.write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"manifest\.json was altered \((fingerprint|checksum) mismatch\)"):
        ClickDataset.open(store)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"slots": [1, 2]}, "slots must come with values"),
        ({"slots": [1]}, "slots must be 2 whole numbers"),
        ({"slots": "ab"}, "lacks a part"),
        ({"info": {"encoding": {"by": "time", "split": 7}}}, "lacks a part"),
        ({"info": {"time": {"train": [1, "2"]}}}, "lacks a part"),
        ({"info": {"schema": []}}, "lacks a part"),
    ],
)
def test_parts_of_an_unknown_form(store: Path, change: dict[str, Any], message: str) -> None:
    """Whoever writes the checksums too still gets a sentence."""
    path = store / "manifest.json"
    manifest = {**json.loads(path.read_text()), **change}
    files = manifest.pop("files")
    del manifest["checksum"], manifest["fingerprint"]
    path.write_text(json.dumps(sealed(manifest, files)))
    with pytest.raises(InputError, match=message):
        ClickDataset.open(store)


def test_a_store_of_the_release_before(tmp_path: Path, store: Path) -> None:
    """Version 1 is read as it was, with the fingerprint by which runs know it, also after `replace`."""
    former = dataclasses.replace(ClickDataset.open(store), version=1)
    former.save(tmp_path / "former")
    manifest = json.loads((tmp_path / "former" / "manifest.json").read_text())
    assert (manifest["version"], "checksum" in manifest) == (1, False)
    assert manifest["fingerprint"] == fingerprint_of(manifest) == former.fingerprint
    opened = ClickDataset.open(tmp_path / "former", verify=True)
    assert opened.version == 1
    for same in (
        opened,
        dataclasses.replace(opened, files=None),
        dataclasses.replace(opened, split=opened.split.copy()),
    ):
        assert same.fingerprint == former.fingerprint != ClickDataset.open(store).fingerprint
    again = encode_file("libfm", tmp_path / "clicks.txt", tmp_path / "former", seed=5)  # found to be finished
    assert again.fingerprint == former.fingerprint


def test_what_is_drawn_or_made_in_memory_keeps_version_1() -> None:
    assert synthetic_clicks(100, fields=2, features=20).manifest["version"] == 1
    raw = RawClicks(np.array([0, 1], np.uint8), np.zeros((2, 1), np.int32), (["a"],), ("only",))
    assert raw.encode().manifest["version"] == 1

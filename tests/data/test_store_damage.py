"""A store that was altered, cut off or made by somebody else is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.data import ClickDataset
from alpt_ref.data.store.reader import fingerprint_of
from alpt_ref.errors import InputError


def _edit(store: Path, seal: bool = True, **changes: Any) -> None:
    """Change the manifest; `seal` makes its fingerprint right again, as an adversary would."""
    path = store / "manifest.json"
    manifest = {**json.loads(path.read_text()), **changes}
    if seal:
        manifest["fingerprint"] = fingerprint_of(manifest)
    path.write_text(json.dumps(manifest))


def _files(store: Path) -> dict[str, Any]:
    files: dict[str, Any] = json.loads((store / "manifest.json").read_text())["files"]
    return files


def test_altered_array_is_found(store: Path) -> None:
    data = bytearray((store / "labels.npy").read_bytes())
    data[-1] ^= 1
    (store / "labels.npy").write_bytes(data)
    ClickDataset.open(store)  # same size: only reading everything can tell
    with pytest.raises(InputError, match=r"labels\.npy does not have the checksum"):
        ClickDataset.open(store, verify=True)


def test_altered_manifest_is_found(store: Path) -> None:
    _edit(store, seal=False, name="other")
    with pytest.raises(InputError, match="fingerprint mismatch"):
        ClickDataset.open(store)


def test_verify_checks_values_even_if_the_checksums_were_made_to_fit(clicks: ClickDataset, tmp_path: Path) -> None:
    ids = clicks.ids.copy()
    ids[5, 0] = clicks.field_offsets[1]  # an id of the next field
    wrong = ClickDataset("x", ids, clicks.labels, clicks.split, clicks.field_names, clicks.field_sizes)
    with pytest.raises(InputError, match="field's range"):
        wrong.save(tmp_path / "store")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", ["ids.npy", "split.npy", "manifest.json"])
def test_missing_file(store: Path, name: str) -> None:
    (store / name).unlink()
    with pytest.raises(InputError, match=f"lacks {name}"):
        ClickDataset.open(store)


def test_cut_off_file(store: Path) -> None:
    data = (store / "ids.npy").read_bytes()
    (store / "ids.npy").write_bytes(data[:-4])
    with pytest.raises(InputError, match=rf"ids\.npy has {len(data) - 4} bytes"):
        ClickDataset.open(store)


def test_unknown_version(store: Path) -> None:
    _edit(store, version=99)
    with pytest.raises(InputError, match="format version 99"):
        ClickDataset.open(store)


def test_not_a_store(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        ClickDataset.open(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="no store folder"):
        ClickDataset.open(tmp_path / "file")
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        ClickDataset.open(tmp_path)
    (tmp_path / "manifest.json").write_text('{"format": "something else"}')
    with pytest.raises(InputError, match="not the manifest of a click store"):
        ClickDataset.open(tmp_path)


@pytest.mark.parametrize("name", ["../ids.npy", "/etc/passwd", "sub/ids.npy", "extra.npy"])
def test_names_outside_the_store_are_refused(store: Path, name: str) -> None:
    files = _files(store)
    _edit(store, files={**files, name: files["ids.npy"]})
    with pytest.raises(InputError, match="unknown file"):
        ClickDataset.open(store)


def test_links_are_refused(store: Path, tmp_path: Path) -> None:
    shutil.move(store / "labels.npy", tmp_path / "elsewhere.npy")
    (store / "labels.npy").symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(InputError, match="links are refused"):
        ClickDataset.open(store)


def test_pickled_arrays_are_never_loaded(store: Path) -> None:
    with (store / "labels.npy").open("wb") as out:
        np.save(out, np.array([print] * 300, dtype=object), allow_pickle=True)
    files = _files(store)
    files["labels.npy"]["bytes"] = (store / "labels.npy").stat().st_size
    _edit(store, files=files)
    with pytest.raises(InputError, match=r"not a readable \.npy file"):
        ClickDataset.open(store)


def test_header_must_agree_with_the_manifest(store: Path) -> None:
    data = (store / "labels.npy").read_bytes()
    (store / "labels.npy").write_bytes(data.replace(b"|u1", b"|i1"))
    with pytest.raises(InputError, match="another type or shape"):
        ClickDataset.open(store)


def test_field_sizes_must_fit(store: Path) -> None:
    _edit(store, field_sizes=[5, 5])
    with pytest.raises(InputError, match="field_names"):
        ClickDataset.open(store)

"""Files with checksums: arrays as ``.safetensors``, facts as JSON, and a reader that trusts neither.

Written into a folder that nobody reads yet (`folders.new_folder`) and synced one by one. Reading: plain files of that
folder only, with the size and SHA-256 that a manifest gives; nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from alpt_ref._util.files import checksum, sync
from alpt_ref.errors import InputError

MAX_JSON_BYTES = 64 << 20
_KINDS = "biuf"


def storable(name: str, array: Any) -> NDArray[Any]:
    """`array` as it can be stored: little-endian and in one piece, because safetensors copies the memory as it lies."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in _KINDS or array.dtype.itemsize > 8:
        kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise InputError(f"arrays[{name!r}] must be a NumPy array of booleans, integers or floats, got {kind}")
    return np.require(array, array.dtype.newbyteorder("<"), "C")


def write_arrays(path: Path, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Write `storable` arrays and sync them; the file's size and SHA-256."""
    save_file(arrays, path)
    path.chmod(path.parent.stat().st_mode & 0o666)  # as the user's mask has it: safetensors lets the owner alone read
    with path.open("r+b") as stream:
        sync(stream)
    return checksum(path)


def read_arrays(folder: Path, file: str, entry: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Arrays of one file (in memory of their own), after its size and checksum; `ValueError` says what is wrong."""
    size = _plain_size(folder, file)
    if size != entry["bytes"]:
        raise ValueError(f"{file} has {size} bytes, not {entry['bytes']}")
    if checksum(folder / file)["sha256"] != entry["sha256"]:
        raise ValueError(f"{file} does not have its checksum")
    with safe_open(folder / file, framework="numpy") as stored:
        return {name: np.array(stored.get_tensor(name)) for name in stored.keys()}  # noqa: SIM118  # no mapping


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a new JSON file with a checksum of its own, and sync it."""
    with path.open("x", encoding="ascii") as out:
        text = json.dumps({**value, "sha256": digest_of(value)}, sort_keys=True, indent=1, allow_nan=False)
        out.write(text + "\n")
        sync(out)


def read_json(folder: Path, file: str) -> dict[str, Any]:
    """What `write_json` wrote, without its checksum, which is left to `verify_json`."""
    if _plain_size(folder, file) > MAX_JSON_BYTES:
        raise ValueError(f"{file} is over {MAX_JSON_BYTES} bytes")
    value = json.loads((folder / file).read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        raise ValueError(f"{file} is no JSON object")
    return value


def verify_json(file: str, value: dict[str, Any]) -> None:
    """`ValueError` unless a value of `read_json` has its own checksum."""
    if digest_of({key: one for key, one in value.items() if key != "sha256"}) != value.get("sha256"):
        raise ValueError(f"{file} does not have its own checksum")


def plain_json(value: Any) -> Any:
    """A copy as JSON would give it back; `ValueError` or `TypeError` where it would not."""
    return json.loads(json.dumps(value, allow_nan=False))


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain_size(folder: Path, file: str) -> int:
    """Size of a regular file; a link, a folder or a device is refused."""
    status = (folder / file).lstat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{file} is not a plain file (links are refused)")
    return status.st_size

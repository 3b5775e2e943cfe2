"""A file of an experiment: arrays and facts in one ``.safetensors`` file with checksums; nothing is unpickled.

Cells and saved results have the same form. The facts are one JSON text in the file's header, which names the SHA-256 of
every array and of itself, so that an altered file is told from a whole one. Equal content gives equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from alpt_ref._util.files import atomic
from alpt_ref._util.sealed import digest_of, storable
from alpt_ref.errors import InputError

ENTRY = "alpt_ref_experiment"
FORMAT = 1

Arrays = dict[str, NDArray[Any]]


def write(path: Path, facts: dict[str, Any], arrays: Arrays) -> None:
    """Write a file that is absent or whole."""
    with atomic(path) as stream:
        stream.write(as_bytes(facts, arrays))


def as_bytes(facts: dict[str, Any], arrays: Arrays) -> bytes:
    """The content of a file."""
    kept = {name: storable(name, array) for name, array in sorted(arrays.items())}
    sealed = {"format": FORMAT, "facts": facts, "arrays": {name: _sum(one) for name, one in kept.items()}}
    text = json.dumps({**sealed, "sha256": digest_of(sealed)}, sort_keys=True, allow_nan=False)
    return bytes(save(kept, {ENTRY: text}))


def _sum(array: NDArray[Any]) -> str:
    return hashlib.sha256(f"{array.dtype.str} {array.shape}".encode() + array.tobytes()).hexdigest()


def is_ours(path: Path) -> bool:
    """Whether it is a file that `write` made, altered or not."""
    try:
        with safe_open(path, framework="numpy") as stored:
            return ENTRY in (stored.metadata() or {})
    except (SafetensorError, OSError):
        return False


def read(path: Path) -> tuple[dict[str, Any], Arrays]:
    """Facts and arrays of a file.

    Raises
    ------
    InputError
        There is no such file, it is none of an experiment, or it was altered.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}" if not path.exists() else f"{path} must be a file")
    if not is_ours(path):
        raise InputError(f"{path} holds no experiment: ExperimentResult.save writes such files")
    try:
        with safe_open(path, framework="numpy") as stored:
            sealed = json.loads(stored.metadata()[ENTRY])
            arrays = {name: np.array(stored.get_tensor(name)) for name in stored.keys()}  # noqa: SIM118  # no mapping
        wanted = sealed.pop("sha256")
        if sealed.get("format") != FORMAT:
            raise InputError(f"{path} was written by another release of this package (format {sealed.get('format')})")
        whole = digest_of(sealed) == wanted and {name: _sum(one) for name, one in arrays.items()} == sealed["arrays"]
    except (SafetensorError, ValueError, KeyError, TypeError, AttributeError):
        whole = False
    if not whole:
        raise InputError(f"{path} does not have its checksum: it was altered or cut off; run the experiment again")
    return sealed["facts"], arrays

"""The encoded store on disk: one folder of plain ``.npy`` files and a checksummed JSON manifest; how it is read.

A manifest lists every file with its type, shape, size and SHA-256. The store's fingerprint is a SHA-256 over what the
data are (arrays, names and sizes of the fields, encoding), whatever files they came from; another is over the whole
manifest. Nothing in a store is ever unpickled, and no file outside its folder is ever opened.
"""

from __future__ import annotations

import errno
import hashlib
import json
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.formats.left_out import valid_runs
from alpt_ref.errors import InputError

FORMAT = "alpt-ref click store"
VERSIONS = (1, 2)
"""Of the manifest. 1: the fingerprint is over all of it. 2: over the data, and a checksum is over all of it."""
MANIFEST = "manifest.json"
MAX_MANIFEST_BYTES = 64 << 20
ARRAY_DTYPES: Mapping[str, str] = {
    "ids.npy": "<u4",
    "labels.npy": "|u1",
    "split.npy": "|u1",
    "category_bytes.npy": "|u1",
    "category_offsets.npy": "<i8",
    "weights.npy": "<f4",
    "values.npy": "<f4",
}
"""File name -> dtype; a store may lack the vocabulary (category_…), the rows' weights and the slots' values."""
_READ_BYTES = 1 << 24
OPTIMA = ("bayes_logloss", "bayes_logloss_expected", "bayes_auc", "main_effects_auc")
"""Entries of a synthetic set's ``info``: what no model can beat."""
REQUIRED = ("ids.npy", "labels.npy", "split.npy")


def canonical_json(value: Any) -> str:
    """Text of a JSON value with one form only; InputError where `value` is no JSON."""
    try:
        return json.dumps(value, sort_keys=True, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise InputError(f"info must hold plain JSON values only (no NaN, no arrays): {error}") from None


PROVENANCE = ("source", "schema", "rows_read", "rows_encoded", "bad_rows", "time")
"""Parts of ``info`` that say where the rows came from and are no part of what they are. A schema is one of them: what
it decides stands in the arrays, and what it does not is the layout of a file."""


def version_of(info: Mapping[str, Any]) -> int:
    """Manifest version of new data: 2 for rows of a user's files and tables, 1 for what is drawn or comes in a package.

    The latter never lie in other files, so that they keep the fingerprint by which former runs know them.
    """
    source = info.get("source")
    return 2 if isinstance(source, dict) and "package" not in source else 1


def fingerprint_of(manifest: Mapping[str, Any]) -> str:
    """SHA-256 that names the data of a store: equal for the same rows, whichever files held them (from version 2 on).

    Version 1: over the manifest without its ``fingerprint`` entry. Version 2: without name, checksum and `PROVENANCE`.
    """
    content = {key: value for key, value in manifest.items() if key != "fingerprint"}
    if manifest.get("version") != 1:
        info = content.get("info")
        kept = {key: value for key, value in info.items() if key not in PROVENANCE} if isinstance(info, dict) else info
        content = {key: value for key, value in content.items() if key not in ("name", "checksum")} | {"info": kept}
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def sealed(head: Mapping[str, Any], files: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest of data that `head` describes and whose arrays have the entries `files`."""
    manifest = {**head, "format": FORMAT, "files": dict(files)}
    manifest["fingerprint"] = fingerprint_of(manifest)
    return manifest if manifest["version"] == 1 else {**manifest, "checksum": _checksum(manifest)}


def _checksum(manifest: Mapping[str, Any]) -> str:
    content = {key: value for key, value in manifest.items() if key != "checksum"}
    return hashlib.sha256(canonical_json(content).encode()).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read and check ``manifest.json``: format, version, fingerprint, and the names and sizes of the files.

    Raises
    ------
    InputError
        Anything is missing, unknown, of the wrong size or not a plain file of that folder.
    """
    if not folder.exists():
        raise InputError(f"folder {folder} does not exist; name a folder that `alpt-ref data encode` or `synth` wrote")
    if not folder.is_dir():
        raise InputError(f"{folder} is no store folder; encode a raw file first with `alpt-ref data encode`")
    if _plain_size(folder, MANIFEST) > MAX_MANIFEST_BYTES:
        raise InputError(f"{folder / MANIFEST} is over {MAX_MANIFEST_BYTES} bytes and cannot be a store's manifest")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{folder / MANIFEST} cannot be read as JSON; write the store again") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InputError(f"{folder / MANIFEST} is not the manifest of a click store; name another folder")
    if manifest.get("version") not in VERSIONS:
        raise InputError(
            f"store {folder} has format version {manifest.get('version')!r}, this release reads "
            f"{' and '.join(map(str, VERSIONS))}; write the store again"
        )
    _check_files(folder, manifest.get("files"))
    if manifest.get("fingerprint") != fingerprint_of(manifest):
        raise InputError(f"{folder / MANIFEST} was altered (fingerprint mismatch); write the store again")
    if manifest["version"] != 1 and manifest.get("checksum") != _checksum(manifest):
        raise InputError(f"{folder / MANIFEST} was altered (checksum mismatch); write the store again")
    return manifest


def _plain_size(folder: Path, name: str) -> int:
    """Size of a regular file of `folder`; a link, a folder or a device is refused."""
    try:
        status = (folder / name).lstat()
    except OSError as error:
        raise InputError(f"store {folder} lacks {name} ({error.strerror}); write the store again") from None
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{folder / name} is not a plain file (links are refused); write the store again")
    return status.st_size


def _check_files(folder: Path, files: Any) -> None:
    if not isinstance(files, dict) or not set(REQUIRED) <= set(files):
        raise InputError(f"{folder / MANIFEST} must list the files {', '.join(REQUIRED)}; write the store again")
    for name, entry in files.items():
        if name not in ARRAY_DTYPES:  # also refuses "../x" and absolute names
            raise InputError(f"{folder / MANIFEST} lists the unknown file {name!r}; write the store again")
        if not isinstance(entry, dict) or entry.get("dtype") != ARRAY_DTYPES[name]:
            raise InputError(f"{folder / MANIFEST} gives {name} another dtype than {ARRAY_DTYPES[name]}")
        size = _plain_size(folder, name)
        if size != entry.get("bytes"):
            raise InputError(f"{folder / name} has {size} bytes, its manifest says {entry.get('bytes')!r}")


def check_info(folder: Path, info: Mapping[str, Any]) -> None:
    """InputError unless the parts of a manifest's ``info`` that this package reads have the form that it writes."""
    bad, encoding = info.get("bad_rows", {"count": 0, "examples": []}), info.get("encoding", {})
    rules = {
        "bad_rows": isinstance(bad, dict)
        and type(bad.get("count")) is int
        and isinstance(bad.get("examples"), list)
        and all(isinstance(row, dict) and {"line", "reason"} <= set(row) for row in bad["examples"])
        and ("rows" not in bad or valid_runs(bad["rows"], bad["count"])),
        "source": isinstance(info.get("source", ""), (dict, str)),
        "encoding": isinstance(encoding, dict) and isinstance(encoding.get("split", []), list),
        "schema": isinstance(info.get("schema", {}), dict),
        "time": _valid_times(info.get("time", {})),
        **{key: type(info[key]) in (int, float) for key in OPTIMA if key in info},
        "bayes_logloss": "bayes_auc" not in info or type(info.get("bayes_logloss")) in (int, float),
    }
    for part, right in rules.items():
        if not right:
            raise InputError(f"{folder / MANIFEST} has a part info.{part} of unknown form; write the store again")


def _valid_times(times: Any) -> bool:
    """Whether a manifest's times are a first and a last one for some of the parts."""
    return isinstance(times, dict) and all(
        isinstance(span, list) and [type(time) for time in span] == [int, int] for span in times.values()
    )


def open_array(folder: Path, name: str, entry: Mapping[str, Any]) -> NDArray[Any]:
    """Map one array of a store read-only; its header must agree with the manifest."""
    path = folder / name
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise InputError(
                f"{path} cannot be mapped: its {entry.get('bytes'):,} bytes exceed the address space that is left; "
                "raise the limit (ulimit -v counts mapped files, too; memory.max of a control group does not)"
            ) from None
        raise InputError(f"{path} is not a readable .npy file; write the store again") from None
    same = array.dtype == np.dtype(ARRAY_DTYPES[name]) and list(array.shape) == entry.get("shape")
    if not same or not array.flags.c_contiguous:
        raise InputError(f"{path} has another type or shape than its manifest says; write the store again")
    return np.asarray(array)  # a plain array over the mapping: slicing a memmap object is slow


def check_sha256(
    folder: Path, files: Mapping[str, Mapping[str, Any]], *, progress: Callable[[int, int], None] | None = None
) -> None:
    """Read every file of a store and compare its SHA-256 with the manifest's; `progress` takes bytes read, and all."""
    total, done = sum(int(entry["bytes"]) for entry in files.values()), 0
    for name, entry in files.items():
        digest = hashlib.sha256()
        with (folder / name).open("rb") as file:
            while piece := file.read(_READ_BYTES):
                digest.update(piece)
                done += len(piece)
                if progress is not None:
                    progress(done, total)
        if digest.hexdigest() != entry.get("sha256"):
            raise InputError(f"{folder / name} does not have the checksum of its manifest; write the store again")


class StoredFiles(dict[str, Mapping[str, Any]]):
    """Manifest entries of a store's files, the arrays that they describe, and (field sizes, slots) of the ids."""

    def __init__(
        self,
        entries: Mapping[str, Mapping[str, Any]],
        arrays: Mapping[str, NDArray[Any]],
        fields: tuple[tuple[int, ...], tuple[int, ...] | None],
    ) -> None:
        """Keep all."""
        super().__init__(entries)
        self.arrays, self.fields = dict(arrays), fields

    def __reduce__(self) -> tuple[Any, ...]:
        """All of it; pickled beside a dataset, the arrays stay the dataset's own."""
        return StoredFiles, (dict(self), self.arrays, self.fields)

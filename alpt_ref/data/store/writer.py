"""Writing a store: streamed into a temporary folder beside the target, synced to disk, then renamed.

A reader therefore sees all of a store or nothing, and memory is bounded by the pieces that are written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.files import hidden, path_of, require_outside, sync, sync_folder
from alpt_ref.data.store.reader import ARRAY_DTYPES, MANIFEST, read_manifest, sealed
from alpt_ref.errors import InputError

HEADER_BYTES = 128
"""Fixed length of the headers written here, so that a file's bytes depend on its contents alone."""

_BYTES_AT_ONCE = 1 << 22


def npy_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The 128-byte header of a ``.npy`` file, format 1.0, of a C-ordered array."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    body = text.ljust(HEADER_BYTES - 11) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


class ArrayWriter:
    """One ``.npy`` file of known shape, filled from its first row on and hashed on the way."""

    def __init__(self, path: Path | None, shape: tuple[int, ...], dtype: str) -> None:
        """Begin the file; without `path`, only hash."""
        self.shape, self.dtype, self.path = tuple(map(int, shape)), dtype, path
        self._hash = hashlib.sha256()
        self._file: BinaryIO | None = None if path is None else path.open("xb")
        self._left = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        self.bytes = self._left + HEADER_BYTES
        self._put(npy_header(dtype, self.shape))

    def _put(self, data: Any) -> None:
        self._hash.update(data)
        if self._file is not None:
            self._file.write(data)

    def append(self, rows: NDArray[Any]) -> None:
        """Write the next rows."""
        block = np.ascontiguousarray(rows, dtype=np.dtype(self.dtype))
        self._left -= block.nbytes
        if self._left < 0:
            raise ValueError(f"more rows than the announced shape {self.shape}")
        if block.size:
            self._put(block.reshape(-1).view(np.uint8).data)

    def close(self) -> dict[str, Any]:
        """Sync the file to disk; its manifest entry."""
        if self._left:
            raise ValueError(f"{self._left} bytes short of the announced shape {self.shape}")
        if self._file is not None:
            sync(self._file)
            self._file.close()
        return {
            "bytes": self.bytes,
            "dtype": self.dtype,
            "sha256": self._hash.hexdigest(),
            "shape": list(self.shape),
        }

    def abandon(self) -> None:
        """Close the file without finishing it."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk refuses what is still buffered; it is thrown away anyway
                self._file.close()


def array_entry(array: NDArray[Any], dtype: str) -> dict[str, Any]:
    """The manifest entry that `array` would get if it were written (hashed in pieces, nothing is written)."""
    writer = ArrayWriter(None, array.shape, dtype)
    step = max(1, _BYTES_AT_ONCE // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        writer.append(array[start : start + step])
    return writer.close()


@contextlib.contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusals into an InputError that names the folder."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(
            f"cannot write to folder {folder} ({reason}); choose a folder that can be written and has room"
        ) from None


def check_target(folder: Path) -> dict[str, Any] | None:
    """The manifest of the store that is already there, or None where a new one may be written.

    Raises
    ------
    InputError
        `folder` is a file, lies in a run or the like, or holds something other than a readable store.
    """
    require_outside(folder, within=["reproduce.json", "comparison.json"])
    if not folder.exists() and not folder.is_symlink():
        return None
    if not folder.is_dir():
        raise InputError(f"folder {folder} exists and is no folder; choose another name or remove it")
    with writing_to(folder):
        empty = not any(folder.iterdir())
    if empty:
        return None
    if not (folder / MANIFEST).is_file():
        raise InputError(f"folder {folder} exists and holds other files; choose another folder")
    return read_manifest(folder)


def require_same(folder: Path, found: str, wanted: str) -> None:
    """InputError unless the store in `folder` has the fingerprint that is about to be written."""
    if found != wanted:
        raise InputError(
            f"folder {folder} already holds another store (fingerprint {found[:12]}, not {wanted[:12]}); "
            "choose another folder or remove that one"
        )


class StoreWriter:
    """Context manager: arrays go to a temporary folder, `finish` checks the target and renames.

    Leaving the block without `finish` removes the temporary folder.
    """

    def __init__(self, folder: str | Path, scratch: Path | None = None) -> None:
        """Check the target; nothing is written yet. `scratch` is a folder to make on the same file system."""
        self.folder = path_of(folder, "folder").absolute()
        self.present = check_target(self.folder)
        """Manifest of the store that is already there."""
        self.scratch = scratch or hidden(self.folder)
        self._arrays: dict[str, ArrayWriter] = {}
        self._new_parents: list[Path] = []

    def __enter__(self) -> Self:
        """Make the temporary folder."""
        self._new_parents = [parent for parent in self.folder.parents if not parent.exists()]
        with writing_to(self.folder):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.scratch.mkdir()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        """Remove what was not finished."""
        for writer in self._arrays.values():
            writer.abandon()
        shutil.rmtree(self.scratch, ignore_errors=True)
        if kind is not None:
            for parent in self._new_parents:  # innermost first
                with contextlib.suppress(OSError):  # somebody else has put something there
                    parent.rmdir()

    def array(self, name: str, shape: tuple[int, ...]) -> ArrayWriter:
        """Begin one of the store's arrays."""
        with writing_to(self.folder):
            self._arrays[name] = ArrayWriter(self.scratch / name, shape, ARRAY_DTYPES[name])
        return self._arrays[name]

    def finish(self, head: Mapping[str, Any]) -> str:
        """Write the manifest from `head`, sync, rename to the target; the store's fingerprint."""
        with writing_to(self.folder):
            files = {name: writer.close() for name, writer in self._arrays.items()}
            manifest = sealed(head, files)
            with (self.scratch / MANIFEST).open("x", encoding="ascii") as out:
                out.write(json.dumps(manifest, sort_keys=True, indent=1, allow_nan=False) + "\n")
                sync(out)
            sync_folder(self.scratch)
        self._publish(manifest["fingerprint"])
        return str(manifest["fingerprint"])

    def _publish(self, fingerprint: str) -> None:
        for last_try in (False, True):  # another process may finish the same store between the check and the rename
            present = check_target(self.folder)
            if present is not None:
                require_same(self.folder, str(present["fingerprint"]), fingerprint)
                return
            try:
                if self.folder.is_dir():
                    self.folder.rmdir()  # an empty folder in the way
                self.scratch.rename(self.folder)
            except OSError as error:
                if last_try:
                    raise InputError(f"cannot write to folder {self.folder} ({error.strerror})") from None
                continue
            with writing_to(self.folder):
                sync_folder(self.folder.parent)
            return

"""A store's checksums, looked at once before a training: which stores have been read whole and found right.

A store that was found right is remembered in the user's own cache folder by what the file system says of its files:
device, inode, size, times. Whatever is copied, replaced, edited or touched is read again.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from alpt_ref.data.store.reader import check_sha256, read_manifest
from alpt_ref.kernels.cache import cache_directory

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset

_FOLDER = "checked-stores"
_here: set[str] = set()
"""Stores that this process has found right."""


def open_checked(folder: Path, *, progress: Callable[[int, int], None] | None = None) -> ClickDataset:
    """Map a store read-only; read it whole and compare every checksum first, unless that was done before.

    Parameters
    ----------
    folder : path
    progress : callable, optional
        Called with the bytes read so far and their total.

    Raises
    ------
    InputError
        As `ClickDataset.open` with ``verify=True``.
    """
    from alpt_ref.data.dataset import ClickDataset

    files = read_manifest(folder)["files"]
    state = _state(folder, list(files))
    if _known(state):
        return ClickDataset.open(folder)
    check_sha256(folder, files, progress=progress)
    dataset = ClickDataset.open(folder)
    dataset.validate()
    if _state(folder, list(files)) == state:  # nothing was exchanged while it was read
        _remember(state)
    return dataset


def _state(folder: Path, names: list[str]) -> str:
    """What the file system says of the files, as one name."""
    digest = hashlib.sha256((folder / "manifest.json").read_bytes())
    for name in sorted([*names, "manifest.json"]):
        seen = (folder / name).stat()
        digest.update(repr((name, seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)).encode())
    return digest.hexdigest()


def _memory() -> Path | None:
    directory = cache_directory()
    return None if directory is None else directory.parent / _FOLDER


def _known(state: str) -> bool:
    memory = _memory()
    return state in _here or (memory is not None and (memory / state).is_file())


def _remember(state: str) -> None:
    _here.add(state)
    memory = _memory()
    if memory is not None:
        with contextlib.suppress(OSError):  # it will be read again, that is all
            memory.mkdir(exist_ok=True, mode=0o700)
            (memory / state).touch()

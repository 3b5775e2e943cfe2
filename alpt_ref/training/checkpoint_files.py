"""The files of a checkpoint and how they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from numpy.typing import NDArray
from safetensors import SafetensorError

from alpt_ref._util import sealed
from alpt_ref.errors import AlptError, InputError

if TYPE_CHECKING:
    from alpt_ref.training.checkpoint import Checkpoint

FORMAT = "alpt-ref checkpoint"
VERSION = 1
MANIFEST = "checkpoint.json"
TIMING = "timing.json"
STATE = "state.safetensors"
OWN_FILE = ("best", "last_good", "vocabulary")
"""First parts of array names that are kept in a file of their own, the others in `STATE`."""
FILES = (STATE, *(f"{part}.safetensors" for part in OWN_FILE))
_REQUIRED = {"step": int, "epoch": int, "n": int, "d": int, "fields": int, "dataset": str, "fingerprint": str}


class CheckpointError(AlptError, RuntimeError):
    """A checkpoint could not be written; those before it are whole."""


class Contents(NamedTuple):
    """What goes into a checkpoint's files, checked: arrays by file, manifest, times."""

    arrays: dict[str, dict[str, NDArray[Any]]]
    manifest: dict[str, Any]
    timing: dict[str, Any]

    def write(self, scratch: Path, more: Mapping[str, Any] | None = None) -> None:
        """Write the files into a folder that has the files `more` already (with their manifest entries)."""
        files = {file: sealed.write_arrays(scratch / file, arrays) for file, arrays in self.arrays.items()}
        sealed.write_json(scratch / TIMING, {"timing": self.timing})
        sealed.write_json(scratch / MANIFEST, {**self.manifest, "files": files | dict(more or {})})


def contents(content: Checkpoint) -> Contents:
    """The files of a checkpoint; `InputError` where an array or a value of `meta` cannot be stored."""
    checked_meta(content.meta)
    groups: dict[str, dict[str, NDArray[Any]]] = {}
    for name, array in sorted(content.arrays.items()):
        groups.setdefault(file_of(name), {})[name] = sealed.storable(name, array)
    try:
        plain = sealed.plain_json({"config": msgspec.to_builtins(content.config), "meta": content.meta})
        timing = sealed.plain_json(content.timing)
    except (TypeError, ValueError) as error:
        raise InputError(f"meta and timing must hold plain JSON values only (no NaN, no arrays): {error}") from None
    return Contents(groups, {"format": FORMAT, "version": VERSION, **plain}, timing)


@contextmanager
def said_to_be_unwritable(path: Path) -> Iterator[None]:
    """A failure to write becomes a `CheckpointError` about the checkpoint `path`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
        raise CheckpointError(
            f"checkpoint {path} cannot be written ({reason}); earlier ones are whole: free disk space or repair the "
            "folder, then continue with --resume"
        ) from error


def file_of(name: str) -> str:
    """The file that holds an array."""
    part = name.partition("/")[0]
    return f"{part}.safetensors" if part in OWN_FILE else STATE


def checked_meta(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    """`meta`, or `InputError` where it lacks what every checkpoint has."""
    for name, kind in _REQUIRED.items():
        value = meta.get(name)
        good = isinstance(value, kind) and not isinstance(value, bool)
        if not good or (isinstance(value, int) and value < 0):
            raise InputError(f"meta[{name!r}] must be {'a whole number' if kind is int else 'text'}, got {value!r}")
    return meta

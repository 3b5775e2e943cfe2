"""Checkpoints: everything needed to resume a run bit for bit, or to serve it, in one folder that is whole or absent.

A folder holds ``.safetensors`` files and ``checkpoint.json``: configuration, facts about the run, and size and SHA-256
of every file. It is written under a temporary name, synced and renamed (`_util.folders`): after a kill or a power cut
it is there whole or not at all. ``timing.json`` has wall-clock times, the only content that two runs of the same
configuration differ in.

Array names: ``table/...`` and ``model/...`` (what serving needs, and the rows' optimiser state
``table/optimizer.*``), ``optimizer/...`` (dense part), ``statistics/...``; ``best/...`` and ``last_good/...``, earlier
states of the first three where they differ; ``vocabulary/...`` in a finished run's final state.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray
from safetensors import SafetensorError

from alpt_ref._util import check as _check
from alpt_ref._util import folders, sealed
from alpt_ref._util.files import path_of
from alpt_ref.errors import InputError
from alpt_ref.training import shards
from alpt_ref.training.checkpoint_files import FILES as FILES
from alpt_ref.training.checkpoint_files import (
    FORMAT,
    MANIFEST,
    TIMING,
    VERSION,
    checked_meta,
    contents,
    file_of,
    said_to_be_unwritable,
)
from alpt_ref.training.checkpoint_files import STATE as STATE
from alpt_ref.training.checkpoint_files import CheckpointError as CheckpointError
from alpt_ref.training.config import RunConfig
from alpt_ref.training.config_io import from_file, require_own_names

if TYPE_CHECKING:
    from alpt_ref.data.vocabulary import Vocabulary

PACKED = "packed.json"
"""Marks what ``alpt-ref pack`` wrote, which is no checkpoint."""
CHECKPOINTS, FINAL = "checkpoints", "state"
"""Folders below a run's output folder: one folder per checkpoint; the tested state of a finished run."""

_NAME = re.compile(r"step-(\d{9,})")


@dataclass(repr=False)
class Checkpoint:
    """One moment of a run.

    Attributes
    ----------
    config : RunConfig
        Settings of the run; ``data`` describes the source of the data.
    arrays : dict of arrays
        By flat name, see the module; any boolean, integer or float dtype and shape.
    meta : dict
        JSON values. Always: ``step`` (steps taken), ``epoch`` (epochs finished), ``n``, ``d``, ``fields`` (of the
        table), ``dataset`` (its name) and ``fingerprint``. From `train` also: ``batch`` (batches of the next epoch that
        are done), ``finished``, ``device``, ``versions``, ``history``, ``field_names``, ``field_sizes``, ``info`` (of
        the dataset: source, preprocessing) and ``encoder``: None, or the SHA-256 of the vocabulary's two arrays. Of
        a run that goes on from another ``init_from``: what it began with, and the ids added and removed by field.
    timing : dict
        JSON values, wall-clock times; no result depends on them.
    """

    config: RunConfig
    arrays: dict[str, NDArray[Any]]
    meta: dict[str, Any]
    timing: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """One line, without the arrays' values."""
        held = sum(array.nbytes for array in self.arrays.values())
        dataset, step, epoch = (self.meta.get(name) for name in ("dataset", "step", "epoch"))
        return (
            f"Checkpoint({self.config.table.label}, dataset {dataset!r}, step {step}, epoch {epoch}; "
            f"{len(self.arrays)} arrays, {held:,} bytes)"
        )

    def part(self, name: str) -> dict[str, NDArray[Any]]:
        """Arrays below ``name/`` under the rest of their names."""
        start = f"{name}/"
        return {key.removeprefix(start): array for key, array in self.arrays.items() if key.startswith(start)}

    @property
    def vocabulary(self) -> Vocabulary | None:
        """What encodes new raw rows, where this checkpoint carries it (the final state of a run on encoded data)."""
        arrays = self.part("vocabulary")
        if not arrays:
            return None
        from alpt_ref.data.vocabulary import Vocabulary

        names, sizes = tuple(self.meta["field_names"]), tuple(self.meta["field_sizes"])
        return Vocabulary(names, sizes, arrays["category_bytes"], arrays["category_offsets"])


# --- writing ----------------------------------------------------------------------------------------------------------


def write_checkpoint(folder: Path, content: Checkpoint, *, keep: int = 2) -> Path:
    """Write ``folder/step-<meta["step"]>`` and remove older ones but the `keep` latest.

    Parameters
    ----------
    folder : path
        Of a run's checkpoints (``<output>/checkpoints``); made if absent.
    content : Checkpoint
    keep : int
        At least 1, this one included.

    Returns
    -------
    Path
        The new checkpoint's folder.

    Raises
    ------
    InputError
        An array or a value of `meta` cannot be stored.
    CheckpointError
        The disk is full or refuses; the checkpoints before are as they were.
    """
    keep = _check.whole_number("keep", keep, 1)
    path = write_folder(checkpoint_path(folder, content.meta), content)
    remove_older(path, keep)
    return path


def checkpoint_path(folder: Path, meta: Mapping[str, Any]) -> Path:
    """Where the checkpoint with these facts lies in a run's `folder` of checkpoints."""
    return Path(folder) / f"step-{checked_meta(meta)['step']:09d}"


def remove_older(path: Path, keep: int = 2) -> None:
    """Remove the checkpoints beside `path` but the `keep` latest, that one included."""
    for old in [one for one in list_checkpoints(path.parent) if one != path][keep - 1 :]:
        folders.remove(old)


def write_folder(path: Path, content: Checkpoint) -> Path:
    """Write one checkpoint as the folder `path`, in the place of an older one of that name; see `write_checkpoint`."""
    files = contents(content)
    with said_to_be_unwritable(path), folders.new_folder(path) as scratch:
        files.write(scratch)
    return path


# --- reading ----------------------------------------------------------------------------------------------------------


def read_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint and verify every checksum.

    Parameters
    ----------
    path : path
        A checkpoint's folder, or a run's output folder: the tested state of a finished run, else the newest checkpoint
        that is whole.

    Raises
    ------
    InputError
        There is none, or it is damaged or of another format version; the message says which and why.
    """
    path = path_of(path, "path")
    if (path / MANIFEST).exists():
        return read_folder(path)
    if (path / FINAL).is_dir():
        return read_folder(path / FINAL)
    if (path / PACKED).exists():
        raise InputError(f"{path} is a packed run, which holds no state to train on; name the run that it was made of")
    reasons = []
    for candidate in list_checkpoints(path / CHECKPOINTS):
        try:
            return read_folder(candidate)
        except InputError as error:
            reasons.append(error)
    if reasons:
        raise reasons[0]
    raise InputError(f"{path} holds no checkpoint; name a checkpoint's folder or an output folder of `alpt-ref train`")


def list_checkpoints(folder: Path, *, after: int = -1) -> list[Path]:
    """Checkpoint folders of a run after a step, latest first; they are not verified."""
    if not folder.is_dir():
        return []
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    real = [(step, path) for step, path in found if step > after and path.is_dir() and not path.is_symlink()]
    return [path for _, path in sorted(real, reverse=True)]


def newest_step(output: str | Path) -> int | None:
    """Step of the latest checkpoint in a run's output folder, or None."""
    found = list_checkpoints(Path(output) / CHECKPOINTS)
    return int(found[0].name.removeprefix("step-")) if found else None


def read_manifest(folder: Path) -> dict[str, Any]:
    """``checkpoint.json``, its own checksum and entries verified; the other files are not opened."""
    with _damaged(folder):
        manifest = sealed.read_json(folder, MANIFEST)
    if manifest.get("format") != FORMAT:
        raise InputError(f"{folder / MANIFEST} is not the manifest of a checkpoint; name another folder")
    if manifest.get("version") != VERSION:
        raise InputError(
            f"checkpoint {folder} has format version {manifest.get('version')!r}, this release reads {VERSION}; "
            "use the release that wrote it"
        )
    with _damaged(folder):
        sealed.verify_json(MANIFEST, manifest)
        for file, entry in manifest["files"].items():
            if file not in FILES and not shards.is_shard(
                file
            ):  # also refuses "../x", absolute names and anything that is not safetensors
                raise ValueError(f"{MANIFEST} lists the unknown file {file!r}")
            if not isinstance(entry["bytes"], int) or not isinstance(entry["sha256"], str):
                raise ValueError(f"{MANIFEST} has an entry of another form for {file}")
        checked_meta(manifest["meta"])
    return manifest


def read_folder(folder: Path, *, table: bool = True) -> Checkpoint:
    """The checkpoint that this very folder holds; see `read_checkpoint`.

    Shards of several ranks are put together; without `table` they are left out.
    """
    manifest = read_manifest(folder)
    require_own_names(manifest.get("config"), str(folder / MANIFEST))
    with _damaged(folder):
        config = from_file(manifest["config"], str(folder / MANIFEST))
        arrays: dict[str, NDArray[Any]] = {}
        by_rank = shards.shard_files(manifest["files"])
        for file, entry in manifest["files"].items():
            if file in by_rank:
                continue
            own = sealed.read_arrays(folder, file, entry)
            misplaced = [name for name in own if file_of(name) != file]
            if misplaced:
                raise ValueError(f"{file} holds {misplaced[0]!r}, which belongs elsewhere")
            arrays |= own
        if table and by_rank:
            meta = manifest["meta"]
            each = (sealed.read_arrays(folder, file, manifest["files"][file]) for file in by_rank)
            arrays |= shards.assembled(each, meta["n"], meta[shards.ROW_ARRAYS])
        timing = sealed.read_json(folder, TIMING)
        sealed.verify_json(TIMING, timing)
        return Checkpoint(config, arrays, manifest["meta"], dict(timing["timing"]))


@contextmanager
def _damaged(folder: Path) -> Iterator[None]:
    """Every failure of a reader becomes one sentence."""
    try:
        yield
    except OSError as error:
        where = Path(error.filename).name if error.filename else "a file"
        raise InputError(f"checkpoint {folder} is damaged ({where}: {error.strerror or error})") from None
    except (ValueError, SafetensorError) as error:
        raise InputError(f"checkpoint {folder} is damaged ({error})") from None
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"checkpoint {folder} is damaged ({MANIFEST} or {TIMING} lacks a part)") from None
    except RecursionError:
        raise InputError(f"checkpoint {folder} is damaged (nested too deeply)") from None

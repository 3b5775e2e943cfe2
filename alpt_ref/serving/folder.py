"""The folder that an export or a quantised table goes to: ``export.json`` is written last and marks it as whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alpt_ref._util.files import STALE_S, checksum, read_json, remove_parts, writable_folder, write_json
from alpt_ref._util.outputs import check_results_folder
from alpt_ref._version import __version__
from alpt_ref.errors import InputError

MARKER = "export.json"
FORMAT_VERSION = 2
"""Of ``export.json``; in version 1, unnamed, ``step_size_min`` was ``step_min``, the same for max."""


def claim(output: str | Path, to: str, files: Sequence[str], beside: Sequence[str] = ()) -> Path:
    """Take `output` for an export to `to`, or raise `InputError`; nothing in it changes yet.

    Besides what `check_results_folder` asks, the folder may be absent, empty, hold an export of the same kind (to be
    replaced), or what an interrupted one left: nothing but `files`, and `beside` the first of these, which is written
    first, files whose names might be anybody's.
    """
    folder = check_results_folder(output)
    present = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if MARKER in present:
        marker = read_json(folder / MARKER)
        kind = marker.get("to") if isinstance(marker, dict) else None
        if kind != to:
            raise InputError(f"output folder {folder} holds an export to {kind}; choose another with --output")
    ours = {MARKER, *files, *(beside if present & {MARKER, *files} else ())}
    foreign = sorted(name for name in present - ours if not name.endswith(".part"))
    if foreign:
        raise InputError(f"output folder {folder} holds other files ({foreign[0]}); choose another with --output")
    return writable_folder(folder)


def finish(folder: Path, to: str, files: Sequence[str], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``export.json``: what the export is, and size and SHA-256 of its files; returns what it holds."""
    content = {
        "to": to,
        "format_version": FORMAT_VERSION,
        "version": __version__,
        **facts,
        "files": {name: checksum(folder / name) for name in files},
    }
    remove_parts(folder, older_s=STALE_S)
    write_json(folder / MARKER, content)
    return content


def verified(folder: Path, name: str) -> Path:
    """The path of a file of the export in `folder`, after its checksum."""
    marker: Any = read_json(folder / MARKER)
    try:
        listed = marker["files"][name]["sha256"]
    except (KeyError, TypeError):
        raise InputError(f"the export in {folder} holds no {name}; name a run, a checkpoint or a table") from None
    if not (folder / name).is_file() or checksum(folder / name)["sha256"] != listed:
        raise InputError(f"{folder / name} does not have the checksum in {MARKER}; write it again")
    return folder / name

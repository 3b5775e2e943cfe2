"""The studies of small real sets that come with the package as files: settings in TOML, found wherever it is installed.

A file has the sections of a run's configuration, and may have ``[study]`` with ``few``, the number of seeds of the
tables of variants. It names no data file: everybody brings their own copy.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from alpt_ref.errors import InputError
from alpt_ref.training.config import RunConfig
from alpt_ref.training.config_io import update

FOLDER = Path(__file__).parent / "files"
FORMER_FOLDER = "experiments"
"""Where version 0.1 had these files: below ``analysis``."""


class ShippedStudy(NamedTuple):
    """What a file says: the configuration, and the number of seeds of tables of variants (None: the usual one)."""

    config: RunConfig
    few: int | None


def shipped_studies() -> tuple[str, ...]:
    """Their names.

    Examples
    --------
    >>> shipped_studies()
    ('criteo', 'frappe')
    """
    return tuple(sorted(file.stem for file in FOLDER.glob("*.toml")))


def read_study(name: str, base: RunConfig) -> ShippedStudy:
    """The study of that name, its settings put over `base`.

    Raises
    ------
    InputError
        There is none of that name.
    """
    if name not in shipped_studies():
        raise InputError(f"--study must be among {', '.join(shipped_studies())}, got {name!r}")
    plain: dict[str, Any] = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    few = plain.pop("study", {}).get("few")
    return ShippedStudy(update(base, plain, source=f"study {name}"), few)


def require_current_path(file: str | Path) -> None:
    """InputError where `file` is the path that a shipped study had in version 0.1, which says what took its place."""
    path = Path(file)
    if not path.exists() and path.parent.name == FORMER_FOLDER and path.stem in shipped_studies():
        raise InputError(
            f"--config {file} is gone: this study comes with the package, `alpt-ref reproduce --study {path.stem}`; "
            f"other commands take its settings by --config {FOLDER / path.name}"
        )

"""The studies of small real sets that come with the package as files: settings in TOML, found wherever it is installed.

A file has the sections of a run's configuration, and may have ``[study]`` with ``seeds`` (a list, or a number n for 0
to n - 1) and ``few``, the number of seeds of the tables of variants: they are fixed there before anything runs. It
names no data file: everybody brings their own copy. ``--config FILE`` reads the same form.
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
MOST_SEEDS = 1 << 20


class StudyFile(NamedTuple):
    """What a file says: the configuration, the seeds, and how many of them tables of variants have; None: nothing."""

    config: RunConfig
    seeds: tuple[int, ...] | None
    few: int | None


def shipped_studies() -> tuple[str, ...]:
    """Their names.

    Examples
    --------
    >>> shipped_studies()
    ('criteo', 'frappe')
    """
    return tuple(sorted(file.stem for file in FOLDER.glob("*.toml")))


def read_study(name: str, base: RunConfig) -> StudyFile:
    """The study of that name, its settings put over `base`.

    Raises
    ------
    InputError
        There is none of that name.
    """
    if name not in shipped_studies():
        raise InputError(f"--study must be among {', '.join(shipped_studies())}, got {name!r}")
    plain: dict[str, Any] = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    return study_file(plain, base, f"study {name}")


def study_file(plain: dict[str, Any], base: RunConfig, source: str) -> StudyFile:
    """The content of a study's file, its settings put over `base`; `source` names it in messages."""
    about = plain.pop("study", {})
    unknown = sorted(set(about) - {"seeds", "few"}) if isinstance(about, dict) else ["study"]
    if unknown:
        raise InputError(f"section study in {source} must have seeds and few alone, got {unknown[0]!r}")
    seeds, few = about.get("seeds"), about.get("few")
    if isinstance(seeds, int) and not isinstance(seeds, bool):
        if seeds > MOST_SEEDS:
            raise InputError(f"study.seeds in {source} must be a number of seeds up to {MOST_SEEDS}, got {seeds}")
        seeds = list(range(seeds))
    if seeds is not None and (not isinstance(seeds, list) or not seeds or not all(type(one) is int for one in seeds)):
        raise InputError(f"study.seeds in {source} must be a number of seeds or a list of them, got {seeds!r}")
    if few is not None and (type(few) is not int or few < 1):
        raise InputError(f"study.few in {source} must be a whole number of at least 1, got {few!r}")
    return StudyFile(update(base, plain, source=source), None if seeds is None else tuple(seeds), few)


def require_current_path(file: str | Path) -> None:
    """InputError where `file` is the path that a shipped study had in version 0.1, which says what took its place."""
    path = Path(file)
    if not path.exists() and path.parent.name == FORMER_FOLDER and path.stem in shipped_studies():
        raise InputError(
            f"--config {file} is gone: this study comes with the package, `alpt-ref reproduce --study {path.stem}`; "
            f"other commands take its settings by --config {FOLDER / path.name}"
        )

"""Which code and which libraries the numbers of a trained cell depend on: those that its own parts use, and no others.

From the run's table method, backbone and device the imports are followed (`alpt_ref._util.code_parts`): a change in a
file of the method discards its cells and no others, a comment or the file of a new method discards none. Of the
catalogue and of the files that hold the settings of all methods side by side only the entries of the run's own count.
Data are known by their fingerprint. Libraries count by version, matrix products by the kernel that computes them.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from alpt_ref._util.code_parts import PACKAGE, parts_of
from alpt_ref._util.source import definition_digest
from alpt_ref.catalog import Entry
from alpt_ref.training.config import RunConfig
from alpt_ref.training.versions import versions

LIBRARIES = ("numpy", "scipy", "numba", "blas")
"""Of `versions`, those that decide the bits of a run; resuming a run asks for the same."""
_TRAINING = ("alpt_ref.training.train", "alpt_ref.studies.table_diagnostics")
_NO_NUMBER = (
    *("__init__.py", "__main__.py", "_version.py", "catalog.py", "errors.py", "sklearn.py"),
    *("cli/", "serving/", "testing/", "theory/", "verification/", "_util/"),
    *("data/formats/", "data/fields.py", "data/vocabulary.py", "tables/options.py", "models/options.py"),
    *(f"training/{name}.py" for name in (
        "checkpoint", "config", "config_io", "results", "resume", "sections", "settings_text", "sources", "versions",
    )),
)  # fmt: skip
"""Files and folders that find, check, schedule, store and show; settings and data have digests of their own."""
_OF_A_CELL = ("studies/table_diagnostics.py", "data/store/gather.py")


def changes_no_number(name: str) -> bool:
    """Whether a file of this package changes no number of any cell."""
    return name.startswith(_NO_NUMBER) or (name.startswith(("studies/", "data/store/")) and name not in _OF_A_CELL)


def _for_cpu(name: str) -> bool:
    return changes_no_number(name) or "/cuda/" in name or name.endswith(("_cuda.py", "/cuda.py", "/gpu.py"))


def library_versions() -> dict[str, str]:
    """Versions of the libraries that decide bits, and the kernel of matrix products."""
    known = versions()
    return {name: known[name] for name in LIBRARIES}


def cell_code(config: RunConfig) -> str:
    """SHA-256 over the code and libraries behind a run of this configuration."""
    table, model = config.table, config.model
    parts = _parts_digest(table.entry, model.entry, config.train.device)
    return hashlib.sha256(f"{parts} {sorted(library_versions().items())}".encode()).hexdigest()


@functools.lru_cache(maxsize=256)
def _parts_digest(table: Entry, model: Entry, device: str) -> str:
    roots: list[Path | str] = [*_TRAINING]
    if device == "cuda":
        roots.append("alpt_ref.training.engine_cuda")
    about = []
    for entry in (table, model):
        home = (entry.cuda if device == "cuda" and entry.cuda else entry.home).partition(":")
        if entry.built_in:
            roots.append(home[0])
            module, _, name = entry.own_options.partition(":")
            file = PACKAGE.joinpath(*module.split(".")[1:]).with_suffix(".py")
            about.append(f"{':'.join(home[::2])} {definition_digest(file.read_bytes(), name)}")
        else:  # its own source and version are part of the configuration's hash; here is what it imports
            roots += _files_of(entry)
    parts = parts_of(roots, changes_no_number if device == "cuda" else _for_cpu)
    foreign = {name: version for name, version in parts.versions.items() if name not in LIBRARIES}
    own = foreign if not (table.built_in and model.built_in) else {}
    return hashlib.sha256(f"{about} {sorted(parts.files.items())} {sorted(own.items())}".encode()).hexdigest()


def _files_of(entry: Entry) -> list[Path]:
    """The file of another distribution's class; none for one that was typed into an interpreter."""
    with suppress(OSError, TypeError):
        file = inspect.getsourcefile(entry.load())
        if file is not None and Path(file).is_file():
            return [Path(file)]
    return []


@functools.cache
def code_of_package() -> str:
    """SHA-256 over the files and libraries that any cell may depend on: what all workers of a cluster must share."""
    files = sorted(PACKAGE.rglob("*.py"))
    kept: Iterable[Path] = (one for one in files if not changes_no_number(one.relative_to(PACKAGE).as_posix()))
    digest = hashlib.sha256(repr(sorted(library_versions().items())).encode())
    for file in kept:
        digest.update(file.relative_to(PACKAGE).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()

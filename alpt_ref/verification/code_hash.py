"""Which code and which files a measurement depends on, as one hash: a stored cell is valid for exactly these.

The claim's file, everything that it imports, directly or through others (helpers beside it, packages of helpers, the
user's own library, this package), the data files that the claim declares (`Claim.files`), and the versions of Python
and of the distributions that these import. What only schedules, stores and shows results is left out, and so are
comments and docstrings (`alpt_ref._util.code_parts`); what the claim's own file names always counts, as the judge does
for claims about it. Names that this package looks up in a catalogue (methods, backbones) may lead to any of them. Where
matrix products are computed, the BLAS kernel counts.
"""

from __future__ import annotations

import functools
import hashlib
import platform
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

from alpt_ref._util.code_parts import PACKAGE, Parts, Reading, parts_of
from alpt_ref._util.source import read_source
from alpt_ref.catalog import MODELS, TABLES
from alpt_ref.errors import InputError

__all__ = ["PACKAGE", "code_hash", "parts_behind", "versions"]

_SHOWN = (
    *("cli/", "serving/", "testing/", "__main__.py", "_version.py", "errors.py"),
    *(f"_util/{name}.py" for name in (
        "cluster", "code_parts", "dispatch", "former_names", "old_paths", "outputs", "plotting", "plugin", "processes",
        "progress", "python_file", "renamed", "signals", "source",
    )),
    *(f"verification/{name}.py" for name in (
        "code_hash", "figures", "judge", "picture", "report", "results", "runner",
    )),
)  # fmt: skip
"""Files and folders that schedule, store and show, and change no number."""
_LIBRARIES = ("numpy", "scipy", "numba")


@functools.cache
def versions() -> dict[str, str]:
    """Versions that numbers may depend on, as the report names them."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def libraries() -> str:
    """Versions and the kernel of matrix products, which all workers of a cluster must share."""
    from alpt_ref.kernels.linalg import blas_kernel

    return f"{sorted(versions().items())} {blas_kernel()}"


def changes_no_number(name: str) -> bool:
    """Whether a file of this package, named from its root, only schedules, stores or shows."""
    return name.startswith(_SHOWN) or name == "__init__.py"


def _named(claim_file: Path) -> set[str]:
    """Files of this package that the claim's own file imports by name."""
    modules = {
        f"{one.module}.{name}".removesuffix(".")
        for one in read_source(claim_file.read_bytes()).imports
        for name in ("", *one.names)
    }
    return {f"{module.partition('.')[2].replace('.', '/')}.py" for module in modules}


def _looked_up(name: str) -> Iterable[str]:
    """Modules that a file of this package imports by names from a catalogue."""
    if name == "tables/make.py":
        return [entry.home.partition(":")[0] for entry in TABLES.values()]
    if name == "models/make.py":
        return [entry.home.partition(":")[0] for entry in MODELS.values()]
    return ("alpt_ref.training.engine_cuda",) if name == "training/engine.py" else ()


def parts_behind(claim_file: Path, files: Sequence[str] = (), reading: Reading | None = None) -> Parts:
    """What the measurements of a claim depend on.

    Parameters
    ----------
    claim_file : the file that defines it
    files : data files or folders that it declares, relative to the claim's file
    reading : what was read for other claims already

    Raises
    ------
    InputError
        A declared file cannot be read.
    """
    data = [claim_file.parent / name for name in files]
    for name, path in zip(files, data, strict=True):
        if not path.exists():
            raise InputError(f"files must name what measure reads, relative to the claim's file; {name!r} is not there")
    try:
        named = _named(claim_file)  # a claim about the judge imports it, and then it counts
        return parts_of(
            [claim_file], lambda name: changes_no_number(name) and name not in named, _looked_up, data, reading
        )
    except OSError as error:
        raise InputError(f"{error.filename} cannot be read ({error.strerror})") from None


def code_hash(claim_file: Path, files: Sequence[str] = (), reading: Reading | None = None) -> str:
    """SHA-256 over everything that the claim's measurements depend on; see `parts_behind`."""
    parts = parts_behind(claim_file, files, reading)
    blas = ""
    if "alpt_ref/kernels/linalg.py" in parts.files:
        from alpt_ref.kernels.linalg import blas_kernel

        blas = blas_kernel()
    return hashlib.sha256(f"{parts.digest} {sorted(versions().items())} {blas}".encode()).hexdigest()

"""Which code a measurement depends on, as one hash: a stored cell is valid for exactly this code.

The claim's file, its helpers (``_*.py`` beside it), every part of the package that these import, directly or through
other parts, and the versions of Python, NumPy, SciPy and Numba. The unit is the sub-package (or top-level module),
because dispatch tables inside one name modules that no import statement shows. ``from alpt_ref import name`` may lead
anywhere and counts as the whole package. What only schedules, stores and shows results is left out.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import platform
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
_ROOT = PACKAGE.name
_NOT_NUMBERS = frozenset({"cli", "__main__", "_version", "errors"})
_NOT_NUMBERS_HERE = frozenset(
    f"verification/{name}.py" for name in ("__init__", "figures", "judge", "picture", "report", "results", "runner")
) | {"_util/progress.py", "_util/plugin.py", "_util/processes.py"}
_LIBRARIES = ("numpy", "scipy", "numba")


@functools.cache
def versions() -> dict[str, str]:
    """Versions that numbers may depend on."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


@functools.cache
def _parts() -> dict[str, tuple[Path, ...]]:
    """Sub-packages and top-level modules with their source files."""
    parts: dict[str, tuple[Path, ...]] = {}
    for entry in sorted(PACKAGE.iterdir()):
        if entry.is_dir() and not entry.name.startswith((".", "__")):
            parts[entry.name] = tuple(sorted(entry.rglob("*.py")))
        elif entry.suffix == ".py":
            parts[entry.stem] = (entry,)
    return {name: files for name, files in parts.items() if name not in _NOT_NUMBERS}


def imported_parts(source: str, package: tuple[str, ...] = ()) -> set[str]:
    """Names of the package's parts that a source imports, anywhere in it; `package` locates relative imports.

    Examples
    --------
    >>> sorted(imported_parts("from alpt_ref.theory import bounds\\nimport numpy"))
    ['theory']
    """
    parts: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        targets: list[tuple[str, ...]] = []
        if isinstance(node, ast.Import):
            targets = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level > len(package):
                continue  # leads out of this package, for example to a helper beside a claim
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            targets = [(*module, alias.name) for alias in node.names]
        for target in targets:
            if target[0] == _ROOT:
                known = target[1] if len(target) > 1 else ""
                parts |= {known} if known in _parts() or known in _NOT_NUMBERS else set(_parts())
    return parts & set(_parts())


@functools.cache
def _imports_of(part: str) -> frozenset[str]:
    found: set[str] = set()
    for file in _parts()[part]:
        package = (_ROOT, *file.relative_to(PACKAGE).parent.parts)
        found |= imported_parts(file.read_text(encoding="utf-8"), package)
    return frozenset(found)


def parts_behind(*sources: str) -> list[str]:
    """Every part of the package that running the sources may reach, in order of name."""
    reached: set[str] = set()
    waiting = set().union(*map(imported_parts, sources))
    while waiting:
        part = waiting.pop()
        reached.add(part)
        waiting |= _imports_of(part) - reached
    return sorted(reached)


def code_hash(claim_file: Path) -> str:
    """SHA-256 over everything that the claim's measurements depend on."""
    digest = hashlib.sha256(repr(sorted(versions().items())).encode())
    beside = sorted(claim_file.parent.glob("_*.py"))
    sources = [claim_file, *(file for file in beside if file != claim_file)]
    for file in sources:
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    for part in parts_behind(*(file.read_text(encoding="utf-8") for file in sources)):
        for file in _parts()[part]:
            name = file.relative_to(PACKAGE).as_posix()
            if name not in _NOT_NUMBERS_HERE:
                digest.update(name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()

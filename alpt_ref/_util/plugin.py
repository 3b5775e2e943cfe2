"""The boundary to code that others wrote: claim files and figure files are found, loaded and called here.

Whatever such code raises becomes one sentence with the file and line it came from, and never a traceback.
"""

from __future__ import annotations

import hashlib
import importlib.machinery
import importlib.util
import sys
import traceback
import types
from pathlib import Path
from typing import Any

from alpt_ref.errors import AlptError, InputError


class capture_error:  # noqa: N801  # reads as a statement: `with capture_error() as caught:`
    """Run somebody else's code: an exception ends the block and is kept in words in `message`.

    Ctrl-C passes through.
    """

    def __init__(self) -> None:
        """Nothing has gone wrong yet."""
        self.message = ""

    def __enter__(self) -> capture_error:
        """Itself, to be asked for its message afterwards."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> bool:
        """Keep an ordinary exception, or an attempt to end the process, as text."""
        if not isinstance(error, (Exception, SystemExit)):
            return False
        self.message = explain(error)
        return True


def explain(error: BaseException) -> str:
    """One line: kind, message and the innermost place; our own errors are sentences already."""
    text = " ".join(str(error).split())
    if isinstance(error, AlptError):
        return text
    if isinstance(error, SyntaxError):
        return f"SyntaxError: {error.msg} (line {error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text or 'no message'}{where}"


class _Fresh(importlib.machinery.SourceFileLoader):
    """Always compiles the source: a cached byte code of the same size and second would be stale."""

    def get_code(self, fullname: str) -> types.CodeType:
        """Compile what the file holds now."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def load_attribute(file: Path, name: str) -> Any:
    """The module attribute `name` of a Python file.

    The file's folder acts as its package, so ``from ._common import x`` finds a helper beside it.

    Raises
    ------
    InputError
        The file cannot be read or run, or has no such attribute; the sentence names it.
    """
    package = f"_alpt_ref_folder_{hashlib.sha256(str(file.parent.resolve()).encode()).hexdigest()[:12]}"
    if package not in sys.modules:
        parent = types.ModuleType(package)
        parent.__path__ = [str(file.parent.resolve())]
        sys.modules[package] = parent
    qualified = f"{package}.{file.stem}"
    spec = importlib.util.spec_from_file_location(qualified, file, loader=_Fresh(qualified, str(file)))
    if spec is None or spec.loader is None:
        raise InputError(f"{file} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[qualified] = module
    with capture_error() as caught:
        spec.loader.exec_module(module)
    if caught.message:
        del sys.modules[qualified]
        raise InputError(f"{file} cannot be loaded: {caught.message}")
    if not hasattr(module, name):
        raise InputError(f"{file} must define {name}")
    return getattr(module, name)


def find_folder(explicit: str | Path | None, relative: str, option: str) -> Path:
    """A folder of plug-ins: the one given, or `relative` in the current directory or beside the source checkout."""
    if explicit is not None:
        folder = Path(explicit)
        if not folder.is_dir():
            raise InputError(f"{option} {folder} is not a folder")
        return folder
    candidates = [Path(relative), Path(__file__).resolve().parents[2] / relative]
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise InputError(
        f"no folder {relative} here or beside the package; run from a checkout of the repository or give {option} DIR"
    )


def plugin_files(folder: Path) -> list[Path]:
    """Python files of the folder in order of name; those that begin with ``_`` are helpers."""
    return sorted(file for file in folder.glob("*.py") if not file.name.startswith("_"))

"""A Python file of somebody else is loaded and run: what it raises becomes a sentence, and nothing of it is stale.

The file and the helpers beside it are always compiled from their source, and a helper that has changed since this
process loaded it is loaded again: what runs is what `alpt_ref.verification.code_hash` has looked at.
"""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import traceback
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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


@contextmanager
def named_in(what: str) -> Iterator[None]:
    """Run a function of the user's: what it raises becomes an `InputError` that says what raised it, and its cause.

    Examples
    --------
    >>> try:
    ...     with named_in("rounding"):
    ...         1 / 0
    ... except InputError as error:
    ...     print(str(error).partition(" (")[0])
    rounding raised ZeroDivisionError: division by zero
    """
    try:
        yield
    except AlptError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{what} raised {explain(error)}") from error


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

    loaded = b""

    def get_code(self, fullname: str) -> types.CodeType:
        """Compile what the file holds now."""
        path = self.get_filename(fullname)
        self.loaded = self.get_data(path)
        return self.source_to_code(self.loaded, path)

    def is_current(self) -> bool:
        """Whether the file holds what was compiled."""
        try:
            return Path(self.path).read_bytes() == self.loaded
        except OSError:
            return False


_FOLDER = "_alpt_ref_folder_"


class _Helpers(importlib.abc.MetaPathFinder):
    """Finds the modules beside a plug-in, packages too; they are compiled from their source, as the plug-in is."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of a helper; None for all other modules."""
        if not fullname.startswith(_FOLDER):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = _Fresh(fullname, spec.loader.path)
        return spec


sys.meta_path.insert(0, _Helpers())


def _forget_changed(package: str) -> None:
    """Forget the helpers of a folder, all of them, where one has changed since this process loaded it."""
    loaded = {name: one for name, one in sys.modules.items() if name.startswith(f"{package}.")}
    changed = any(
        isinstance(loader := getattr(one, "__loader__", None), _Fresh) and not loader.is_current()
        for one in loaded.values()
    )
    for name in loaded if changed else ():
        del sys.modules[name]


def load_attribute(file: Path, name: str) -> Any:
    """The module attribute `name` of a Python file.

    The file's folder acts as its package, so ``from ._common import x`` finds a helper beside it.

    Raises
    ------
    InputError
        The file cannot be read or run, or has no such attribute; the sentence names it.
    """
    package = f"{_FOLDER}{hashlib.sha256(str(file.parent.resolve()).encode()).hexdigest()[:12]}"
    if package not in sys.modules:
        parent = types.ModuleType(package)
        parent.__path__ = [str(file.parent.resolve())]
        sys.modules[package] = parent
    _forget_changed(package)
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

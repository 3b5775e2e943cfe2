"""Where compiled kernels are kept between processes, and why that can neither break a run nor run foreign code.

Numba's on-disk cache does not notice an edit in an imported module, so the folder is keyed by a hash of the package's
sources and of the versions of Python, NumPy, Numba and llvmlite. Numba unpickles what it finds there: the folder is the
user's own (mode 0700), one that others may write to is not used, and every file begins with the SHA-256 of the rest,
which is compared before anything is unpickled. A file that is damaged, a folder that is full, read-only or somebody
else's costs compilation time and one warning, never the run.

Numba tells kernels that are made by a function apart by pickles of what they close over, which differ from process to
process where that is another compiled function. Here they are told apart by a description of it (`identity`).

Numba names a kernel's folder by the path of its source. The package's own kernels are named by their place in the
package instead: a second installation of the same sources, in another environment, finds what the first has compiled.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import pickle
import platform
import stat
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core.dispatcher import Dispatcher

from alpt_ref.errors import CacheWarning
from alpt_ref.kernels.cache_lock import FOLDER, compile_once, locked

_DIGEST = hashlib.sha256
_DIGEST_BYTES = 32
_HASHED = ("scalar", "kernels", "theory")
"""Folders of the package whose sources are part of the key."""
_WAY_OUT = "set ALPT_REF_CACHE_DIR to another folder, or ALPT_REF_NO_CACHE=1"


def _cache_root() -> Path:
    explicit = os.environ.get("ALPT_REF_CACHE_DIR")
    if explicit:
        return Path(explicit)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "alpt_ref"


def _key() -> str:
    digest = _DIGEST()
    for version in (sys.version, np.__version__, numba.__version__, llvmlite.__version__, platform.machine()):
        digest.update(version.encode() + b"\0")
    package = Path(__file__).parents[1]
    for folder in _HASHED:
        for source in sorted((package / folder).rglob("*.py")):
            digest.update(str(source.relative_to(package)).encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@functools.cache
def cache_directory() -> Path | None:
    """Folder for compiled kernels, unique to these sources and versions; None if there is none that can be trusted."""
    if os.environ.get("ALPT_REF_NO_CACHE"):
        return None
    try:
        root = _cache_root()
    except RuntimeError:  # no home folder is known
        return None
    directory = root / _key()
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        directory.mkdir(exist_ok=True, mode=0o700)
        reason = _distrust(root, directory)
        if not reason:
            probe = directory / f".write-{os.getpid()}"
            probe.touch()
            probe.unlink()
    except OSError as error:
        reason = f"cannot be written ({error.strerror or type(error).__name__})"
    if reason:
        _warn(f"the folder for compiled kernels {directory} {reason}: kernels are compiled in memory; {_WAY_OUT}")
        return None
    return directory


def _distrust(root: Path, directory: Path) -> str:
    """Why others could put files there, or "" (POSIX; elsewhere a user's cache folder is closed to others)."""
    if os.name != "posix":
        return ""
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        return "belongs to somebody else"
    if found.st_mode & 0o022:
        return f"may be written by others (chmod 700 {directory})"
    above = root.stat().st_mode
    if above & 0o002 and not above & stat.S_ISVTX:
        return f"lies in a folder that others may write to (chmod o-w {root})"
    return ""


@functools.cache
def _warn(message: str) -> None:
    """Say it once a process."""
    warnings.warn(message, CacheWarning, stacklevel=3)


class _Checked:
    """Numba's index and data files with a digest in front; mixed into its class of such files."""

    _cache_path: str
    _index_path: str
    _source_stamp: Any
    _version: str
    _dump: Callable[[Any], bytes]
    _open_for_write: Callable[[str], Any]
    _data_path: Callable[[str], str]
    _data_name: Callable[[int], str]

    def _read(self, path: str) -> bytes:
        content = Path(path).read_bytes()
        digest, rest = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        if _DIGEST(rest).digest() != digest:
            raise ValueError(f"{path} does not have its checksum")
        return rest

    def _write(self, path: str, content: bytes) -> None:
        with self._open_for_write(path) as stream:
            stream.write(_DIGEST(content).digest() + content)

    def _load_index(self) -> dict[Any, str]:
        try:
            content = self._read(self._index_path)
        except FileNotFoundError:
            return {}
        version, stamp, overloads = pickle.loads(content)
        return overloads if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_path, self._dump((self._version, self._source_stamp, overloads)))

    def save(self, key: Any, data: Any) -> None:
        """Numba's, but the file is named by the key: two processes at once never write different code to one."""
        index = Path(self._index_path)
        with locked(
            index.parent / FOLDER / f"{index.stem}.index"
        ):  # else of two entries that are added at once one is lost
            overloads = self._load_index()
            if key not in overloads:
                overloads[key] = self._data_name(int(_DIGEST(repr(key).encode()).hexdigest()[:12], 16))
                self._save_index(overloads)
        self._save_data(overloads[key], data)

    def _load_data(self, name: str) -> Any:
        return pickle.loads(self._read(self._data_path(name)))

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), self._dump(data))


@functools.cache
def _checked(kind: type) -> type:
    return type(f"Checked{kind.__name__}", (_Checked, kind), {})


def identity(value: Any) -> str | None:
    """What a compiled function may close over, in words that are the same in every process; None for anything else.

    A function is where it stands in its source, its code and what it closes over itself. What it names beside that is
    in the sources by which the folder is keyed, as for any other kernel.

    Examples
    --------
    >>> identity((16, np.float32(0.5))), identity(object())
    ('(int 16, <f4 0000003f)', None)
    """
    function = getattr(value, "py_func", None) or getattr(value, "_defn", None) or value  # compiled, or an intrinsic
    if isinstance(function, FunctionType):
        code = function.__code__
        inside = identity(tuple(cell.cell_contents for cell in function.__closure__ or ()))
        place = f"{function.__module__}.{function.__qualname__}:{code.co_firstlineno}"
        written = _DIGEST(code.co_code + repr(code.co_names).encode()).hexdigest()[:16]
        return None if inside is None else f"{place} {written} {inside}"
    if isinstance(value, tuple):
        parts = [identity(part) for part in value]
        return None if None in parts else f"({', '.join(map(str, parts))})"
    if isinstance(value, np.generic):
        return f"{value.dtype.str} {value.tobytes().hex()}"
    if value is None or isinstance(value, (bool, int, float, str)):
        return f"{type(value).__name__} {value!r}"
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if dataclasses.is_dataclass(value):
        inside = identity(tuple(getattr(value, part.name) for part in dataclasses.fields(value)))
        return None if inside is None else f"{type(value).__qualname__}{inside}"
    return None


@dataclasses.dataclass
class _Cell:
    cell_contents: str


@dataclasses.dataclass
class _Named:
    """What Numba's key asks of a function: its code, and what it closes over as one description."""

    __code__: Any
    __closure__: tuple[_Cell, ...]


def _tell_apart(cache: Any, file: Any, function: Callable[..., Any]) -> None:
    """Let a kernel that closes over something have files and a key of its own, the same in every process."""
    described = identity(function)
    if described is None or not function.__closure__:
        return
    short = _DIGEST(described.encode()).hexdigest()[:16]
    for name in ("_index_name", "_index_path", "_data_name_pattern"):  # the index of one kernel names no other's code
        path = getattr(file, name)
        setattr(file, name, path.replace(cache._impl.filename_base, f"{cache._impl.filename_base}.{short}"))
    cache._py_func = _Named(function.__code__, (_Cell(described),))


@functools.cache
def _place(source: str) -> tuple[str, str] | None:
    """Folder and stamp of a kernel by its place in the package and its text; None outside of the hashed folders."""
    try:
        parts = Path(source).relative_to(Path(__file__).parents[1]).parts
        return ("-".join(parts[:-1]), _DIGEST(Path(source).read_bytes()).hexdigest()) if parts[0] in _HASHED else None
    except (ValueError, OSError):
        return None


def _settle(file: Any, function: Callable[..., Any]) -> None:
    """Let a kernel of the package have the same files wherever the package is installed."""
    place = _place(function.__code__.co_filename)
    if place is None:
        return
    index = Path(file._index_path)
    folder = index.parents[1] / place[0]
    try:
        folder.mkdir(exist_ok=True, mode=0o700)
    except OSError:  # Numba's own folder serves as well
        return
    file._cache_path, file._index_path, file._source_stamp = str(folder), str(folder / index.name), place[1]


def protect(dispatcher: Any) -> Any:
    """A dispatcher with an on-disk cache, so that nothing that is wrong with the cache reaches its caller."""
    cache: Any = getattr(dispatcher, "_cache", None)
    file: Any = getattr(cache, "_cache_file", None)
    if file is None:  # NUMBA_DISABLE_JIT, or a folder that Numba itself would not take
        return dispatcher
    _settle(file, dispatcher.py_func)
    _tell_apart(cache, file, dispatcher.py_func)
    file.__class__ = _checked(file.__class__)
    load, save = cache.load_overload, cache.save_overload

    def load_overload(sig: Any, target_context: Any) -> Any:
        try:
            return load(sig, target_context)
        except Exception as error:  # whatever a damaged file makes Numba or pickle raise
            _warn(f"compiled kernels in {cache_directory()} are damaged ({_reason(error)}): they are compiled again")
            Path(file._index_path).unlink(missing_ok=True)
            return None

    def save_overload(sig: Any, data: Any) -> None:
        try:
            save(sig, data)
        except (OSError, ValueError, EOFError, pickle.UnpicklingError) as error:
            _warn(
                f"the folder for compiled kernels {cache_directory()} cannot be written ({_reason(error)}): kernels "
                f"are compiled in memory; make room there, {_WAY_OUT}"
            )
            cache.disable()

    cache.load_overload, cache.save_overload = load_overload, save_overload
    if isinstance(dispatcher, Dispatcher):  # the CPU's: the GPU's are compiled by one process a device
        index = Path(file._index_path)
        compile_once(dispatcher, index.parent, index.name)
    return dispatcher


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or str(error) or type(error).__name__

"""The boundary to code that others wrote: files of claims, figures and tables are found, loaded and called here.

They come from three places, in this order: the package's own folder (``analysis/``), entry points of installed
distributions, and a folder that the user names. Never from the current folder by itself: loading a file runs it.
Whatever such code raises becomes one sentence with the file and line it came from, and never a traceback.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from alpt_ref._util.old_paths import analysis_folder
from alpt_ref._util.python_file import capture_error, explain, load_attribute
from alpt_ref.errors import InputError

__all__ = ["Kind", "Plugin", "Source", "capture_error", "explain", "load", "load_attribute", "load_plugins"]

T = TypeVar("T")


@dataclass(frozen=True)
class Kind(Generic[T]):
    """A kind of plug-in.

    Attributes
    ----------
    what : the word for one, which also names the attribute: ``claim`` for ``CLAIM = Claim(...)``
    type : class of the attribute; its ``id`` must be unlike any other's
    folder : the package's own folder in ``analysis/``; ``--<folder> DIR`` adds another one
    group : entry points that add more, ``<id> = "module"`` or ``"module:NAME"``
    file_id : the id that a file's name tells, so that a file nobody asked for is not loaded; None if it tells none
    """

    what: str
    type: type[T]
    folder: str
    group: str
    file_id: Callable[[Path], str] | None = None

    @property
    def attribute(self) -> str:
        """Name of the module attribute."""
        return self.what.upper()


class Source(NamedTuple):
    """Where a plug-in comes from; small and picklable, so that a worker process can load it again.

    `address` is ``module:NAME`` and `distribution` "name version" for an entry point, "" for a file.
    """

    file: Path
    address: str = ""
    distribution: str = ""

    def __str__(self) -> str:
        """For sentences."""
        return f"{self.address} of {self.distribution}" if self.address else str(self.file)


class Plugin(NamedTuple, Generic[T]):
    """A plug-in and where it comes from."""

    value: T
    source: Source


def load_plugins(
    kind: Kind[T], folder: str | Path | None = None, *, add: str | Path | None = None, only: Sequence[str] = ()
) -> dict[str, Plugin[T]]:
    """Plug-ins by id: the package's own and the installed ones, or those of `folder` alone.

    Parameters
    ----------
    kind : Kind
    folder : folder, optional
        Its files in place of the package's own and the installed ones.
    add : folder, optional
        Its files too.
    only : sequence of str
        Ids; other plug-ins are left out, and not even loaded where the file's name tells the id.

    Raises
    ------
    InputError
        A folder or a file cannot be used, two plug-ins have one id, or there is none with an id of `only`.
    """
    found: dict[str, Plugin[T]] = {}
    named: dict[str, Source] = {}
    for source, known in _sources(kind, folder, add):
        if known in named:
            raise _twice(kind, source, named[known], known)
        if known:
            named[known] = source
            if only and known not in only:
                continue
        value = load(kind, source)
        name: str = value.id  # type: ignore[attr-defined]  # what Kind asks of its type
        if source.address and name != known:
            raise InputError(f"{source} is the entry point {known!r}, but its {kind.what} has the id {name!r}")
        if kind.file_id is not None and name != known:
            raise InputError(f"{source}: the file of {kind.what} {name!r} must be named {name}_<what>.py")
        if name in found:
            raise _twice(kind, source, found[name].source, name)
        found[name] = Plugin(value, source)
    if not found and not named:
        raise InputError(
            f"{folder} holds no {kind.what}s; a {kind.what} is a Python file that defines {kind.attribute}"
        )
    require_known(kind.what, only, {**named, **found})
    return {name: plugin for name, plugin in found.items() if not only or name in only}


def require_known(what: str, names: Sequence[str], known: Iterable[str]) -> None:
    """InputError for the first name that is not known; it suggests the nearest."""
    everything = list(known)
    for name in names:
        if name not in everything:
            near = get_close_matches(name.lower(), everything, n=3, cutoff=0.3)
            hint = f"nearest: {', '.join(near)}" if near else f"there are: {', '.join(everything)}"
            raise InputError(f"no {what} {name!r}; {hint}")


def load(kind: Kind[T], source: Source) -> T:
    """The plug-in of a source; every way to be wrong is an `InputError` that names the source."""
    attribute = source.address.partition(":")[2] or kind.attribute
    value = _installed(source, attribute) if source.address else load_attribute(source.file, attribute)
    if not isinstance(value, kind.type):
        raise InputError(f"{source}: {attribute} must be a {kind.type.__name__}, got {type(value).__name__}")
    return value


def _installed(source: Source, attribute: str) -> Any:
    with capture_error() as caught:
        module = importlib.import_module(source.address.partition(":")[0])
    if caught.message:
        raise InputError(f"{source} cannot be loaded: {caught.message}")
    if not hasattr(module, attribute):
        raise InputError(f"{source} must define {attribute}")
    return getattr(module, attribute)


def _sources(kind: Kind[Any], folder: str | Path | None, add: str | Path | None) -> list[tuple[Source, str]]:
    """Where plug-ins of the kind are, each with its id if that can be told without loading it, else ""."""
    own = _given(kind, folder) if folder is not None else own_folder(kind.folder)
    folders = [own] if add is None or _given(kind, add).resolve() == own.resolve() else [own, _given(kind, add)]
    files = [[file.resolve() for file in plugin_files(one)] for one in folders]
    if len(files) > 1 and not files[1]:
        raise InputError(f"{add} holds no {kind.what}s; a {kind.what} is a Python file that defines {kind.attribute}")
    told = kind.file_id or (lambda file: "")
    sources = [(Source(file), told(file)) for file in files[0]]
    if folder is None:
        sources += [(_source_of(point), point.name) for point in metadata.entry_points(group=kind.group)]
    return sources + [(Source(file), told(file)) for some in files[1:] for file in some]


def _source_of(point: metadata.EntryPoint) -> Source:
    """An entry point; its file is found without running more of it than its parent packages."""
    distribution = f"{point.dist.name} {point.dist.version}" if point.dist is not None else "an unknown distribution"
    with capture_error() as caught:
        spec = importlib.util.find_spec(point.module)
    if caught.message or spec is None or spec.origin is None:
        reason = f"cannot be loaded: {caught.message}" if caught.message else "does not exist"
        raise InputError(f"{point.value}, {point.name!r} of {point.group} in {distribution}, {reason}")
    return Source(Path(spec.origin), f"{point.module}:{point.attr}" if point.attr else point.module, distribution)


def _twice(kind: Kind[Any], source: Source, other: Source, name: str) -> InputError:
    first = str(other) if other.address else other.file.name
    return InputError(f"{source} and {first} both define {kind.what} {name!r}; an added one needs an id of its own")


def _given(kind: Kind[Any], folder: str | Path) -> Path:
    path = Path(folder)
    if not path.is_dir():
        raise InputError(f"--{kind.folder} {path} is not a folder")
    return path


def own_folder(name: str) -> Path:
    """A folder of the package's own ``analysis/``, installed or beside the package in a checkout."""
    analysis = analysis_folder()
    if analysis is None or not (analysis / name).is_dir():
        raise InputError(f"this installation of alpt_ref lacks its folder analysis/{name}; install it again")
    return analysis / name


def plugin_files(folder: Path) -> list[Path]:
    """Python files of the folder in order of name; those that begin with ``_`` are helpers."""
    return sorted(file for file in folder.glob("*.py") if not file.name.startswith("_"))

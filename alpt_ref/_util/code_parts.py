"""Which code a result depends on: files that its modules import, directly or through others, and the libraries used.

Nothing is run. Imports are followed from the syntax tree (`alpt_ref._util.source`) through this package and through
everything that is neither the standard library nor installed: helpers beside a file, packages of helpers, the user's
own library. Of an installed distribution the version counts. A file counts by its syntax tree, so a comment changes
nothing; where something else than Python is imported (an extension module), by its bytes.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.machinery
import importlib.util
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from alpt_ref._util.old_paths import analysis_folder
from alpt_ref._util.renamed import MODULES, NAMES, PACKAGES
from alpt_ref._util.source import Import, Source, read_source

PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE.name
_EXTENSIONS = tuple(importlib.machinery.EXTENSION_SUFFIXES)
_SITE = ("site-packages", "dist-packages")
NUMERIC = frozenset({"numpy", "scipy", "numba", "llvmlite", "pyarrow"})
"""Of the libraries that this package itself imports, those that its numbers may depend on."""


@dataclass(frozen=True)
class Parts:
    """What a result depends on.

    Attributes
    ----------
    files : name -> digest; names say where a file stands in its package, not where that lies on this machine
    versions : distribution -> version, ``absent`` for one that is imported and not installed
    """

    files: dict[str, str]
    versions: dict[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 of all of it."""
        return hashlib.sha256(repr((sorted(self.files.items()), sorted(self.versions.items()))).encode()).hexdigest()


class Reading:
    """What was read of each file and distribution: shared by results whose code is looked at together, and no longer.

    Claims share most files, and neither these nor what is installed change while one command begins.
    """

    def __init__(self) -> None:
        """Nothing is read yet."""
        self.imported: dict[Path, _Imported] = {}
        self.sources: dict[Path, Source] = {}
        self.versions: dict[str, str] = {}


Skip = Callable[[str], bool]
"""Whether a file of this package, named from its root (``tables/lpt.py``), is left out and not followed."""
More = Callable[[str], Iterable[str]]
"""Modules, by dotted name, that a file of this package imports by names which it computes."""


def parts_of(
    roots: Iterable[Path | str],
    skip: Skip = lambda name: False,
    more: More = lambda name: (),
    files: Iterable[Path] = (),
    reading: Reading | None = None,
) -> Parts:
    """Everything that running the roots may load.

    Parameters
    ----------
    roots : files, or dotted names of modules of this package
    skip : files of this package that are left out
    more : what files of this package import without an import statement
    files : data files (or folders of them) that are read; they count by their bytes
    reading : what was read for other results already
    """
    reading = Reading() if reading is None else reading
    found = _Reached(skip, more, reading)
    for root in roots:
        if isinstance(root, Path):
            found.add(root.resolve(), root.name)
        else:
            found.take(_Imported([Import(root, (), 0)], PACKAGE))
    found.run()
    known = reading.versions
    known |= {name: version_of(name) for name in found.distributions if name not in known}
    data = {f"data:{place}:{name}": digest for place, file in enumerate(files) for name, digest in _data(file)}
    return Parts({**found.files, **data}, {name: known[name] for name in sorted(found.distributions)})


def version_of(distribution: str) -> str:
    """Version of an installed distribution, ``absent`` where there is none of that name."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "absent"


class _Reached:
    """The files and distributions that were reached so far, and those whose imports are not looked at yet."""

    def __init__(self, skip: Skip, more: More, reading: Reading) -> None:
        self.files: dict[str, str] = {}
        self.distributions: set[str] = set()
        self._skip, self._more, self._reading = skip, more, reading
        self._seen: set[Path] = set()
        self._waiting: list[tuple[Path, Source]] = []

    def add(self, file: Path, name: str) -> None:
        """Take a file in, under a name; nothing where it is in already or is left out."""
        if file in self._seen:
            return
        self._seen.add(file)
        own = own_name(file)
        if own and self._skip(own):
            return
        source = self._reading.sources.get(file)
        if source is None:
            content = file.read_bytes()
            source = read_source(content) if file.suffix == ".py" else Source(hashlib.sha256(content).hexdigest())
            self._reading.sources[file] = source
        self.files[f"{ROOT}/{own}" if own else name] = source.digest
        self._waiting.append((file, source))

    def take(self, imported: _Imported) -> None:
        """Take in what imports load."""
        self.distributions |= imported.distributions
        for file, name in imported.files:
            self.add(file, name)

    def run(self) -> None:
        """Follow the imports of everything that was taken in."""
        while self._waiting:
            file, source = self._waiting.pop()
            known = self._reading.imported
            if file not in known:
                known[file] = _Imported(source.imports, file)
            self.take(known[file])
            own = own_name(file)
            if own:
                for module in self._more(own):
                    self.take(_Imported([Import(module, (), 0)], file))
            elif source.dynamic:  # whatever lies beside it
                for other in sorted(file.parent.rglob("*.py")):
                    self.add(other, other.relative_to(file.parent).as_posix())


class _Imported:
    """What some imports of one file load: files with the names that they go by, and distributions."""

    def __init__(self, imports: Iterable[Import], file: Path) -> None:
        self.files: list[tuple[Path, str]] = []
        self.distributions: set[str] = set()
        for one in imports:
            self.follow(one, file)

    def add(self, file: Path, name: str) -> None:
        """One more."""
        self.files.append((file, name))

    def follow(self, one: Import, file: Path) -> None:
        """Take in what an import of `file` loads."""
        parts = one.module.split(".") if one.module else []
        if one.level:
            base = file.parent
            for _ in range(one.level - 1):
                base = base.parent
            self._walk([base], parts, one.names, "." * one.level)
            return
        if parts[0] == ROOT:
            for place, own, names in _own(parts, one.names):
                self._walk([place], own, names, "")
            return
        places, distributions = _located(parts[0], tuple(sys.path))
        self.distributions |= set(distributions) & NUMERIC if own_name(file) else set(distributions)
        if places:
            self._walk(places, parts, one.names, "")

    def _walk(self, places: list[Path], parts: list[str], names: tuple[str, ...], prefix: str) -> None:
        """Go down a dotted name from the folders in `places`; every package on the way is loaded, too."""
        dotted: list[str] = []
        package: Path | None = None
        for part in parts:
            dotted.append(part)
            module = _file_of(places, part)
            if module is None:
                places, package = [place / part for place in places if (place / part).is_dir()], None
                continue
            self.add(module, f"{prefix}{'.'.join(dotted)}")
            places = [module.parent] if module.name == "__init__.py" else []
            package = module if places else None
        for name in names or ("",):
            self._take(places, package, name, f"{prefix}{'.'.join(dotted)}")

    def _take(self, places: list[Path], package: Path | None, name: str, dotted: str) -> None:
        """A name of a package: a module in it, or what its ``__getattr__`` may give ("": anything, likewise "*")."""
        module = _file_of(places, name) if name not in ("", "*") else None
        if module is not None:
            self.add(module, f"{dotted}.{name}".lstrip("."))
            return
        if package is None or package.suffix != ".py":
            return
        source = read_source(package.read_bytes())
        if not source.getattr:
            return
        given = [one for known, one in source.lazy if known == name or name in ("", "*")]
        if not given and name not in ("", "*") and not _assigned(package, name):
            given = [one for _, one in source.lazy]
        for one in given:
            self.follow(one, package)


def _assigned(package: Path, name: str) -> bool:
    """Whether the package imports the name when it is loaded, so that its ``__getattr__`` is not asked."""
    return any(name in one.names for one in read_source(package.read_bytes()).imports)


def _own(parts: list[str], names: tuple[str, ...]) -> Iterator[tuple[Path, list[str], tuple[str, ...]]]:
    """An import of this package as it is now: where it begins, dotted name, names; old paths lead to the new ones."""
    dotted = ".".join(parts[1:])
    if parts[1:2] == ["analysis"] and (folder := analysis_folder()) is not None:
        yield folder.parent, parts[1:], names
        return
    if dotted in PACKAGES:
        yield PACKAGE.parent, [ROOT, *PACKAGES[dotted].split(".")], ()
    yield PACKAGE.parent, [ROOT, *MODULES[dotted].split(".")] if dotted in MODULES else parts, names
    for name in names:
        old = f"{dotted}.{name}" if dotted else name
        if old in MODULES or old in NAMES:
            yield PACKAGE.parent, [ROOT, *(MODULES.get(old) or NAMES[old].rpartition(".")[0]).split(".")], ()


@functools.lru_cache(maxsize=4096)
def own_name(file: Path) -> str:
    """``tables/lpt.py`` for a file of this package, "" for any other."""
    return file.relative_to(PACKAGE).as_posix() if file.is_relative_to(PACKAGE) else ""


def _file_of(places: Iterable[Path], name: str) -> Path | None:
    """The file that a module of this name in one of the folders is loaded from."""
    for place in places:
        for candidate in (place / name / "__init__.py", place / f"{name}.py"):
            if candidate.is_file():
                return candidate
        for suffix in _EXTENSIONS:
            if (place / f"{name}{suffix}").is_file():
                return place / f"{name}{suffix}"
    return None


@functools.lru_cache(maxsize=1024)
def _located(top: str, path: tuple[str, ...]) -> tuple[list[Path], tuple[str, ...]]:
    """Folders in which a top-level module lies, or the distributions that install it; neither: standard library."""
    if top in sys.stdlib_module_names:
        return [], ()
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None:
        return [], (top,)  # an import that fails now may succeed once it is installed
    if spec.origin is None or spec.submodule_search_locations:
        homes = [Path(one).resolve() for one in spec.submodule_search_locations or ()]
    else:
        homes = [Path(spec.origin).resolve()]
    if any(_is_installed(home) or _has_metadata_beside(home, top) for home in homes):
        return [], tuple(_owners().get(top) or [top])
    return [home.parent for home in homes], ()


def _is_installed(path: Path) -> bool:
    schemes = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    return any(part in _SITE for part in path.parts) or any(path.is_relative_to(scheme) for scheme in schemes)


def _has_metadata_beside(path: Path, top: str) -> bool:
    """Whether it was installed into a folder of its own (``pip install --target``): its metadata lie in that folder,
    while those of an editable installation lie elsewhere."""
    return any(next(path.parent.glob(f"{name.replace('-', '_')}-*.dist-info"), None) for name in _owners().get(top, ()))


@functools.cache
def _owners() -> dict[str, list[str]]:
    return {name: sorted(set(owners)) for name, owners in metadata.packages_distributions().items()}


def _data(path: Path) -> Iterator[tuple[str, str]]:
    """Name and SHA-256 of a data file, or of every file below a folder."""
    below = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    for file in below:
        name = file.relative_to(path).as_posix() if path.is_dir() else path.name
        with file.open("rb") as stream:
            yield name, hashlib.file_digest(stream, "sha256").hexdigest()

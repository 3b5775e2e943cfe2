"""The import finder behind the package: modules and names of 0.1.0 under their old paths, and `alpt_ref.analysis`.

`import alpt_ref.verify.claim` gives the module `alpt_ref.verification.claim` itself, so that classes are the same
objects, ``isinstance`` holds and old pickles load; a `DeprecationWarning` names the new path (`renamed` is the table).
There are no files at the old paths. In a checkout and in an editable installation the folder ``analysis`` stands beside
the package and not in it; it is imported as `alpt_ref.analysis` all the same.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpt_ref._util.renamed import MODULES, NAMES, PACKAGES

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder
else:  # importlib.abc loads tempfile and shutil: a third of the time in which Ctrl-C cannot be answered yet
    Loader = MetaPathFinder = object

ROOT = __name__.partition(".")[0]
PACKAGE = Path(__file__).resolve().parents[1]


def analysis_folder() -> Path | None:
    """The folder ``analysis``: in the package where that was installed, beside it in a checkout, None if neither is."""
    for folder in (PACKAGE / "analysis", PACKAGE.parent / "analysis"):
        if (folder / "claims" / "__init__.py").is_file():
            return folder
    return None


def _warn(old: str, new: str) -> None:
    """Say, at the line that asked, that the old path will go; frames of the import system do not count."""
    text = f"{ROOT}.{old} is {ROOT}.{new} now; the old path will be removed in the next release"
    warnings.warn(text, DeprecationWarning, stacklevel=3)


class Finder(MetaPathFinder):
    """First in `sys.meta_path`: an old package has the new one's folder, where files must not be loaded twice."""

    def __init__(self) -> None:
        """Tables by full name, so that any other import costs one look."""
        self._old = {f"{ROOT}.{old}" for old in MODULES}
        self._served = {f"{ROOT}.{_owner(name)}" for name in NAMES} | {f"{ROOT}.{name}" for name in PACKAGES}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of an old path, of a module with old names, or of ``alpt_ref.analysis``; None for all others."""
        if not fullname.startswith(f"{ROOT}."):
            return None
        if fullname in self._old:
            return ModuleSpec(fullname, _OldModule())
        if fullname.rpartition(".")[0] in self._old:
            new = MODULES[fullname.rpartition(".")[0].removeprefix(f"{ROOT}.")]
            raise ModuleNotFoundError(f"No module named {fullname!r}; look in {ROOT}.{new}", name=fullname)
        if fullname in self._served:
            return _with_old_names(PathFinder.find_spec(fullname, path))
        if fullname == f"{ROOT}.analysis" and PathFinder.find_spec(fullname, path) is None:
            folder = analysis_folder()
            if folder is not None:
                return importlib.util.spec_from_file_location(
                    fullname, folder / "__init__.py", submodule_search_locations=[str(folder)]
                )
        return None


class _OldModule(Loader):
    """Loads nothing: puts the module at the new path under the old one."""

    def create_module(self, spec: ModuleSpec) -> None:
        """An empty module, which is thrown away: the new one must keep its own spec."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Warn, import the new module and let the old path stand for it."""
        full = module.__name__
        old = full.removeprefix(f"{ROOT}.")
        _warn(old, MODULES[old])
        new = importlib.import_module(f"{ROOT}.{MODULES[old]}")
        if not hasattr(new, "__path__") and any(name.startswith(f"{old}.") for name in MODULES):
            new.__path__ = []  # a package that became a module: its submodules are found by their old paths
        sys.modules[full] = new
        _lend(old, new)


def _lend(old: str, new: types.ModuleType) -> None:
    """Where a function has an old module's name now (``alpt_ref.train``), make ``alpt_ref.train.name`` work."""
    parent, _, child = old.rpartition(".")
    holder = getattr(sys.modules[ROOT], parent or child, None)
    if isinstance(holder, types.FunctionType):
        vars(holder).update({child: new} if parent else {k: v for k, v in vars(new).items() if not k.startswith("_")})


class _OldNames(SourceFileLoader):
    """Loads a module as ever and then gives it the old names."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Run the source, then put a ``__getattr__`` before the module's own."""
        super().exec_module(module)
        vars(module)["__getattr__"] = _getter(module)


def _with_old_names(spec: ModuleSpec | None) -> ModuleSpec | None:
    if spec is not None and type(spec.loader) is SourceFileLoader:
        spec.loader = _OldNames(spec.loader.name, spec.loader.path)
    return spec


def _owner(name: str) -> str:
    """The module (its path now) that is asked for an old name: the one that the old module became."""
    module = name.rpartition(".")[0]
    return MODULES.get(module, module)


def _getter(module: types.ModuleType) -> Callable[[str], Any]:
    """A ``__getattr__`` for a module: old names from the table, then whatever its own gives."""
    full = module.__name__
    path = "" if full == ROOT else full.removeprefix(f"{ROOT}.")
    names = {old.rpartition(".")[2]: (old, new) for old, new in NAMES.items() if _owner(old) == path}
    own = vars(module).get("__getattr__")

    def get(name: str) -> Any:
        """An attribute that the module itself does not have."""
        if name in names:
            old, new = names[name]
            _warn(old, new)
            where, _, attribute = new.rpartition(".")
            return getattr(importlib.import_module(f"{ROOT}.{where}" if where else ROOT), attribute)
        if path in PACKAGES and not name.startswith("_") and importlib.util.find_spec(f"{full}.{name}") is None:
            value = vars(importlib.import_module(f"{ROOT}.{PACKAGES[path]}")).get(name)
            if value is not None and not isinstance(value, types.ModuleType):
                _warn(f"{path}.{name}", f"{PACKAGES[path]}.{name}")
                return value
        if own is not None:
            return own(name)
        raise AttributeError(f"module {full!r} has no attribute {name!r}")

    return get


def install() -> None:
    """Put the finder first, once, and give the package its own old names."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
    package = sys.modules[ROOT]
    vars(package)["__getattr__"] = _getter(package)

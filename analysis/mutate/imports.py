"""Which files a claim or a test depends on: imports read from the syntax tree, followed name by name.

``from alpt_ref.theory import Grid`` depends on the module that defines `Grid`, not on all that the package's
``__init__`` collects; so a claim about one bound is not run for a mutant of another. Imports inside functions and under
``TYPE_CHECKING`` count. Modules that are only named in strings are not seen.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

from alpt_ref._util.source import Import, read_source
from alpt_ref.verification.code_hash import changes_no_number


class Modules:
    """The modules below the folders of a checkout, and what each depends on."""

    def __init__(self, root: Path, folders: tuple[str, ...]) -> None:
        """Nothing is read but the names of the files."""
        self.files: dict[str, Path] = {}
        for folder in folders:
            for file in sorted((root / folder).rglob("*.py")):
                self.files[_module(file.relative_to(root))] = file

    def module_of(self, file: str | Path) -> str:
        """Module name of a file, given relative to the root."""
        return _module(Path(file))

    @functools.cache  # noqa: B019  # lives as long as the run
    def _read(self, module: str) -> tuple[str, tuple[Import, ...]]:
        """Digest of what a module computes, and all its imports."""
        source = read_source(self.files[module].read_bytes())
        return source.digest, (*source.imports, *(one for _, one in source.lazy))

    @functools.cache  # noqa: B019
    def direct(self, module: str) -> frozenset[str]:
        """Modules that a module imports."""
        found: set[str] = set()
        for one in self._read(module)[1]:
            source = self._source(module, one)
            found |= {self._origin(source, name) for name in one.names} if one.names else {self._known(source)}
        return frozenset(found - {"", module})

    @functools.cache  # noqa: B019
    def behind(self, module: str) -> frozenset[str]:
        """The module and everything that it depends on."""
        reached, waiting = set[str](), {module}
        while waiting:
            one = waiting.pop()
            reached.add(one)
            waiting |= self.direct(one) - reached
        return frozenset(reached)

    def users(self, modules: set[str]) -> set[str]:
        """Every module that depends on one of these."""
        return {name for name in self.files if self.behind(name) & modules}

    @functools.cache  # noqa: B019
    def digest(self, module: str, *, own: bool = True) -> str:
        """Hash of the module and everything that it depends on, without comments, layout and docstrings.

        What only schedules, stores and shows (for verification too) is left out; not the judge. Without `own` the
        module itself is.
        """
        behind = sorted(self.behind(module) - (set() if own else {module}))
        parts = [f"{one} {self._read(one)[0]}" for one in behind if not _shows(one, self.files)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @functools.cache  # noqa: B019
    def bytes_behind(self, module: str) -> str:
        """Hash of the very bytes of the module and everything that it depends on: numbers of lines count."""
        digest = hashlib.sha256()
        for one in sorted(self.behind(module)):
            digest.update(one.encode() + b" " + self.files[one].read_bytes())
        return digest.hexdigest()[:32]

    def _source(self, module: str, one: Import) -> str:
        if not one.level:
            return one.module
        base = module.split(".")
        if self.files[module].name != "__init__.py":
            base = base[:-1]
        base = base[: len(base) - one.level + 1]
        return ".".join([*base, *([one.module] if one.module else [])])

    def _known(self, name: str) -> str:
        """The module of this name; ``alpt_ref.analysis`` is the folder ``analysis`` of a checkout."""
        parts = name.split(".")
        if name not in self.files and parts[1:2] == ["analysis"]:
            name = ".".join(parts[1:])
        return name if name in self.files else ""

    def _origin(self, source: str, name: str, depth: int = 0) -> str:
        """The module in which `name`, imported from the module `source`, is defined."""
        inner = self._known(f"{source}.{name}")
        known = self._known(source)
        if inner or not known or depth > 10:
            return inner or known
        if self.files[known].name == "__init__.py":
            for one in self._read(known)[1]:
                if name in one.names:
                    return self._origin(self._source(known, one), name, depth + 1) or known
        return known


def _shows(module: str, files: dict[str, Path]) -> bool:
    place = f"{module.removeprefix('alpt_ref.').replace('.', '/')}.py"
    own = module.startswith("alpt_ref.") and files[module].name != "__init__.py"
    return own and place != "verification/judge.py" and changes_no_number(place)


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def matching(root: Path, patterns: tuple[str, ...]) -> Iterator[str]:
    """Files below `root` that match, relative to it, in order of the patterns."""
    seen = set[str]()
    for pattern in patterns:
        for file in sorted(root.glob(pattern)):
            name = file.relative_to(root).as_posix()
            if file.suffix == ".py" and name not in seen:
                seen.add(name)
                yield name

"""One source file: a digest of what it computes, and what it imports, from its syntax tree without docstrings."""

from __future__ import annotations

import ast
import functools
import hashlib
import sys
from typing import NamedTuple


class Import(NamedTuple):
    """One import of a source.

    Attributes
    ----------
    module : dotted name; "" for ``from . import x``
    names : what is taken from it; empty for ``import module``; ``("*",)`` for everything
    level : dots of a relative import
    """

    module: str
    names: tuple[str, ...]
    level: int


class Source(NamedTuple):
    """What is known of a source without running it.

    Attributes
    ----------
    digest : SHA-256 of its syntax tree without docstrings; of its bytes, where they are no Python
    imports : all imports that may run, anywhere in it
    lazy : names that only type checkers import, and the import of each: what a module's ``__getattr__`` may give
    getattr : whether it has a ``__getattr__`` of the module
    dynamic : whether it imports or runs code whose names it computes
    """

    digest: str
    imports: tuple[Import, ...] = ()
    lazy: tuple[tuple[str, Import], ...] = ()
    getattr: bool = False
    dynamic: bool = False


NO_TYPE_PARAMETERS = ", type_params=[]"
_RUNS = frozenset({"exec", "spec_from_file_location", "run_path", "run_module", "SourceFileLoader"})
"""Functions that run code which no import names."""


def read_source(content: bytes) -> Source:
    """Digest and imports of a source; equal for two that differ in comments, docstrings and layout alone.

    Examples
    --------
    >>> one = read_source(b'import numpy  # comment' + bytes([10]))
    >>> one == read_source(b"import numpy"), one.imports[0].module
    (True, 'numpy')
    """
    return _read(content)


@functools.lru_cache(maxsize=4096)
def _read(content: bytes) -> Source:
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):
        return Source(hashlib.sha256(content).hexdigest())
    found = _Imports()
    found.visit(tree)
    own = any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body)
    return Source(digest_of(tree), tuple(found.imports), tuple(found.lazy), own, found.dynamic)


def digest_of(tree: ast.AST) -> str:
    """SHA-256 of a syntax tree; docstrings are taken out of it."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and any(map(_is_text, body)):
            node.body = [one for one in body if not _is_text(one)]  # type: ignore[attr-defined]
    return hashlib.sha256(_dump(tree).encode()).hexdigest()


def _dump(tree: ast.AST) -> str:
    """`ast.dump` as Python 3.11 has it: 3.12 added type parameters, 3.13 leaves out what is empty."""
    options: dict[str, bool] = {"show_empty": True} if sys.version_info >= (3, 13) else {}
    return ast.dump(tree, **options).replace(NO_TYPE_PARAMETERS, "")


def definition_digest(content: bytes, name: str) -> str:
    """SHA-256 of one definition of a module and of those in the module that it refers to; "" where there is none.

    For files that hold many parts side by side, of which a result uses one.

    Examples
    --------
    >>> source = b"LIMIT = 2\\ndef f(): return LIMIT\\ndef g(): return 3\\n"
    >>> definition_digest(source, "f") == definition_digest(source.replace(b"3", b"4"), "f")
    True
    >>> definition_digest(source, "f") == definition_digest(source.replace(b"2", b"4"), "f")
    False
    """
    body = ast.parse(content).body
    defined: dict[str, list[ast.stmt]] = {}
    for node in body:
        targets = {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
        for one in targets | {getattr(node, "name", "")} - {""}:
            defined.setdefault(one, []).append(node)
    reached: set[str] = set()
    waiting = [name] if name in defined else []
    while waiting:
        one = waiting.pop()
        reached.add(one)
        used = {part.id for node in defined[one] for part in ast.walk(node) if isinstance(part, ast.Name)}
        waiting += sorted((used & set(defined)) - reached)
    nodes = [node for node in body if any(node in defined[one] for one in reached)]
    return digest_of(ast.Module(nodes, [])) if nodes else ""


def _is_text(node: ast.AST) -> bool:
    """Whether a statement is a string and nothing else: a docstring, also one of an attribute."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


class _Imports(ast.NodeVisitor):
    """Collects the imports of a tree."""

    def __init__(self) -> None:
        self.imports: list[Import] = []
        self.lazy: list[tuple[str, Import]] = []
        self.dynamic = False
        self._typing = False

    def visit_If(self, node: ast.If) -> None:
        """``if TYPE_CHECKING:`` is not run."""
        test = node.test
        if (test.id if isinstance(test, ast.Name) else getattr(test, "attr", "")) != "TYPE_CHECKING":
            self.generic_visit(node)
            return
        before, self._typing = self._typing, True
        for one in node.body:
            self.visit(one)
        self._typing = before
        for one in node.orelse:
            self.visit(one)

    def visit_Import(self, node: ast.Import) -> None:
        """``import a.b``."""
        for alias in node.names:
            found = Import(alias.name, (), 0)
            self.lazy += [(alias.asname or alias.name, found)] * self._typing
            self.imports += [found] * (not self._typing)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """``from a import b``."""
        names = tuple(alias.name for alias in node.names)
        if self._typing:
            self.lazy += [
                (one.asname or one.name, Import(node.module or "", (one.name,), node.level)) for one in node.names
            ]
        elif node.module != "__future__":
            self.imports.append(Import(node.module or "", names, node.level))

    def visit_Call(self, node: ast.Call) -> None:
        """``import_module("a")`` is an import; of a name that is computed nothing is known."""
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if name in ("import_module", "__import__"):
            given = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
            if isinstance(given, str) and given:
                dots = len(given) - len(given.lstrip("."))
                self.imports.append(Import(given.lstrip("."), (), dots))
            else:
                self.dynamic = True
        self.dynamic = self.dynamic or name in _RUNS
        self.generic_visit(node)

"""The mutants with a name: small patches that are found by their code, not by their line.

`named.toml` holds for each its `id`, `what` is wrong in words, the `claims` that are expected to see it, and one or
more `edits`: `file`, the function (or class) that the code stands `inside`, `old` and `new`. The old code is compared
token by token, so that formatting and comments do not matter. Where file or function have moved, every file of the
package is searched for a function of this name. Code that is gone is an error: the mutant would break nothing.
"""

from __future__ import annotations

import ast
import io
import tokenize
import tomllib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from alpt_ref.errors import InputError

_SPACE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER,
}  # fmt: skip


class Edit(msgspec.Struct, forbid_unknown_fields=True):
    """One replacement."""

    file: str
    old: str
    new: str
    inside: str = ""


class Named(msgspec.Struct, forbid_unknown_fields=True):
    """A mutant with a name; at least so many of its claims must see it."""

    id: str
    what: str
    claims: list[str]
    edits: list[Edit]
    least: int = 1


@dataclass(frozen=True)
class Mutant:
    """A mutant, ready to be put in place.

    Attributes
    ----------
    id, what : names it; says what is wrong
    sources : file (relative to the root) -> its whole text with the change
    expected : claims that are tried first
    least : how many of them must see it
    named : whether a claim has to catch it
    where, old, new : for the table: ``file:function``, the code before and after
    lines : first and last line of the statement that is broken; 0, 0 where it runs at import
    line : the text of what is broken as one line, with the new code in parentheses
    """

    id: str
    what: str
    sources: dict[str, str]
    expected: tuple[str, ...] = ()
    named: bool = False
    where: str = ""
    old: str = ""
    new: str = ""
    least: int = 1
    lines: tuple[int, int] = (0, 0)
    line: str = ""


def read(file: Path) -> list[Named]:
    """The mutants of a data file."""
    try:
        found = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8"))["mutant"], list[Named])
    except (OSError, KeyError, ValueError) as error:  # msgspec's and tomllib's errors are ValueErrors
        raise InputError(f"{file} cannot be read as mutants: {error}") from None
    ids = [one.id for one in found]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise InputError(f"{file} has the mutant {twice[0]} twice; give each its own id")
    return found


def prepare(root: Path, package: str, named: list[Named]) -> list[Mutant]:
    """Every mutant with the whole text of the files that it changes.

    Raises
    ------
    InputError
        The old code of one or more of them is gone, or stands in several places; all of them are named.
    """
    made, gone = [], []
    for one in named:
        sources: dict[str, str] = {}
        places = []
        for edit in one.edits:
            try:
                file, start, end = _find(root, package, edit, sources)
            except InputError as error:
                gone.append(f"{one.id}: {error}")
                break
            text = sources.get(file) or _text(root / file)
            sources[file] = text[:start] + edit.new + text[end:]
            places.append(f"{file}:{edit.inside}" if edit.inside else file)
        else:
            ast_changes(root, one.id, sources)
            olds, news = (" … ".join(getattr(edit, name).strip() for edit in one.edits) for name in ("old", "new"))
            where = ", ".join(dict.fromkeys(places))
            made.append(Mutant(one.id, one.what, sources, tuple(one.claims), True, where, olds, news, one.least))
    if gone:
        raise InputError(
            f"{len(gone)} named mutant(s) do not fit the code any more; give them its present text in "
            f"analysis/mutate/named.toml, or take them out with a reason: {'; '.join(gone)}"
        )
    return made


def ast_changes(root: Path, name: str, sources: dict[str, str]) -> None:
    """InputError unless every changed file still parses and says something else."""
    for file, text in sources.items():
        try:
            after = ast.dump(ast.parse(text))
        except SyntaxError as error:
            raise InputError(f"mutant {name}: {file} would not be Python any more: {error.msg}") from None
        if after == ast.dump(ast.parse(_text(root / file))):
            raise InputError(f"mutant {name}: new and old text of {file} mean the same")


def _find(root: Path, package: str, edit: Edit, changed: dict[str, str]) -> tuple[str, int, int]:
    """File, start and end of the one place where an edit's old code stands."""
    named = root / edit.file
    elsewhere = sorted(file for file in (root / package).rglob("*.py") if file != named)
    for files in ([named] if named.is_file() else [], elsewhere):
        hits = []
        for file in files:
            name = file.relative_to(root).as_posix()
            hits += [(name, *span) for span in _spans(changed.get(name) or _text(file), edit)]
        if len(hits) == 1:
            return hits[0]
        if hits:
            raise InputError(f"the code {edit.old.strip()!r} stands {len(hits)} times in {_place(edit)}")
    raise InputError(f"the code {edit.old.strip()!r} does not stand in {_place(edit)} nor elsewhere in {package}")


def _place(edit: Edit) -> str:
    return f"{edit.inside} of {edit.file}" if edit.inside else edit.file


def _spans(text: str, edit: Edit) -> list[tuple[int, int]]:
    """Start and end of each place in a source where the old code stands, inside the function that is asked for."""
    if edit.inside and edit.inside.split(".")[-1] not in text:
        return []
    ranges = _lines_of(ast.parse(text), edit.inside) if edit.inside else [(1, text.count("\n") + 1)]
    wanted = [word for word, *_ in words(edit.old)]
    every = words(text)
    found = []
    for first, last in ranges:
        inside = [word for word in every if first <= word[3] <= last]
        for i in range(len(inside) - len(wanted) + 1):
            if [word for word, *_ in inside[i : i + len(wanted)]] == wanted:
                found.append((inside[i][1], inside[i + len(wanted) - 1][2]))
    return sorted(set(found))


def _lines_of(tree: ast.Module, name: str) -> list[tuple[int, int]]:
    """First and last lines of the functions and classes of a name, which may be ``Class.method``."""
    scopes: list[ast.AST] = [tree]
    for part in name.split("."):
        scopes = [
            node
            for scope in scopes
            for node in ast.walk(scope)
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == part and node is not scope
        ]
    return [(node.lineno, node.end_lineno or node.lineno) for node in scopes]  # type: ignore[attr-defined]


def words(text: str) -> list[tuple[str, int, int, int]]:
    """Tokens of a source or a piece of one, without comments and white space: word, start, end, line."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type not in _SPACE:
                (row, column), (last, end) = token.start, token.end
                found.append((token.string, starts[row - 1] + column, starts[last - 1] + end, row))
    except (tokenize.TokenError, SyntaxError):  # a piece may end within brackets
        pass
    return found


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")

"""Text of docstrings as Markdown, and links of a page that move with it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

_SECTION = re.compile(r"^(\S[^\n]*)\n-{3,}\n", re.MULTILINE)
_CODE = re.compile(r"(``.+?``|`[^`\n]+`|\$[^$]+\$)", re.DOTALL)
_CONTENTS = re.compile(r"```\{toctree\}\n(.*?)```", re.DOTALL)
_BAR = re.compile(r"(?<!\\)\|")
_LINK = re.compile(r"(\]\()([^)\s]+)(\))")
_NOTEBOOK = re.compile(r"\[`([\w-]+\.ipynb)`\]\(([^)\s]+\.ipynb)\)")


def sections(doc: str) -> dict[str, str]:
    """A docstring by underlined heading; what stands before the first one is under ""."""
    parts = _SECTION.split(doc)
    return {
        "": parts[0].strip(),
        **{name.strip(): text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)},
    }


def prose(text: str) -> str:
    """Running text of a docstring: code stays code, formulas stay formulas, other signs mean themselves."""
    pieces = _CODE.split(text)
    for number in range(0, len(pieces), 2):
        pieces[number] = re.sub(r"([*_<\[\]|$])", r"\\\1", pieces[number])
    for number in range(1, len(pieces), 2):
        if pieces[number].startswith("``"):
            pieces[number] = f"`{' '.join(pieces[number][2:-2].split())}`"
    return "".join(pieces)


def formulas(statement: str) -> str:
    """A statement in LaTeX: a line that is one formula stands on its own."""
    lines = [line.strip() for line in statement.splitlines() if line.strip()]
    shown = [f"$$\n{line[1:-1]}\n$$" if re.fullmatch(r"\$[^$]+\$", line) else prose(line) for line in lines]
    return "\n\n".join(shown)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; bars inside cells are escaped."""
    lines = [[_BAR.sub(r"\|", cell) for cell in line] for line in (head, ["---"] * len(head), *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def with_unlisted(index: str, pages: Iterable[str]) -> str:
    """The index with a table of contents of the pages that it leaves out, under "More"."""
    lines = [line.strip() for block in _CONTENTS.findall(index) for line in block.splitlines()]
    listed = {line.rpartition("<")[2].removesuffix(">") for line in lines}
    names = sorted(set(pages) - listed)
    if not names:
        return index
    return "\n".join([index.rstrip(), "", "```{toctree}", ":caption: More", ":hidden:", "", *names, "```", ""])


def downloads(text: str) -> str:
    """Links that name a notebook's file lead to the file; the others to its page, where it has been run."""
    return _NOTEBOOK.sub(r"{download}`\1 <\2>`", text)


def relink(text: str, source: str, page: str, moved: Mapping[str, str], root: Path, base: str = "") -> str:
    """`text` with its relative links changed from where it lies to where its page is.

    Parameters
    ----------
    source, page : str
        Path of the text, and of the page that shows it, below `root`.
    moved : mapping
        Files of the repository that have a page of their own: path of the file -> path of the page.
    root : path
        The repository.
    base : str
        Address under which files of the repository can be read; empty: the site brings a copy of the file.
    """

    def changed(link: re.Match[str]) -> str:
        target, mark, heading = link[2].partition("#")
        if not target or "://" in target or target.startswith(("mailto:", "/")):
            return link[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if (root / path).is_dir():
            path = posixpath.join(path, "README.md")
        if path in moved:
            path = moved[path]
        elif base and not path.startswith("docs/") and not path.endswith((".png", ".svg")):
            return f"{link[1]}{base}/{path}{mark}{heading}{link[3]}"
        else:
            mark, heading = ("", "") if not path.startswith("docs/") else (mark, heading)
        return f"{link[1]}{posixpath.relpath(path, posixpath.dirname(page))}{mark}{heading}{link[3]}"

    return _LINK.sub(changed, text)

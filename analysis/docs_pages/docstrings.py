"""Docstrings of this package as numpydoc and docutils read them: plain text with formulas, and sections of theorems."""

from __future__ import annotations

import re
from collections.abc import Iterable

KNOWN = {
    "Parameters", "Returns", "Yields", "Receives", "Raises", "Warns", "Attributes", "Methods", "Notes", "Examples",
    "References", "See Also", "Warnings", "Other Parameters",
}  # fmt: skip
_CODE = re.compile(r"(``.+?``|`[^`]+`_?|\$[^$]+\$|:\w+:`[^`]+`)", re.DOTALL)
_UNDERLINE = re.compile(r"^-{3,}$")


def plain_text_to_rst(lines: Iterable[str]) -> list[str]:
    """Sections that numpydoc does not know (Statement, Proof, Terms ...) move into Notes; stray signs are escaped.

    Examples
    --------
    >>> plain_text_to_rst(["The norm |w|.", "", "Proof", "-----", "By ``a*b``."])
    ['The norm \\\\|w\\\\|.', '', 'Notes', '-----', '**Proof**', '', 'By ``a*b``.', '']
    """
    sections = _sections(list(lines))
    known = [(name, body) for name, body in sections if not name or name in KNOWN]
    others = [(name, body) for name, body in sections if name and name not in KNOWN]
    made: list[str] = []
    extra: list[str] = []
    for name, body in others:
        extra += [f"**{name}**", "", *(_listed(body) if name == "Terms" else _escaped(body)), ""]
    notes = False
    for name, body in known:
        if name == "Examples" and extra and not notes:
            made += ["Notes", "-----", *extra]
            notes = True
        made += [name, "-" * len(name)] if name else []
        made += body if name == "Examples" else _escaped(body)
        if name == "Notes" and extra:
            made += ["", *extra]
            notes = True
    if extra and not notes:
        made += ["Notes", "-----", *extra]
    return made


def with_rubrics(lines: Iterable[str]) -> list[str]:
    """The docstring of a module: underlined headings are none of the page's own.

    Examples
    --------
    >>> with_rubrics(["Maths.", "", "Examples", "--------", ">>> 1"])
    ['Maths.', '', '.. rubric:: Examples', '', '>>> 1']
    """
    made: list[str] = []
    for name, body in _sections(list(lines)):
        made += [f".. rubric:: {name}", ""] if name else []
        made += body if name == "Examples" else _escaped(body)
    return made


def _sections(lines: list[str]) -> list[tuple[str, list[str]]]:
    """The lines by underlined heading; the first part has no name."""
    parts: list[tuple[str, list[str]]] = [("", [])]
    number = 0
    while number < len(lines):
        below = lines[number + 1] if number + 1 < len(lines) else ""
        if lines[number] and not lines[number][0].isspace() and _UNDERLINE.match(below):
            parts.append((lines[number].strip(), []))
            number += 2
            continue
        parts[-1][1].append(lines[number])
        number += 1
    return parts


def _listed(body: list[str]) -> list[str]:
    return [f"- ``{line.strip()}``" for line in body if line.strip()]


def _escaped(body: list[str]) -> list[str]:
    """Bars and stars outside code mean themselves; ``$...$`` is a formula. Doctests and literal blocks stay."""
    text = "\n".join(body)
    pieces = _CODE.split(text)
    for number, piece in enumerate(pieces):
        if number % 2 == 0:
            pieces[number] = re.sub(r"(?<![\\\s*])\*(?!\*)|(?<!\*)\*(?=[^\s*])|\|", lambda sign: f"\\{sign[0]}", piece)
        elif piece.startswith("$"):
            pieces[number] = f":math:`{' '.join(piece[1:-1].split())}`"
    return "".join(pieces).split("\n")

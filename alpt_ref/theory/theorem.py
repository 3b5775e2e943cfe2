"""A theorem is stated once, in the docstring of the function that computes its bound; this reads it from there."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alpt_ref.errors import InputError

_UNDERLINED = re.compile(r"^(\S[^\n]*)\n-{3,}\n", re.MULTILINE)
_NEEDED = ("Statement", "In words", "Proof", "Source")


@dataclass(frozen=True)
class Theorem:
    """What the docstring of a function in `alpt_ref.theory` states.

    Attributes
    ----------
    name, title : str
        ``S1`` and the rest of the docstring's first line.
    statement : str
        LaTeX in matplotlib's subset, ``$...$`` around formulas; one line for each paragraph of the section.
    plain : str
        The same in plain text.
    proof, source : str
        The idea of the proof; whose result it is.
    """

    name: str
    title: str
    statement: str
    plain: str
    proof: str
    source: str


def theorem(function: Callable[..., Any]) -> Theorem:
    """The theorem that a function's docstring states in its sections Statement, In words, Proof and Source.

    Raises
    ------
    InputError
        If the docstring lacks one of them (Python's option ``-OO`` removes docstrings).

    Examples
    --------
    >>> from alpt_ref.theory import bounds
    >>> s1 = theorem(bounds.sr_convex_constant)
    >>> print(s1.name, "·", s1.title)
    S1 · stochastic rounding, convex f, constant learning rate
    >>> s1.source.split(";")[0]
    'ours'
    """
    text = inspect.getdoc(function) or ""
    first, *parts = _UNDERLINED.split(text)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    missing = [name for name in _NEEDED if name not in sections]
    if missing:
        raise InputError(f"the docstring of {function.__name__} has no section {' or '.join(missing)}")
    name, _, title = first.splitlines()[0].rstrip(".").partition(": ")
    return Theorem(
        name=name,
        title=title,
        statement="\n".join(_one_line(paragraph) for paragraph in sections["Statement"].strip().split("\n\n")),
        plain=_one_line(sections["In words"]),
        proof=_one_line(sections["Proof"]),
        source=_one_line(sections["Source"]),
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())

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
_BETWEEN = re.compile(r"(?:min|max|sum_t|[-+(),\s])*")
"""What may stand between two terms of one formula."""
_BEGINS = re.compile(r".*(?:<=|>=|=)(?:min|max|sum_t|[-(),\s])*", re.DOTALL)
"""What may stand before the first one."""
_GOES_ON = re.compile(r"[\s)]*[-+*/^]")
_FACTORS = re.compile(r"sqrt\(d_?\w*\)|\bd(?:_r)?\b|\bL\b")
"""Factors that the theory itself brings in; the others carry the units of the problem."""


@dataclass(frozen=True)
class Term:
    """One additive term (or branch of a min) of a bound, and those of its factors that need a control of their own.

    Attributes
    ----------
    text : str
        As the formula in the section In words writes it.
    factors : tuple of str
        For example ``("sqrt(d)",)``.
    """

    text: str
    factors: tuple[str, ...] = ()


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
    terms : tuple of Term
        What the bound adds up from (section Terms); empty where nothing is added up.
    """

    name: str
    title: str
    statement: str
    plain: str
    proof: str
    source: str
    terms: tuple[Term, ...] = ()


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
    first, sections = _parts(function)
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
        terms=terms(function),
    )


def terms(function: Callable[..., Any]) -> tuple[Term, ...]:
    """The terms and factors that a docstring's section Terms lists; none if it has no such section.

    Each line is one additive term (a branch of a min is one too) of the formula in the section In words, in its order
    and spelling, and after a colon its factors that need a control of their own::

        D1^2/(2 eta T)
        sqrt(d) Delta G/2: sqrt(d)

    Raises
    ------
    InputError
        If the formula has a term that is not listed, or a listed one is not in it, or a term's ``sqrt(d)``, ``d`` or
        ``L`` is not listed as its factor.

    Examples
    --------
    >>> from alpt_ref.theory import bounds
    >>> terms(bounds.sr_smooth)[1]
    Term(text='L eta G^2/2', factors=('L',))
    """
    _, sections = _parts(function)
    if "Terms" not in sections:
        return ()
    name, listed = function.__name__, []
    for line in sections["Terms"].strip().splitlines():
        text, _, after = line.strip().partition(": ")
        term = Term(text, tuple(one.strip() for one in after.split(",") if one.strip()))
        needed = set(_FACTORS.findall(text)) - set(term.factors)
        if needed:
            raise InputError(f"{name}: the term {text} has the factor {min(needed)}, which its line does not list")
        listed.append(term)
    _require_whole_formula(name, _one_line(sections.get("In words", "")), listed)
    return tuple(listed)


def _require_whole_formula(name: str, words: str, listed: list[Term]) -> None:
    """InputError unless the listed terms, in their order, make up the formulas of `words` without a rest."""
    at = 0
    for term in listed:
        places = [match.start() for match in re.finditer(re.escape(term.text), words) if match.start() >= at]
        if not places:
            raise InputError(f"{name}: In words has no (further) term {term.text}")
        goes_on = [place for place in places if at and _BETWEEN.fullmatch(words[at:place])]
        begins = [place for place in places if _BEGINS.fullmatch(words[at:place])]
        if not goes_on and not begins:
            before = words[at : places[0]].strip()
            raise InputError(f"{name}: Terms does not list what stands before {term.text}: {before}")
        if at and not goes_on:  # another formula begins
            _require_end(name, words[at : begins[0]])
        at = min(goes_on or begins) + len(term.text)
    _require_end(name, words[at:])


def _require_end(name: str, behind: str) -> None:
    if _GOES_ON.match(behind):
        raise InputError(f"{name}: Terms does not list what the formula goes on with: {behind[:30]}")


def _parts(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """First lines and sections of a docstring."""
    first, *parts = _UNDERLINED.split(inspect.getdoc(function) or "")
    return first, dict(zip(parts[::2], parts[1::2], strict=True))


def _one_line(text: str) -> str:
    return " ".join(text.split())

"""A broken function put in the place of the true one, in a process that has imported everything already.

A function takes its code from ``__code__``, so that one assignment breaks it for everyone who has imported it, wrapped
it or made it a property. That says the same as an import of the broken source only where nothing of the line has been
used before: not where the change is in what runs at import (constants, defaults, decorators), not where the line itself
ran while modules were imported and tests collected, not in functions that another has made by then, and not in machine
code. Then there is no `swap`.
"""

from __future__ import annotations

import gc
import inspect
from collections.abc import Iterable
from pathlib import Path
from types import CodeType, FunctionType
from typing import TypeAlias

Functions: TypeAlias = dict[CodeType, list[FunctionType]]
"""By their code."""


def functions(folder: Path) -> dict[str, Functions]:
    """Every function of this process whose source lies below `folder`, by file."""
    found: dict[str, Functions] = {}
    for one in gc.get_objects():
        if type(one) is FunctionType and one.__code__.co_filename.startswith(f"{folder}/"):
            found.setdefault(one.__code__.co_filename, {}).setdefault(one.__code__, []).append(one)
    return found


def swap(file: str, old: str, new: str, known: Functions) -> list[tuple[FunctionType, CodeType]] | None:
    """The functions to change and the code that each gets; None where that would not say the same as an import.

    Parameters
    ----------
    file : path that the code was compiled with
    old, new : whole sources
    known : the functions of this file
    """
    pairs = _differing(*(compile(one, file, "exec", dont_inherit=True) for one in (old, new)))
    found = []
    for before, after in pairs or ():
        live = known.get(before, [])
        if not live or before.co_freevars != after.co_freevars or _made(before, known):
            return None
        found += [(one, after) for one in live]
    return found or None


def _made(code: CodeType, known: Functions) -> bool:
    """Whether functions that live were made by this one: they keep their code when it gets another."""
    return any(one in known or _made(one, known) for one in _inner(code))


def _differing(old: CodeType, new: CodeType) -> list[tuple[CodeType, CodeType]] | None:
    """Outermost functions that say something else; None if something that runs at import does."""
    if not _alike(old, new):
        return None
    found: list[tuple[CodeType, CodeType]] = []
    for before, after in zip(_inner(old), _inner(new), strict=True):
        if before.co_flags & inspect.CO_OPTIMIZED:  # a function; the bodies of classes run at import
            found += [] if _same(before, after) else [(before, after)]
        elif (deeper := _differing(before, after)) is None:
            return None
        else:
            found += deeper
    return found


def _same(old: CodeType, new: CodeType) -> bool:
    return _alike(old, new) and all(_same(*pair) for pair in zip(_inner(old), _inner(new), strict=True))


def _alike(old: CodeType, new: CodeType) -> bool:
    """Whether two codes say the same, wherever they stand, but for the functions inside."""
    return _saying(old) == _saying(new) and len(_inner(old)) == len(_inner(new))


def _saying(code: CodeType) -> tuple[object, ...]:
    constants: Iterable[object] = (one for one in code.co_consts if not isinstance(one, CodeType))
    return (
        code.co_name, code.co_flags, code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount,
        code.co_varnames, code.co_names, code.co_freevars, code.co_cellvars, code.co_code,
        [(type(one), repr(one)) for one in constants],
    )  # fmt: skip


def _inner(code: CodeType) -> list[CodeType]:
    return [one for one in code.co_consts if isinstance(one, CodeType)]

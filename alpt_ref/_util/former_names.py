"""Fields and arguments under the names that they had in version 0.1.0, with a `DeprecationWarning`, for one release."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from alpt_ref.errors import InputError

C = TypeVar("C", bound=type)
P = ParamSpec("P")
R = TypeVar("R")


def former_fields(**now: str) -> Callable[[C], C]:
    """Class decorator: ``former_fields(old="new")`` takes and gives the field `new` under the name `old`, too.

    Parameters
    ----------
    **now : former name of a field -> its name now

    Examples
    --------
    >>> import warnings
    >>> from dataclasses import dataclass
    >>> @former_fields(colour="color")
    ... @dataclass
    ... class Pen:
    ...     color: str
    >>> with warnings.catch_warnings(action="ignore"):
    ...     Pen(colour="blue").colour
    'blue'
    """

    def decorate(cls: C) -> C:
        cls.__init__ = _renaming(cls.__init__, cls.__name__, now)  # type: ignore[misc]  # a class, not an instance
        for old, new in now.items():
            setattr(cls, old, _property(cls.__name__, old, new))
        return cls

    return decorate


def former_keywords(**now: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Function decorator: ``former_keywords(old="new")`` takes the argument `new` under the name `old`, too."""
    return lambda function: _renaming(function, function.__name__, now)


def _renaming(function: Callable[P, R], owner: str, now: dict[str, str]) -> Callable[P, R]:
    @functools.wraps(function)
    def call(*values: P.args, **named: P.kwargs) -> R:
        for old in now.keys() & named.keys():
            if now[old] in named:
                raise InputError(f"{owner}: give {now[old]} once, not under its former name {old} too")
            _warn(owner, old, now[old])
            named[now[old]] = named.pop(old)
        return function(*values, **named)

    return call


def _property(owner: str, old: str, new: str) -> property:
    def get(self: Any) -> Any:
        _warn(owner, old, new)
        return getattr(self, new)

    return property(get, doc=f"Former name of `{new}`.")


def _warn(owner: str, old: str, new: str) -> None:
    message = f"{owner}: {old} is now {new}; the former name goes with the next release"
    warnings.warn(message, DeprecationWarning, stacklevel=3)

"""Arguments and fields under their former name: accepted for one release, with a `DeprecationWarning`."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from alpt_ref.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)


def renamed_argument(old: str, new: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a function's keyword `new` be given as `old`, too.

    Raises
    ------
    InputError
        On a call that gives both.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if old in kwargs:
                if new in kwargs:
                    raise InputError(f"{new} must be given once, got {new}= and its former name {old}=")
                warnings.warn(
                    f"{function.__qualname__}: the argument {old} is called {new} now; {old} goes in the next release",
                    DeprecationWarning,
                    stacklevel=2,
                )
                kwargs[new] = kwargs.pop(old)
            return function(*args, **kwargs)

        return call

    return decorate


def renamed_field(old: str, new: str) -> Callable[[C], C]:
    """Let a dataclass's field `new` be given and read as `old`, too.

    Examples
    --------
    >>> import warnings
    >>> from dataclasses import dataclass
    >>> @renamed_field("colour", "color")
    ... @dataclass
    ... class Pen:
    ...     color: str
    >>> with warnings.catch_warnings(action="ignore"):
    ...     Pen(colour="blue").colour
    'blue'
    """

    def decorate(cls: C) -> C:
        def get(self: Any) -> Any:
            warnings.warn(
                f"{cls.__name__}: the field {old} is called {new} now; {old} goes in the next release",
                DeprecationWarning,
                stacklevel=2,
            )
            return getattr(self, new)

        cls.__init__ = renamed_argument(old, new)(cls.__init__)  # type: ignore[misc]  # a class, not an instance
        setattr(cls, old, property(get, doc=f"Former name of `{new}`."))
        return cls

    return decorate

"""`for_all_words`: run a function over every random word of some bits, and add up what it counts."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError

__all__ = ["for_all_words"]

BLOCK = 1 << 20
"""Words of one call."""


def for_all_words(bits: int, *, of: int | None = None) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function of `words`: it is called with all ``2**bits`` words, and what it returns is added up.

    Parameters
    ----------
    bits : int
        1 to 32.
    of : int, optional
        Width of the words that the quantiser takes: the words of `bits` bits are its upper ones, the others are 0.
        By default `bits`.

    Returns
    -------
    decorator
        The function's keyword argument ``words`` is a uint32 array of up to ``2**20`` words in rising order. What it
        returns (a number or an array, or nothing, for a test with assertions) is added up over the calls, booleans and
        whole numbers in 64 bits. pytest does not take ``words`` for a fixture.

    Raises
    ------
    InputError
        The function has no argument ``words``, or returns what cannot be added up, or `bits` is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> @for_all_words(bits=8)
    ... def went_up(x, words):
    ...     return int((words < x * 256).sum())
    >>> went_up(0.25)
    64
    """
    bits = _check.whole_number("bits", bits, 1, 33)
    width = bits if of is None else _check.whole_number("of", of, bits, 33)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        name = getattr(function, "__name__", type(function).__name__)
        if not callable(function):
            raise InputError(f"for_all_words(bits) decorates a function of words, got {name}")
        signature = inspect.signature(function)
        found = signature.parameters.get("words")
        if found is None or found.kind not in (found.POSITIONAL_OR_KEYWORD, found.KEYWORD_ONLY):
            raise InputError(f"{name} must take the argument words, by name")

        @functools.wraps(function)
        def run(*arguments: Any, **keywords: Any) -> Any:
            total: Any = None
            for start in range(0, 1 << bits, BLOCK):
                words = np.arange(start, min(start + BLOCK, 1 << bits), dtype=np.uint64) << np.uint64(width - bits)
                part = function(*arguments, words=words.astype(np.uint32), **keywords)
                if part is not None:
                    part = _in_64_bits(name, part)
                    total = part if total is None else total + part
            return total

        others = [one for name, one in signature.parameters.items() if name != "words"]
        run.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
        return run

    return decorate


def _in_64_bits(name: str, part: Any) -> Any:
    """What a call returned, as something whose sum is a count: True + True would be True, and 8 bits end at 255."""
    if isinstance(part, (int, float)) and not isinstance(part, bool):
        return part
    numbers = np.asarray(part)
    if numbers.dtype.kind not in "biufc":
        raise InputError(f"{name} must return a number, an array of numbers or nothing, got {type(part).__name__}")
    return numbers.astype(np.int64)[()] if numbers.dtype.kind in "biu" else numbers[()]

"""The methods of an experiment: an update rule, a rounding, step sizes and clipping under one name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from alpt_ref._util.named_function import load_function
from alpt_ref._util.python_file import named_in
from alpt_ref.errors import InputError
from alpt_ref.theory import FewBits, Grid, LearnedSteps
from alpt_ref.theory.update_rules import BY_NAME, UpdateRule, rule_of

_WORDS = re.compile(r"(\d+)-bit words")
_ROUNDINGS = ("sr", "dr", "full")
CLOSE = 2.0**-22
"""Of the largest value: how far two roundings to float32 may move a value of the grid."""


@dataclass(frozen=True)
class Method:
    """One way to train.

    Parameters
    ----------
    name : str
        In tables and figures; no two methods of an experiment have the same.
    rounding : {"sr", "dr", "full"}, FewBits or function
        As in `alpt_ref.theory.simulate`; a function ``fn(x, draw)`` returns decoded values.
    update : str or UpdateRule
        As there.
    step_sizes : float array (d,) or LearnedSteps, optional
        As there.
    clip : {"range"} or None
        As there.
    rounding_is : {"sr", "dr"}, optional
        What a rounding of your own is taken for where it is asked which theorem holds. What it makes of some numbers is
        then looked at: a value of the grid next to each.

    Raises
    ------
    InputError
        The name is empty, or the rounding or the update rule is none.

    Examples
    --------
    >>> Method("momentum, 8-bit words", rounding=FewBits(8), update="momentum").name
    'momentum, 8-bit words'
    """

    name: str
    rounding: Any = "sr"
    update: str | UpdateRule = "sgd"
    step_sizes: ArrayLike | LearnedSteps | None = None
    clip: Literal["range"] | None = "range"
    rounding_is: Literal["sr", "dr"] | None = None

    def __post_init__(self) -> None:
        """Reject what `simulate` would reject."""
        if not isinstance(self.name, str) or not self.name:
            raise InputError(f"name of a method must be a text, got {self.name!r}")
        rule_of(self.update)
        if self.rounding_is not in (None, "sr", "dr"):
            raise InputError(f"rounding_is of method {self.name!r} must be sr, dr or None, got {self.rounding_is!r}")
        rounding = self.rounding
        if isinstance(rounding, str) and ":" in rounding:
            object.__setattr__(self, "rounding", load_function(rounding, "rounding"))
        elif not (rounding in _ROUNDINGS if isinstance(rounding, str) else callable(rounding) or _few(rounding)):
            raise InputError(
                f"rounding of method {self.name!r} must be sr, dr, full, FewBits(r), a function of (x, draw) or its "
                f"name module:function, got {rounding!r}"
            )


def require_neighbours(method: Method, grid: Grid) -> None:
    """InputError where a rounding of the user's is taken for one of the theory's and leaves the grid.

    What it makes of numbers between two codes must be the value of one of them, but for two roundings to float32.
    """
    low, high, size = grid.low_code, grid.high_code, np.float64(grid.step_size)
    below = np.unique(np.linspace(low, high - 1, 64).round())
    for draw, part in enumerate((0.2, 0.5, 0.8)):
        x = ((below + part) * size).astype(np.float32)[:, None]
        with named_in(f"rounding of method {method.name!r} at draw {draw}"):
            got = np.asarray(method.rounding(x.copy(), draw), dtype=np.float64).reshape(-1)
        near = np.stack([below, below + 1.0]) * size
        off = (np.abs(got - near) > CLOSE * np.abs(near).max()).all(axis=0)
        if off.any():
            i = int(np.argmax(off))
            raise InputError(
                f"rounding of method {method.name!r} is taken for {method.rounding_is!r}, but returns {got[i]:.9g} for "
                f"{float(x[i, 0]):.9g} at draw {draw}, no neighbour on the grid of step size {grid.step_size:g}; "
                "mend it, or leave rounding_is out"
            )


def _few(rounding: Any) -> bool:
    return isinstance(rounding, FewBits)


def method_of(given: str | Method | Callable[..., Any]) -> Method:
    """A method from a word, from a rounding of the user's, or as it is.

    Words are ``sr``, ``dr``, ``full`` and ``8-bit words``, each also behind an update rule (``momentum+sr``), and
    ``module:function`` for a rounding.

    Examples
    --------
    >>> method_of("eco+dr")
    Method(name='eco+dr', rounding='dr', update='eco', step_sizes=None, clip='range', rounding_is=None)
    """
    if isinstance(given, Method):
        return given
    if not isinstance(given, str):
        if not callable(given) or isinstance(given, type):
            raise InputError(f"a method must be a word, a Method or a rounding function fn(x, draw), got {given!r}")
        return Method(getattr(given, "__name__", type(given).__name__), rounding=given)
    update, plus, rounding = given.rpartition("+")
    words = _WORDS.fullmatch(rounding)
    if words is not None:
        found: Any = FewBits(int(words[1]))
    elif rounding in _ROUNDINGS or ":" in rounding:
        found = rounding
    else:
        raise InputError(
            f"a method must be sr, dr, full, '8-bit words' or module:function, alone or behind an update rule "
            f"({', '.join(BY_NAME)}) as in 'momentum+sr', or a Method; got {given!r}"
        )
    return Method(given, rounding=found, update=update if plus else "sgd")


def methods_of(given: Any) -> tuple[Method, ...]:
    """The methods of an experiment, no two of one name."""
    if isinstance(given, (str, Method)) or callable(given):
        given = (given,)
    if not isinstance(given, Iterable):
        raise InputError(f"methods must be words, Methods or rounding functions, got {given!r}")
    found = tuple(method_of(one) for one in given)
    names = [one.name for one in found]
    if not found or len(set(names)) < len(names):
        raise InputError(f"methods must be at least one, each of another name, got {', '.join(names) or 'none'}")
    return found

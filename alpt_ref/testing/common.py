"""What the conformance checks share: the error that names a check, and comparisons to the last bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import AlptError
from alpt_ref.kernels.jit import num_threads, set_num_threads

State = Mapping[str, NDArray[Any]]


class Failed(Exception):  # noqa: N818  # becomes an AssertionError that names the check
    """A promise is not kept; the text says which and where."""


def run(part: str, checks: Mapping[str, Callable[[], None]]) -> None:
    """Run named checks in order.

    Raises
    ------
    AssertionError
        At the first check that fails: the part, the check and the reason.
    """
    for name, check in checks.items():
        try:
            check()
        except Failed as failure:
            raise AssertionError(f"{part} fails the check {name!r}: {failure}") from None
        except AlptError as error:
            text = f"{part} fails the check {name!r}: it raises {type(error).__name__}: {error}"
            raise AssertionError(text) from error


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Use `count` threads inside the block."""
    before = num_threads()
    set_num_threads(count)
    try:
        yield
    finally:
        set_num_threads(before)


def generator(seed: int) -> np.random.Generator:
    """Random numbers of a check, the same on every machine."""
    return np.random.Generator(np.random.Philox(seed))


def same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether two arrays have one dtype, shape and content, bit for bit."""
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def require_same(what: str, first: State, second: State) -> None:
    """`Failed` unless two states hold the same arrays bit for bit; names the first that differs."""
    if first.keys() != second.keys():
        raise Failed(f"{what}: one state holds {sorted(first)}, the other {sorted(second)}")
    for name, array in first.items():
        if not same_bits(np.asarray(array), np.asarray(second[name])):
            raise Failed(f"{what}: the array {name!r} of the state differs")


def require_raises(what: str, error: type[Exception], call: Callable[[], Any]) -> None:
    """`Failed` unless the call raises this error."""
    try:
        call()
    except error:
        return
    except Exception as other:
        raise Failed(f"{what} must raise {error.__name__}, got {type(other).__name__}: {other}") from None
    raise Failed(f"{what} must raise {error.__name__}, but nothing was raised")

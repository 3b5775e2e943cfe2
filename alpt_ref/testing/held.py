"""Which arrays an object really holds, for the check that `nbytes` counts all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.backend import get_backend
from alpt_ref.tables import EmbeddingTable
from alpt_ref.testing.common import Failed

PADDING = 4096
"""Bytes that an allocation may have beyond its array, for alignment."""


def require_nothing_else(table: EmbeddingTable, least: int) -> None:
    """`Failed` if the table holds a writable array of at least `least` bytes that its state does not hold."""
    known: dict[int, int] = {}
    for array in table._state_arrays().values():
        root = _root(array)
        known[id(root)] = known.get(id(root), 0) + array.nbytes
    for path, array in _arrays_in(table, type(table).__name__, set()):
        root = _root(array)
        room = known.get(id(root), 0)
        if root.flags.writeable and root.nbytes >= least and root.nbytes > room + (PADDING if room else 0):
            more = f"holds {root.nbytes} bytes, of which the state has {room}" if room else "is not part of the state"
            raise Failed(f"the array {path} {array.dtype} {array.shape} {more}: nbytes does not count it")


def _root(array: NDArray[Any]) -> NDArray[Any]:
    """The array that owns the memory."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _arrays_in(value: Any, path: str, seen: set[int]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Every array that an object reaches by attributes and containers, but for its specification and backend."""
    if isinstance(value, np.ndarray):
        yield path, value
        return
    if id(value) in seen or isinstance(value, (str, bytes, int, float, type)) or value is get_backend():
        return
    seen.add(id(value))
    if isinstance(value, dict):
        items = [(f"{path}[{key!r}]", one) for key, one in value.items()]
    elif isinstance(value, (list, tuple, set, frozenset)):
        items = [(f"{path}[{place}]", one) for place, one in enumerate(value)]
    else:
        own = getattr(value, "__dict__", {})
        items = [(f"{path}.{name}", one) for name, one in own.items() if name not in ("spec", "backend")]
    for name, one in items:
        yield from _arrays_in(one, name, seen)

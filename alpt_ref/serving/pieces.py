"""Encoded rows on their way to scores: pieces as they were read, cut into batches of one size."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Examples = dict[int, list[str]]
"""Field -> some texts that the vocabulary does not know."""


class Piece(NamedTuple):
    """Rows to score.

    Attributes
    ----------
    rows : int64 array (rows,)
        Their numbers.
    ids : uint32 array (rows, slots)
    labels : uint8 array (rows,) or None
        Where they are known.
    unseen : dict
        Some texts without a row of the table.
    values : float32 array (rows, slots) or None
        What each id counts; None: 1.
    slots : tuple of int or None
        Of each field; None: one each.
    weights : float32 array (rows,) or None
    carried : tuple of Arrow arrays of strings (rows,)
        Columns that go to the scores.
    """

    rows: NDArray[np.int64]
    ids: NDArray[np.uint32]
    labels: NDArray[np.uint8] | None
    unseen: Examples
    values: NDArray[np.float32] | None = None
    slots: tuple[int, ...] | None = None
    weights: NDArray[np.float32] | None = None
    carried: tuple[Any, ...] = ()


def batches(pieces: Iterator[Piece], size: int, first_ids: NDArray[np.uint32]) -> Iterator[Piece]:
    """The same rows in pieces of `size`, a smaller last one; `first_ids`, uint32 (fields,), fill empty slots."""
    waiting: list[Piece] = []
    have = 0
    for piece in pieces:
        waiting.append(piece)
        have += len(piece.rows)
        if have < size:
            continue
        whole = have - have % size
        all_rows = joined(waiting, first_ids)
        yield from (_cut(all_rows, start, start + size) for start in range(0, whole, size))
        waiting, have = [_cut(all_rows, whole, have)], have - whole
    if have:
        yield joined(waiting, first_ids)


def joined(pieces: Sequence[Piece], first_ids: NDArray[np.uint32]) -> Piece:
    """The rows of several pieces as one.

    Examples
    --------
    >>> one = Piece(np.array([0]), np.array([[3, 7]], np.uint32), None, {})
    >>> values = np.array([[1, 0.5, 0.5]], np.float32)
    >>> two = Piece(np.array([1]), np.array([[2, 5, 6]], np.uint32), None, {}, values, (1, 2))
    >>> both = joined([one, two], np.array([0, 4], np.uint32))
    >>> both.ids.tolist(), both.values.tolist(), both.slots
    ([[3, 7, 4], [2, 5, 6]], [[1.0, 1.0, 0.0], [1.0, 0.5, 0.5]], (1, 2))
    """
    if len(pieces) == 1:
        return pieces[0]
    import pyarrow as pa

    if any(piece.values is not None for piece in pieces):
        all_slots = [piece.slots or (1,) * len(first_ids) for piece in pieces]
        slots = tuple(map(max, zip(*all_slots, strict=True)))
        pieces = [_laid(piece, slots, first_ids) for piece in pieces]
    first = pieces[0]

    def together(name: str) -> Any:
        return None if getattr(first, name) is None else np.concatenate([getattr(piece, name) for piece in pieces])

    carried = tuple(pa.concat_arrays(columns) for columns in zip(*(piece.carried for piece in pieces), strict=True))
    unseen = dict(ChainMap(*(piece.unseen for piece in pieces)))
    return Piece(
        together("rows"), together("ids"), together("labels"), unseen, together("values"), first.slots,
        together("weights"), carried,
    )  # fmt: skip


def _laid(piece: Piece, slots: tuple[int, ...], first_ids: NDArray[np.uint32]) -> Piece:
    """The same rows with more slots, the new ones empty."""
    if piece.slots == slots:
        return piece
    ids = np.repeat(first_ids, slots)[None].repeat(len(piece.rows), axis=0)
    values = np.zeros(ids.shape, np.float32)
    here, there = 0, 0
    for had, has in zip(piece.slots or (1,) * len(slots), slots, strict=True):
        ids[:, there : there + had] = piece.ids[:, here : here + had]
        values[:, there : there + had] = 1.0 if piece.values is None else piece.values[:, here : here + had]
        here, there = here + had, there + has
    return piece._replace(ids=ids, values=values, slots=slots)


def _cut(piece: Piece, first: int, last: int) -> Piece:
    def part(array: Any) -> Any:
        return None if array is None else np.ascontiguousarray(array[first:last])

    return Piece(
        part(piece.rows), part(piece.ids), part(piece.labels), piece.unseen, part(piece.values), piece.slots,
        part(piece.weights), tuple(column.slice(first, last - first) for column in piece.carried),
    )  # fmt: skip

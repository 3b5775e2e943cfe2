"""The pieces of a source become one: their categories field by field, then their rows in order.

Memory is bounded by the vocabulary and a few pieces: local ids of all pieces' categories lie in one file meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.fields import FieldPlan, offsets_of
from alpt_ref.data.formats.categories import join_categories
from alpt_ref.data.formats.padding import Padding, padding_of
from alpt_ref.data.raw import count_codes, counted_rows
from alpt_ref.data.slots import Laid, lay_out
from alpt_ref.data.store.parallel import ordered_map
from alpt_ref.data.store.spill import SpilledRows, field_groups
from alpt_ref.data.store.writer import StoreWriter
from alpt_ref.data.vocabulary import Vocabulary, choose

LOCAL_IDS = "local.ids"
GROUP_BYTES = 16 << 20
"""Codes and categories that a thread joins at a time, or one field's."""
Report = Callable[[str, str, int, int], None]
"""Called with (what is done, unit, units done, all units)."""


class JoinedField(NamedTuple):
    """A field over all pieces: categories of the vocabulary, padding of all, all if they are needed, local ids."""

    kept: Any
    padding: Padding
    everything: Any
    local_ids: list[NDArray[np.uint32]]


def join_fields(
    folder: Path,
    pieces: Sequence[SpilledRows],
    split: NDArray[np.uint8],
    plans: Sequence[FieldPlan],
    encoding: Mapping[str, Any],
    workers: int,
    report: Report,
    *,
    everything: bool = False,
) -> list[JoinedField]:
    """The categories of each field; local ids of all pieces' categories go to a file, by field.

    Parameters
    ----------
    folder : Path
        Of the pieces; the file is `LOCAL_IDS`.
    pieces, split, plans, encoding
        Of the source; split is a uint8 array (rows,).
    workers : int
        Threads.
    report : callable
    everything : bool
        Keep the texts without a row of the table too.
    """
    rows = offsets_of(tuple(piece.rows for piece in pieces))
    totals = np.sum([piece.categories_per_field for piece in pieces], axis=0)

    def join(group: tuple[int, int]) -> list[JoinedField]:
        first, last = group
        if last - first == 1:  # it may be large: one piece's codes at a time
            columns = ((piece.codes(first), piece.counts(first)) for piece in pieces)
            return [join_field(plans[first], [piece.categories(first) for piece in pieces], columns)]
        in_pieces = [piece.fields(first, last) for piece in pieces]
        return [
            join_field(plan, [one.categories for one in field], ((one.codes, one.counts) for one in field))
            for plan, field in zip(plans[first:last], zip(*in_pieces, strict=True), strict=True)
        ]

    def join_field(plan: FieldPlan, categories: list[Any], columns: Iterable[tuple[Any, Any]]) -> JoinedField:
        texts, where = join_categories(categories)
        counts = np.zeros(len(texts), dtype=np.int64)
        for number, ((codes, values), known) in enumerate(zip(columns, where, strict=True)):
            part = None if counted is None else counted[rows[number] : rows[number + 1]]
            part = part if part is None or values is None else np.repeat(part, values)
            counts[known] += count_codes(codes, part, len(known))
        kept, local = choose(plan, texts, counts, encoding["min_count"])
        return JoinedField(kept, padding_of(texts), texts if everything else None, [local[known] for known in where])

    counted = _counted(pieces, rows, split, encoding["vocabulary"])
    joined: list[JoinedField] = []
    done = np.cumsum(totals).tolist()
    with (folder / LOCAL_IDS).open("wb") as out:  # one file for all fields: there may be thousands of them
        for group in ordered_map(join, field_groups(pieces, GROUP_BYTES), workers):
            for field in group:
                joined.append(field._replace(local_ids=[]))
                for of_piece in field.local_ids:
                    of_piece.tofile(out)
            report("joining categories", "categories", done[len(joined) - 1], done[-1])
    return joined


def _counted(
    pieces: Sequence[SpilledRows], rows: NDArray[np.int64], split: NDArray[np.uint8], vocabulary: str
) -> NDArray[np.bool_] | None:
    """See `counted_rows`; one byte a row, as the split has."""
    parts = [
        counted_rows(split[rows[number] : rows[number + 1]], vocabulary, piece.weights())
        for number, piece in enumerate(pieces)
    ]
    if all(part is None for part in parts):
        return None
    pairs = zip(parts, pieces, strict=True)
    return np.concatenate([np.ones(piece.rows, bool) if part is None else part for part, piece in pairs])


def write_arrays(
    store: StoreWriter,
    folder: Path,
    pieces: Sequence[SpilledRows],
    split: NDArray[np.uint8],
    vocabulary: Vocabulary,
    plans: Sequence[FieldPlan],
    slots: tuple[int, ...] | None,
    workers: int,
    report: Report,
) -> None:
    """Write every array of a store, the pieces one after the other."""
    offsets = offsets_of(vocabulary.field_sizes).astype(np.uint32)
    fields = len(plans)
    starts = np.cumsum([np.zeros(fields, np.int64), *(piece.categories_per_field for piece in pieces)], axis=0)
    starts += offsets_of(tuple(starts[-1].tolist()))[:-1]

    def encode(number: int) -> tuple[SpilledRows, Laid]:
        piece = pieces[number]
        coded, ids_of = piece.fields(0, fields), []
        with (folder / LOCAL_IDS).open("rb", buffering=0) as file:
            for field, one in enumerate(coded):
                file.seek(4 * int(starts[number, field]))
                ids_of.append(np.fromfile(file, np.uint32, len(one.categories)) + offsets[field])
        return piece, lay_out(coded, ids_of, offsets[:-1], plans, slots)

    rows, done = len(split), 0
    width = fields if slots is None else sum(slots)
    weighted = any(piece.sizes[2] for piece in pieces)
    all_ids, all_labels = store.array("ids.npy", (rows, width)), store.array("labels.npy", (rows,))
    all_values = None if slots is None else store.array("values.npy", (rows, width))
    all_weights = store.array("weights.npy", (rows,)) if weighted else None
    for piece, laid in ordered_map(encode, range(len(pieces)), workers):
        all_ids.append(laid.ids)
        all_labels.append(piece.labels())
        if all_values is not None and laid.values is not None:
            all_values.append(laid.values)
        if all_weights is not None:
            weights = piece.weights()
            all_weights.append(np.ones(piece.rows, np.float32) if weights is None else weights)
        done += piece.rows
        report("writing ids", "rows", done, rows)
    rest: dict[str, NDArray[Any]] = {
        "split.npy": split,
        "category_bytes.npy": vocabulary.category_bytes,
        "category_offsets.npy": vocabulary.category_offsets,
    }
    for file, array in rest.items():
        store.array(file, array.shape).append(array)

"""From a raw click file to a store on disk: all cores, memory bounded by the vocabulary, and interruptions survived.

1. Pieces of the text are parsed in parallel; each becomes a temporary file of codes that count within the piece.
2. The rows are split. Field by field, the pieces' categories are joined and counted, and the vocabulary is chosen.
3. Piece by piece, codes become ids, which are written and hashed in order.

Step 1 takes most of the time. A process that is killed leaves its finished pieces, and the next run takes over those
whose text, place in the file and checksum are right; which run made a piece cannot be seen in the result.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from alpt_ref.data.dataset import ClickDataset, manifest_head
from alpt_ref.data.encoding import (
    DEFAULT_SPLIT,
    By,
    RowFacts,
    VocabularyRows,
    encoding_info,
    split_rows,
    time_info,
)
from alpt_ref.data.formats.categories import warn_of_shared_ids
from alpt_ref.data.formats.lines import CHUNK_BYTES
from alpt_ref.data.formats.padding import warn_of_padding
from alpt_ref.data.formats.pieces import MAX_BAD_ROWS, Bad, Job, OnBadRow, PieceReader, counted
from alpt_ref.data.formats.readers import reader_of
from alpt_ref.data.raw import default_name
from alpt_ref.data.slots import slots_of
from alpt_ref.data.store.joining import join_fields, write_arrays
from alpt_ref.data.store.reader import canonical_json
from alpt_ref.data.store.spill import SpilledRows, recall, sealed_identity, spill
from alpt_ref.data.store.workspace import Workspace
from alpt_ref.data.store.writer import StoreWriter, writing_to
from alpt_ref.data.vocabulary import join_vocabulary
from alpt_ref.errors import InputError

if TYPE_CHECKING:
    from alpt_ref.data.schema import Schema


@dataclass(frozen=True)
class Step:
    """How far `encode_file` is: `done` of `total` units of the work that `label` names."""

    label: str
    unit: str
    done: int
    total: int
    note: str = ""


def encode_file(
    kind: str | None,
    path: Any,
    folder: str | Path,
    *,
    schema: Schema | str | Path | None = None,
    min_count: int | None = None,
    vocabulary: VocabularyRows = "train",
    split: tuple[int, int, int] = DEFAULT_SPLIT,
    seed: int = 0,
    folds: int = 0,
    by: By | None = None,
    stratify: bool = False,
    on_bad_row: OnBadRow = "error",
    max_bad_rows: float = MAX_BAD_ROWS,
    name: str | None = None,
    chunk_bytes: int = CHUNK_BYTES,
    workers: int | None = None,
    progress: Callable[[Step], None] | None = None,
) -> ClickDataset:
    """Encode raw clicks into a store and open it; the same data as ``alpt_ref.data.read(path, schema).encode(...)``.

    A run that was killed is continued by calling this again with the same arguments.

    Parameters
    ----------
    kind : {"criteo", "avazu", "libfm"}, str or None
        A built-in text format, the name of an installed one, or ``module:NAME``; None with a `schema`.
    path : path, sequence of paths, table, or mapping
        As in `alpt_ref.data.read`; with ``{"train": ..., "valid": ..., "test": ...}`` the files are the split.
    folder : path
        Of the store to write; left alone if it already holds the identical store. Unfinished work lies beside it in
        ``.<name>.ingest``.
    schema : Schema, str or path, optional
        What the columns of the files are: a schema, the name of a shipped one, or a TOML file.
    min_count, vocabulary, split, seed, folds, by, stratify, name
        As in `RawClicks.encode`.
    on_bad_row, max_bad_rows, chunk_bytes
        As in `read_criteo`.
    workers : int, optional
        Threads, by default one a core; the store does not depend on them.
    progress : callable, optional
        Called with a `Step` now and then.

    Raises
    ------
    InputError
        An argument is outside its range, the file is bad, or the folder cannot be written, holds something else or is
        being written by another process. Nothing is left behind in that case.
    """
    reader = reader_of(
        path, kind=kind, schema=schema, on_bad_row=on_bad_row, max_bad_rows=max_bad_rows, chunk_bytes=chunk_bytes,
        workers=workers, times=by == "time" or _has_times(schema),
    )  # fmt: skip
    return encode_reader(
        reader, folder, min_count=min_count, vocabulary=vocabulary, split=split, seed=seed, folds=folds, by=by,
        stratify=stratify, name=name, progress=progress,
    )  # fmt: skip


def _has_times(schema: Schema | str | Path | None) -> bool:
    """Whether a schema names a column of times, which is read then: what is a bad row must not depend on the split."""
    from alpt_ref.data.schema import schema_of

    return schema is not None and schema_of(schema).time is not None


def encode_reader(
    reader: PieceReader,
    folder: str | Path,
    *,
    min_count: int | None = None,
    vocabulary: VocabularyRows = "train",
    split: tuple[int, int, int] = DEFAULT_SPLIT,
    seed: int = 0,
    folds: int = 0,
    by: By | None = None,
    stratify: bool = False,
    name: str | None = None,
    progress: Callable[[Step], None] | None = None,
) -> ClickDataset:
    """Encode whatever a reader reads into a store and open it; the same data as ``read_raw(reader).encode(...)``.

    Parameters
    ----------
    reader : PieceReader
        Of text, of Parquet files, of a table in memory, …; not read before.
    folder, min_count, vocabulary, split, seed, folds, by, stratify, name, progress
        As in `encode_file`.

    Raises
    ------
    InputError
        As `encode_file`.
    """
    least = reader.min_count if min_count is None else min_count
    encoding = encoding_info(None, least, vocabulary, split, seed, folds, by, stratify, reader.parts)
    say = progress if progress is not None else (lambda step: None)

    def report(label: str, unit: str, done: int, total: int) -> None:
        say(Step(label, unit, done, total))

    def reading(done: int, total: int, rows: int) -> None:
        if total:
            more = f" and {len(reader.names) - 1} more" if len(reader.names) > 1 else ""
            label = f"reading {reader.names[0].rpartition('/')[2]}{more}"
            say(Step(label, "bytes", done, total, f"{rows:,} rows"))

    if progress is not None:
        reader.progress = reading
    with Workspace(folder) as space:
        store = StoreWriter(folder, space.path / "store")  # looks at the target before any work is done
        if store.present is not None and _is_finished(store.present, reader, name, encoding, folder):
            return ClickDataset.open(folder)
        with writing_to(space.target):
            pieces = list(reader.pieces(lambda *job: _parse_piece(space.path, *job)))
            plans = reader.fields
            names = tuple(plan.name for plan in plans)
            facts = _facts(reader, pieces)
            parts = split_rows(facts, encoding)
            times = time_info(facts, parts)
            joined = join_fields(
                space.path, pieces, parts, plans, encoding, reader.workers, report, everything=reader.unordered
            )
            if reader.unordered:
                warn_of_shared_ids(names, [field.everything for field in joined])
            warn_of_padding(names, [field.padding for field in joined])
            chosen = join_vocabulary(names, [field.kept for field in joined], [plan.bins > 0 for plan in plans])
            slots = slots_of((piece.extents for piece in pieces), len(plans))
            seen = [field.padding.values for field in joined]
            info = {**reader.info(), **times, "encoding": {**encoding, "categories_seen": seen}}
            with store:
                write_arrays(store, space.path, pieces, parts, chosen, plans, slots, reader.workers, report)
                store.finish(manifest_head(name or default_name(info), names, chosen.field_sizes, info, slots))
    return ClickDataset.open(folder)


def _facts(reader: PieceReader, pieces: Sequence[SpilledRows]) -> RowFacts:
    """What the split may ask of the rows in the pieces."""

    def column(read: Callable[[SpilledRows], NDArray[Any] | None], there: int) -> Any:
        held = any(piece.sizes[there] for piece in pieces)
        return (lambda: (read(piece) for piece in pieces)) if held else None

    labels = lambda: (piece.labels() for piece in pieces)  # noqa: E731
    times, weights = column(SpilledRows.times, 3), column(SpilledRows.weights, 2)
    kinds = functools.reduce(operator.or_, (piece.time_kinds for piece in pieces), 0)
    return RowFacts(reader.rows, labels, times, reader.parts_of_rows(), weights, kinds)


def _is_finished(
    manifest: Mapping[str, Any],
    reader: PieceReader,
    name: str | None,
    encoding: Mapping[str, Any],
    folder: str | Path,
) -> bool:
    """Whether the target already holds what these arguments make; InputError where it holds something else."""
    info = manifest.get("info")
    source, found = (info.get("source"), info.get("encoding")) if isinstance(info, dict) else (None, None)
    if not isinstance(info, dict) or not isinstance(source, dict) or not isinstance(found, dict):
        return False
    wanted = {**encoding, **({} if name is None else {"name": name})}
    wanted |= {} if reader.format_name is None else {"kind": reader.format_name}
    held = {"name": manifest.get("name"), "kind": source.get("kind"), **found}
    for key in dict.fromkeys([*wanted, "by", "stratify", "folds"]):
        if held.get(key) != wanted.get(key):
            raise InputError(
                f"folder {folder} already holds another store ({key} is {held.get(key)!r}, not {wanted.get(key)!r}); "
                "choose another folder or remove that one"
            )
    if reader.on_bad_row == "error" and info.get("bad_rows", {}).get("count") != 0:
        return False
    if canonical_json(info.get("schema")) != canonical_json(reader.schema):
        raise InputError(
            f"folder {folder} already holds another store (its rows were read by another schema, which its runs carry "
            "along); choose another folder or remove that one"
        )
    same_parts = source.get("parts") == (None if reader.parts is None else list(reader.parts))
    return same_parts and reader.matches(source)


def _parse_piece(folder: Path, number: int, job: Job) -> tuple[SpilledRows, int, Bad]:
    path, identity = folder / f"{number:06d}.rows", sealed_identity(job.identity())
    kept = recall(path, identity)
    if kept is None:
        rows, faulty = job.parse()
        kept = spill(path, identity, rows, counted(faulty)), counted(faulty)
    return kept[0], kept[0].rows, kept[1]

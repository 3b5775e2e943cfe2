"""From a raw click file to a store on disk: all cores, memory bounded by the vocabulary, and interruptions survived.

1. Pieces of the text are parsed in parallel; each becomes a temporary file of codes that count within the piece.
2. The rows are split. Field by field, the pieces' categories are joined and counted, and the vocabulary is chosen.
3. Piece by piece, codes become ids, which are written and hashed in order.

Step 1 takes most of the time. A process that is killed leaves its finished pieces, and the next run takes over those
whose text, place in the file and checksum are right; which run made a piece cannot be seen in the result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.dataset import ClickDataset, manifest_head
from alpt_ref.data.fields import offsets_of
from alpt_ref.data.formats.categories import join_categories, warn_of_shared_ids
from alpt_ref.data.formats.lines import CHUNK_BYTES, Lines, file_name
from alpt_ref.data.formats.padding import Padding, padding_of, warn_of_padding
from alpt_ref.data.formats.parse import TextFormat, code_lines
from alpt_ref.data.formats.sources import Sources, list_files
from alpt_ref.data.formats.text import MAX_BAD_ROWS, Bad, OnBadRow, TextReader, counted
from alpt_ref.data.raw import DEFAULT_SPLIT, VocabularyRows, count_codes, default_name, encoding_info
from alpt_ref.data.registry import format_of
from alpt_ref.data.splits import split_rows
from alpt_ref.data.store.parallel import ordered_map, worker_count
from alpt_ref.data.store.spill import SpilledRows, field_groups, identity_of, recall, spill
from alpt_ref.data.store.workspace import Workspace
from alpt_ref.data.store.writer import StoreWriter, writing_to
from alpt_ref.data.vocabulary import Vocabulary, choose_categories, join_vocabulary
from alpt_ref.errors import InputError

LOCAL_IDS = "local.ids"
GROUP_BYTES = 16 << 20
"""Codes and categories that a thread joins at a time, or one field's."""


@dataclass(frozen=True)
class Step:
    """How far `encode_file` is: `done` of `total` units of the work that `label` names."""

    label: str
    unit: str
    done: int
    total: int
    note: str = ""


class JoinedField(NamedTuple):
    """A field over all pieces: categories of the vocabulary, padding of all, all if they are needed, local ids."""

    kept: Any
    padding: Padding
    everything: Any
    local_ids: list[NDArray[np.uint32]]


def encode_file(
    kind: str,
    path: Sources,
    folder: str | Path,
    *,
    min_count: int | None = None,
    vocabulary: VocabularyRows = "train",
    split: tuple[int, int, int] = DEFAULT_SPLIT,
    seed: int = 0,
    folds: int = 0,
    on_bad_row: OnBadRow = "error",
    max_bad_rows: float = MAX_BAD_ROWS,
    name: str | None = None,
    chunk_bytes: int = CHUNK_BYTES,
    workers: int | None = None,
    progress: Callable[[Step], None] | None = None,
) -> ClickDataset:
    """Encode raw click files into a store and open it; the same data as ``read_<kind>(path).encode(...)``.

    A run that was killed is continued by calling this again with the same arguments.

    Parameters
    ----------
    kind : {"criteo", "avazu", "libfm"} or str
        A built-in text format, the name of an installed one, or ``module:NAME``.
    path : path or sequence of paths
        As in `read_criteo`.
    folder : path
        Of the store to write; left alone if it already holds the identical store. Unfinished work lies beside it in
        ``.<name>.ingest``.
    min_count, vocabulary, split, seed, folds, name
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
    layout_of = format_of(kind)
    encoding = encoding_info(kind, min_count, vocabulary, split, seed, folds)
    report = progress if progress is not None else (lambda step: None)
    files = list_files(path)
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""

    def reading(done: int, total: int, rows: int) -> None:
        report(Step(f"reading {files[0].name}{more}", "bytes", done, total, f"{rows:,} rows"))

    count = worker_count(workers)
    reader = TextReader(
        files, layout_of, on_bad_row=on_bad_row, max_bad_rows=max_bad_rows, chunk_bytes=chunk_bytes,
        workers=count, progress=reading,
    )  # fmt: skip
    with Workspace(folder) as space:
        store = StoreWriter(folder, space.path / "store")  # looks at the target before any work is done
        if store.present is not None and _is_finished(store.present, files, kind, name, encoding, on_bad_row, folder):
            return ClickDataset.open(folder)
        with writing_to(space.target):
            pieces = list(reader.pieces(lambda *job: _parse_piece(space.path, *job)))
            assert reader.format is not None
            names = tuple(rule.name for rule in reader.format.fields)
            parts = split_rows(reader.rows, encoding)
            chosen, seen = _join_fields(space.path, pieces, parts, reader.format, encoding, count, report)
            info = {**reader.info(), "encoding": {**encoding, "categories_seen": seen}}
            with store:
                _write_arrays(store, space.path, pieces, parts, chosen, count, report)
                store.finish(manifest_head(name or default_name(info), names, chosen.field_sizes, info))
    return ClickDataset.open(folder)


def _is_finished(
    manifest: Mapping[str, Any],
    files: Sequence[Path],
    kind: str,
    name: str | None,
    encoding: Mapping[str, Any],
    on_bad_row: OnBadRow,
    folder: str | Path,
) -> bool:
    """Whether the target already holds what these arguments make; InputError where it holds something else."""
    info = manifest.get("info")
    source, found = (info.get("source"), info.get("encoding")) if isinstance(info, dict) else (None, None)
    if not isinstance(info, dict) or not isinstance(source, dict) or not isinstance(found, dict):
        return False
    own_name = name or default_name({"source": {"file": file_name(files[0]), "kind": kind}})
    wanted = {"kind": kind, **encoding, "name": own_name}
    held = {"kind": source.get("kind"), "name": manifest.get("name"), **found}
    for key, value in wanted.items():
        if held.get(key) != value:
            raise InputError(
                f"folder {folder} already holds another store ({key} is {held.get(key)!r}, not {value!r}); "
                "choose another folder or remove that one"
            )
    if on_bad_row == "error" and info.get("bad_rows", {}).get("count") != 0:
        return False
    held_files = source.get("files", [source])
    return len(files) == len(held_files) and all(
        _sha256(file) == entry.get("sha256") for file, entry in zip(files, held_files, strict=True)
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _parse_piece(folder: Path, layout: TextFormat, number: int, lines: Lines) -> tuple[SpilledRows, int, Bad]:
    path, identity = folder / f"{number:06d}.rows", identity_of(layout, lines)
    kept = recall(path, identity)
    if kept is None:
        rows, faulty = code_lines(layout, lines)
        kept = spill(path, identity, rows, counted(faulty)), counted(faulty)
    return kept[0], kept[0].rows, kept[1]


def _join_fields(
    folder: Path,
    pieces: Sequence[SpilledRows],
    split: NDArray[np.uint8],
    layout: TextFormat,
    encoding: Mapping[str, Any],
    workers: int,
    report: Callable[[Step], None],
) -> tuple[Vocabulary, list[int]]:
    """The vocabulary, and the number of categories seen; local ids of all pieces' categories go to a file, by field."""
    names = tuple(rule.name for rule in layout.fields)
    rows = offsets_of(tuple(piece.rows for piece in pieces))
    totals = np.sum([piece.categories_per_field for piece in pieces], axis=0)

    def join(group: tuple[int, int]) -> list[JoinedField]:
        first, last = group
        if last - first == 1:  # it may be large: one piece's codes at a time
            return [join_field([piece.categories(first) for piece in pieces], (piece.codes(first) for piece in pieces))]
        in_pieces = [piece.fields(first, last) for piece in pieces]
        return [
            join_field([texts for _, texts in columns], (codes for codes, _ in columns))
            for columns in zip(*in_pieces, strict=True)
        ]

    def join_field(categories: list[Any], codes: Iterable[NDArray[Any]]) -> JoinedField:
        texts, where = join_categories(categories)
        counts = np.zeros(len(texts), dtype=np.int64)
        for number, (of_piece, known) in enumerate(zip(codes, where, strict=True)):
            part = split[rows[number] : rows[number + 1]]
            counts[known] += count_codes(of_piece, part, encoding["vocabulary"], len(known))
        kept, local = choose_categories(texts, counts, encoding["min_count"])
        everything = texts if layout.unordered else None
        return JoinedField(kept, padding_of(texts), everything, [local[known] for known in where])

    joined: list[JoinedField] = []
    done = np.cumsum(totals).tolist()
    with (folder / LOCAL_IDS).open("wb") as out:  # one file for all fields: there may be thousands of them
        for group in ordered_map(join, field_groups(pieces, GROUP_BYTES), workers):
            for field in group:
                joined.append(field._replace(local_ids=[]))
                for of_piece in field.local_ids:
                    of_piece.tofile(out)
            report(Step("joining categories", "categories", done[len(joined) - 1], done[-1]))
    if layout.unordered:
        warn_of_shared_ids(names, [field.everything for field in joined])
    warn_of_padding(names, [field.padding for field in joined])
    return join_vocabulary(names, [field.kept for field in joined]), [field.padding.values for field in joined]


def _write_arrays(
    store: StoreWriter,
    folder: Path,
    pieces: Sequence[SpilledRows],
    split: NDArray[np.uint8],
    vocabulary: Vocabulary,
    workers: int,
    report: Callable[[Step], None],
) -> None:
    offsets = offsets_of(vocabulary.field_sizes).astype(np.uint32)
    fields = len(vocabulary.field_sizes)
    starts = np.cumsum([np.zeros(fields, np.int64), *(piece.categories_per_field for piece in pieces)], axis=0)
    starts += offsets_of(tuple(starts[-1].tolist()))[:-1]

    def encode(number: int) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        piece = pieces[number]
        ids = np.empty((piece.rows, fields), dtype=np.uint32)
        with (folder / LOCAL_IDS).open("rb", buffering=0) as file:
            for field, (codes, texts) in enumerate(piece.fields(0, fields)):
                file.seek(4 * int(starts[number, field]))
                ids[:, field] = (np.fromfile(file, np.uint32, len(texts)) + offsets[field])[codes]
        return ids, piece.labels()

    rows, done = len(split), 0
    all_ids, all_labels = store.array("ids.npy", (rows, fields)), store.array("labels.npy", (rows,))
    for ids, labels in ordered_map(encode, range(len(pieces)), workers):
        all_ids.append(ids)
        all_labels.append(labels)
        done += len(labels)
        report(Step("writing ids", "rows", done, rows))
    rest: dict[str, NDArray[Any]] = {
        "split.npy": split,
        "category_bytes.npy": vocabulary.category_bytes,
        "category_offsets.npy": vocabulary.category_offsets,
    }
    for file, array in rest.items():
        store.array(file, array.shape).append(array)

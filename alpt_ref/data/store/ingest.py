"""From a raw click file to a store on disk: all cores, memory bounded by the vocabulary, and interruptions survived.

1. Pieces of the text are parsed in parallel; each becomes a temporary file of codes that count within the piece.
2. The rows are split. Field by field, the pieces' categories are joined and counted, and the vocabulary is chosen.
3. Piece by piece, codes become ids, which are written and hashed in order.

Step 1 takes most of the time. A process that is killed leaves its finished pieces, and the next run takes over those
whose text, place in the file and checksum are right; which run made a piece cannot be seen in the result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.dataset import ClickDataset, manifest_head
from alpt_ref.data.fields import offsets_of
from alpt_ref.data.formats.categories import join_categories
from alpt_ref.data.formats.lines import CHUNK_BYTES, Lines, file_name
from alpt_ref.data.formats.parse import TextFormat, code_lines
from alpt_ref.data.formats.text import OnBadRow, TextReader
from alpt_ref.data.raw import DEFAULT_SPLIT, VocabularyRows, count_codes, default_name, encoding_info
from alpt_ref.data.registry import format_of
from alpt_ref.data.splits import split_rows
from alpt_ref.data.store.parallel import ordered_map, worker_count
from alpt_ref.data.store.spill import SpilledRows, identity_of, recall, spill
from alpt_ref.data.store.workspace import Workspace
from alpt_ref.data.store.writer import StoreWriter, writing_to
from alpt_ref.data.vocabulary import Vocabulary, choose_categories, join_vocabulary
from alpt_ref.errors import InputError


@dataclass(frozen=True)
class Step:
    """How far `encode_file` is: `done` of `total` units of the work that `label` names."""

    label: str
    unit: str
    done: int
    total: int
    note: str = ""


def encode_file(
    kind: str,
    path: str | Path,
    folder: str | Path,
    *,
    min_count: int | None = None,
    vocabulary: VocabularyRows = "train",
    split: tuple[int, int, int] = DEFAULT_SPLIT,
    seed: int = 0,
    folds: int = 0,
    on_bad_row: OnBadRow = "error",
    name: str | None = None,
    chunk_bytes: int = CHUNK_BYTES,
    workers: int | None = None,
    progress: Callable[[Step], None] | None = None,
) -> ClickDataset:
    """Encode a raw click file into a store and open it; the same data as ``read_<kind>(path).encode(...)``.

    A run that was killed is continued by calling this again with the same arguments.

    Parameters
    ----------
    kind : {"criteo", "avazu", "libfm"} or str
        A built-in text format, the name of an installed one, or ``module:NAME``.
    path : path
        Plain or gzip text.
    folder : path
        Of the store to write; left alone if it already holds the identical store. Unfinished work lies beside it in
        ``.<name>.ingest``.
    min_count, vocabulary, split, seed, folds, name
        As in `RawClicks.encode`.
    on_bad_row, chunk_bytes
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
    tell = progress if progress is not None else (lambda step: None)

    def reading(done: int, total: int, rows: int) -> None:
        tell(Step(f"reading {Path(path).name}", "bytes", done, total, f"{rows:,} rows"))

    count = worker_count(workers)
    reader = TextReader(
        path, layout_of, on_bad_row=on_bad_row, chunk_bytes=chunk_bytes, workers=count, progress=reading
    )
    with Workspace(folder) as space:
        store = StoreWriter(folder, space.path / "store")  # looks at the target before any work is done
        if store.present is not None and _is_finished(store.present, path, kind, name, encoding, on_bad_row, folder):
            return ClickDataset.open(folder)
        with writing_to(space.target):
            pieces = list(reader.pieces(lambda *job: _parse_piece(space.path, *job)))
            assert reader.format is not None
            names = tuple(rule.name for rule in reader.format.fields)
            parts = split_rows(reader.rows, encoding)
            chosen, seen = _join_fields(space.path, pieces, parts, names, encoding, count, tell)
            info = {**reader.info(), "encoding": {**encoding, "categories_seen": seen}}
            with store:
                _write_arrays(store, space.path, pieces, parts, chosen, count, tell)
                store.finish(manifest_head(name or default_name(info), names, chosen.field_sizes, info))
    return ClickDataset.open(folder)


def _is_finished(
    manifest: Mapping[str, Any],
    path: str | Path,
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
    own_name = name or default_name({"source": {"file": file_name(path), "kind": kind}})
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
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == source.get("sha256")


def _parse_piece(
    folder: Path, layout: TextFormat, number: int, lines: Lines
) -> tuple[SpilledRows, int, Mapping[int, str]]:
    path, identity = folder / f"{number:06d}.rows", identity_of(layout, lines)
    kept = recall(path, identity)
    if kept is None:
        rows, bad = code_lines(layout, lines)
        kept = spill(path, identity, rows, bad), bad
    return kept[0], kept[0].rows, kept[1]


def _join_fields(
    folder: Path,
    pieces: Sequence[SpilledRows],
    split: NDArray[np.uint8],
    names: tuple[str, ...],
    encoding: Mapping[str, Any],
    workers: int,
    tell: Callable[[Step], None],
) -> tuple[Vocabulary, list[int]]:
    """The vocabulary, and the number of categories seen; local ids of each piece's categories go to files."""
    rows = offsets_of(tuple(piece.rows for piece in pieces))
    totals = np.sum([piece.categories_per_field for piece in pieces], axis=0)

    def join(field: int) -> tuple[Any, int]:
        texts, where = join_categories([piece.categories(field) for piece in pieces])
        counts = np.zeros(len(texts), dtype=np.int64)
        for number, (piece, known) in enumerate(zip(pieces, where, strict=True)):
            part = split[rows[number] : rows[number + 1]]
            counts[known] += count_codes(piece.codes(field), part, encoding["vocabulary"], len(known))
        kept, local = choose_categories(texts, counts, encoding["min_count"])
        with _ids_path(folder, field).open("wb") as out:
            for known in where:
                local[known].tofile(out)
        return kept, len(texts)

    texts, seen = [], []
    for field, (kept, distinct) in enumerate(ordered_map(join, range(len(names)), workers)):
        texts.append(kept)
        seen.append(distinct)
        tell(Step("joining categories", "categories", int(totals[: field + 1].sum()), int(totals.sum())))
    return join_vocabulary(names, texts), seen


def _ids_path(folder: Path, field: int) -> Path:
    return folder / f"field{field}.ids"


def _write_arrays(
    store: StoreWriter,
    folder: Path,
    pieces: Sequence[SpilledRows],
    split: NDArray[np.uint8],
    vocabulary: Vocabulary,
    workers: int,
    tell: Callable[[Step], None],
) -> None:
    offsets = offsets_of(vocabulary.field_sizes).astype(np.uint32)
    fields = len(vocabulary.field_sizes)
    starts = np.cumsum([np.zeros(fields, np.int64), *(piece.categories_per_field for piece in pieces)], axis=0)

    def encode(number: int) -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
        piece = pieces[number]
        ids = np.empty((piece.rows, fields), dtype=np.uint32)
        for field in range(fields):
            start, count = int(starts[number, field]), int(piece.categories_per_field[field])
            local = np.fromfile(_ids_path(folder, field), np.uint32, count, offset=4 * start)
            ids[:, field] = (local + offsets[field])[piece.codes(field)]
        return ids, piece.labels()

    rows, done = len(split), 0
    all_ids, all_labels = store.array("ids.npy", (rows, fields)), store.array("labels.npy", (rows,))
    for ids, labels in ordered_map(encode, range(len(pieces)), workers):
        all_ids.append(ids)
        all_labels.append(labels)
        done += len(labels)
        tell(Step("writing ids", "rows", done, rows))
    rest: dict[str, NDArray[Any]] = {
        "split.npy": split,
        "category_bytes.npy": vocabulary.category_bytes,
        "category_offsets.npy": vocabulary.category_offsets,
    }
    for file, array in rest.items():
        store.array(file, array.shape).append(array)

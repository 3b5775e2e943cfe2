"""Scores of a trained run on click data: a store, or raw files encoded with the run's own vocabulary.

Rows are read, encoded and scored piece by piece; memory is bounded by the table, the vocabulary and a few pieces, plus
five bytes a labelled row, which the exact AUC needs. A category that training had no row for gets its field's
out-of-vocabulary row. Rows go through the backbone in batches of ``train.eval_batch_size`` counted from the first row,
as in the run's own evaluation, so that the same rows give the same bits.
"""

from __future__ import annotations

import warnings
from collections import ChainMap
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.outputs import check_output_file, open_output
from alpt_ref._util.progress import Progress
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.fields import PARTS
from alpt_ref.data.formats.left_out import rows_of_files
from alpt_ref.data.formats.sources import list_files
from alpt_ref.data.formats.unseen import UnseenValues
from alpt_ref.data.store.checked import open_checked
from alpt_ref.errors import AlptWarning, InputError
from alpt_ref.kernels.linalg import single_threaded_blas
from alpt_ref.serving.raw_rows import Piece, digests_of, open_files, pieces_of, vocabulary_of
from alpt_ref.serving.source import read_trained, restored_model, serving_table
from alpt_ref.training.checkpoint import Checkpoint
from alpt_ref.training.quality import Quality, quality

if TYPE_CHECKING:
    from alpt_ref.data.formats.sources import Sources
    from alpt_ref.data.formats.text import OnBadRow
    from alpt_ref.data.vocabulary import Vocabulary

MAX_BAD_ROWS = 0.1
"""As of the readers, which are imported only where a raw file is scored."""


@dataclass
class Scores:
    """What was scored.

    Attributes
    ----------
    rows : int
    auc, logloss : float or None
        Logloss in nats; None without labels, `auc` also where all labels are one class.
    unseen_share : float
        Share of ids that are out-of-vocabulary ids.
    bad_rows : int
        Malformed rows of a raw file that were left out.
    quality : Quality or None
        Every metric; None without labels.
    """

    rows: int = 0
    auc: float | None = None
    logloss: float | None = None
    unseen_share: float = 0.0
    bad_rows: int = 0
    quality: Quality | None = None


def predict(
    run: str | Path,
    output: str | Path,
    *,
    store: str | Path | None = None,
    kind: str | None = None,
    file: Sources | None = None,
    part: str = "all",
    vocabulary: str | Path | None = None,
    on_bad_row: OnBadRow = "error",
    max_bad_rows: float = MAX_BAD_ROWS,
    group: str | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Score rows and write them as CSV: ``row``, ``label`` (where known), ``probability``.

    Parameters
    ----------
    run : path
        Output folder of a run (its tested state), a checkpoint's folder, or a packed run.
    output : path
        The CSV file; ``-`` for standard output, a device or a pipe. ``row`` counts the rows of the raw files, those
        that a store was made of too, in their order from 0; a bad row that is left out keeps its number, a header has
        none. Probabilities have the digits that give the same float32 back.
    store : path, optional
        An encoded store; it must be the run's own or have its vocabulary.
    kind, file : str, path or sequence of paths, optional
        Instead of a store raw files (as in `read_criteo`): ``"criteo"``, ``"avazu"`` or ``"libfm"``, with or without
        their label column.
    part : {"all", "train", "valid", "test"}
        Rows of the store.
    vocabulary : path, optional
        The store that the run was trained on, where the checkpoint does not carry its vocabulary.
    on_bad_row, max_bad_rows
        As in `read_criteo`.
    group : str, optional
        Field of the run whose values group the rows of the grouped AUC; default: ``train.group`` of the run. Values
        that the run does not know are one group. It takes 4 more bytes a labelled row.
    progress : Progress, optional

    Raises
    ------
    InputError
        There is no such run, store or file, they do not belong together, or the file has a bad row; no file is left
        then.

    Warns
    -----
    CategoryWarning
        Far more values of a field are unknown than among the run's test rows, so that they are most likely spelled in
        another way.
    AlptWarning
        The store left out bad rows and does not say which; ``row`` counts its own rows then.
    """
    if (store is None) == (file is None):
        raise InputError("predict needs a store or a raw file, and not both; give --data, --criteo, --avazu or --libfm")
    if part != "all" and (part not in PARTS or store is None):
        raise InputError(f"part must be all, train, valid or test, and all for a raw file, got {part!r}")
    named = list_files(file) if file is not None else ()
    endings = (".csv", ".txt") if Path(output).suffix else ()  # a name without an ending promises no other format
    output = check_output_file(output, inputs=named, endings=endings)
    checkpoint = read_trained(run)
    group = group or checkpoint.config.train.group
    shown = progress or Progress(enabled=False)
    if store is not None:
        dataset = _own_store(checkpoint, Path(store))
        return _score(checkpoint, _store_pieces(dataset, part, shown), output, dataset.vocabulary, group)
    encoder = vocabulary_of(checkpoint, vocabulary)
    reader, labelled = open_files(str(kind), named, on_bad_row, max_bad_rows, shown)
    with closing(pieces_of(reader, encoder, labelled)) as pieces:  # an error must not leave the file open
        scores = _score(checkpoint, pieces, output, encoder, group)
    scores.bad_rows = reader.bad_rows.count
    return scores


# --- scoring ---------------------------------------------------------------------------------------------------------


def _score(
    checkpoint: Checkpoint, pieces: Iterator[Piece], output: Path, vocabulary: Vocabulary | None, group: str | None
) -> Scores:
    table, model, meta = serving_table(checkpoint), restored_model(checkpoint), checkpoint.meta
    grouped_by = None if group is None else _field_of(meta, group)
    first_ids = np.cumsum([0, *meta["field_sizes"]])[:-1].astype(np.uint32)
    scores, unseen = Scores(), UnseenValues(meta["field_names"], first_ids, meta.get("unseen"))
    kept: list[NDArray[np.float32]] = []
    labels: list[NDArray[np.uint8]] = []
    groups: list[NDArray[np.uint32]] = []
    with single_threaded_blas(), _csv(output) as write:
        for piece in _batches(pieces, checkpoint.config.train.eval_batch_size):
            embedding = table.lookup(piece.ids.reshape(-1)).reshape(len(piece.ids), -1)
            logits = np.array(model.forward(embedding, training=False), np.float32)
            write(piece, logits)
            scores.rows += len(logits)
            unseen.add(piece.ids)
            unseen.remember(piece.unseen)
            if piece.labels is not None:
                kept.append(logits)
                labels.append(piece.labels)
                if grouped_by is not None:
                    groups.append(piece.ids[:, grouped_by].copy())  # not a view, which would hold all ids
    scores.unseen_share = unseen.share
    unseen.warn(lambda field: [] if vocabulary is None else vocabulary.examples(field), stacklevel=3)
    if labels:
        y, x = np.concatenate(labels), np.concatenate(kept)
        found = scores.quality = quality(y, x, None, np.concatenate(groups) if groups else None)
        scores.logloss = found.logloss
        scores.auc = found.auc if y.min() < y.max() else None
    return scores


def _field_of(meta: dict[str, Any], name: str) -> int:
    """Place of a field of the run."""
    names = meta["field_names"]
    if name not in names:
        raise InputError(f"group must be a field of the run ({', '.join(names)}), got {name!r}")
    place: int = names.index(name)
    return place


def _batches(pieces: Iterator[Piece], size: int) -> Iterator[Piece]:
    """The same rows in pieces of `size`, a smaller last one."""
    waiting: list[Piece] = []
    have = 0
    for piece in pieces:
        waiting.append(piece)
        have += len(piece.rows)
        if have < size:
            continue
        joined = _joined(waiting)
        whole = have - have % size
        yield from (_cut(joined, start, start + size) for start in range(0, whole, size))
        waiting, have = [_cut(joined, whole, have)], have - whole
    if have:
        yield _joined(waiting)


def _joined(pieces: list[Piece]) -> Piece:
    rows, ids, labels, unseen = zip(*pieces, strict=True)
    joined_labels = None if labels[0] is None else np.concatenate(labels)
    return Piece(np.concatenate(rows), np.concatenate(ids), joined_labels, dict(ChainMap(*unseen)))


def _cut(piece: Piece, first: int, last: int) -> Piece:
    labels = None if piece.labels is None else piece.labels[first:last]
    return Piece(piece.rows[first:last], np.ascontiguousarray(piece.ids[first:last]), labels, piece.unseen)


@contextmanager
def _csv(output: Path) -> Iterator[Any]:
    """A function that appends a piece and its logits to the file, which appears only when all is written."""
    import pyarrow as pa
    from pyarrow import csv

    with open_output(output) as stream:
        writer: list[Any] = []

        def write(piece: Piece, logits: NDArray[np.float32]) -> None:
            columns: dict[str, Any] = {"row": piece.rows}
            if piece.labels is not None:
                columns["label"] = piece.labels
            with np.errstate(over="ignore"):
                columns["probability"] = (1.0 / (1.0 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
            table = pa.table(columns)
            if not writer:  # the header by hand: Arrow's has quotes
                stream.write((",".join(columns) + "\n").encode())
                writer.append(csv.CSVWriter(stream, table.schema, write_options=csv.WriteOptions(include_header=False)))
            writer[0].write_table(table)

        yield write
        if writer:
            writer[0].close()


# --- stores ----------------------------------------------------------------------------------------------------------


def _own_store(checkpoint: Checkpoint, folder: Path) -> ClickDataset:
    """The store, if its ids mean what they meant in training."""
    dataset, meta = open_checked(folder), checkpoint.meta
    if dataset.fingerprint == meta["fingerprint"]:
        return dataset
    if dataset.vocabulary is not None and meta.get("encoder") == digests_of(dataset):
        return dataset
    raise InputError(
        f"store {folder} was not encoded with the vocabulary of the run (trained on {meta['dataset']}): its ids mean "
        "other categories; score the raw file instead, with --criteo, --avazu or --libfm"
    )


def _store_pieces(dataset: ClickDataset, part: str, progress: Progress) -> Iterator[Piece]:
    rows = np.arange(dataset.rows) if part == "all" else dataset.rows_of(part)  # type: ignore[arg-type]
    if not len(rows):
        raise InputError(f"dataset {dataset.name!r} has no rows in its {part} part")
    numbers = rows_of_files(dataset.info, rows)
    if numbers is None:
        warnings.warn(
            f"dataset {dataset.name!r} left out {dataset.info['bad_rows']['count']:,} bad rows and does not say which: "
            "`row` counts its own rows, not those of the raw files; encode these again or score them (--criteo, "
            "--avazu, --libfm) to join scores to their rows",
            AlptWarning,
            stacklevel=3,
        )
    return _rows_of_store(dataset, rows, rows if numbers is None else numbers, progress)


def _rows_of_store(
    dataset: ClickDataset, rows: NDArray[np.int64], numbers: NDArray[np.int64], progress: Progress
) -> Iterator[Piece]:
    progress.begin(len(rows), "scoring", unit="rows")
    for start in range(0, len(rows), 1 << 16):
        at = rows[start : start + (1 << 16)]
        yield Piece(numbers[start : start + (1 << 16)], dataset.ids[at], dataset.labels[at], {})
        progress.advance(len(at))
    progress.close()

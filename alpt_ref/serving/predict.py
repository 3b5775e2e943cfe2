"""Scores of a trained run on click data: a store, or a raw file encoded with the run's own vocabulary.

Rows are read, encoded and scored piece by piece; memory is bounded by the table, the vocabulary and a few pieces, plus
five bytes a labelled row, which the exact AUC needs. A category that training had no row for gets its field's
out-of-vocabulary row. Rows go through the backbone in batches of ``train.eval_batch_size`` counted from the first row,
as in the run's own evaluation, so that the same rows give the same bits.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.files import atomic
from alpt_ref._util.progress import Progress
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.fields import PARTS
from alpt_ref.errors import InputError
from alpt_ref.kernels.linalg import single_threaded_blas
from alpt_ref.models.loss import bce_with_logits
from alpt_ref.serving.source import restored_model, serving_table
from alpt_ref.training.checkpoint import Checkpoint, read_checkpoint
from alpt_ref.training.config import RunConfig
from alpt_ref.training.metrics import auc

if TYPE_CHECKING:
    from alpt_ref.data.formats.text import TextReader
    from alpt_ref.data.vocabulary import Vocabulary

VOCABULARY_FILES = ("category_bytes", "category_offsets")


class Piece(NamedTuple):
    """Rows to score."""

    rows: NDArray[np.int64]
    ids: NDArray[np.uint32]
    labels: NDArray[np.uint8] | None


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
    """

    rows: int = 0
    auc: float | None = None
    logloss: float | None = None
    unseen_share: float = 0.0
    bad_rows: int = 0


def predict(
    run: str | Path,
    output: str | Path,
    *,
    store: str | Path | None = None,
    kind: str | None = None,
    file: str | Path | None = None,
    part: str = "all",
    vocabulary: str | Path | None = None,
    on_bad_row: str = "error",
    progress: Progress | None = None,
) -> Scores:
    """Score rows and write them as CSV: ``row``, ``label`` (where known), ``probability``.

    Parameters
    ----------
    run : path
        Output folder of a run (its tested state), or a checkpoint's folder.
    output : path
        The CSV file. ``row`` counts the store's rows, or the good rows of a raw file, from 0; probabilities have the
        digits that give the same float32 back.
    store : path, optional
        An encoded store; it must be the run's own or have its vocabulary.
    kind, file : str, path, optional
        Instead of a store a raw file: ``"criteo"``, ``"avazu"`` or ``"libfm"``, with or without its label column.
    part : {"all", "train", "valid", "test"}
        Rows of the store.
    vocabulary : path, optional
        The store that the run was trained on, where the checkpoint does not carry its vocabulary.
    on_bad_row : {"error", "skip"}
    progress : Progress, optional

    Raises
    ------
    InputError
        There is no such run, store or file, they do not belong together, or the file has a bad row; no file is left
        then.
    """
    if (store is None) == (file is None):
        raise InputError("predict needs a store or a raw file, and not both; give --data, --criteo, --avazu or --libfm")
    if part != "all" and (part not in PARTS or store is None):
        raise InputError(f"part must be all, train, valid or test, and all for a raw file, got {part!r}")
    checkpoint = read_checkpoint(run)
    shown = progress or Progress(enabled=False)
    if store is not None:
        dataset = _own_store(checkpoint, Path(store))
        return _score(checkpoint, _store_pieces(dataset, part, shown), Path(output))
    encoder = _vocabulary(checkpoint, vocabulary)
    reader, labelled = _reader(str(kind), Path(str(file)), on_bad_row, shown)
    with closing(_file_pieces(reader, encoder, labelled)) as pieces:  # an error must not leave the file open
        scores = _score(checkpoint, pieces, Path(output))
    scores.bad_rows = reader.bad_rows.count
    return scores


# --- scoring ---------------------------------------------------------------------------------------------------------


def _score(checkpoint: Checkpoint, pieces: Iterator[Piece], output: Path) -> Scores:
    table, model = serving_table(checkpoint), restored_model(checkpoint)
    first_ids = np.cumsum([0, *checkpoint.meta["field_sizes"]])[:-1].astype(np.uint32)
    scores, unseen = Scores(), 0
    kept: list[NDArray[np.float32]] = []
    labels: list[NDArray[np.uint8]] = []
    with single_threaded_blas(), _csv(output) as write:
        for piece in _batches(pieces, checkpoint.config.train.eval_batch_size):
            embedding = table.lookup(piece.ids.reshape(-1)).reshape(len(piece.ids), -1)
            logits = np.array(model.forward(embedding, training=False), np.float32)
            write(piece, logits)
            scores.rows += len(logits)
            unseen += int(np.count_nonzero(piece.ids == first_ids))
            if piece.labels is not None:
                kept.append(logits)
                labels.append(piece.labels)
    scores.unseen_share = unseen / max(scores.rows * len(first_ids), 1)
    if labels:
        y, x = np.concatenate(labels), np.concatenate(kept)
        scores.logloss = float(bce_with_logits(x, y)[0])
        scores.auc = float(auc(y, x)) if y.min() < y.max() else None
    return scores


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
    rows, ids, labels = zip(*pieces, strict=True)
    return Piece(np.concatenate(rows), np.concatenate(ids), None if labels[0] is None else np.concatenate(labels))


def _cut(piece: Piece, first: int, last: int) -> Piece:
    labels = None if piece.labels is None else piece.labels[first:last]
    return Piece(piece.rows[first:last], np.ascontiguousarray(piece.ids[first:last]), labels)


@contextmanager
def _csv(output: Path) -> Iterator[Any]:
    """A function that appends a piece and its logits to the file, which appears only when all is written."""
    import pyarrow as pa
    from pyarrow import csv

    if output.is_dir():
        raise InputError(f"output {output} is a folder; name a .csv file")
    if not output.parent.is_dir():
        raise InputError(
            f"folder {output.parent} of the output does not exist; make it or choose another with --output"
        )
    with atomic(output) as stream:
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
    dataset, meta = ClickDataset.open(folder), checkpoint.meta
    if dataset.fingerprint == meta["fingerprint"]:
        return dataset
    if dataset.vocabulary is not None and meta.get("encoder") == _digests(dataset):
        return dataset
    raise InputError(
        f"store {folder} was not encoded with the vocabulary of the run (trained on {meta['dataset']}): its ids mean "
        "other categories; score the raw file instead, with --criteo, --avazu or --libfm"
    )


def _digests(dataset: ClickDataset) -> dict[str, str]:
    return {name: str(dataset.manifest["files"][f"{name}.npy"]["sha256"]) for name in VOCABULARY_FILES}


def _store_pieces(dataset: ClickDataset, part: str, progress: Progress) -> Iterator[Piece]:
    rows = np.arange(dataset.rows) if part == "all" else dataset.rows_of(part)  # type: ignore[arg-type]
    if not len(rows):
        raise InputError(f"dataset {dataset.name!r} has no rows in its {part} part")
    progress.begin(len(rows), "scoring", unit="rows")
    for start in range(0, len(rows), 1 << 16):
        at = rows[start : start + (1 << 16)]
        yield Piece(at, dataset.ids[at], dataset.labels[at])
        progress.advance(len(at))
    progress.close()


# --- raw files -------------------------------------------------------------------------------------------------------


def _vocabulary(checkpoint: Checkpoint, folder: str | Path | None) -> Vocabulary:
    """What the run encoded its rows with: of the checkpoint, of the store named, or of the store it was trained on."""
    if folder is None and checkpoint.vocabulary is not None:
        return checkpoint.vocabulary
    if checkpoint.meta.get("encoder") is None:
        raise InputError(
            f"the run was trained on {checkpoint.meta['dataset']}, which has no vocabulary of categories; "
            "it can score stores (--data) only"
        )
    source = _trained_store(checkpoint.config) if folder is None else Path(folder)
    if source is None:
        raise InputError(
            "the checkpoint does not carry its vocabulary (a finished run's does); name the store that it was trained "
            "on with --vocabulary"
        )
    dataset = ClickDataset.open(source)
    if dataset.vocabulary is None or _digests(dataset) != checkpoint.meta["encoder"]:
        raise InputError(f"store {source} does not have the vocabulary of the run; name another with --vocabulary")
    return dataset.vocabulary


def _trained_store(config: RunConfig) -> Path | None:
    path = Path(config.data.path)
    return path if config.data.source == "store" and path.is_dir() else None


def _reader(kind: str, file: Path, on_bad_row: str, progress: Progress) -> tuple[TextReader, list[bool]]:
    """A reader of the file; the list is empty until its first line has shown whether it has labels."""
    from alpt_ref.data.formats.text import TextReader
    from alpt_ref.data.formats.unlabelled import has_label, without_label
    from alpt_ref.data.registry import FILE_KINDS
    from alpt_ref.training.sources import reading

    if kind not in FILE_KINDS:
        raise InputError(f"kind must be one of {', '.join(FILE_KINDS)}, got {kind!r}")
    labelled: list[bool] = []

    def layout(first_line: str) -> Any:
        labelled.append(has_label(kind, first_line))
        return FILE_KINDS[kind](first_line) if labelled[0] else without_label(kind, first_line)

    reader = TextReader(file, layout, on_bad_row=on_bad_row, progress=reading(str(file), progress))  # type: ignore[arg-type]
    return reader, labelled


def _file_pieces(reader: TextReader, vocabulary: Vocabulary, labelled: list[bool]) -> Generator[Piece, None, None]:
    """Encoded rows of a raw file, parsed and looked up in several threads."""
    from alpt_ref.data.fields import offsets_of
    from alpt_ref.data.formats.parse import code_lines

    offsets = offsets_of(vocabulary.field_sizes).astype(np.uint32)

    def encode(layout: Any, number: int, lines: Any) -> Any:
        names = tuple(rule.name for rule in layout.fields)
        if names != vocabulary.field_names:
            raise InputError(
                f"{reader.path} has {len(names)} fields ({', '.join(names[:3])}, …), the run has "
                f"{len(vocabulary.field_names)} ({', '.join(vocabulary.field_names[:3])}, …); name a file of that kind"
            )
        rows, bad = code_lines(layout, lines)
        ids = np.empty((len(rows.labels), len(names)), np.uint32)
        for field, (codes, texts) in enumerate(zip(rows.codes, rows.categories, strict=True)):
            ids[:, field] = (offsets[field] + vocabulary.local_ids(field, texts))[codes]
        return (ids, rows.labels), len(ids), bad

    done = 0
    with closing(reader.pieces(encode)) as pieces:
        for ids, labels in pieces:
            yield Piece(np.arange(done, done + len(ids)), ids, labels if labelled[0] else None)
            done += len(ids)

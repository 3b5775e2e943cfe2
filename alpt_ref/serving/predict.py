"""Scores of a trained run on click data: a store, or raw files encoded with the run's own vocabulary.

Rows are read, encoded and scored piece by piece; memory is bounded by the table, the vocabulary and a few pieces, plus
five bytes a labelled row, which the exact AUC needs. A category that training had no row for gets its field's
out-of-vocabulary row. Rows go through the backbone in batches of ``train.eval_batch_size`` counted from the first row,
as in the run's own evaluation, so that the same rows give the same bits.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.outputs import check_output_file
from alpt_ref._util.progress import Progress
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.fields import PARTS
from alpt_ref.data.formats.left_out import rows_of_files
from alpt_ref.data.formats.sources import list_files
from alpt_ref.data.formats.unseen import UnseenValues
from alpt_ref.data.store.checked import open_checked
from alpt_ref.errors import AlptWarning, InputError
from alpt_ref.kernels.linalg import single_threaded_blas
from alpt_ref.serving.pieces import Piece, batches
from alpt_ref.serving.raw_rows import digests_of, open_files, pieces_of, vocabulary_of
from alpt_ref.serving.scores_file import ENDINGS, holds_scores, names_of_carried, scores_file
from alpt_ref.serving.source import read_trained, restored_model, serving_table
from alpt_ref.training.checkpoint import Checkpoint
from alpt_ref.training.pooling import positions
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
        Logloss in nats; None without labels and where all weights are 0, `auc` also where all labels are one class.
    unseen_share : float
        Share of ids that are out-of-vocabulary ids.
    bad_rows : int
        Malformed rows of a raw file that were left out.
    quality : Quality or None
        Every metric; None without labels, and where all weights are 0.
    labelled : bool
        Whether there were labels.
    """

    rows: int = 0
    auc: float | None = None
    logloss: float | None = None
    unseen_share: float = 0.0
    bad_rows: int = 0
    quality: Quality | None = None
    labelled: bool = False


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
    """Score rows and write them as CSV or Parquet: ``row``, ids, ``label`` (where known), ``probability``.

    Parameters
    ----------
    run : path
        Output folder of a run (its tested state), a checkpoint's folder, or a packed run.
    output : path
        The file, Parquet if it ends in .parquet, else CSV; ``-`` for standard output, a device or a pipe. Columns that
        the run's schema names as ``id`` go along, as texts (one named as a score is called ``id_row``, …). ``row``
        counts the rows of the raw files, those that a store was made of too, in their order from 0; a bad row that is
        left out keeps its number, a header has none. Probabilities have the digits that give the same float32 back.
    store : path, optional
        An encoded store; it must be the run's own or have its vocabulary.
    kind, file : str, path or sequence of paths, optional
        Instead of a store raw files, with or without their label column: without a kind of what the run was trained
        on (its own schema or text format), else ``"criteo"``, ``"avazu"`` or ``"libfm"``.
    part : {"all", "train", "valid", "test"}
        Rows of the store.
    vocabulary : path, optional
        The store that the run was trained on, where the checkpoint does not carry its vocabulary.
    on_bad_row, max_bad_rows
        As in `read_criteo`.
    group : str, optional
        What groups the rows of the grouped AUC: a column that the schema carries along (``id``), by its texts, or a
        field of the run, by its ids (values that the run does not know are one group); default: ``train.group`` of the
        run. It takes 4 more bytes a labelled row.
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
        A column that goes along has the name of a score; the store left out bad rows and does not say which, so that
        ``row`` counts its own rows.
    """
    if (store is None) == (file is None):
        raise InputError("predict needs a store or raw files, and not both; give FILE or --data")
    if part != "all" and (part not in PARTS or store is None):
        raise InputError(f"part must be all, train, valid or test, and all for a raw file, got {part!r}")
    named = list_files(file) if file is not None else ()
    endings = ENDINGS if Path(output).suffix else ()  # a name without an ending promises no other format
    inputs = [one for one in named if isinstance(one, Path)]
    output = check_output_file(output, inputs=inputs, endings=endings, ours=("scores", holds_scores))
    checkpoint = read_trained(run)
    group = group or checkpoint.config.train.group
    shown = progress or Progress(enabled=False)
    if store is not None:
        dataset = _own_store(checkpoint, Path(store))
        return _score(checkpoint, _store_pieces(dataset, part, shown), output, dataset.vocabulary, group)
    encoder = vocabulary_of(checkpoint, vocabulary)
    rows = open_files(checkpoint, kind, named, on_bad_row, max_bad_rows, shown)
    _say_other_names(rows.carried)
    with closing(pieces_of(rows, encoder)) as pieces:  # an error must not leave the file open
        scores = _score(checkpoint, pieces, output, encoder, group, rows.carried)
    scores.bad_rows = rows.reader.bad_rows.count
    return scores


def _say_other_names(carried: Sequence[str]) -> None:
    """Warn of columns carried along that are called otherwise in the file."""
    for name, shown in zip(carried, names_of_carried(carried), strict=True):
        if name != shown:
            warnings.warn(
                f"id column {name!r} has the name of a column of the scores; the file calls it {shown!r}",
                AlptWarning,
                stacklevel=3,
            )


# --- scoring ---------------------------------------------------------------------------------------------------------


def _score(
    checkpoint: Checkpoint,
    pieces: Iterator[Piece],
    output: Path,
    vocabulary: Vocabulary | None,
    group: str | None,
    carried: tuple[str, ...] = (),
) -> Scores:
    table, model, meta = serving_table(checkpoint), restored_model(checkpoint), checkpoint.meta
    grouped_by = None if group is None else _grouping(meta["field_names"], carried, group)
    first_ids = np.cumsum([0, *meta["field_sizes"]])[:-1].astype(np.uint32)
    scores, unseen = Scores(), UnseenValues(meta["field_names"], first_ids, meta.get("unseen"))
    kept: list[NDArray[np.float32]] = []
    labels: list[NDArray[np.uint8]] = []
    groups: list[NDArray[np.uint32]] = []
    weights: list[NDArray[np.float32]] = []
    with single_threaded_blas(), scores_file(output, names_of_carried(carried)) as write:
        for piece in batches(pieces, checkpoint.config.train.eval_batch_size, first_ids):
            at = positions(piece.ids, piece.values, piece.slots)
            logits = np.array(model.forward(at.pooled(table.lookup(at.ids)), training=False), np.float32)
            write(piece, logits)
            scores.rows += len(logits)
            unseen.add(piece.ids, piece.values, piece.slots)
            unseen.remember(piece.unseen)
            if piece.labels is not None:
                kept.append(logits)
                labels.append(piece.labels)
                if piece.weights is not None:
                    weights.append(piece.weights)
                if grouped_by is not None:
                    groups.append(grouped_by(piece))
    scores.unseen_share = unseen.share
    scores.labelled = bool(labels)
    unseen.warn(lambda field: [] if vocabulary is None else vocabulary.examples(field), stacklevel=3)
    if labels and (not weights or any(one.any() for one in weights)):
        y, x = np.concatenate(labels), np.concatenate(kept)
        g = np.concatenate(groups) if groups else None
        w = np.concatenate(weights) if weights else None
        if w is not None:  # a row of weight 0 counts nowhere
            counted = w > 0
            y, x, w, g = y[counted], x[counted], w[counted], None if g is None else g[counted]
        found = scores.quality = quality(y, x, w, g)
        scores.logloss = found.logloss
        scores.auc = found.auc if y.min() < y.max() else None
    return scores


def _grouping(fields: Sequence[str], carried: Sequence[str], name: str) -> Callable[[Piece], NDArray[np.uint32]]:
    """What gives the group of each row of a piece, uint32 (rows,): a column carried along, or a field's id."""
    if name in carried:
        known: dict[str | None, int] = {}

        def of_texts(piece: Piece) -> NDArray[np.uint32]:
            texts = piece.carried[carried.index(name)].to_pylist()
            return np.array([known.setdefault(text, len(known)) for text in texts], np.uint32)

        return of_texts
    if name not in fields:
        beside = f", or a column carried along ({', '.join(carried)})" if carried else ""
        raise InputError(f"group must be a field of the run ({', '.join(fields)}){beside}, got {name!r}")
    return partial(_ids_of, field=fields.index(name))


def _ids_of(piece: Piece, field: int) -> NDArray[np.uint32]:
    """A field's id of each row: a copy, not a view, which would hold all ids."""
    slots = piece.slots or (1,) * (field + 1)
    if slots[field] != 1:
        raise InputError(f"group must be a field with one value a row, these have up to {slots[field]}")
    return piece.ids[:, sum(slots[:field])].copy()


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
        "other categories; score the raw files instead"
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
        values = None if dataset.values is None else dataset.values[at]
        weights = None if dataset.weights is None else dataset.weights[at]
        yield Piece(
            numbers[start : start + (1 << 16)], dataset.ids[at], dataset.labels[at], {}, values, dataset.slots, weights
        )
        progress.advance(len(at))
    progress.close()

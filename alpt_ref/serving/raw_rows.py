"""Rows of raw click files as ids of a trained run: the run's own vocabulary, the files' own layout."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.progress import Progress
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.fields import offsets_of
from alpt_ref.errors import InputError
from alpt_ref.training.checkpoint import Checkpoint
from alpt_ref.training.config import RunConfig

if TYPE_CHECKING:
    from alpt_ref.data.formats.sources import Sources
    from alpt_ref.data.formats.text import OnBadRow, TextReader
    from alpt_ref.data.vocabulary import Vocabulary

VOCABULARY_FILES = ("category_bytes", "category_offsets")
Examples = dict[int, list[str]]
"""Field -> some texts that the vocabulary does not know."""


class Piece(NamedTuple):
    """Rows to score: their numbers, ids, labels where they are known, and some texts without a row of the table."""

    rows: NDArray[np.int64]
    ids: NDArray[np.uint32]
    labels: NDArray[np.uint8] | None
    unseen: Examples


def digests_of(dataset: ClickDataset) -> dict[str, str]:
    """SHA-256 of the arrays that hold a dataset's vocabulary."""
    return {name: str(dataset.manifest["files"][f"{name}.npy"]["sha256"]) for name in VOCABULARY_FILES}


def vocabulary_of(checkpoint: Checkpoint, folder: str | Path | None) -> Vocabulary:
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
    if dataset.vocabulary is None or digests_of(dataset) != checkpoint.meta["encoder"]:
        raise InputError(f"store {source} does not have the vocabulary of the run; name another with --vocabulary")
    return dataset.vocabulary


def _trained_store(config: RunConfig) -> Path | None:
    path = config.data.store
    return Path(path) if path is not None and Path(path).is_dir() else None


def open_files(
    kind: str, files: Sources, on_bad_row: OnBadRow, max_bad_rows: float, progress: Progress
) -> tuple[TextReader, list[bool]]:
    """A reader of the files, and for each of them whether it has labels, as its first lines show it."""
    from alpt_ref.data.formats.text import TextReader
    from alpt_ref.data.formats.unlabelled import has_label, without_label
    from alpt_ref.data.registry import FILE_KINDS
    from alpt_ref.training.sources import reading

    if kind not in FILE_KINDS:
        raise InputError(f"kind must be one of {', '.join(FILE_KINDS)}, got {kind!r}")
    labelled: list[bool] = []

    def layout(head: Sequence[str]) -> Any:
        labelled.append(has_label(kind, head))
        if labelled[-1] != labelled[0]:
            raise InputError("line 1: has labels or has none, unlike the first file; score the two kinds apart")
        return FILE_KINDS[kind](head) if labelled[0] else without_label(kind, head)

    reader = TextReader(
        files,
        layout,
        on_bad_row=on_bad_row,
        max_bad_rows=max_bad_rows,
        progress=reading(files, progress),
    )
    return reader, labelled


def pieces_of(reader: TextReader, vocabulary: Vocabulary, labelled: list[bool]) -> Generator[Piece, None, None]:
    """Encoded rows of raw files, parsed and looked up in several threads.

    A row's number counts the rows of all files from 0, bad ones that are left out included.
    """
    from alpt_ref.data.formats.pieces import counted

    offsets = offsets_of(vocabulary.field_sizes).astype(np.uint32)

    def encode(number: int, job: Any) -> Any:
        names = tuple(field.name for field in reader.fields)
        if names != vocabulary.field_names:
            raise InputError(
                f"{reader.name} has {len(names)} fields ({', '.join(names[:3])}, …), the run has "
                f"{len(vocabulary.field_names)} ({', '.join(vocabulary.field_names[:3])}, …); name a file of that kind"
            )
        rows, faulty = job.parse()
        ids = np.empty((len(rows.labels), len(names)), np.uint32)
        unseen: Examples = {}
        for field, (codes, texts) in enumerate(zip(rows.codes, rows.categories, strict=True)):
            local = vocabulary.local_ids(field, texts)
            ids[:, field] = (offsets[field] + local)[codes]
            if unknown := np.flatnonzero(local == 0)[:2].tolist():
                unseen[field] = [texts[place].as_py() for place in unknown]
        return (rows.lines, ids, rows.labels, unseen, len(ids) + faulty.count), len(ids), counted(faulty)

    first = 0
    with closing(reader.pieces(encode)) as pieces:
        for lines, ids, labels, unseen, read in pieces:
            yield Piece(first + lines, ids, labels if labelled[0] else None, unseen)
            first += read

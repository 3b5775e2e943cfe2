"""Rows of raw click files as ids of a trained run: the run's own vocabulary, the files' own layout."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alpt_ref._util.progress import Progress
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.errors import InputError
from alpt_ref.serving.pieces import Examples, Piece
from alpt_ref.serving.vocabulary_file import kind_of
from alpt_ref.training.checkpoint import Checkpoint
from alpt_ref.training.config import RunConfig

if TYPE_CHECKING:
    from alpt_ref.data.formats.pieces import OnBadRow, PieceReader
    from alpt_ref.data.formats.sources import Sources
    from alpt_ref.data.schema import Schema
    from alpt_ref.data.vocabulary import Vocabulary

VOCABULARY_FILES = ("category_bytes", "category_offsets")


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
    checkpoint: Checkpoint,
    kind: str | None,
    files: Sources,
    on_bad_row: OnBadRow,
    max_bad_rows: float,
    progress: Progress,
) -> RunReader:
    """A reader of the files: of a kind that is named, else as the run's own were read."""
    from alpt_ref.data.formats.text import TextReader
    from alpt_ref.data.formats.unlabelled import has_label, without_label
    from alpt_ref.data.registry import FILE_KINDS
    from alpt_ref.training.sources import reading

    schema = schema_of_run(checkpoint) if kind is None else None
    shown = reading(files, progress)
    if schema is not None:
        from alpt_ref.data.formats.schema_reader import SchemaReader

        rows = SchemaReader(
            files, schema, on_bad_row=on_bad_row, max_bad_rows=max_bad_rows, progress=shown, labelled=None, ids=True
        )
        return RunReader(rows, lambda: rows.labelled, schema.id)
    if kind is None:
        kind = kind_of(checkpoint.meta.get("info", {}))
        if kind not in FILE_KINDS:
            raise InputError(
                f"the run was trained on {checkpoint.meta['dataset']} and does not say how files of clicks are read; "
                "name their kind: --criteo, --avazu or --libfm FILE"
            )
    if kind not in FILE_KINDS:
        raise InputError(f"kind must be one of {', '.join(FILE_KINDS)}, got {kind!r}")
    labelled: list[bool] = []

    def layout(head: Sequence[str]) -> Any:
        labelled.append(has_label(kind, head))
        if labelled[-1] != labelled[0]:
            raise InputError("line 1: has labels or has none, unlike the first file; score the two kinds apart")
        return FILE_KINDS[kind](head) if labelled[0] else without_label(kind, head)

    reader = TextReader(files, layout, on_bad_row=on_bad_row, max_bad_rows=max_bad_rows, progress=shown)
    return RunReader(reader, lambda: labelled[0])


def schema_of_run(checkpoint: Checkpoint) -> Schema | None:
    """The schema that the run's own rows were read by; None where there was none."""
    from alpt_ref.data.schema import Schema

    plain = checkpoint.meta.get("info", {}).get("schema")
    return None if plain is None else Schema.from_dict(plain, source="the run's schema")


class RunReader(NamedTuple):
    """A reader of files to score.

    Attributes
    ----------
    reader : PieceReader
    labelled : callable
        Whether the files have labels; known with the first piece.
    carried : tuple of str
        Columns that go to the scores.
    """

    reader: PieceReader
    labelled: Callable[[], bool]
    carried: tuple[str, ...] = ()


def pieces_of(run: RunReader, vocabulary: Vocabulary) -> Generator[Piece, None, None]:
    """Encoded rows of raw files, parsed and looked up in several threads.

    A row's number counts the rows of all files from 0, bad ones that are left out included.
    """
    from alpt_ref.data.formats.pieces import counted

    reader = run.reader

    def encode(number: int, job: Any) -> Any:
        names = tuple(field.name for field in reader.fields)
        if names != vocabulary.field_names:
            raise InputError(
                f"{reader.name} has {len(names)} fields ({', '.join(names[:3])}, …), the run has "
                f"{len(vocabulary.field_names)} ({', '.join(vocabulary.field_names[:3])}, …); name a file of that kind"
            )
        rows, faulty = job.parse()
        laid = vocabulary.encode_fields(rows.fields, reader.fields)
        unseen: Examples = {}
        for field, one in enumerate(rows.fields):
            if unknown := np.flatnonzero(vocabulary.local_ids(field, one.categories) == 0)[:2].tolist():
                unseen[field] = [one.categories[place].as_py() for place in unknown]
        return (rows, laid, unseen, len(rows.labels) + faulty.count), len(rows.labels), counted(faulty)

    first = 0
    with closing(reader.pieces(encode)) as pieces:
        for rows, laid, unseen, read in pieces:
            labelled = run.labelled()
            yield Piece(
                first + rows.lines, laid.ids, rows.labels if labelled else None, unseen, laid.values, laid.slots,
                rows.weights if labelled else None, rows.carried or (),
            )  # fmt: skip
            first += read

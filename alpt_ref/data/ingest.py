"""From a raw click file to a store on disk, with memory bounded by the vocabulary and not by the rows.

Pass 1 parses the text and writes each field's codes to a temporary column file. Then the rows are split, the counts
taken, the vocabulary chosen; pass 2 maps the codes to ids and writes them row by row.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .avazu import avazu_format
from .criteo import criteo_format
from .dataset import ClickDataset, manifest_head
from .libfm import libfm_format
from .lines import CHUNK_BYTES, Progress
from .raw import VocabularyRows, check_encoding, default_name, iter_ids, plan_encoding
from .store_writer import StoreWriter, writing_to
from .text import FormatOf, OnBadRow, TextReader

FILE_KINDS: Mapping[str, FormatOf] = {"criteo": criteo_format, "avazu": avazu_format, "libfm": libfm_format}
"""Kinds of raw click files; a new one is one file and one line here."""


def encode_file(
    kind: str,
    path: str | Path,
    folder: str | Path,
    *,
    min_count: int | None = None,
    vocabulary: VocabularyRows = "train",
    split: tuple[int, int, int] = (8, 1, 1),
    seed: int = 0,
    on_bad_row: OnBadRow = "error",
    name: str | None = None,
    chunk_bytes: int = CHUNK_BYTES,
    progress: Progress | None = None,
) -> ClickDataset:
    """Encode a raw click file into a store and open it; the same data as ``read_<kind>(path).encode(...)``.

    Parameters
    ----------
    kind : {"criteo", "avazu", "libfm"}
    path : path
        Plain or gzip text.
    folder : path
        Of the store to write; left alone if it already holds the identical store.
    min_count, vocabulary, split, seed, name
        As in `RawClicks.encode`.
    on_bad_row, chunk_bytes, progress
        As in `read_criteo`.

    Raises
    ------
    InputError
        An argument is outside its range, the file is bad, or the folder cannot be written or holds something else.
        Nothing is left behind in that case.
    """
    if kind not in FILE_KINDS:
        raise InputError(f"kind must be one of {', '.join(FILE_KINDS)}, got {kind!r}")
    check_encoding(min_count, vocabulary, split, seed)
    reader = TextReader(path, FILE_KINDS[kind], on_bad_row=on_bad_row, chunk_bytes=chunk_bytes, progress=progress)
    with StoreWriter(folder) as writer:
        labels, columns = _code_columns(reader, writer)
        names = tuple(encoder.rule.name for encoder in reader.encoders)
        categories = [encoder.categories for encoder in reader.encoders]
        plan = plan_encoding(columns, categories, names, reader.info(), min_count, vocabulary, split, seed)
        ids = writer.array("ids.npy", (reader.rows, len(names)))
        for _, block in iter_ids(columns, plan.global_ids):
            with writing_to(writer.folder):
                ids.append(block)
        rest: dict[str, NDArray[Any]] = {
            "labels.npy": labels,
            "split.npy": plan.split,
            "category_bytes.npy": plan.vocabulary.category_bytes,
            "category_offsets.npy": plan.vocabulary.category_offsets,
        }
        for file, array in rest.items():
            out = writer.array(file, array.shape)
            with writing_to(writer.folder):
                out.append(array)
        del columns  # unmap, then remove: only the store's own files may be published
        for column in writer.scratch.glob("*.codes"):
            column.unlink()
        writer.finish(manifest_head(name or default_name(plan.info), names, plan.vocabulary.field_sizes, plan.info))
    return ClickDataset.open(folder)


def _code_columns(reader: TextReader, writer: StoreWriter) -> tuple[NDArray[np.uint8], list[NDArray[np.int32]]]:
    """Labels in RAM; codes as read-only mappings of one temporary file a field."""
    labels: list[NDArray[np.uint8]] = []
    with writing_to(writer.folder), contextlib.ExitStack() as files:  # closing a file writes, too
        outputs: list[BinaryIO] = []
        for piece in reader:
            with writing_to(writer.folder):
                if not outputs:
                    paths = [writer.scratch / f"{number}.codes" for number in range(len(piece.codes))]
                    outputs = [files.enter_context(path.open("xb")) for path in paths]
                for output, codes in zip(outputs, piece.codes, strict=True):
                    output.write(codes.data)
            labels.append(piece.labels)
    columns = [np.asarray(np.memmap(path, dtype=np.int32, mode="r")) for path in paths]
    return np.concatenate(labels), columns

"""Raw clicks in RAM (labels and dictionary-coded categories), and how they become an encoded dataset.

The streaming path (`encode_file`) uses the same functions on columns that lie in temporary files, so that both give the
same dataset bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .dataset import PARTS, ClickDataset
from .splits import check_seed, random_split, split_counts
from .text import BadRows, TextReader
from .vocabulary import Vocabulary, build_vocabulary, check_min_count

VocabularyRows = Literal["train", "all"]
DEFAULT_MIN_COUNT: Mapping[str, int] = {"criteo": 10, "avazu": 2, "libfm": 1, "movielens": 1}
"""Least count of a category, by kind of source."""
ROWS_AT_ONCE = 1 << 17


@dataclass(frozen=True, eq=False)
class RawClicks:
    """Rows as read: preprocessed categories, not yet cut down to a vocabulary.

    Parameters
    ----------
    labels : uint8 array (rows,)
    codes : int32 array (rows, fields)
        Index into the field's `categories`.
    categories : per field, list of distinct str
        In order of first appearance in the file.
    field_names : tuple of str
    bad_rows : BadRows
        Rows left out: count, and the first 20 with line number and reason.
    info : dict
        JSON values: source file with checksum, rows read and encoded, bad rows.
    """

    labels: NDArray[np.uint8]
    codes: NDArray[np.int32]
    categories: tuple[Sequence[str], ...]
    field_names: tuple[str, ...]
    bad_rows: BadRows = field(default_factory=BadRows)
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Number of good rows."""
        return len(self.labels)

    def encode(
        self,
        *,
        min_count: int | None = None,
        vocabulary: VocabularyRows = "train",
        split: tuple[int, int, int] = (8, 1, 1),
        seed: int = 0,
        name: str | None = None,
    ) -> ClickDataset:
        """Split the rows at random, build the vocabulary and encode.

        Parameters
        ----------
        min_count : int, optional
            Least count that earns a category a row of its own; default by kind: criteo 10, avazu 2, others 1.
        vocabulary : {"train", "all"}
            Rows whose counts decide; "all" reproduces the public benchmark's vocabulary sizes.
        split : three ints
            Shares of train, valid and test.
        seed : int
            Of the random split.
        name : str, optional
            Default: the source file's name, else its kind.

        Raises
        ------
        InputError
            An argument is outside its range.
        """
        columns = [self.codes[:, number] for number in range(len(self.field_names))]
        plan = plan_encoding(columns, self.categories, self.field_names, self.info, min_count, vocabulary, split, seed)
        ids = np.empty((self.rows, len(columns)), dtype=np.uint32)
        for start, block in iter_ids(columns, plan.global_ids):
            ids[start : start + len(block)] = block
        return ClickDataset(
            name or default_name(self.info),
            ids,
            self.labels,
            plan.split,
            self.field_names,
            plan.vocabulary.field_sizes,
            plan.info,
            plan.vocabulary,
        )


def read_raw(reader: TextReader) -> RawClicks:
    """Take all rows of a file into RAM."""
    pieces = list(reader)
    codes = np.concatenate([piece.codes for piece in pieces], axis=1)
    return RawClicks(
        np.concatenate([piece.labels for piece in pieces]),
        codes.T,
        tuple(encoder.categories for encoder in reader.encoders),
        tuple(encoder.rule.name for encoder in reader.encoders),
        reader.bad_rows,
        reader.info(),
    )


def check_encoding(min_count: int | None, vocabulary: str, split: tuple[int, int, int], seed: int) -> None:
    """InputError where an argument of `RawClicks.encode` is outside its range."""
    if vocabulary not in ("train", "all"):
        raise InputError(f"vocabulary must be 'train' or 'all', got {vocabulary!r}")
    if min_count is not None:
        check_min_count(min_count)
    split_counts(0, split)
    check_seed(seed)


@dataclass(frozen=True, eq=False)
class EncodingPlan:
    """What is decided before the ids are written."""

    split: NDArray[np.uint8]
    vocabulary: Vocabulary
    global_ids: list[NDArray[np.uint32]]
    info: dict[str, Any]


def plan_encoding(
    columns: Sequence[NDArray[np.int32]],
    categories: Sequence[Sequence[str]],
    field_names: tuple[str, ...],
    info: Mapping[str, Any],
    min_count: int | None,
    vocabulary: str,
    split: tuple[int, int, int],
    seed: int,
) -> EncodingPlan:
    """Split, count, choose the vocabulary; see `RawClicks.encode` for the arguments."""
    kind = info.get("source", {}).get("kind")
    least = DEFAULT_MIN_COUNT.get(str(kind), 1) if min_count is None else min_count
    check_encoding(min_count, vocabulary, split, seed)
    rows = len(columns[0])
    parts = random_split(rows, split, seed)
    counted = parts == PARTS["train"] if vocabulary == "train" else np.ones(rows, dtype=bool)
    counts = [_count(column, counted, len(texts)) for column, texts in zip(columns, categories, strict=True)]
    chosen, global_ids = build_vocabulary(field_names, categories, counts, least)
    encoding = {
        "min_count": int(least),
        "vocabulary": vocabulary,
        "split": [int(share) for share in split],
        "seed": int(seed),
        "categories_seen": [len(texts) for texts in categories],
    }
    return EncodingPlan(parts, chosen, global_ids, {**info, "encoding": encoding})


def _count(column: NDArray[np.int32], counted: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    counts = np.zeros(size, dtype=np.int64)
    step = max(ROWS_AT_ONCE, size)  # a histogram costs its length too
    for start in range(0, len(column), step):
        rows = slice(start, start + step)
        counts += np.bincount(column[rows][counted[rows]], minlength=size)
    return counts


def iter_ids(
    columns: Sequence[NDArray[np.int32]], global_ids: Sequence[NDArray[np.uint32]]
) -> Iterator[tuple[int, NDArray[np.uint32]]]:
    """Blocks of encoded rows in order: (first row, uint32 array (block, fields))."""
    for start in range(0, len(columns[0]), ROWS_AT_ONCE):
        parts = [ids[column[start : start + ROWS_AT_ONCE]] for column, ids in zip(columns, global_ids, strict=True)]
        yield start, np.column_stack(parts)


def default_name(info: Mapping[str, Any]) -> str:
    """The source file's name without its extensions, else its kind."""
    source = info.get("source", {})
    return Path(source.get("file", "")).name.split(".")[0] or str(source.get("kind", "clicks"))

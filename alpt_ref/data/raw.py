"""Raw clicks in RAM (labels and dictionary-coded categories), and how they become an encoded dataset.

The streaming path (`encode_file`) uses the same functions on pieces that lie in temporary files, so that both give the
same dataset bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.fields import PARTS
from alpt_ref.data.formats.categories import join_categories, warn_of_shared_ids
from alpt_ref.data.formats.padding import padding_of, warn_of_padding
from alpt_ref.data.formats.text import BadRows, TextReader, parse_piece
from alpt_ref.data.splits import check_folds, check_seed, split_counts, split_rows
from alpt_ref.data.vocabulary import build_vocabulary, check_min_count
from alpt_ref.errors import InputError

VocabularyRows = Literal["train", "all"]
DEFAULT_MIN_COUNT: Mapping[str, int] = {"criteo": 10, "avazu": 2, "libfm": 1, "movielens": 1}
"""Least count of a category, by kind of source."""
ROWS_AT_ONCE = 1 << 17
DEFAULT_SPLIT = (8, 1, 1)


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
        split: tuple[int, int, int] = DEFAULT_SPLIT,
        seed: int = 0,
        folds: int = 0,
        name: str | None = None,
    ) -> ClickDataset:
        """Split the rows, build the vocabulary and encode.

        Parameters
        ----------
        min_count : int, optional
            Least count that earns a category a row of its own; default by kind: criteo 10, avazu 2, others 1.
        vocabulary : {"train", "all"}
            Rows whose counts decide; "all" reproduces the public benchmark's vocabulary sizes.
        split : three ints
            Shares of train, valid and test in a random split.
        seed : int
            Of the random split; with `folds`, part ``seed % folds`` is the test part.
        folds : int
            K of K-fold cross-validation, at least 3: see `splits.fold_split`. 0: a random split.
        name : str, optional
            Default: the source file's name, else its kind.

        Raises
        ------
        InputError
            An argument is outside its range, or there are fewer rows than folds.
        """
        encoding = encoding_info(self.info.get("source", {}).get("kind"), min_count, vocabulary, split, seed, folds)
        parts = split_rows(self.rows, encoding)
        encoding["categories_seen"] = [len(texts) for texts in self.categories]
        counts = [
            count_codes(self.codes[:, number], parts, vocabulary, len(texts))
            for number, texts in enumerate(self.categories)
        ]
        chosen, global_ids = build_vocabulary(self.field_names, self.categories, counts, encoding["min_count"])
        ids = np.empty((self.rows, len(self.field_names)), dtype=np.uint32)
        for number, of_code in enumerate(global_ids):
            ids[:, number] = of_code[self.codes[:, number]]
        return ClickDataset(
            name or default_name(self.info),
            ids,
            self.labels,
            parts,
            self.field_names,
            chosen.field_sizes,
            {**self.info, "encoding": encoding},
            chosen,
        )


def read_raw(reader: TextReader) -> RawClicks:
    """Take all rows of a file into RAM."""
    pieces = list(reader.pieces(parse_piece))
    labels = np.concatenate([piece.labels for piece in pieces])
    names = tuple(rule.name for rule in reader.format.fields) if reader.format is not None else ()
    codes, categories, paddings = np.empty((len(names), len(labels)), dtype=np.int32), [], []
    for number, out in enumerate(codes):
        texts, where = join_categories([piece.categories[number] for piece in pieces])
        np.concatenate([known[piece.codes[number]] for known, piece in zip(where, pieces, strict=True)], out=out)
        categories.append(texts.to_pylist())
        paddings.append(padding_of(texts))
    if reader.format is not None and reader.format.unordered:
        warn_of_shared_ids(names, categories)
    warn_of_padding(names, paddings)
    return RawClicks(labels, codes.T, tuple(categories), names, reader.bad_rows, reader.info())


def check_encoding(
    min_count: int | None, vocabulary: str, split: tuple[int, int, int], seed: int, folds: int = 0
) -> None:
    """InputError where an argument of `RawClicks.encode` is outside its range."""
    if vocabulary not in ("train", "all"):
        raise InputError(f"vocabulary must be 'train' or 'all', got {vocabulary!r}")
    if min_count is not None:
        check_min_count(min_count)
    split_counts(0, split)
    check_seed(seed)
    if check_folds(folds) and tuple(split) != DEFAULT_SPLIT:
        raise InputError(f"split must be left out with folds, which set its shares, got {split!r}")


def encoding_info(
    kind: str | None,
    min_count: int | None,
    vocabulary: str,
    split: tuple[int, int, int],
    seed: int,
    folds: int = 0,
) -> dict[str, Any]:
    """The checked arguments of `RawClicks.encode` as they stand in a dataset's info."""
    least = DEFAULT_MIN_COUNT.get(str(kind), 1) if min_count is None else min_count
    check_encoding(min_count, vocabulary, split, seed, folds)
    rows = {"min_count": int(least), "vocabulary": vocabulary}
    if folds:
        return {**rows, "folds": int(folds), "fold": int(seed % folds)}
    return {**rows, "split": [int(share) for share in split], "seed": int(seed)}


def count_codes(codes: NDArray[Any], split: NDArray[np.uint8], vocabulary: str, categories: int) -> NDArray[np.int64]:
    """How often each code occurs in the rows that define the vocabulary: int64 array (categories,)."""
    counts = np.zeros(categories, dtype=np.int64)
    step = max(ROWS_AT_ONCE, categories)  # a histogram costs its length too
    for start in range(0, len(codes), step):
        part = codes[start : start + step]
        if vocabulary == "train":
            part = part[split[start : start + step] == PARTS["train"]]
        counts += np.bincount(part, minlength=categories)
    return counts


def default_name(info: Mapping[str, Any]) -> str:
    """The source file's name without its extensions, else its kind."""
    source = info.get("source", {})
    return Path(source.get("file", "")).name.split(".")[0] or str(source.get("kind", "clicks"))

"""Raw clicks in RAM (labels and dictionary-coded categories), and how they become an encoded dataset.

The streaming path (`encode_file`) uses the same functions on pieces that lie in temporary files, so that both give the
same dataset bit for bit.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.contents import require_array
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.encoding import DEFAULT_MIN_COUNT as DEFAULT_MIN_COUNT
from alpt_ref.data.encoding import DEFAULT_SPLIT as DEFAULT_SPLIT
from alpt_ref.data.encoding import By, RowFacts, encoding_info, split_rows, time_info
from alpt_ref.data.encoding import VocabularyRows as VocabularyRows
from alpt_ref.data.encoding import check_encoding as check_encoding
from alpt_ref.data.fields import PARTS, FieldPlan, offsets_of
from alpt_ref.data.formats.categories import join_categories, warn_of_shared_ids
from alpt_ref.data.formats.coded import CodedRows
from alpt_ref.data.formats.padding import padding_of, warn_of_padding
from alpt_ref.data.formats.pieces import BadRows, PieceReader, parse_piece
from alpt_ref.data.slots import EMPTY, Laid, edges_of, lay_codes, lay_factors, pooled, slots_of
from alpt_ref.data.vocabulary import Vocabulary, build_vocabulary
from alpt_ref.errors import InputError

ROWS_AT_ONCE = 1 << 17


@dataclass(frozen=True, eq=False)
class RawClicks:
    """Rows as read: preprocessed categories, not yet cut down to a vocabulary.

    Parameters
    ----------
    labels : uint8 array (rows,)
    codes : int32 array (rows, fields)
        Index into the field's `categories`. See `slots`.
    categories : per field, list of distinct str
        In order of first appearance in the file.
    field_names : tuple of str
    bad_rows : BadRows
        Rows left out: count, and the first 20 with line number and reason.
    info : dict
        JSON values: source file with checksum, rows read and encoded, bad rows.
    weights : float32 array (rows,), optional
        What each row counts; None: 1.
    times : int64 array (rows,), optional
        When each row was, for a split by time.
    slots : tuple of int, optional
        With several values a row, or numbers beside them: columns of `codes` of each field, -1 in those that a row does
        not need; None: one each.
    factors : float32 array (rows, slots), optional
        The number beside each value, 0 in an empty slot; given with `slots`.
    plans : tuple of FieldPlan, optional
        Pooling, bins and least count of each field; None: none of these.
    min_count : int, optional
        Default least count of a category; None: that of the source's kind.
    parts : uint8 array (rows,), optional
        0 train, 1 valid, 2 test, where the files were given as these.
    time_kinds : int
        Of `times`, as of `CodedRows`; 0: not known.
    """

    labels: NDArray[np.uint8]
    codes: NDArray[np.int32]
    categories: tuple[Sequence[str], ...]
    field_names: tuple[str, ...]
    bad_rows: BadRows = field(default_factory=BadRows)
    info: dict[str, Any] = field(default_factory=dict)
    weights: NDArray[np.float32] | None = None
    times: NDArray[np.int64] | None = None
    slots: tuple[int, ...] | None = None
    factors: NDArray[np.float32] | None = None
    plans: tuple[FieldPlan, ...] | None = None
    min_count: int | None = None
    parts: NDArray[np.uint8] | None = None
    time_kinds: int = 0

    def __post_init__(self) -> None:
        """Check types and shapes of what need not be there; `ClickDataset` checks the rest."""
        rows: dict[str, tuple[Any, type[np.generic]]] = {
            "weights": (self.weights, np.float32), "times": (self.times, np.int64), "parts": (self.parts, np.uint8),
        }  # fmt: skip
        for name, (array, dtype) in rows.items():
            if array is not None:
                require_array(name, array, dtype, (len(self.labels),))
        if self.slots is not None and (len(self.slots) != len(self.field_names) or min(self.slots) < 1):
            raise InputError(f"slots must be {len(self.field_names)} numbers of at least 1, got {self.slots!r}")
        shape = (len(self.labels), sum(self.slots or (1,) * len(self.field_names)))
        if self.codes.shape != shape:
            raise InputError(f"codes must have the shape {shape}, got {self.codes.shape}")
        if self.factors is not None:
            require_array("factors", self.factors, np.float32, self.codes.shape)

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
        by: By | None = None,
        stratify: bool = False,
        name: str | None = None,
    ) -> ClickDataset:
        """Split the rows, build the vocabulary and encode.

        Parameters
        ----------
        min_count : int, optional
            Least count that earns a category a row of its own; default by kind: criteo 10, avazu 2, others 1.
        vocabulary : {"train", "all"}
            Rows whose counts decide; "all" reproduces the public benchmark's vocabulary sizes. A row of weight 0 is not
            counted, any other once.
        split : three ints
            Shares of train, valid and test.
        seed : int
            Of the random split; with `folds`, part ``seed % folds`` is the test part.
        folds : int
            K of K-fold cross-validation, at least 3: see `splits.fold_split`. 0: one split.
        by : {"random", "order", "time", "files"}, optional
            How the rows are split: at random; the first ones to train on and the last ones to test on; the same by
            `times` (see `split_time`); or as the files were given. Default: as the files were given, else at random.
        stratify : bool
            With random splits and folds: every part has the same share of clicks.
        name : str, optional
            Default: the source file's name, else its kind.

        Raises
        ------
        InputError
            An argument is outside its range, there are fewer rows than folds or too few of a class, or a part has none.
        """
        least = self.min_count if min_count is None else min_count
        given = None if self.parts is None else [name for name, part in PARTS.items() if (self.parts == part).any()]
        encoding = encoding_info(
            self.info.get("source", {}).get("kind"), least, vocabulary, split, seed, folds, by, stratify, given
        )
        facts = self._facts()
        parts = split_rows(facts, encoding)
        encoding["categories_seen"] = [len(texts) for texts in self.categories]
        plans = self.plans or tuple(FieldPlan(name) for name in self.field_names)
        counted = counted_rows(parts, vocabulary, self.weights)
        counts = [
            _count(codes, counted, len(texts)) for codes, texts in zip(self.blocks(), self.categories, strict=True)
        ]
        chosen, global_ids = build_vocabulary(self.field_names, self.categories, counts, encoding["min_count"], plans)
        laid = self._laid(chosen, global_ids)
        return ClickDataset(
            name or default_name(self.info),
            laid.ids,
            self.labels,
            parts,
            self.field_names,
            chosen.field_sizes,
            {**self.info, **time_info(facts, parts), "encoding": encoding},
            chosen,
            weights=self.weights,
            values=laid.values,
            slots=laid.slots,
        )

    def lay_out(self, vocabulary: Vocabulary) -> Laid:
        """Ids of these rows in a vocabulary of their fields, and what each counts; see `Vocabulary.encode_fields`."""
        if self.field_names != vocabulary.field_names:
            raise InputError(f"clicks must have the vocabulary's fields {', '.join(vocabulary.field_names)}")
        firsts = offsets_of(vocabulary.field_sizes).astype(np.uint32)
        local = [vocabulary.local_ids(field, texts) for field, texts in enumerate(self.categories)]
        return self._laid(vocabulary, [first + known for first, known in zip(firsts, local, strict=False)])

    def _laid(self, vocabulary: Vocabulary, ids_of: Sequence[NDArray[np.uint32]]) -> Laid:
        """Ids and values by the global id of each category."""
        plans = self.plans or tuple(FieldPlan(name) for name in self.field_names)
        firsts = offsets_of(vocabulary.field_sizes).astype(np.uint32)
        ids = np.empty(self.codes.shape, dtype=np.uint32)
        values = None if self.slots is None else np.empty(ids.shape, dtype=np.float32)
        last = 0
        for number, (codes, known) in enumerate(zip(self.blocks(), ids_of, strict=True)):
            place = slice(last, last + codes.shape[1])
            ids[:, place] = np.append(known, firsts[number])[codes]  # the code of an empty slot takes the last one
            if values is not None:
                taken = codes != EMPTY
                factors = taken.astype(np.float32) if self.factors is None else self.factors[:, place]
                values[:, place] = pooled(factors, np.count_nonzero(taken, axis=1), plans[number].pooling)
            last = place.stop
        return Laid(ids, values, self.slots)

    def _facts(self) -> RowFacts:
        times, weights = self.times, self.weights
        return RowFacts(
            self.rows,
            lambda: [self.labels],
            None if times is None else lambda: [times],
            self.parts,
            None if weights is None else lambda: [weights],
            self.time_kinds,
        )

    def blocks(self) -> list[NDArray[np.int32]]:
        """Codes of each field: int32 arrays (rows, slots of the field)."""
        edges = edges_of(self.slots or (1,) * len(self.field_names))
        return [self.codes[:, first:last] for first, last in itertools.pairwise(edges)]


def _count(codes: NDArray[np.int32], counted: NDArray[np.bool_] | None, size: int) -> NDArray[np.int64]:
    if codes.shape[1] == 1 and (not len(codes) or codes.min() != EMPTY):
        return count_codes(codes[:, 0], counted, size)
    taken = codes != EMPTY
    return count_codes(
        codes[taken], None if counted is None else np.repeat(counted, np.count_nonzero(taken, axis=1)), size
    )


def read_raw(reader: PieceReader) -> RawClicks:
    """Take all rows of a source into RAM."""
    pieces = list(reader.pieces(parse_piece))
    names = tuple(plan.name for plan in reader.fields)
    slots = slots_of(([field.extent() for field in piece.fields] for piece in pieces), len(names))
    edges = edges_of(slots or (1,) * len(names))
    rows = np.cumsum([0, *(len(piece.labels) for piece in pieces)])
    codes = np.empty((edges[-1], rows[-1]), dtype=np.int32).T  # a field's codes lie together
    factors = None if slots is None else np.empty(codes.shape, dtype=np.float32)
    categories, paddings = [], []
    for number in range(len(names)):
        place, width = slice(edges[number], edges[number + 1]), edges[number + 1] - edges[number]
        texts, where = join_categories([piece.categories[number] for piece in pieces])
        for known, piece, first in zip(where, pieces, rows, strict=False):
            field, part = piece.fields[number], slice(first, first + len(piece.labels))
            codes[part, place] = lay_codes(field, width, known[field.codes])
            if factors is not None:
                factors[part, place] = lay_factors(field, width)
        categories.append(texts.to_pylist())
        paddings.append(padding_of(texts))
    if reader.unordered:
        warn_of_shared_ids(names, categories)
    warn_of_padding(names, paddings)
    return RawClicks(
        np.concatenate([piece.labels for piece in pieces]),
        codes,
        tuple(categories),
        names,
        reader.bad_rows,
        reader.info(),
        _joined([piece.weights for piece in pieces], pieces, np.float32),
        _joined([piece.times for piece in pieces], pieces, np.int64),
        slots,
        factors,
        tuple(reader.fields),
        reader.min_count,
        reader.parts_of_rows(),
        functools.reduce(operator.or_, (piece.time_kinds for piece in pieces), 0),
    )


def _joined(columns: Sequence[NDArray[Any] | None], pieces: Sequence[CodedRows], dtype: Any) -> NDArray[Any] | None:
    if all(column is None for column in columns):
        return None
    pairs = zip(columns, pieces, strict=True)
    return np.concatenate([np.ones(len(one.labels), dtype) if part is None else part for part, one in pairs])


def count_codes(codes: NDArray[Any], counted: NDArray[np.bool_] | None, categories: int) -> NDArray[np.int64]:
    """How often each code occurs where `counted` (None: everywhere): int64 array (categories,)."""
    counts = np.zeros(categories, dtype=np.int64)
    step = max(ROWS_AT_ONCE, categories)  # a histogram costs its length too
    for start in range(0, len(codes), step):
        part = codes[start : start + step]
        if counted is not None:
            part = part[counted[start : start + step]]
        counts += np.bincount(part, minlength=categories)
    return counts


def counted_rows(
    split: NDArray[np.uint8], vocabulary: str, weights: NDArray[np.float32] | None
) -> NDArray[np.bool_] | None:
    """The rows that define the vocabulary, None for all: a row of weight 0 is none of them, any other counts once."""
    present = None if weights is None else np.asarray(weights > 0)
    if vocabulary != "train":
        return present
    of_train = np.asarray(split == PARTS["train"])
    return of_train if present is None else of_train & present


def default_name(info: Mapping[str, Any]) -> str:
    """The source file's name without its extensions, "table" for one in memory, else the source's kind."""
    source = info.get("source", {})
    kind = "table" if "table" in source else str(source.get("kind", "clicks"))
    return Path(source.get("file", "")).name.split(".")[0] or kind

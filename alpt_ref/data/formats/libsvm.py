"""LIBSVM and libFM text with numbers, ``label id:value …``, and libffm text, ``label field:id:value …``.

A LIBSVM row is one field of many values: every id is a category, its number scales the category's embedding, and the
row's embeddings are summed, as in a factorisation machine. A libffm row has a field for each field number, of any
number of ids; the numbers that the first lines show are the fields of all files. A value of 0 adds nothing and is
left out.
One-hot rows whose positions are fields are another format, ``libfm``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.fields import FieldPlan
from alpt_ref.data.formats.coded import CodedField, CodedRows
from alpt_ref.data.formats.coding import only_used
from alpt_ref.data.formats.faulty import FaultyLines, keep_lines, mark_inner_marks, mark_unreadable
from alpt_ref.data.formats.libfm import LABELS, single_spaces
from alpt_ref.data.formats.lines import Lines
from alpt_ref.data.formats.parse import plain_label
from alpt_ref.data.formats.sparse_tokens import Tokens, numbers_of, tokens_of, whole_texts
from alpt_ref.errors import InputError

MAX_VALUES = 4096
"""A row with more values is a bad row."""


@dataclass(frozen=True)
class SparseFormat:
    """How a kind of sparse text is laid out; see `TextFormat`.

    Parameters
    ----------
    kind : str
    numbers : tuple of str, optional
        Field numbers of libffm; None: one field, and no field numbers in the text.
    tidy : callable, optional
        Bytes of whole lines -> the same lines with one blank between words.
    """

    kind: str
    numbers: tuple[str, ...] | None = None
    tidy: Callable[[bytes], bytes] | None = single_spaces
    delimiter: str = " "
    label_values: Mapping[str, int] | None = None
    header: bool = False
    unordered: bool = False
    of_first: bool = True
    """The first file's fields are those of all."""

    @property
    def plans(self) -> tuple[FieldPlan, ...]:
        """One field, or one a field number; the values of a row are summed."""
        names = ("features",) if self.numbers is None else tuple(f"field_{number:0>2}" for number in self.numbers)
        return tuple(FieldPlan(name, "sum") for name in names)

    def key(self) -> list[Any]:
        """What the coded form depends on, beside the text."""
        return [self.kind, self.numbers]

    def code(self, lines: Lines) -> tuple[CodedRows, FaultyLines]:
        """The good rows of a piece, and what is wrong with the others."""
        faulty = FaultyLines(lines.first, lines.data.count(b"\n"))
        data = mark_unreadable(lines.data, faulty)
        data = mark_inner_marks(data if self.tidy is None else self.tidy(data), faulty)
        if faulty.mask.any():
            data = keep_lines(data, ~faulty.mask)
        kept = np.flatnonzero(~faulty.mask)
        words = tokens_of(data)
        labels = self._labels(words, faulty, kept)
        parts = 2 if self.numbers is None else 3
        whole = words.pieces == parts
        self._refuse(words, ~whole & ~words.leads, faulty, kept)
        chosen = np.flatnonzero(whole & ~words.leads)
        first = words.starts[chosen]
        ids, categories = whole_texts(words.texts.take(first + parts - 2))
        values, finite = numbers_of(words.texts.take(first + parts - 1))
        field = np.zeros(len(chosen), np.int64)
        if self.numbers is not None:
            field = _places(words.texts.take(first), self.numbers)
        wrong = (ids < 0) | ~finite | (field < 0)
        self._refuse(words, _among(words, chosen[wrong]), faulty, kept)
        rows = words.lines[chosen]
        there = values != 0
        counts = np.bincount(rows[there], minlength=len(kept))
        many = np.flatnonzero(counts > MAX_VALUES)
        faulty.add(kept[many], lambda line: f"{counts[np.searchsorted(kept, line)]} values, more than {MAX_VALUES}")
        good = ~faulty.mask[kept]
        taken = there & ~wrong & good[rows]
        place = np.cumsum(good) - 1
        fields = _fields(
            ids[taken], categories, values[taken], field[taken], place[rows[taken]], int(good.sum()), len(self.plans)
        )
        return CodedRows(labels[good], fields, kept[good]), faulty

    def _labels(self, words: Tokens, faulty: FaultyLines, kept: NDArray[np.int64]) -> NDArray[np.uint8]:
        leads = np.flatnonzero(words.leads)
        texts = words.texts.take(words.starts[leads]).dictionary_encode()
        known = np.array([LABELS.get(plain_label(text), -1) for text in texts.dictionary.to_pylist()], np.int16)
        labels = known[texts.indices.to_numpy()] if len(known) else np.zeros(0, np.int16)
        labels[words.pieces[leads] != 1] = -1
        wants = ", ".join(LABELS)
        faulty.add(
            kept[labels < 0],
            lambda line: f"label {words.text(leads[np.searchsorted(kept, line)])!r:.60} is not one of {wants}",
        )
        return labels.astype(np.uint8)

    def _refuse(self, words: Tokens, wrong: NDArray[np.bool_], faulty: FaultyLines, kept: NDArray[np.int64]) -> None:
        places = np.flatnonzero(wrong)
        if not len(places):
            return
        rows, first = np.unique(words.lines[places], return_index=True)
        form = "id:value" if self.numbers is None else "field:id:value"
        which = "" if self.numbers is None else "; a field number of the first lines"

        def reason(line: int) -> str:
            word = words.text(places[first[np.searchsorted(kept[rows], line)]])
            return f"{word!r:.60} is not of the form {form} (an id of at most 39 digits, a finite number{which})"

        faulty.add(kept[rows], reason)


def _among(words: Tokens, places: NDArray[np.int64]) -> NDArray[np.bool_]:
    mask = np.zeros(len(words.lines), bool)
    mask[places] = True
    return mask


def _places(texts: Any, numbers: Sequence[str]) -> NDArray[np.int64]:
    """Which field each field number is, -1 for one that is none."""
    coded = texts.dictionary_encode()
    place = {number: index for index, number in enumerate(numbers)}
    known = np.array([place.get(text.lstrip("0") or "0", -1) for text in coded.dictionary.to_pylist()], np.int64)
    return known[coded.indices.to_numpy()] if len(known) else np.zeros(0, np.int64)


def _fields(
    ids: NDArray[np.int32], categories: Any, values: NDArray[np.float32], field: NDArray[np.int64],
    rows: NDArray[np.int64], count: int, fields: int,
) -> tuple[CodedField, ...]:  # fmt: skip
    order = np.argsort(field, kind="stable")
    edges = np.searchsorted(field[order], np.arange(fields + 1))
    found = []
    for number in range(fields):
        own = order[edges[number] : edges[number + 1]]
        codes, texts = only_used(ids[own], categories)
        counts = np.bincount(rows[own], minlength=count).astype(np.int32)
        found.append(CodedField(codes, texts, counts, values[own]))
    return tuple(found)


def libsvm_format(head: Sequence[str], *, labelled: bool = True) -> SparseFormat:
    """Rows of ``id:value``, the same for every file."""
    return SparseFormat("libsvm")


def libffm_format(head: Sequence[str], *, labelled: bool = True) -> SparseFormat:
    """Rows of ``field:id:value``, whose field numbers are those of the first lines."""
    rows = [line.split()[1:] if labelled else line.split() for line in head]
    words = [word.split(":") for row in rows for word in row]
    numbers = {parts[0].lstrip("0") or "0" for parts in words if len(parts) == 3 and _is_number(parts[0])}
    if not numbers:
        raise InputError(
            "line 1: a libffm file must begin with rows `label field:id:value …`, which name the fields; none of its "
            f"first {len(head)} lines is one"
        )
    return SparseFormat("libffm", tuple(sorted(numbers, key=int)))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9

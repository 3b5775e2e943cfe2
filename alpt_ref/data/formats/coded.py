"""Rows of a piece of raw clicks as every reader hands them over: dictionary-coded fields, of one or several values.

Codes count within a piece; `categories` joins the pieces, `slots` lays several values a row beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

WHOLE_TIMES, DATES = 1, 2
"""Kinds of times, as bits: they have no common order."""


@dataclass(frozen=True)
class CodedField:
    """One field of some rows.

    Parameters
    ----------
    codes : int32 array (values,)
        Index into `categories`, row after row; one value a row unless `counts` says otherwise.
    categories : Arrow array of strings
        Distinct, each of them in use, in order of first appearance.
    counts : int32 array (rows,), optional
        Values of each row, 0 where a row has none. None: exactly one a row, so that values are rows.
    factors : float32 array (values,), optional
        The number beside each value (``id:0.1``); None: 1.

    Examples
    --------
    >>> genres = CodedField.of_lists([["drama", "war"], [], ["war"]])
    >>> genres.codes.tolist(), genres.categories.to_pylist(), genres.counts.tolist()
    ([0, 1, 1], ['drama', 'war'], [2, 0, 1])
    """

    codes: NDArray[np.int32]
    categories: Any
    counts: NDArray[np.int32] | None = None
    factors: NDArray[np.float32] | None = None

    @classmethod
    def of_texts(cls, texts: Sequence[str]) -> CodedField:
        """The field whose rows have these texts, one each."""
        import pyarrow as pa

        place: dict[str, int] = {}
        codes = np.array([place.setdefault(text, len(place)) for text in texts], dtype=np.int32)
        return cls(codes, pa.array(list(place), type=pa.string()))

    @classmethod
    def of_lists(cls, rows: Sequence[Sequence[str]], factors: Sequence[Sequence[float]] | None = None) -> CodedField:
        """The field whose rows have these texts, any number each, with the numbers beside them if there are some."""
        flat = cls.of_texts([text for row in rows for text in row])
        beside = None if factors is None else np.array([x for row in factors for x in row], dtype=np.float32)
        return cls(flat.codes, flat.categories, np.array([len(row) for row in rows], dtype=np.int32), beside)

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.codes if self.counts is None else self.counts)

    def extent(self) -> tuple[int, int, bool]:
        """Least and largest number of values a row, and whether every factor is 1; no rows: ``(1, 1, True)``."""
        plain = self.factors is None or bool((self.factors == 1).all())
        if self.counts is None or not len(self.counts):
            return 1, 1, plain
        return int(self.counts.min()), int(self.counts.max()), plain


@dataclass(frozen=True)
class CodedRows:
    """The good rows of a piece.

    Parameters
    ----------
    labels : uint8 array (rows,)
        0 or 1.
    fields : tuple of CodedField
        In store order.
    lines : int64 array (rows,)
        Which row of the piece each is, from 0, bad ones counted too.
    weights : float32 array (rows,), optional
        At least 0 and finite; either every piece of a source has some or none has.
    times : int64 array (rows,), optional
        Whole numbers as they stand, timestamps as nanoseconds since 1970 (UTC); every piece or none.
    carried : tuple of Arrow arrays of strings (rows,), optional
        Columns that go to the scores, where they were asked for.
    time_kinds : int
        `WHOLE_TIMES` where a time is a whole number as it stands, `DATES` where one was a date or a timestamp, or both.
    """

    labels: NDArray[np.uint8]
    fields: tuple[CodedField, ...]
    lines: NDArray[np.int64]
    weights: NDArray[np.float32] | None = None
    times: NDArray[np.int64] | None = None
    carried: tuple[Any, ...] | None = None
    time_kinds: int = 0

    @property
    def codes(self) -> tuple[NDArray[np.int32], ...]:
        """Codes of each field."""
        return tuple(field.codes for field in self.fields)

    @property
    def categories(self) -> tuple[Any, ...]:
        """Categories of each field."""
        return tuple(field.categories for field in self.fields)

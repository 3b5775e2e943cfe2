"""Columns of a table in memory as local ids: texts, whole numbers and missing values by value, fractions by bins.

Local id 0 is the column's out-of-vocabulary id, as in `vocabulary`. Then come its categories (numbers before texts
before bytes, each ascending) or its bins, and last the missing value, if the rows that defined the coder have one.

Numbers are categories by value: 3, 3.0 and True + 2 are one. Only a column of numbers that has a fraction somewhere and
more distinct values than `bins` is cut into bins of equal counts: its values rarely repeat, so that a category each
would learn the rows by heart and know nothing about new ones.
"""

from __future__ import annotations

import decimal
import math
import numbers
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.formats.categories import CategoryWarning
from alpt_ref.data.formats.padding import padding_of_values, warn_of_padding
from alpt_ref.errors import InputError

Column = NDArray[Any]


class CategoryError(InputError, TypeError):
    """A value is of a type that is no category."""


@dataclass(frozen=True)
class ColumnCoder:
    """How the values of one column become local ids.

    Attributes
    ----------
    name : str
        For messages.
    index : dict
        Category -> local id (empty for a binned column).
    edges : float64 array (bins - 1,) or None
        Ascending; value ``x`` falls into the bin whose number is the count of edges up to ``x``.
    missing : int
        Local id of a missing value: 0 if there was none, or too few.
    """

    name: str
    index: dict[Any, int]
    edges: NDArray[np.float64] | None
    missing: int

    @classmethod
    def of(cls, name: str, column: Column, *, bins: int, min_count: int = 1) -> ColumnCoder:
        """The coder that a column defines.

        Parameters
        ----------
        name : str
        column : array (rows,)
            Numbers, or an object array of numbers, texts, bytes and missing values (None, NaN).
        bins : int
            Most bins, and the number of distinct values up to which fractions are categories too.
        min_count : int
            Least count of a category of its own; rarer ones are out of vocabulary.

        Raises
        ------
        CategoryError
            A value is of another type.
        InputError
            A value is infinite.

        Warns
        -----
        CategoryWarning
            Numbers stand there as texts too, texts with and without blanks at their ends, or whole numbers as fractions
        that cannot tell neighbours apart.
        """
        values, codes = _distinct(name, column)
        _warn_of_two_spellings(name, values)
        warn_of_padding([name], [padding_of_values(values)])
        _warn_of_lost_digits(name, values)
        counts = np.bincount(codes + 1, minlength=len(values) + 1)  # the missing ones first
        enough = counts >= min_count
        edges = None
        if len(values) > bins and all(map(_is_number, values)) and any(value % 1 for value in values):
            floats = np.repeat(_floats(name, values), counts[1:])
            edges = np.unique(np.quantile(floats, np.arange(1, bins) / bins, method="higher"))
            edges = edges[edges > floats.min()]  # each is a value of the column: no bin is empty
            kept = []
        else:
            kept = sorted((value for value, fits in zip(values, enough[1:], strict=True) if fits), key=_place)
        last = len(kept) if edges is None else len(edges) + 1
        missing = last + 1 if counts[0] and enough[0] else 0
        return cls(name, {value: number for number, value in enumerate(kept, 1)}, edges, missing)

    def extended(self, column: Column, *, min_count: int = 1, warn: bool = True) -> ColumnCoder:
        """The coder with local ids for the categories of new rows, behind those that it has; bins stay as they are.

        Parameters
        ----------
        column : array (rows,)
        min_count : int
            Least count, in these rows, of a category of its own.
        warn : bool
            Of a value that stands there in two types.

        Raises, Warns
        -------------
        As `of` does.
        """
        values, codes = _distinct(self.name, column)
        counts = np.bincount(codes + 1, minlength=len(values) + 1)
        index, missing, size = dict(self.index), self.missing, self.size
        if self.edges is None:
            new = [value for value, often in zip(values, counts[1:], strict=True) if often >= min_count]
            new = sorted((value for value in new if value not in index), key=_place)
            _warn_of_two_spellings(self.name, [*index, *new] if new and warn else [])
            _warn_of_lost_digits(self.name, new)
            index |= {value: number for number, value in enumerate(new, size)}
            size += len(new)
        if not missing and counts[0] >= min_count:
            missing = size
        return replace(self, index=index, missing=missing)

    def examples(self, count: int = 2) -> list[Any]:
        """Some values that the coder knows."""
        return list(self.index)[:count] if self.edges is None else self.edges[:count].tolist()

    @property
    def size(self) -> int:
        """Number of local ids, the out-of-vocabulary id included."""
        return 1 + (len(self.index) if self.edges is None else len(self.edges) + 1) + (self.missing > 0)

    def encode(self, column: Column) -> NDArray[np.uint32]:
        """Local ids of a column's values, 0 for what the coder does not know; raises as `of` does."""
        values, codes = _distinct(self.name, column)
        if self.edges is None:
            ids = [self.index.get(value, 0) for value in values]
        else:
            known = np.array([_is_number(value) for value in values], bool)
            finite = _floats(self.name, [value if fits else 0 for value, fits in zip(values, known, strict=True)])
            ids = np.where(known, 1 + np.searchsorted(self.edges, finite, side="right"), 0).tolist()
        return np.array([*ids, self.missing], np.uint32)[codes]  # code -1 takes the last one


def _distinct(name: str, column: Column) -> tuple[list[Any], NDArray[np.intp]]:
    """A column's distinct values and, for each row, the place of its value among them, or -1 where it is missing."""
    kind = column.dtype.kind
    if kind in "biuUS":
        found, codes = np.unique(column, return_inverse=True)
        return found.tolist(), codes.astype(np.intp).reshape(-1)
    if kind == "f":
        present = ~np.isnan(column)
        codes = np.full(len(column), -1, np.intp)
        found, codes[present] = np.unique(column[present], return_inverse=True)
        _require_finite(name, found[:1].tolist() + found[-1:].tolist())
        return found.tolist(), codes
    if kind == "O":
        return _distinct_objects(name, column)
    if kind == "T":  # NumPy's own strings of any length
        return _distinct_objects(name, column.astype(object))
    raise CategoryError(f"{name} holds {column.dtype} values; each argument must be a string or a number: convert it")


def _distinct_objects(name: str, column: Column) -> tuple[list[Any], NDArray[np.intp]]:
    places: dict[Any, int] = {}
    try:
        plain = [value.item() if isinstance(value, np.generic) else value for value in column.tolist()]
        codes = np.array([places.setdefault(value, len(places)) for value in plain], np.intp)
    except TypeError as error:
        raise CategoryError(f"{name}: every argument must be a string or a number ({error})") from None
    values: list[Any] = []
    new = np.full(len(places), -1, np.intp)
    for value, place in places.items():
        if _is_missing(value):
            continue
        if not (_is_number(value) or isinstance(value, (str, bytes))):
            raise CategoryError(f"{name}: every argument must be a string or a number, got a {type(value).__name__}")
        new[place] = len(values)
        values.append(value)
    _require_finite(name, [float(value) for value in values if isinstance(value, (float, decimal.Decimal))])
    return values, new[codes]


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):  # pandas' own, whose comparisons have no truth
        return True
    return isinstance(value, (numbers.Real, decimal.Decimal)) and bool(value != value)


def _is_number(value: Any) -> bool:
    return isinstance(value, (numbers.Real, np.bool_, decimal.Decimal))


def _require_finite(name: str, values: list[float]) -> None:
    if any(map(math.isinf, values)):
        raise InputError(f"{name} contains infinity; replace it by a number or by a missing value (None or NaN)")


def _floats(name: str, values: list[Any]) -> NDArray[np.float64]:
    try:
        return np.array([float(value) for value in values], np.float64)
    except OverflowError:
        raise InputError(f"{name} has a number beyond float64 among its fractions; give it as text") from None


def _warn_of_two_spellings(name: str, values: list[Any]) -> None:
    """Where a number of the column is one of its texts too, most likely one value was written in two ways."""
    kinds = {isinstance(value, str): None for value in values}
    if len(kinds) < 2:  # texts alone, or none
        return
    spelled = {_spelling(value): value for value in values if not isinstance(value, str)}
    both = [value for value in values if isinstance(value, str) and value.strip() in spelled]
    if both:
        warnings.warn(
            f"{name}: {len(both)} values stand there in two types, such as {spelled[both[0].strip()]!r} and "
            f"{both[0]!r}, which are two categories; convert the column to one type",
            CategoryWarning,
            stacklevel=2,
        )


def _spelling(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(int(value)) if value % 1 == 0 else str(value)


def _warn_of_lost_digits(name: str, values: list[Any]) -> None:
    """Where all numbers are whole but held as floats, and some are too large for neighbours to differ."""
    floats = [value for value in values if isinstance(value, float)]
    if not floats or len(floats) < len(values) or any(value % 1 for value in floats):
        return
    if sum(2**53 <= abs(value) <= 2**64 for value in floats) > 1:
        warnings.warn(
            f"{name}: whole numbers of 2**53 and more are held as float64, in which neighbours are one number; read "
            "the column as whole numbers (where some are missing: Int64) or as texts",
            CategoryWarning,
            stacklevel=2,
        )


def _place(value: Any) -> tuple[int, Any]:
    """Sort key: numbers, texts, bytes."""
    return (0 if _is_number(value) else 1 if isinstance(value, str) else 2), value

"""Numbers cut into bins of equal counts, when the rows that define the vocabulary are known.

A bin is a row of the table like a category, and its text is its lower edge: ``"-inf"`` for the first, then numbers that
occur in those rows, so that no bin is empty. The missing value (the empty text) is a category beside the bins. A number
that was never seen falls into the bin that it lies in; a text that is no number has no row of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOWEST = "-inf"
"""Text of the bin that has no lower edge."""
_NUMBER = r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"


@dataclass(frozen=True)
class Bins:
    """The bins of a field.

    Parameters
    ----------
    edges : float64 array
        Ascending; the bin of ``x`` has the number of edges up to ``x``, counted from local id 1.
    size : int
        Number of bins: one more than edges, or 0 where no number was seen.
    missing : int
        Local id of the missing value, 0 where it has no row.

    Examples
    --------
    >>> Bins.of_texts(["-inf", "2", "5.5", ""]).local_ids(["-3", "2", "7", "", "seven"]).tolist()
    [1, 2, 3, 4, 0]
    """

    edges: NDArray[np.float64]
    size: int
    missing: int

    @classmethod
    def of_texts(cls, texts: list[str]) -> Bins:
        """From the texts of local ids 1, 2, …: lower edges and, last, the empty text."""
        missing = len(texts) if texts and not texts[-1] else 0
        lower = texts[:-1] if missing else texts
        return cls(np.array([float(text) for text in lower[1:]], dtype=np.float64), len(lower), missing)

    def local_ids(self, texts: Any) -> NDArray[np.uint32]:
        """Local ids of texts (a sequence of str or an Arrow array), 0 for what has no row."""
        import pyarrow as pa
        import pyarrow.compute as pc

        array = texts if isinstance(texts, pa.Array) else pa.array(texts, type=pa.large_utf8())
        numbers = numbers_of(array)
        bins = 1 + np.searchsorted(self.edges, numbers, side="right")
        empty = pc.equal(array, "").to_numpy(zero_copy_only=False)
        lowest = pc.equal(array, LOWEST).to_numpy(zero_copy_only=False)  # the text of a bin names the bin
        found = np.where((np.isfinite(numbers) | lowest) & (self.size > 0), np.where(lowest, 1, bins), 0)
        return np.where(empty, self.missing, found).astype(np.uint32)


def numbers_of(texts: Any) -> NDArray[np.float64]:
    """The numbers of an Arrow array of texts: float64, NaN where a text is no decimal number or too large for one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not len(texts):
        return np.zeros(0, dtype=np.float64)
    right = pc.match_substring_regex(texts, _NUMBER)
    try:
        numbers = pc.cast(pc.if_else(right, texts, "nan"), pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:  # a number beyond all float64
        known = re.compile(_NUMBER)
        numbers = np.array([float(text) if known.match(text) else np.nan for text in texts.to_pylist()])
    return np.where(np.isfinite(numbers), numbers, np.nan)


def quantile_edges(values: NDArray[np.float64], counts: NDArray[np.int64], bins: int) -> NDArray[np.float64]:
    """Edges of at most `bins` bins of about equal counts.

    Edge k is the number at place ``ceil((N - 1) k / bins)`` (from 0) among all N in ascending order, each as often as
    it occurs; equal edges are one, and none is the smallest number.

    Parameters
    ----------
    values : float64 array
        Distinct, in any order.
    counts : int64 array
        How often each occurs, at least once.
    bins : int

    Examples
    --------
    >>> quantile_edges(np.array([1.0, 2.0, 3.0, 9.0]), np.array([5, 1, 1, 1]), 4).tolist()
    [3.0]
    """
    order = np.argsort(values, kind="stable")
    ascending, ends = values[order], np.cumsum(counts[order])
    last = int(ends[-1]) - 1
    places = [-(-last * k // bins) for k in range(1, bins)]
    edges: NDArray[np.float64] = np.unique(ascending[np.searchsorted(ends, places, side="right")])
    return np.asarray(edges[edges > ascending[0]])


def text_of(number: float) -> str:
    """The shortest text of a float64, whole numbers without a fraction.

    Examples
    --------
    >>> text_of(3.0), text_of(0.1), text_of(1e22)
    ('3', '0.1', '10000000000000000000000')
    """
    return str(int(number)) if number.is_integer() else repr(number)


def choose_bins(names: Any, counts: NDArray[np.int64], bins: int, min_count: int) -> tuple[Any, NDArray[np.uint32]]:
    """The bins of one field.

    Parameters
    ----------
    names : sequence of str or Arrow array
        Distinct canonical numbers, and the empty text for a missing value.
    counts : int64 array
        How often each occurs in the rows that define the vocabulary.
    bins : int
        At most so many.
    min_count : int
        Least count that earns the missing value a row; bins have no least count.

    Returns
    -------
    Arrow array of large strings
        Texts of local ids 1, 2, …: the bins by their lower edges, then the missing value if it has a row.
    uint32 array
        Local id of each of `names`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = names if isinstance(names, pa.Array) else pa.array(names, type=pa.large_utf8())
    numbers = numbers_of(texts)
    seen = np.isfinite(numbers) & (counts > 0)
    chosen = [LOWEST, *map(text_of, quantile_edges(numbers[seen], counts[seen], bins).tolist())] if seen.any() else []
    place = pc.index(texts, "").as_py()
    if place >= 0 and counts[place] >= min_count:
        chosen.append("")
    return pa.array(chosen, type=pa.large_utf8()), Bins.of_texts(chosen).local_ids(texts)

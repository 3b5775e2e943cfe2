"""Per-field vocabularies: which categories get a row of the embedding table, and under which id.

Local id 0 of a field is its out-of-vocabulary id. Categories seen at least `min_count` times follow by falling count,
ties in the order of their text (bytes of its UTF-8), so that the ids depend on the counts alone.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.bins import Bins
from alpt_ref.data.choosing import check_min_count as check_min_count
from alpt_ref.data.choosing import choose as choose
from alpt_ref.data.choosing import choose_categories as choose_categories
from alpt_ref.data.fields import FieldPlan, check_fields, offsets_of
from alpt_ref.data.formats.coded import CodedField
from alpt_ref.data.slots import CodedClicks, Laid, lay_out, slots_needed
from alpt_ref.errors import InputError

if TYPE_CHECKING:
    from alpt_ref.data.growth import Growth

BINNED = "bins"
"""Text of the out-of-vocabulary id of a field whose other texts are lower edges of bins; elsewhere it is empty."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The text of every row of the embedding table.

    Parameters
    ----------
    field_names : tuple of str
    field_sizes : tuple of int
        Out-of-vocabulary ids included.
    category_bytes : uint8 array
        All texts end to end, UTF-8.
    category_offsets : int64 array (n + 1,)
        Where the text of each global id begins. An out-of-vocabulary id has the empty text, or `BINNED` where the
        field's other texts are the lower edges of bins; neither stands for a value.
    """

    field_names: tuple[str, ...]
    field_sizes: tuple[int, ...]
    category_bytes: NDArray[np.uint8]
    category_offsets: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Check that the offsets fit the bytes."""
        check_fields(self.field_names, self.field_sizes)
        offsets = self.category_offsets
        if offsets.dtype != np.int64 or offsets.shape != (sum(self.field_sizes) + 1,):
            raise InputError(f"category_offsets must be int64 of shape ({sum(self.field_sizes) + 1},)")
        if self.category_bytes.dtype != np.uint8 or self.category_bytes.ndim != 1:
            raise InputError("category_bytes must be a uint8 vector")
        if offsets[0] != 0 or offsets[-1] != len(self.category_bytes) or (np.diff(offsets) < 0).any():
            raise InputError("category_offsets must rise from 0 to the length of category_bytes")

    def _arrow(self, field: int) -> Any:
        """The field's texts, without its out-of-vocabulary id, as an Arrow array over the same memory."""
        import pyarrow as pa

        offsets = offsets_of(self.field_sizes)
        first, size = int(offsets[field]) + 1, self.field_sizes[field] - 1
        buffers = [None, pa.py_buffer(self.category_offsets), pa.py_buffer(self.category_bytes)]
        return pa.Array.from_buffers(pa.large_utf8(), size, buffers, null_count=0, offset=first)

    @functools.cached_property
    def _bins(self) -> dict[int, Bins]:
        firsts = offsets_of(self.field_sizes)[:-1]
        starts, ends = self.category_offsets[firsts], self.category_offsets[firsts + 1]
        mark = np.frombuffer(BINNED.encode(), np.uint8)
        places = [
            field
            for field in np.flatnonzero(ends - starts == len(mark)).tolist()
            if np.array_equal(self.category_bytes[starts[field] : ends[field]], mark)
        ]
        return {field: Bins.of_texts(self.categories(field)) for field in places}

    def bins(self, field: int) -> Bins | None:
        """The bins of a field whose numbers were cut into bins, None for one whose texts are categories."""
        return self._bins.get(field)

    def categories(self, field: int) -> list[str]:
        """Texts of local ids 1, 2, … of a field; of bins, their lower edges, and the empty text where it has a row."""
        return self._arrow(field).to_pylist()  # type: ignore[no-any-return]

    def examples(self, field: int, count: int = 2) -> list[str]:
        """The most frequent categories of a field."""
        return self._arrow(field)[:count].to_pylist()  # type: ignore[no-any-return]

    def local_ids(self, field: int, texts: Sequence[str] | Any) -> NDArray[np.uint32]:
        """Local ids of texts (a sequence of str or an Arrow array); unknown ones get 0.

        In a field of bins a text is a number in its canonical form (``"3"``, ``"0.5"``), seen before or not, or empty
        where it is missing.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        try:
            values = pa.array(texts, type=pa.large_utf8())
            if values.null_count:
                raise TypeError("None is no category; a missing value is the empty text")
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise InputError(f"field {self.field_names[field]} must hold texts: {error}") from None
        bins = self.bins(field)
        if bins is not None:
            return bins.local_ids(values)
        found = pc.index_in(values, value_set=self._arrow(field))
        local: NDArray[np.int32] = pc.fill_null(found, -1).to_numpy(zero_copy_only=False)
        return (local + 1).astype(np.uint32)

    def encode(self, columns: Sequence[Sequence[str]]) -> NDArray[np.uint32]:
        """Global ids of new rows, given as one sequence of categories per field.

        Parameters
        ----------
        columns : sequence of `fields` sequences of str
            Categories after preprocessing (what `RawClicks.categories` holds), missing values as empty text.

        Returns
        -------
        uint32 array (rows, fields)
            A category without a row gets its field's out-of-vocabulary id.

        Raises
        ------
        InputError
            Wrong number of columns, columns of different lengths, or values that are no texts.
        """
        if len(columns) != len(self.field_sizes):
            raise InputError(f"columns must be {len(self.field_sizes)} sequences, one a field, got {len(columns)}")
        if len({len(column) for column in columns}) > 1:
            raise InputError("columns must all have the same number of rows")
        offsets = offsets_of(self.field_sizes).astype(np.uint32)
        ids = [offsets[field] + self.local_ids(field, column) for field, column in enumerate(columns)]
        return np.column_stack(ids)

    def encode_clicks(self, clicks: CodedClicks) -> NDArray[np.uint32]:
        """Global ids of rows that a reader of the same kind has read: uint32 array (rows, fields).

        With several values a row it is (rows, slots), an empty slot having its field's out-of-vocabulary id;
        `RawClicks.lay_out` gives what each slot counts too.
        """
        if clicks.field_names != self.field_names:
            raise InputError(f"clicks must have the vocabulary's fields {', '.join(self.field_names)}")
        offsets = offsets_of(self.field_sizes).astype(np.uint32)
        ids = np.empty(clicks.codes.shape, dtype=np.uint32)
        last = 0
        for field, (categories, codes) in enumerate(zip(clicks.categories, clicks.blocks(), strict=True)):
            known = offsets[field] + np.append(self.local_ids(field, categories), np.uint32(0))
            ids[:, last : last + codes.shape[1]] = known[codes]  # the code -1 of an empty slot takes the last one
            last += codes.shape[1]
        return ids

    def extended(
        self,
        categories: Sequence[Any],
        counts: Sequence[NDArray[np.int64]],
        min_count: int | Sequence[int] = 1,
        keep: Sequence[NDArray[np.bool_]] | None = None,
    ) -> tuple[Vocabulary, Growth]:
        """This vocabulary with new categories at the ends of their fields.

        Parameters
        ----------
        categories : per field, distinct texts (sequence of str or Arrow array)
            Those known already change nothing.
        counts : per field, int64 array (categories of that field,)
            How often each occurs in the new rows.
        min_count : int, or one a field
            Least count that earns a new row. Bins of numbers stay as they are.
        keep : per field, bool array (size,), optional
            Local ids that stay; default all. What leaves and is among `categories` may earn a new row.

        Returns
        -------
        Vocabulary
        Growth
            Where each row of the table goes.

        Examples
        --------
        >>> old, _ = build_vocabulary(("os", "app"), [["ios"], ["x", "y"]], [np.array([5]), np.array([2, 1])], 1)
        >>> new, growth = old.extended([["web", "ios"], ["y"]], [np.array([3, 1]), np.array([9])])
        >>> new.categories(0), growth.moved.tolist()
        (['ios', 'web'], [0, 1, 3, 4, 5])
        """
        from alpt_ref.data.growth import extended

        return extended(self, categories, counts, min_count, keep)

    def encode_fields(
        self,
        fields: Sequence[CodedField],
        plans: Sequence[FieldPlan] | None = None,
        slots: tuple[int, ...] | None = None,
    ) -> Laid:
        """Ids of coded rows, of one or several values a field, and what each value counts.

        Parameters
        ----------
        fields : sequence of CodedField
            As a reader hands them over, or of `CodedField.of_texts` and `CodedField.of_lists`.
        plans : sequence of FieldPlan, optional
            How several values become one vector; default the mean.
        slots : tuple of int, optional
            Columns of each field; default as many as these rows need.

        Returns
        -------
        Laid
            ``ids`` uint32 and ``values`` float32 (rows, slots), ``slots``; `values` and `slots` are None where every
            row has one value in each field, of factor 1, and `slots` was not given.

        Raises
        ------
        InputError
            Wrong number of fields, fields of different lengths, or a row with more values than `slots`.

        Examples
        --------
        >>> from alpt_ref.data.formats.coded import CodedField
        >>> import pyarrow as pa
        >>> vocabulary = join_vocabulary(("genres",), [pa.array(["war", "drama"], type=pa.large_utf8())])
        >>> laid = vocabulary.encode_fields([CodedField.of_lists([["drama", "war"], ["musical"]])])
        >>> laid.ids.tolist(), laid.values.tolist(), laid.slots
        ([[2, 1], [0, 0]], [[0.5, 0.5], [1.0, 0.0]], (2,))
        """
        needed = slots_needed(fields, len(self.field_sizes), slots)
        offsets = offsets_of(self.field_sizes).astype(np.uint32)
        ids_of = [offsets[place] + self.local_ids(place, field.categories) for place, field in enumerate(fields)]
        own = [FieldPlan(name) for name in self.field_names] if plans is None else plans
        return lay_out(fields, ids_of, offsets[:-1], own, needed)


def build_vocabulary(
    field_names: tuple[str, ...],
    categories: Sequence[Sequence[str]],
    counts: Sequence[NDArray[np.int64]],
    min_count: int,
    plans: Sequence[FieldPlan] | None = None,
) -> tuple[Vocabulary, list[NDArray[np.uint32]]]:
    """Choose and order the categories of each field.

    Parameters
    ----------
    field_names : tuple of str
    categories : per field, distinct texts
    counts : per field, int64 array (categories of that field,)
        How often each occurs in the rows that define the vocabulary.
    min_count : int
        Least count that earns a row; a category that never occurs earns none.
    plans : per field, FieldPlan, optional
        Least counts and bins of their own.

    Returns
    -------
    Vocabulary
    list of uint32 arrays
        Per field: global id of each of `categories`.
    """
    check_min_count(min_count)
    plans = [FieldPlan(name) for name in field_names] if plans is None else plans
    chosen = [choose(*field, min_count) for field in zip(plans, categories, counts, strict=True)]
    vocabulary = join_vocabulary(field_names, [texts for texts, _ in chosen], [plan.bins > 0 for plan in plans])
    offsets = offsets_of(vocabulary.field_sizes).astype(np.uint32)
    return vocabulary, [offsets[field] + local for field, (_, local) in enumerate(chosen)]


def join_vocabulary(
    field_names: tuple[str, ...], texts: Sequence[Any], binned: Sequence[bool] | None = None
) -> Vocabulary:
    """The vocabulary whose fields have the texts (Arrow arrays of large strings) of local ids 1, 2, …

    Parameters
    ----------
    field_names : tuple of str
    texts : per field, Arrow array of large strings
    binned : per field, bool, optional
        Whether the texts are lower edges of bins (see `Vocabulary.binned`); default none.
    """
    import pyarrow as pa

    sizes = tuple(1 + len(of_field) for of_field in texts)
    check_fields(field_names, sizes)
    firsts = [BINNED if bins else "" for bins in binned or [False] * len(texts)]
    marks = [pa.array([first], type=pa.large_utf8()) for first in firsts]
    _, starts, data = pa.concat_arrays([part for pair in zip(marks, texts, strict=True) for part in pair]).buffers()
    offsets = np.frombuffer(starts, dtype=np.int64, count=sum(sizes) + 1).copy()
    blob = np.frombuffer(data, dtype=np.uint8)[: offsets[-1]].copy() if data else np.zeros(0, dtype=np.uint8)
    return Vocabulary(field_names, sizes, blob, offsets)

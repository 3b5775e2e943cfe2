"""Growing a vocabulary by the categories of new rows: which rows of the table stay, which leave, which are fresh.

Within a field the rows that stay keep their order, the out-of-vocabulary id first, and the fresh ones follow, by
falling count in the new rows and then by text. Global ids are field offset plus local id, so that a field that grows
moves those of all fields behind it; `Growth` says where each row goes.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.fields import offsets_of
from alpt_ref.errors import InputError

if TYPE_CHECKING:
    from alpt_ref.data.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Growth:
    """From the rows of a table to those of the table that replaces it.

    Parameters
    ----------
    before, after : tuple of int
        Field sizes, out-of-vocabulary ids included.
    origin : int64 array (sum(after),)
        Old global id of every new one; -1 where the row is fresh.

    Examples
    --------
    >>> growth = Growth.of((2, 3), fresh=(1, 0))  # the first field gets one more id
    >>> growth.origin.tolist(), growth.moved.tolist(), growth.after
    ([0, 1, -1, 2, 3, 4], [0, 1, 3, 4, 5], (3, 3))
    """

    before: tuple[int, ...]
    after: tuple[int, ...]
    origin: NDArray[np.int64]

    @classmethod
    def of(cls, before: Sequence[int], fresh: Sequence[int], keep: Sequence[NDArray[np.bool_]] | None = None) -> Growth:
        """The growth by `fresh` ids a field, less the local ids where `keep` (per field, bool (size,)) is False.

        Raises
        ------
        InputError
            An out-of-vocabulary id is not kept, or the lengths do not agree.
        """
        if len(before) != len(fresh) or (keep is not None and [len(one) for one in keep] != list(before)):
            raise InputError("before, fresh and keep must have an entry for each field, keep one for each id")
        if keep is not None and not all(one[0] for one in keep):
            raise InputError("keep must hold each field's out-of-vocabulary id, local id 0")
        parts, offsets = [], offsets_of(tuple(before))
        for field, (size, new) in enumerate(zip(before, fresh, strict=True)):
            stays = np.arange(size) if keep is None else np.flatnonzero(keep[field])
            parts += [offsets[field] + stays, np.full(new, -1, np.int64)]
        after = tuple(len(stays) + len(new) for stays, new in zip(parts[::2], parts[1::2], strict=True))
        return cls(tuple(int(size) for size in before), after, np.concatenate(parts).astype(np.int64))

    @property
    def unchanged(self) -> bool:
        """Whether every row stays where it was and none is fresh."""
        return np.array_equal(self.origin, np.arange(sum(self.before)))

    @functools.cached_property
    def moved(self) -> NDArray[np.int64]:
        """New global id of every old one, int64 (sum(before),); where it leaves, its field's out-of-vocabulary id."""
        first = np.repeat(offsets_of(self.after)[:-1], self.before)
        kept = np.flatnonzero(self.origin >= 0)
        first[self.origin[kept]] = kept
        return first

    @functools.cached_property
    def fresh(self) -> tuple[NDArray[np.int64], ...]:
        """New global ids of each field's fresh rows, ascending."""
        offsets = offsets_of(self.after)
        return tuple(first + np.flatnonzero(self.origin[first:last] < 0) for first, last in itertools.pairwise(offsets))

    @property
    def added(self) -> list[int]:
        """Fresh rows of each field."""
        return [len(rows) for rows in self.fresh]

    @property
    def removed(self) -> list[int]:
        """Rows of each field that leave."""
        return [old + new - now for old, new, now in zip(self.before, self.added, self.after, strict=True)]


def extended(
    vocabulary: Vocabulary,
    categories: Sequence[Any],
    counts: Sequence[NDArray[np.int64]],
    min_count: int | Sequence[int] = 1,
    keep: Sequence[NDArray[np.bool_]] | None = None,
) -> tuple[Vocabulary, Growth]:
    """The vocabulary with the new categories that occur often enough; see `Vocabulary.extended`."""
    import pyarrow as pa

    from alpt_ref.data.vocabulary import check_min_count, choose_categories, join_vocabulary

    fields = range(len(vocabulary.field_sizes))
    least = list(min_count) if isinstance(min_count, Sequence) else [min_count] * len(fields)
    if len(least) != len(fields):
        raise InputError(f"min_count must be one number or {len(fields)}, one a field, got {len(least)}")
    for count in least:
        check_min_count(count)
    bins = [vocabulary.bins(field) is not None for field in fields]
    if len(categories) != len(fields) or len(counts) != len(fields):
        raise InputError(f"categories and counts must have {len(fields)} entries, one a field")
    texts, fresh = [], []
    for field in fields:
        own = vocabulary._arrow(field)
        if bins[field]:  # they hold every number
            texts.append(own)
            fresh.append(0)
            keep = None if keep is None else [*keep[:field], np.ones_like(keep[field]), *keep[field + 1 :]]
            continue
        local = vocabulary.local_ids(field, categories[field])
        if keep is not None:
            local = np.where(keep[field][local], local, 0)
        unknown = np.where(local == 0, counts[field], 0)  # what is known already earns no second row
        chosen, _ = choose_categories(categories[field], unknown, least[field])
        if keep is not None:
            own = own.take(pa.array(np.flatnonzero(keep[field][1:])))
        texts.append(pa.concat_arrays([own, chosen]))
        fresh.append(len(chosen))
    growth = Growth.of(vocabulary.field_sizes, fresh, keep)
    return join_vocabulary(vocabulary.field_names, texts, bins), growth


def translation(vocabulary: Vocabulary, other: Vocabulary) -> NDArray[np.uint32]:
    """The ids of `vocabulary` as ids of `other`, uint32 (n,): the same text's, or its field's out-of-vocabulary id.

    Raises
    ------
    InputError
        The fields are others, or one is cut into bins that are not those of `other`: numbers are no longer known then.
    """
    if vocabulary.field_names != other.field_names:
        raise InputError(f"both vocabularies must have the fields {', '.join(other.field_names)}")
    offsets = offsets_of(other.field_sizes).astype(np.uint32)
    parts = []
    for field in range(len(vocabulary.field_sizes)):
        texts = vocabulary._arrow(field)
        if vocabulary.bins(field) is None:
            local = other.local_ids(field, texts)
        elif other.bins(field) is not None and texts.equals(other._arrow(field)):
            local = np.arange(1, len(texts) + 1, dtype=np.uint32)
        else:
            raise InputError(
                f"field {vocabulary.field_names[field]} is cut into bins that are not those of the run; read the raw "
                "rows with --init-from in place of a store"
            )
        parts += [offsets[field : field + 1], offsets[field] + local]
    return np.concatenate(parts).astype(np.uint32)

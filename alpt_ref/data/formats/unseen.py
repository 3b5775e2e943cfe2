"""Values that have no row of the table: how many a field has, and when that means another spelling of known ones.

A share of new values is normal. Where far more are new than among the rows that the model was tested on, the values are
most likely written in another way than in training: numbers as texts, other digits, quotes, blanks at the ends.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.formats.categories import CategoryWarning

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset

LEAST_ROWS = 10
"""Fewer unseen values of a field are no evidence."""
LOST_SHARE = 1 / 3
"""Part of the values known before that must be missing now for a warning."""


class UnseenValues:
    """Counts the out-of-vocabulary ids of rows that are scored, per field.

    Parameters
    ----------
    names : sequence of str
        Of the fields.
    first_ids : uint32 array (fields,)
        Out-of-vocabulary id of each field.
    usual : sequence of float, optional
        Per field, the share of unseen values among the rows that the model was tested on; default 0.
    among : str
        Those rows, in words.
    slots : sequence of int, optional
        Columns of the ids of each field; default: one each.
    """

    def __init__(
        self,
        names: Sequence[str],
        first_ids: NDArray[np.uint32],
        usual: Sequence[float] | None = None,
        among: str = "the run's test rows",
        slots: Sequence[int] | None = None,
    ) -> None:
        self.names, self._among = tuple(names), among
        self._slots = (1,) * len(self.names) if slots is None else tuple(slots)
        self._first = np.repeat(first_ids, self._slots)
        self._usual = np.zeros(len(names)) if usual is None else np.asarray(usual, np.float64)
        self._counts, self._totals, self.rows = np.zeros(len(names), np.int64), np.zeros(len(names), np.int64), 0
        self._examples: dict[int, list[Any]] = {}

    def add(
        self,
        ids: NDArray[np.uint32],
        values: NDArray[np.float32] | None = None,
        slots: Sequence[int] | None = None,
    ) -> None:
        """Count ids, (rows, columns); where `values` are given, those whose value is not 0, which marks no id.

        `slots` are those of these ids, from now on.
        """
        if slots is not None and tuple(slots) != self._slots:
            edges = np.cumsum([0, *self._slots[:-1]])
            self._slots, self._first = tuple(slots), np.repeat(self._first[edges], slots)
        self.rows += len(ids)
        if values is None:
            self._totals += len(ids)
            self._counts += np.count_nonzero(ids == self._first, axis=0)
            return
        starts = np.cumsum([0, *self._slots[:-1]])
        for match, counts in ((values != 0, self._totals), ((values != 0) & (ids == self._first), self._counts)):
            counts += np.add.reduceat(np.count_nonzero(match, axis=0), starts)

    def remember(self, examples: dict[int, list[Any]]) -> None:
        """Keep two unseen values of each field, in a form that shows their type."""
        for field, values in examples.items():
            kept = self._examples.setdefault(field, [])
            for value in values:
                if len(kept) < 2 and value not in kept:
                    kept.append(value)

    @property
    def share(self) -> float:
        """Of all ids."""
        return int(self._counts.sum()) / max(int(self._totals.sum()), 1)

    def shares(self) -> NDArray[np.float64]:
        """Of each field's ids."""
        return self._counts / np.maximum(self._totals, 1)

    def suspects(self) -> list[int]:
        """Fields of which at least a third of what is usually known is unknown."""
        lost = (1 - self.shares()) < (1 - LOST_SHARE) * (1 - self._usual)
        return np.flatnonzero(lost & (self._counts >= LEAST_ROWS)).tolist()

    def misspelled(self, known: Callable[[int], Sequence[Any]]) -> list[int]:
        """Those of `suspects` whose remembered values show another spelling than what is known, not only new values."""
        hints = {field: _hint(self._examples.get(field, []), list(known(field))[:2]) for field in self.suspects()}
        return [field for field, hint in hints.items() if hint != _AS_BEFORE]

    def warn(
        self, known: Callable[[int], Sequence[Any]], stacklevel: int = 2, fields: Sequence[int] | None = None
    ) -> None:
        """CategoryWarning, one sentence about the field with the largest share, if a third of what was known is lost.

        Parameters
        ----------
        known : callable
            Field -> some values that it knows.
        stacklevel : int
            As of `warnings.warn`, counted from the caller.
        fields : sequence of int, optional
            About these alone; default: all `suspects`.
        """
        fields, shares = self.suspects() if fields is None else fields, self.shares()
        if not fields:
            return
        field = max(fields, key=lambda place: shares[place] - self._usual[place])
        unseen, held = self._examples.get(field, []), list(known(field))[:2]
        others = f" and of {len(fields) - 1} more fields" if len(fields) > 1 else ""
        warnings.warn(
            f"{100 * shares[field]:.0f} % of the values of {self.names[field]}{others} are unknown to the model "
            f"({100 * self._usual[field]:.0f} % among {self._among}){_listed(', such as', unseen)}; "
            f"it knows{_listed('', held) or ' none'}: {_hint(unseen, held)}",
            CategoryWarning,
            stacklevel=stacklevel + 1,
        )


def test_shares(dataset: ClickDataset) -> list[float]:
    """Per field, the share of out-of-vocabulary ids among the test rows of a dataset."""
    first = dataset.field_offsets[:-1].astype(np.uint32)
    values = UnseenValues(dataset.field_names, first, slots=dataset.slots)
    rows = dataset.rows_of("test")
    for start in range(0, len(rows), 1 << 16):
        at = rows[start : start + (1 << 16)]
        values.add(dataset.ids[at], None if dataset.values is None else dataset.values[at])
    return [float(share) for share in values.shares()]


def _listed(before: str, values: Sequence[Any]) -> str:
    return f"{before} " + " and ".join(f"{value!r}"[:60] for value in values) if len(values) else ""


def _hint(unseen: Sequence[Any], known: Sequence[Any]) -> str:
    """What differs between the spellings, as far as these values show it."""
    texts = [value for value in unseen if isinstance(value, str)]
    if unseen and known and {type(value) for value in unseen}.isdisjoint({type(value) for value in known}):
        return "they are of another type; convert the column to the type it had in training"
    if any(text[:1] in "\"'" and text[-1:] in "\"'" for text in texts if text):
        return "quotes are part of the values; take them off"
    if any(text != text.strip() for text in texts):
        return "blanks are part of the values; take them off"
    return _AS_BEFORE


_AS_BEFORE = "check that they are written as in training"

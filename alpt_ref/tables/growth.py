"""A trained table's state with more rows: old rows keep every bit wherever they go, new ones begin as fresh rows do.

What is held per row (weights, codes, step sizes, biases, optimiser) moves with the row; what is held per field or per
table (step sizes, thresholds, counters) stays. From then on a row's random draws are those of its new number.

The fresh rows of a field are a table of their own, of this method and as many rows, drawn from the first 64 bits of
``SHA-256("alpt_ref growth", seed, updates, field)``, `updates` being those that the old table has made. A step size of
their own is the one that the table of the new size begins with; where rows share one, they are rounded on the grid that
their field has by now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.catalog import TABLES
from alpt_ref.errors import InputError
from alpt_ref.tables.base import EmbeddingTable
from alpt_ref.tables.state_keys import current_state

if TYPE_CHECKING:
    from alpt_ref.data.growth import Growth

State = dict[str, NDArray[Any]]


def fresh_seed(seed: int, updates: int, field: int) -> int:
    """Seed of the rows that are fresh in a field after so many updates of the table."""
    words = f"alpt_ref growth {seed} {updates} {field}".encode()
    return int.from_bytes(hashlib.sha256(words).digest()[:8], "little")


def check_growable(table: type[EmbeddingTable], growth: Growth) -> None:
    """InputError where a table of this class would need rows for new ids and cannot have them."""
    if table.cannot_grow and not growth.unchanged:
        raise InputError(f"a table of method {table.method!r} takes no new ids: {table.cannot_grow}")


def grown_state(table: EmbeddingTable, state: Mapping[str, NDArray[Any]], growth: Growth) -> State:
    """The state that `table`, made for the new number of rows, goes on from.

    Parameters
    ----------
    table : EmbeddingTable
        Of the same method and settings as the one whose state it is, with ``sum(growth.after)`` rows.
    state : dict of arrays
        Of the old table, as `EmbeddingTable.state` gives it.
    growth : Growth

    Returns
    -------
    dict of arrays
        For `EmbeddingTable.load_state`.

    Raises
    ------
    InputError
        The method's rows cannot be added to.

    Examples
    --------
    >>> from alpt_ref import make_table
    >>> from alpt_ref.data.growth import Growth
    >>> old, growth = make_table("alpt", 5, 4, bits=8), Growth.of((2, 3), fresh=(1, 0))
    >>> new = make_table("alpt", 6, 4, bits=8)
    >>> new.load_state(grown_state(new, old.state(), growth))
    >>> bool((new.codes()[growth.moved] == old.codes()).all())
    True
    """
    state = current_state(state)
    if growth.unchanged:
        return dict(state)
    check_growable(type(table), growth)
    updates = int(state["updates"][0])
    per_row = table.row_arrays() & state.keys()
    kept = growth.origin >= 0
    grown = {name: array for name, array in state.items() if name not in per_row}
    for name in per_row:
        array = state[name]
        grown[name] = np.zeros((len(kept), *array.shape[1:]), array.dtype)
        grown[name][kept] = array[growth.origin[kept]]
    for field, rows in enumerate(growth.fresh):
        if len(rows):
            fresh = _fresh_rows(table, state, growth, field, fresh_seed(table.spec.seed, updates, field)).state()
            for name in per_row:
                grown[name][rows] = fresh[name]
            for name in state:
                if name.endswith("optimizer.steps"):  # of dense Adam: a fresh row has missed no move
                    grown[name.replace(".steps", ".count")][rows] = state[name][0]
    return grown


def _fresh_rows(table: EmbeddingTable, state: State, growth: Growth, field: int, seed: int) -> EmbeddingTable:
    """A table of one field's fresh rows, on the CPU."""
    rows, cls = len(growth.fresh[field]), type(table)
    if table.spec.device != "cpu":
        cls = TABLES[table.method].load()
    spec = replace(
        table.spec, n=rows, options=table.fresh_options(state, field), seed=seed, device="cpu",
        field_offsets=np.array([0, rows], np.int64), weights=None,
    )  # fmt: skip
    return cls(spec)

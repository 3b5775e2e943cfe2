"""Keys of a table's state that were others until 0.2.0; the former ones go in the next release.

`STATE` is the one place that says which key of a table's state had which name before: states, checkpoints and whatever
reads them go through `current_state`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")

STATE = {
    "words": "packed",
    "step": "step_size",
    "step_optimizer.accumulator": "step_size_optimizer.accumulator",
    "step_optimizer.count": "step_size_optimizer.count",
    "step_optimizer.first": "step_size_optimizer.first",
    "step_optimizer.second": "step_size_optimizer.second",
}
"""Former key of `EmbeddingTable.state` -> present key."""


def current_state(state: Mapping[str, Value]) -> dict[str, Value]:
    """`state` with former keys under their present names; a present key wins over its former one.

    Examples
    --------
    >>> current_state({"words": 1, "updates": 2})
    {'packed': 1, 'updates': 2}
    """
    renamed = {STATE.get(key, key): value for key, value in state.items() if key in STATE}
    return renamed | {key: value for key, value in state.items() if key not in STATE}

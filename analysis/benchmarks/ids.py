"""Ids as click data have them, for benchmarks: a few rows in most samples, most rows in few.

Three laws, since much depends on them: how many unique rows a batch has, and how often the most frequent one occurs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

CRITEO_FIELDS = (
    1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3, 93145, 5683, 8351593, 3194,
    27, 14992, 5461306, 10, 5652, 2173, 4, 7046547, 18, 15, 286181, 105, 142572,
)  # fmt: skip
"""Categories in each categorical field of the Criteo Kaggle set, 33.8 million in all (as DLRM's scripts count them)."""
EXPONENTS = {"fields": 0.95, "table": 1.05, "criteo": 0.95}
"""Of each law, unless another is asked for."""


def zipf_ids(rows: int, batch: int, fields: int, seed: int, *, exponent: float = 1.1) -> NDArray[np.uint32]:
    """Global ids (batch, fields); a field owns ``rows // fields`` of them, frequent ones anywhere in its part."""
    each = rows // fields
    return _in_fields([each] * fields, batch, seed, exponent)


def table_ids(rows: int, batch: int, fields: int, seed: int, *, exponent: float = 1.05) -> NDArray[np.uint32]:
    """Global ids (batch, fields) of one Zipf law over the whole table, ranks beyond its end folded into it.

    A single row then makes up several per cent of all ids.
    """
    if exponent <= 1.0:
        raise ValueError(f"exponent must be above 1 for a Zipf law without an end, got {exponent}")
    generator = np.random.Generator(np.random.Philox(key=seed))
    rank = (generator.zipf(exponent, (batch, fields)) - 1) % rows
    return np.asarray(_spread(rank, rows), np.uint32)


def criteo_ids(rows: int, batch: int, fields: int, seed: int, *, exponent: float = 0.95) -> NDArray[np.uint32]:
    """Global ids (batch, fields) with Criteo's field sizes, scaled to `rows` and repeated or cut to `fields`."""
    sizes = np.resize(np.asarray(CRITEO_FIELDS, np.int64), fields)
    scaled = np.maximum(sizes * rows // sizes.sum(), np.minimum(sizes, 3))
    while scaled.sum() > rows:
        scaled[np.argmax(scaled)] -= scaled.sum() - rows
    return _in_fields(scaled.tolist(), batch, seed, exponent)


def _in_fields(sizes: list[int], batch: int, seed: int, exponent: float) -> NDArray[np.uint32]:
    generator = np.random.Generator(np.random.Philox(key=seed))
    return np.asarray(in_fields(generator, np, np.asarray(sizes, np.int64), batch, exponent))


def in_fields(generator: Any, xp: Any, each: Any, batch: int, exponent: float) -> Any:
    """A Zipf law in every field, cut at the field's size and drawn through its continuous inverse: (batch, fields).

    So no table of weights is needed: rank ``k`` has a probability close to ``k**-exponent``; 0 draws uniformly.
    `xp` is NumPy or CuPy, `generator` its own; `each` holds the fields' sizes, int64 (fields,).
    """
    power = 1.0 - exponent
    rank = (1.0 + generator.random((batch, len(each))) * ((each + 1.0) ** power - 1.0)) ** (1.0 / power)
    local = _spread(xp.minimum(rank.astype(xp.int64) - 1, each - 1), each)
    return (local + xp.cumsum(each) - each).astype(xp.uint32)


def _spread(rank: Any, rows: Any) -> Any:
    """Neighbours in rank are no neighbours in memory."""
    return rank * 2654435761 % rows


LAWS: dict[str, Callable[..., NDArray[np.uint32]]] = {"fields": zipf_ids, "table": table_ids, "criteo": criteo_ids}
"""Name -> law."""

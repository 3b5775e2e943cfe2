"""Ids as click data have them, for benchmarks: a Zipf law in every field."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def zipf_ids(rows: int, batch: int, fields: int, seed: int, *, exponent: float = 1.1) -> NDArray[np.uint32]:
    """Global ids (batch, fields); a field owns ``rows // fields`` of them, frequent ones anywhere in its part.

    The law is cut at the field's size and drawn through its continuous inverse, so that no table of weights is
    needed: rank ``k`` has a probability close to ``k**-exponent``.
    """
    generator = np.random.Generator(np.random.Philox(key=seed))
    each = rows // fields
    power = 1.0 - exponent
    u = generator.random((batch, fields))
    rank = (1.0 + u * ((each + 1.0) ** power - 1.0)) ** (1.0 / power)
    local = np.minimum(rank.astype(np.int64) - 1, each - 1)
    spread = (local * 2654435761) % each  # neighbours in rank are no neighbours in memory
    return np.asarray(spread + np.arange(fields) * each, np.uint32)

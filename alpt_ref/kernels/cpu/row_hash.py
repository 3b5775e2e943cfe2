"""Owners and places of rows spread over ranks, and the rows at the places of a rank."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.jit import kernel
from alpt_ref.kernels.types import Int, Integers
from alpt_ref.scalar.row_hash import hashed_row, row_of_hash


class HashOf(NamedTuple):
    """Numbers of the hash (`alpt_ref.scalar.row_hash`): all uint64."""

    n: np.uint64
    mask: np.uint64
    shift: np.uint64
    ranks: np.uint64


@kernel
def find_rows(
    lo: Int, hi: Int, rows: Integers, of: HashOf, owners: NDArray[np.int64], places: NDArray[np.int64]
) -> None:
    """Owner of each row and its place there: hash modulo ranks, hash over ranks."""
    n, mask, shift, ranks = of
    for i in range(lo, hi):
        value = hashed_row(np.uint64(rows[i]), n, mask, shift)
        place = np.uint64(value // ranks)
        places[i] = np.int64(place)
        owners[i] = np.int64(value - place * ranks)


@kernel
def rows_at(lo: Int, hi: Int, places: NDArray[np.int64], rank: Int, of: HashOf, out: NDArray[np.int64]) -> None:
    """``out[i]`` = the row at place ``places[i]`` of a rank."""
    n, mask, shift, ranks = of
    for i in range(lo, hi):
        value = np.uint64(np.uint64(places[i]) * ranks + np.uint64(rank))
        out[i] = np.int64(row_of_hash(value, n, mask, shift))

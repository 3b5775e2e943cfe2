"""What the table kernels of the CPU take, in named tuples: fewer positions to mix up, and less to unpack at a call.

A field is an array or a number whose type is fixed, so that a kernel is compiled once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class RandomStream(NamedTuple):
    """Which random bits an operation draws: one word per element, by row and column (`alpt_ref.scalar.philox`).

    Attributes
    ----------
    counter : int
        Update or call.
    purpose : int
        ``PURPOSE_...`` of `alpt_ref.scalar.philox`.
    k0, k1 : uint32
        Low and high word of the seed.
    """

    counter: int
    purpose: int
    k0: np.uint32
    k1: np.uint32


class PackedCodes(NamedTuple):
    """A table's codes in 32-bit words, low bits first, and the same memory seen as int8 and int16.

    Attributes
    ----------
    packed : uint32 array (n, ceil(d * bits / 32))
    as8, as16 : int8 and int16 arrays
        Views of `packed` (little-endian).
    bits : int
    """

    packed: NDArray[np.uint32]
    as8: NDArray[np.int8]
    as16: NDArray[np.int16]
    bits: int


class UnitValues(NamedTuple):
    """One learned number (step size or clip) per row, field or table.

    Attributes
    ----------
    values : float32 array (units,)
    offsets : int64 array (units + 1,)
        First row of each field; not read where each row has its own number.
    units : int
        Number of them, or below zero: one per row (`alpt_ref.scalar.units`).
    """

    values: NDArray[np.float32]
    offsets: NDArray[np.int64]
    units: int


class RowUpdates(NamedTuple):
    """The batch's unique rows and what their optimiser wants of them.

    Attributes
    ----------
    rows : int64 array (u,)
        Table rows, ascending.
    updates : float32 array (u, d)
        Learning rate times direction, in weight units.
    decay : float32
        Learning rate times weight decay.
    """

    rows: NDArray[np.int64]
    updates: NDArray[np.float32]
    decay: np.float32


class AdamState(NamedTuple):
    """State of lazy Adam.

    Attributes
    ----------
    first, second : float32 arrays (n, d)
    counts : int32 array (n,)
        Updates of each row.
    corrections : float32 array (T, 2)
        ``1 / (1 - b1**t)`` and ``1 / sqrt(1 - b2**t)`` by count.
    """

    first: NDArray[np.float32]
    second: NDArray[np.float32]
    counts: NDArray[np.int32]
    corrections: NDArray[np.float32]


class AdamRates(NamedTuple):
    """Numbers of lazy Adam: both betas, what they leave to the new gradient, learning rate and epsilon."""

    beta1: np.float32
    beta2: np.float32
    take1: np.float32
    take2: np.float32
    lr: np.float32
    eps: np.float32


class FakeQuantizer(NamedTuple):
    """How quantisation-aware training reads a float32 table.

    The step size is the learned number of the row's unit over `divisor` (1 for LSQ, ``q_max`` for PACT).

    Attributes
    ----------
    learned : UnitValues
    divisor, low, high : float32
        `low` and `high` are the smallest and largest code.
    """

    learned: UnitValues
    divisor: np.float32
    low: np.float32
    high: np.float32

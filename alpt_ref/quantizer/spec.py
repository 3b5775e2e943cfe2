"""What a quantiser is, and the arithmetic of its codes' layout: shared by the CPU's half and the GPU's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.scalar.code_range import highest_code, lowest_code
from alpt_ref.scalar.philox import MAX_COLUMNS


@dataclass(frozen=True)
class QuantSpec:
    """What a quantiser is, apart from its step size.

    Parameters
    ----------
    bits : {2, 4, 8, 16}
        Width of a code; codes are ``-2**(bits-1)`` to ``2**(bits-1) - 1``.
    rounding : {"sr", "dr"}
        Stochastic or deterministic (nearest, ties up) rounding.

    Raises
    ------
    InputError
        If a field is none of these values.

    Examples
    --------
    >>> from alpt_ref import QuantSpec
    >>> spec = QuantSpec(bits=4, rounding="dr")
    >>> spec
    QuantSpec(bits=4, rounding='dr')
    >>> spec.q_min, spec.q_max
    (-8, 7)
    """

    bits: int
    rounding: Literal["sr", "dr"] = "sr"

    def __post_init__(self) -> None:
        """Check both fields."""
        object.__setattr__(self, "bits", _check.bits(self.bits))
        object.__setattr__(self, "rounding", _check.choice("rounding", self.rounding, _check.ROUNDINGS))

    @property
    def q_min(self) -> int:
        """Smallest code."""
        return lowest_code(self.bits)

    @property
    def q_max(self) -> int:
        """Largest code."""
        return highest_code(self.bits)

    @property
    def dtype(self) -> type[np.int8] | type[np.int16]:
        """Array type of unpacked codes: int8 up to 8 bits, else int16."""
        return np.int8 if self.bits <= 8 else np.int16


def check_spec(spec: Any) -> None:
    """Raise `InputError` unless `spec` is a `QuantSpec`."""
    if not isinstance(spec, QuantSpec):
        raise InputError(f"spec must be a QuantSpec, for example QuantSpec(8, 'sr'), got {spec!r}")


def lsq_step_size(mean_magnitude: float, q_max: int) -> float:
    """Initial step size by LSQ's rule ``2 mean|w| / sqrt(q_max)`` (Esser et al., ICLR 2020).

    Examples
    --------
    >>> lsq_step_size(0.5, 4)
    0.5
    """
    return float(2.0 * mean_magnitude / math.sqrt(q_max))


def seed_words(seed: Any) -> tuple[np.uint32, np.uint32]:
    """Philox key (low, high word) of a seed in ``[0, 2**64)``."""
    value = _check.whole_number("seed", seed, 0, 1 << 64)
    return np.uint32(value & 0xFFFFFFFF), np.uint32(value >> 32)


def check_columns(columns: int) -> None:
    """Raise `InputError` if a row has more columns than the counter of the random words can number."""
    if columns >= MAX_COLUMNS:
        raise InputError(f"w must have fewer than {MAX_COLUMNS} columns, got {columns}")


def words_per_row(bits: int, d: int) -> int:
    """32-bit words that hold `d` codes of `bits` bits."""
    return -(-d * bits // 32)

"""The sweep over eta/Delta, the table's learning rate in units of the initial step size: what decides SR against DR.

Eta stays; the step size is set to ``eta / ratio``. Lazy Adam's first step on a row is exactly eta, so that nearest
rounding undoes it where ``eta/Delta < 1/2`` (claim D3), at every number of bits; later steps can be larger (claim D7).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from alpt_ref.studies.grid import FP32, MethodSetting, configure
from alpt_ref.training.config import RunConfig

STALLS_BELOW = 0.5
"""Where nearest rounding undoes a first step of lazy Adam."""


class SweepPoint(NamedTuple):
    """One variant of the sweep."""

    bits: int
    rounding: str
    ratio: float


def points(bits: Sequence[int], ratios: Sequence[float]) -> list[SweepPoint]:
    """All of the sweep."""
    return [SweepPoint(one, rounding, ratio) for one in bits for ratio in ratios for rounding in ("sr", "dr")]


def name_of(method: str, point: SweepPoint) -> str:
    """``lpt-sr 8-bit eta/Delta=0.5``."""
    return f"{method}-{point.rounding} {point.bits}-bit eta/Delta={point.ratio:g}"


def make_sweep(base: RunConfig, method: str, bits: Sequence[int], ratios: Sequence[float]) -> dict[str, RunConfig]:
    """FP32 and every point's configuration, by name."""
    variants = {str(FP32): configure(base, FP32)}
    for one in points(bits, ratios):
        config = configure(base, MethodSetting(f"{method}-{one.rounding}", one.bits))
        variants[name_of(method, one)] = config.replace("table", init_step=base.table.lr / one.ratio)
    return variants

"""Timing shared by the benchmarks: that of ``alpt-ref bench``."""

from __future__ import annotations

from alpt_ref.bench.timing import device_clock, interleaved, machine, medians, paired_ratio, wall_clock, write

__all__ = ["device_clock", "interleaved", "machine", "medians", "paired_ratio", "wall_clock", "write"]

"""What the result of a call depends on: x and draw, and neither memory nor what was called before."""

from __future__ import annotations

import numpy as np

from alpt_ref.testing.quantizer.probe import Probe
from alpt_ref.testing.quantizer.report import Finding


def repeatable(probe: Probe) -> Finding:
    """One x and draw give one result, whatever was called in between; another draw another one (SR)."""
    random = probe.random("repeat")
    x, other = probe.inside(random), probe.inside(random)
    draw = probe.next_draw()
    kept = probe.raw(x, draw)
    first = kept.copy()
    second = probe.raw(other, probe.next_draw())
    if kept.tobytes() != first.tobytes():
        return Finding(False, "a later call overwrites the result of an earlier one")
    again = probe.raw(x.copy(), draw)
    if again.dtype != first.dtype or again.tobytes() != first.tobytes():
        differ = int((again != first).sum())
        return Finding(False, f"the same x and draw gave another result at {differ:,} of {x.size:,} elements")
    if probe.stochastic:
        half = probe.between(probe.cells(random, x.shape), np.full(x.shape, 0.5))
        one, two = probe.call(half, draw), probe.call(half, probe.next_draw())
        if np.array_equal(one, two):
            return Finding(False, "another draw gives the same result: the draw decides nothing")
    return Finding(True, detects=f"any other bit of {x.size + second.size:,} results")

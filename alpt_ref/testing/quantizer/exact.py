"""The bias of a quantiser that is given its random words: counted over all of them, without sampling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.testing.adapters import known_besides
from alpt_ref.testing.quantizer.probe import Placed, Probe, Seen
from alpt_ref.testing.quantizer.report import Finding

COUNTED_BITS = 12
"""Up to so many bits each word is tried; beyond, the word at which the result changes is searched."""
ELEMENTS = 4096
LOOKED = 64
"""Random words besides, which must be on the right side of it."""


def exact_bias(probe: Probe) -> Finding | None:
    """Whether for every word count N of rounding up ``abs(N / 2**bits - p)`` is small; None where words are hidden."""
    with_words = known_besides(probe.fn, "with_words")
    if with_words is None:
        return None
    bits = int(known_besides(probe.fn, "word_bits"))
    random = probe.random("exact")
    shape = probe.shape(ELEMENTS)
    placed = probe.place(probe.cells(random, shape), random.random(shape))
    if bits <= COUNTED_BITS:
        ups: NDArray[np.int64] | None = _counted(probe, with_words, placed, bits)
    else:
        ups = _threshold(probe, with_words, placed, bits)
    if ups is None:
        return Finding(False, "a larger word does not keep the direction: rounding is no threshold of the word")
    off = np.where(placed.inside, ups / 2.0**bits - placed.p, 0.0)
    bad = np.abs(off) > probe.resolution
    worst = float(np.abs(off).max())
    if bad.any():
        seen = Seen(placed.x, 0, placed.x, placed.lower, placed.upper)
        example = probe.example(seen, np.abs(off) == worst)
        text = (
            f"over all {bits}-bit words the mean of {int(bad.sum()):,} of {off.size:,} elements is off: by {worst:.3g}"
        )
        return Finding(False, f"{text} of a step at x = {example.x!r}")
    return Finding(True, f"over all {bits}-bit words the mean is within {worst:.2g} of a step")


def _counted(probe: Probe, with_words: Any, placed: Placed, bits: int) -> NDArray[np.int64]:
    """Words that go up, of each element, each of them tried."""
    ups = np.zeros(placed.x.shape, np.int64)
    for word in range(1 << bits):
        ups += _up(probe, with_words, placed, word)
    return ups


def _up(probe: Probe, with_words: Any, placed: Placed, words: Any) -> NDArray[np.bool_]:
    full = np.ascontiguousarray(np.broadcast_to(np.asarray(words, np.uint32), placed.x.shape))
    result = probe.besides(with_words, placed.x, full, "given words").astype(np.float32)
    seen = Seen(placed.x, 0, result, placed.lower, placed.upper)
    return np.asarray(probe.snapped(seen) == placed.upper)


def _threshold(probe: Probe, with_words: Any, placed: Placed, bits: int) -> NDArray[np.int64] | None:
    """Words that go up, of each element, where these are the smallest or the largest ones; None where they are not."""
    last = (1 << bits) - 1
    first_up = _up(probe, with_words, placed, 0)
    low, high = np.zeros(first_up.shape, np.int64), np.full(first_up.shape, last + 1, np.int64)
    while (high - low > 1).any():  # the first word with another direction than word 0 is in (low, high]
        middle = (low + high) // 2
        same = _up(probe, with_words, placed, np.minimum(middle, last)) == first_up
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    random = probe.random("words")
    for _ in range(LOOKED):
        words = random.integers(0, last + 1, size=low.shape)
        if ((_up(probe, with_words, placed, words) == first_up) != (words < high))[placed.inside].any():
            return None
    return np.where(first_up, high, last + 1 - high)

"""Words of one's choice for the public quantiser: Philox is a bijection, so that a word can be traced to its place.

Under a key (the seed) Philox4x32 maps counters one to one onto outputs. A word is completed to an output by three
random words and mapped back; one counter in 256 is one that `quantize` uses (purpose 0), and its parts are the row, the
column and the counter of the call in which an element gets exactly this word. So what `quantize` does with any word is
seen through its public arguments, and since its decision is monotone in the word, all 2^32 words are counted by
bisection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref import quantizer
from alpt_ref.scalar.philox import PURPOSE_QUANTIZE

Words = NDArray[np.uint64]
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_INVERSES = tuple(np.uint64(pow(int(multiplier), -1, 1 << 32)) for multiplier in _MULTIPLIERS)
_WEYL = 0x9E3779B9, 0xBB67AE85
CANDIDATES = 2048


@dataclass(frozen=True)
class Place:
    """Where an element gets a given word: `quantize(w, ..., seed=, counter=, rows=row)`, column `column` of a row."""

    seed: int
    counter: int
    row: int
    column: int


def counters_of(outputs: Words, seed: int) -> Words:
    """The Philox counters (n, 4) of the outputs (n, 4) under the key of `seed`."""
    d0, d1, d2, d3 = (outputs[:, k].astype(np.uint64) for k in range(4))
    keys = seed & 0xFFFFFFFF, seed >> 32
    for number in reversed(range(10)):
        k0, k1 = (np.uint64((key + number * weyl) & 0xFFFFFFFF) for key, weyl in zip(keys, _WEYL, strict=True))
        c2, c0 = (d1 * _INVERSES[1]) & _LOW, (d3 * _INVERSES[0]) & _LOW
        c1, c3 = d0 ^ ((c2 * _MULTIPLIERS[1]) >> _HALF) ^ k0, d2 ^ ((c0 * _MULTIPLIERS[0]) >> _HALF) ^ k1
        d0, d1, d2, d3 = c0, c1, c2, c3
    return np.stack([d0, d1, d2, d3], axis=1)


def place_of(word: int, generator: np.random.Generator, candidates: int = CANDIDATES) -> Place:
    """A place whose word is `word`, in as low a column as the candidates give."""
    seed, lane = int(generator.integers(1 << 63)), int(generator.integers(4))
    outputs = generator.integers(0, 1 << 32, (candidates, 4), dtype=np.uint64)
    outputs[:, lane] = word
    counters = counters_of(outputs, seed)
    usable = counters[counters[:, 3] & np.uint64(0xFF) == np.uint64(PURPOSE_QUANTIZE)]
    c0, c1, c2, c3 = (int(part) for part in usable[np.argmin(usable[:, 1] & np.uint64(0xFFFF))])
    return Place(seed, (c3 >> 8) << 32 | c2, (c1 >> 16) << 32 | c0, 4 * (c1 & 0xFFFF) + lane)


def code_at(place: Place, w: np.float32, step_size: float, spec: quantizer.QuantSpec, *, per_row: bool = False) -> int:
    """The code that the public `quantize` gives `w` with the word of the place; `per_row` with two step sizes."""
    table = np.zeros((2, place.column + 1), np.float32)
    table[0, -1] = w
    steps: Any = np.array([step_size, 1.0], np.float32) if per_row else step_size
    options: dict[str, Any] = {"seed": place.seed, "counter": place.counter, "rows": place.row}
    return int(quantizer.quantize(table if per_row else table[:1], steps, spec, **options)[0, -1])


def count_words(goes_away: Callable[[int], bool], guess: int) -> int:
    """How many of the 2^32 words go away, by bisection of a monotone decision; two calls where `guess` is right."""
    if (guess == 0 or goes_away(guess - 1)) and (guess == 1 << 32 or not goes_away(guess)):
        return guess
    low, high = 0, 1 << 32
    if not goes_away(low):
        return low
    if goes_away(high - 1):
        return high
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if goes_away(middle) else (low, middle)
    return low

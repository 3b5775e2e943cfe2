"""Stochastic rounding in plain NumPy, and ways to get it wrong, for `alpt-ref verify --quantizer` and its table.

Each is ``fn(x, draw)``: float32 (n, d) and the number of the call in, values of the lattice out. The generator is
NumPy's own, keyed by the draw. Step size 0.1, 8 bits, unless the name says otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Quantizer = Callable[[Floats, int], Floats]
STEP_SIZE = 0.1


def generator(draw: int) -> np.random.Generator:
    """One for each draw."""
    return np.random.default_rng(draw)


def codes_to_values(codes: Any, step_size: float = STEP_SIZE, bits: int = 8, late: int = 0) -> Floats:
    """Values of codes, clipped to the range (or `late` codes beyond it)."""
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    return np.asarray(np.clip(codes, low - late, high + late) * np.float64(np.float32(step_size)), np.float32)


def parts(x: Floats, step_size: float = STEP_SIZE) -> tuple[Any, Any]:
    """Code below and the place above it, float64."""
    quotient = x.astype(np.float64) / np.float64(np.float32(step_size))
    floor = np.floor(quotient)
    return floor, quotient - floor


def stochastic_on(bits: int, step_size: float) -> Quantizer:
    """Stochastic rounding to a lattice."""

    def quantizer(x: Floats, draw: int) -> Floats:
        floor, place = parts(x, step_size)
        return codes_to_values(floor + (generator(draw).random(x.shape) < place), step_size, bits)

    return quantizer


stochastic = stochastic_on(8, STEP_SIZE)
stochastic_2_bits = stochastic_on(2, 1 / 3)
stochastic_4_bits = stochastic_on(4, 0.0625)
stochastic_16_bits = stochastic_on(16, 1 / 3)


def neighbours(x: Floats, step_size: float = STEP_SIZE) -> tuple[Any, Any]:
    """Code of the value below and the place between it and the value above: values as they are, rounded to float32."""
    step, wide = np.float64(np.float32(step_size)), x.astype(np.float64)
    code = np.rint(wide / step)

    def value(codes: Any) -> Any:
        return np.asarray(codes * step, np.float32).astype(np.float64)

    code -= value(code) > wide
    low = value(code)
    return code, (wide - low) / (value(code + 1) - low)


def stochastic_between_neighbours(x: Floats, draw: int) -> Floats:
    """Stochastic rounding that takes the values as they are, not as multiples before rounding."""
    code, place = neighbours(x)
    return codes_to_values(code + (generator(draw).random(x.shape) < place))


def stochastic_float32(x: Floats, draw: int) -> Floats:
    """The usual idiom, all of it in float32."""
    step = np.float32(STEP_SIZE)
    noise = generator(draw).random(x.shape, dtype=np.float32)
    return np.asarray(np.clip(np.floor(x / step + noise), -128, 127) * step, np.float32)


def biased(x: Floats, draw: int) -> Floats:
    """A 256th of a step too high."""
    floor, place = parts(x)
    return codes_to_values(floor + (generator(draw).random(x.shape) < place + 2.0**-8))


def eight_random_bits(x: Floats, draw: int) -> Floats:
    """Noise of 256 values."""
    floor, place = parts(x)
    return codes_to_values(floor + np.floor(place + generator(draw).integers(0, 256, x.shape) / 256))


def words_of_20_bits(x: Floats, draw: int) -> Floats:
    """Noise of 2^20 values, to 16 bits."""
    floor, place = parts(x)
    noise = generator(draw).integers(0, 1 << 20, x.shape) / 2.0**20
    return codes_to_values(floor + np.floor(place + noise), bits=16)


def shifted_noise(x: Floats, draw: int) -> Floats:
    """Noise 2^-20 of a step too high."""
    floor, place = parts(x)
    return codes_to_values(floor + np.floor(place + generator(draw).random(x.shape) + 2.0**-20))


def shifted_threshold(x: Floats, draw: int) -> Floats:
    """Threshold 2^-20 of a step too low, and none below zero."""
    floor, place = parts(x)
    return codes_to_values(floor + (generator(draw).random(x.shape) < place - 2.0**-20))


def one_word_a_row(x: Floats, draw: int) -> Floats:
    """One random number for a whole row."""
    floor, place = parts(x)
    return codes_to_values(floor + (generator(draw).random((len(x), 1)) < place))


def late_saturation(x: Floats, draw: int) -> Floats:
    """Clipped one code beyond either end."""
    floor, place = parts(x)
    return codes_to_values(floor + (generator(draw).random(x.shape) < place), late=1)


def repeats(x: Floats, draw: int) -> Floats:
    """The generator starts again after 2^16 draws."""
    return stochastic(x, draw % (1 << 16))


def nearest(x: Floats, draw: int) -> Floats:
    """Nearest rounding in place of stochastic."""
    floor, place = parts(x)
    return codes_to_values(floor + (place >= 0.5))


def nearest_ties_by_sign(x: Floats, draw: int) -> Floats:
    """Nearest rounding whose ties go away from zero."""
    floor, place = parts(np.abs(x))
    return codes_to_values(np.sign(x) * (floor + (place >= 0.5)))


def truncated(x: Floats, draw: int) -> Floats:
    """Rounded down."""
    return codes_to_values(parts(x)[0])

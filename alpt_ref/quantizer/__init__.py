"""The quantiser on arrays, for the CPU and, with the same bits, for the GPU."""

from alpt_ref.quantizer.arrays import (
    dequantize,
    pack,
    philox4x32,
    quantize,
    require_finite,
    step_gradient,
    unpack,
)
from alpt_ref.quantizer.spec import QuantSpec, check_columns, seed_words, words_per_row

__all__ = [
    "QuantSpec",
    "check_columns",
    "dequantize",
    "pack",
    "philox4x32",
    "quantize",
    "require_finite",
    "seed_words",
    "step_gradient",
    "unpack",
    "words_per_row",
]

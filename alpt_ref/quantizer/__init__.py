"""The quantiser on arrays, for the CPU and, bit for bit the same, for the GPU."""

from alpt_ref.quantizer.arrays import dequantize, quantize, require_finite, step_gradient
from alpt_ref.quantizer.finite import check_grid
from alpt_ref.quantizer.packing import pack, unpack
from alpt_ref.quantizer.random import philox4x32
from alpt_ref.quantizer.spec import QuantSpec, check_columns, lsq_step_size, seed_words, words_per_row

__all__ = [
    "QuantSpec",
    "check_columns",
    "check_grid",
    "dequantize",
    "lsq_step_size",
    "pack",
    "philox4x32",
    "quantize",
    "require_finite",
    "seed_words",
    "step_gradient",
    "unpack",
    "words_per_row",
]

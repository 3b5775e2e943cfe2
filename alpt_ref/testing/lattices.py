"""The lattices of `alpt_ref.testing.check_quantizer`, in one place."""

from alpt_ref.quantizer.float_formats import FloatFormat
from alpt_ref.quantizer.lattices import Affine, Lattice, Levels, PerRow, Uniform

__all__ = ["Affine", "FloatFormat", "Lattice", "Levels", "PerRow", "Uniform"]

"""Where the GPU's quantisers do otherwise than the CPU's, with the same bits: the cell under a known step size."""

from __future__ import annotations

from alpt_ref.kernels.cuda.division import quotient
from alpt_ref.kernels.cuda.target import device, whole_part
from alpt_ref.scalar import lattice
from alpt_ref.scalar.lattice import LARGEST_TRIED, SMALLEST_TRIED, last_cell, tried_code

_exact_code = lattice.random_code


@device
def random_code(w, step_size, low, high, word):  # type: ignore[no-untyped-def]
    """`scalar.lattice.random_code`, in float64 only where float32 leaves it open."""
    code, unsure = tried_code(w, step_size, low, high, word)
    if unsure or step_size < SMALLEST_TRIED or step_size > LARGEST_TRIED:
        code = _exact_code(w, step_size, low, high, word)
    return code


@device
def known_cell(size, negative, low, high, step_size, inverse, rest):  # type: ignore[no-untyped-def]
    """`scalar.lattice.cell_below` under a step size whose reciprocal is known, for magnitudes up to its limit.

    Where the magnitude is the value of k it may be k - 1, which gives the same codes.
    """
    return whole_part(min(last_cell(negative, low, high), quotient(size, step_size, inverse, rest)))

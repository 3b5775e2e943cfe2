"""Where the GPU's quantisers do otherwise than the CPU's, with the same bits: float64 where float32 is not sure."""

from __future__ import annotations

from alpt_ref.kernels.cuda.target import device
from alpt_ref.scalar import lattice
from alpt_ref.scalar.lattice import LARGEST_TRIED, SMALLEST_TRIED, tried_code

_exact_code = lattice.random_code


@device
def random_code(w, step_size, low, high, word):  # type: ignore[no-untyped-def]
    """`scalar.lattice.random_code`, in float64 only where float32 leaves it open."""
    code, unsure = tried_code(w, step_size, low, high, word)
    if unsure or step_size < SMALLEST_TRIED or step_size > LARGEST_TRIED:
        code = _exact_code(w, step_size, low, high, word)
    return code

"""The lattice of a user's quantiser in the cells of a claim."""

from __future__ import annotations

from alpt_ref.verification import Cell
from alpt_ref.verification.user_quantizer import UserQuantizer


def on(quantizer: UserQuantizer, cells: list[Cell]) -> list[Cell]:
    """The cells with the lattice in them."""
    return [{**cell, "bits": quantizer.bits, "step_size": quantizer.step_size} for cell in cells]

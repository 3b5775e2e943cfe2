"""gfloat: rounding to any format, with random words as an argument."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alpt_ref.testing import Uniform
from alpt_ref.testing.adapters import from_words

from .lattices import bf16, fp8
from .peer import Case, Floats, Peer, Quantizer, module

WORD_BITS = 32


def _rounded(format_info: Any, mode: Any, *, stochastic: bool) -> Quantizer:
    ndarray = module("gfloat").round_ndarray

    def nearest(x: Floats, draw: int) -> Floats:
        return np.asarray(ndarray(format_info, x, mode, sat=True), dtype=np.float32)

    def with_words(x: Floats, words: NDArray[np.uint32]) -> Floats:
        wide = x.astype(np.float64)  # its sums of words and fractions need more than 24 bits
        options = {"srbits": words.astype(np.int64), "srnumbits": WORD_BITS}
        return np.asarray(ndarray(format_info, wide, mode, sat=True, **options), dtype=np.float32)

    return from_words(with_words, bits=WORD_BITS) if stochastic else nearest


def cases() -> list[Case]:
    """Its int8 of the OCP formats (step size 2^-6), bfloat16 and fp8 E4M3, saturating; SR with words of 32 bits."""
    gfloat, formats = module("gfloat"), module("gfloat.formats")
    modes: dict[Literal["sr", "dr"], tuple[Any, str]] = {
        "sr": (
            gfloat.RoundMode.Stochastic,
            f"Stochastic rounding, RTNE delta to srbits; srnumbits: how many bits are in srbits (here {WORD_BITS})",
        ),
        "dr": (gfloat.RoundMode.TiesToEven, "Round to nearest, ties to even"),
    }
    found = []
    for rounding, (mode, promise) in modes.items():
        for lattice, info in (
            (Uniform(2.0**-6, 8), formats.format_info_ocp_int8),
            (bf16(), formats.format_info_bfloat16),
            (fp8(), formats.format_info_ocp_e4m3),
        ):
            found.append(
                Case(
                    f"round_ndarray, {info.name}, {mode.name}",
                    rounding,
                    lattice,
                    _rounded(info, mode, stochastic=rounding == "sr"),
                    promise + "; sat: round overflowed values to fi.max",
                    "docstrings of `gfloat.round_ndarray` and `gfloat.RoundMode`",
                    ties="even" if rounding == "dr" else None,
                )
            )
    return found


PEER = Peer("gfloat", "gfloat", cases)

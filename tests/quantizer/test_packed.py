"""`quantize(..., packed=True)` packs while it quantises: the words are those of packing the codes afterwards."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from alpt_ref import QuantSpec, pack, quantize


@pytest.mark.parametrize("rounding", ["sr", "dr"])
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("d", [1, 3, 4, 6, 16, 33])  # whole words, whole bytes and neither
def test_words_are_those_of_packed_codes(d: int, bits: int, rounding: Literal["sr", "dr"]) -> None:
    rng = np.random.default_rng(d)
    w = rng.standard_normal((150, d)).astype(np.float32)
    spec, rows = QuantSpec(bits, rounding), rng.integers(0, 1000, 150)
    each = np.linspace(0.05, 0.2, 150).astype(np.float32)
    drawn: Any
    for step_size, drawn in ((0.1, None), (each, 7), (each, rows)):
        codes = quantize(w, step_size, spec, seed=3, rows=drawn)
        packed = quantize(w, step_size, spec, seed=3, rows=drawn, packed=True)
        assert packed.dtype == np.uint32
        assert np.array_equal(packed, pack(codes, bits))

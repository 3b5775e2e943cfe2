"""The product that keeps its rounding is a product in machine code too."""

from __future__ import annotations

import numba
import numpy as np

from alpt_ref.scalar.arith import mul


def test_a_product_in_machine_code_is_one() -> None:
    @numba.njit  # type: ignore[untyped-decorator, unused-ignore]
    def product(a: np.float32, b: np.float32) -> np.float32:
        return mul(a, b)  # type: ignore[no-any-return]

    a, b = np.float32(3.1), np.float32(-0.7)
    assert product(a, b) == mul(a, b) == a * b

"""The product that keeps its rounding is a product in machine code too."""

from __future__ import annotations

import numba
import numpy as np

from alpt_ref.scalar.arith import _mul_cpu, mul


def test_a_product_in_machine_code_is_one() -> None:
    @numba.njit  # type: ignore[untyped-decorator, unused-ignore]
    def product(a: np.float32, b: np.float32) -> np.float32:
        return mul(a, b)  # type: ignore[no-any-return]

    a, b = np.float32(3.1), np.float32(-0.7)
    assert product(a, b) == mul(a, b) == a * b


def test_the_body_for_the_cpu_is_the_product_and_the_gpu_gets_none() -> None:
    """Who asks is seen by the module that calls: numba-cuda asks the overloads of other targets too."""
    asked = _mul_cpu(1.5, 2.0)
    assert asked is not None
    assert asked(1.5, 3.0) == 4.5
    asking = {"__name__": "numba.cuda.lower", "ask": _mul_cpu}
    exec("found = ask(1.5, 2.0)", asking)
    assert asking["found"] is None

"""The integers of a code: one definition, for Python and for compiled code."""

from __future__ import annotations

import pytest

from alpt_ref.kernels import oracle
from alpt_ref.quantizer import QuantSpec
from alpt_ref.scalar.code_range import code_range, highest_code, lowest_code
from alpt_ref.scalar.quantizer import q_max, q_min


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_range_is_that_of_twos_complement(bits: int) -> None:
    assert code_range(bits) == (lowest_code(bits), highest_code(bits)) == oracle.code_range(bits)
    assert (int(q_min(bits)), int(q_max(bits))) == code_range(bits)


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_a_specification_has_the_range_of_its_width(bits: int) -> None:
    assert (QuantSpec(bits).q_min, QuantSpec(bits).q_max) == code_range(bits)

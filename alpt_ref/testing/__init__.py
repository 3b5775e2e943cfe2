"""Tests for parts that others write: does a table, a backbone or a quantiser keep the promises that are relied on?

`check_table` and `check_model` run in seconds and raise an `AssertionError` that names the check. They serve any test
runner::

    def test_my_table():
        check_table(MyTable)

`check_quantizer` returns a report on any rounding to a lattice (docs/check-your-quantizer.md).
"""

from __future__ import annotations

from alpt_ref.testing.lattices import Affine, FloatFormat, Lattice, Levels, PerRow, Uniform
from alpt_ref.testing.models import check_model
from alpt_ref.testing.quantizer import Report, check_quantizer
from alpt_ref.testing.tables import check_table

__all__ = [
    "Affine",
    "FloatFormat",
    "Lattice",
    "Levels",
    "PerRow",
    "Report",
    "Uniform",
    "check_model",
    "check_quantizer",
    "check_table",
]

"""Tests for parts that others write: does a table, a backbone or a quantiser keep the promises that are relied on?

`check_table` and `check_model` run in seconds and raise an `AssertionError` that names the check. They serve any test
runner::

    def test_my_table():
        check_table(MyTable)

`check_quantizer` returns a report on any rounding to a lattice; docs/check-your-quantizer.md shows it. Beside it stand
adapters (`alpt_ref.testing.adapters`), strategies for Hypothesis (`alpt_ref.testing.strategies`) and quantisers that
are wrong on purpose (`alpt_ref.testing.broken`).
"""

from __future__ import annotations

from alpt_ref.testing.adapters import from_codes, from_cupy, from_torch, from_words, stateful
from alpt_ref.testing.lattices import Affine, FloatFormat, Lattice, Levels, PerRow, Uniform
from alpt_ref.testing.models import check_model
from alpt_ref.testing.pytest_checks import parametrize_with_quantizer_checks
from alpt_ref.testing.quantizer import Report, check_quantizer
from alpt_ref.testing.quantizer.reference import reference
from alpt_ref.testing.tables import check_table
from alpt_ref.testing.words import for_all_words

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
    "for_all_words",
    "from_codes",
    "from_cupy",
    "from_torch",
    "from_words",
    "parametrize_with_quantizer_checks",
    "reference",
    "stateful",
]

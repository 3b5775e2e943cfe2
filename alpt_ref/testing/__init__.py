"""Tests for parts that others write: does a table or a backbone keep the promises that training relies on?

`check_table` and `check_model` run in seconds and raise an `AssertionError` that names the check. They serve any test
runner::

    def test_my_table():
        check_table(MyTable)
"""

from __future__ import annotations

from alpt_ref.testing.models import check_model
from alpt_ref.testing.tables import check_table

__all__ = ["check_model", "check_table"]

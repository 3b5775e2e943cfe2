"""The scale of a learned step size's gradient."""

from __future__ import annotations

import pytest

from alpt_ref.tables.step_sizes import gradient_scale


@pytest.mark.parametrize(("rule", "expected"), [("bdq", 1 / 1200**0.5), ("dq", 1 / 12**0.5), ("none", 1.0)])
def test_each_rule_is_the_stated_formula(rule: str, expected: float) -> None:
    assert gradient_scale(rule, batch_size=100, d=4, q_max=3) == expected

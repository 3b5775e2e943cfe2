"""D2's sum where some terms are vacuous and the whole is not: every term by hand."""

from __future__ import annotations

import pytest

from alpt_ref.theory.stalling import dr_convex_sqrt
from tests import tolerances


@pytest.mark.parametrize("T", [90, 400])
def test_the_terms_beyond_the_gradient_count_as_the_gradient(T: int) -> None:
    c, step_size, D, G, dim = 1.1, 0.2, 9.0, 2.3, 3
    terms = [min(dim**0.5 * step_size * t**0.5 / (2 * c), G) for t in range(1, T + 1)]
    vacuous = sum(term == G for term in terms)
    assert vacuous == T - {90: 90, 400: 213}[T]  # (2 c G/(sqrt(d) Delta))^2 = 213.4
    wanted = (D * D / (2 * c) + c * G * G) / T**0.5 + D * sum(terms) / T
    assert wanted < 0.98 * G * D
    assert dr_convex_sqrt(T=T, c=c, step_size=step_size, D=D, G=G, dim=dim) == pytest.approx(
        wanted, rel=tolerances.FLOAT64
    )

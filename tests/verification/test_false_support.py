"""False support at the boundary: a million verdicts a distribution and number of runs, at alpha 0.001 (nightly)."""

from __future__ import annotations

import pytest

from analysis.claims.j1_false_support import (
    LAWS,
    SIDES,
    SLACK,
    Floats,
    Side,
    count_supported,
    p_of_support,
    upper_limit,
)

ALPHA = 0.001
MILLION = 1_000_000


def limits(law_name: str, runs: int, verdicts: int) -> dict[Side, float]:
    """Upper 99 % limits of the rate of false support over alpha."""
    law = LAWS[law_name]

    def p_value(values: Floats, side: Side) -> Floats:
        return p_of_support(values, law, side, law.mean)

    counts = count_supported(law, runs, verdicts, p_value, ALPHA, seed=runs)
    return {side: upper_limit(counts[side], verdicts) / ALPHA for side in SIDES}


@pytest.mark.nightly
@pytest.mark.parametrize("runs", [5, 64, 512])
@pytest.mark.parametrize("law", LAWS)
def test_of_a_million_verdicts_at_the_boundary_no_more_than_alpha_are_wrong(law: str, runs: int) -> None:
    found = limits(law, runs, MILLION)
    assert max(found.values()) <= SLACK, found


@pytest.mark.parametrize("law", ["squared normal", "rare", "lognormal"])
def test_few_runs_of_skewed_values_support_nothing_wrong(law: str) -> None:
    """5 runs by Student's t at this level were wrong in 5 % (squares) and 27 % (lognormal) of cases."""
    found = limits(law, 5, 10_000)
    assert max(found.values()) <= SLACK, found

"""Collects how close exact expectations came to each bound, and prints the largest ratios after the tests."""

from __future__ import annotations

from collections.abc import Callable

import hypothesis
import pytest

LARGEST: dict[str, tuple[float, str]] = {}


@pytest.fixture(scope="session")
def compare() -> Callable[[str, float, float, object], None]:
    """``compare(theorem, measured, bound, case)``: fails above the bound, steers the search towards it."""
    from tests import tolerances

    def check(theorem: str, measured: float, bound: float, case: object) -> None:
        allowed = bound * (1.0 + tolerances.EXACT_BOUND)
        ratio = measured / bound if bound > 0.0 else 0.0
        hypothesis.target(ratio, label=f"{theorem} measured/bound")
        if ratio > LARGEST.get(theorem, (0.0, ""))[0]:
            LARGEST[theorem] = (ratio, repr(case))
        assert measured <= allowed, f"{theorem} refuted: {measured!r} > {bound!r} for {case!r}"

    return check


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the largest ratio of each theorem (``pytest -v`` adds the case)."""
    if LARGEST:
        terminalreporter.section("largest measured/bound ratio met in the search")
        for theorem, (ratio, case) in sorted(LARGEST.items()):
            detail = f"  {case}" if terminalreporter.verbosity > 0 else ""
            terminalreporter.write_line(f"{theorem:24s} {ratio:.5f}{detail}")

"""What takes minutes, an index and the extra dev runs only where asked for: ``pytest tests/packaging --wheel``."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--wheel``; pytest knows it only where this folder is named on the command line."""
    parser.addoption("--wheel", action="store_true", help="build wheel and sdist, install them, use them")


@pytest.fixture(scope="session")
def wheels_wanted(request: pytest.FixtureRequest) -> None:
    """Skip the test unless wheels are to be built."""
    if not request.config.getoption("--wheel", default=False):
        pytest.skip("builds and installs wheels: pytest tests/packaging --wheel")

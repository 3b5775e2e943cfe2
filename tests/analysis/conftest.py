"""One quick run of claims D, A, C and X5, shared by the tests of claims and of figures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from alpt_ref.verification.results import save_results
from alpt_ref.verification.runner import load_claims, verify

CLAIMS = Path(__file__).resolve().parents[2] / "analysis" / "claims"


@pytest.fixture(scope="session")
def stored(once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """Folder with their verdicts and measurements."""

    def make(folder: Path) -> None:
        claims = load_claims(CLAIMS)
        chosen = [claims[name] for name in claims if name[0] in "dac" or name == "x5"]
        save_results(folder, verify(chosen, folder, jobs=1))

    return once("verified-claims", make)

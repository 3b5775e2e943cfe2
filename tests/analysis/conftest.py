"""One quick run of claims D, A, C and M5, shared by the tests of claims and of figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpt_ref.verification.results import save_results
from alpt_ref.verification.runner import load_claims, verify

CLAIMS = Path(__file__).resolve().parents[2] / "analysis" / "claims"


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with their verdicts and measurements."""
    folder = tmp_path_factory.mktemp("verify")
    claims = load_claims(CLAIMS)
    save_results(folder, verify([claims[name] for name in claims if name[0] in "dac" or name == "m5"], folder, jobs=1))
    return folder

"""A claim loads only what it needs: its own file and helpers, the theory, the judge; no engine, table or study."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

COUNT = """
import json, os, sys
import msgspec, numba, numpy, scipy.stats  # of others, loaded once; each claim is loaded in a process of its own
for name in sys.argv[1:]:
    if os.fork():
        assert os.wait()[1] == 0, name
        continue
    assert not [module for module in sys.modules if module.split(".")[0] == "alpt_ref"]
    from alpt_ref.verification.runner import load_claims
    claims = load_claims(only=[name])
    assert list(claims) == [name], claims
    loaded = [one for one in sys.modules if one.split(".")[0] == "alpt_ref" or one.startswith("_alpt_ref_folder")]
    print(json.dumps([name, loaded]), flush=True)
    sys.exit()
"""
CLAIMS = ("d1", "s1", "r2", "x1", "c1", "t1")
MOST = 145
"""Modules of the package behind one claim of the theory: 76 are `alpt_ref.theory` with its kernels."""
ABOVE = {"studies", "training", "tables", "models", "serving", "data", "cli"}
HELPERS = {
    "_instance", "_instances", "_sharp", "_box", "_terms", "_slopes", "_track", "_pictures", "_rounding", "_words",
    "_noisy_chain", "_left_out", "_quantizer_walks", "_quantizer_calls", "_quantizer_cells",
    "_quantizer_correlations", "_quantizer_laws",
    "_quantizer_tightness",
}  # fmt: skip
ABOUT = {"t1": {"s1", "s2", "s3", "s4", "s5", "d1", "d2"}}
"""Claims that are about others, and about which."""


@pytest.fixture(scope="module")
def modules() -> dict[str, list[str]]:
    """Of every claim, the modules of the package and of claims that it loads."""
    done = subprocess.run([sys.executable, "-c", COUNT, *CLAIMS], check=True, capture_output=True, text=True)
    return dict(json.loads(line) for line in done.stdout.splitlines())


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_of_the_theory_loads_neither_an_engine_nor_another_claim(
    name: str, modules: dict[str, list[str]]
) -> None:
    loaded = [module.split(".") for module in modules[name]]
    rooms = {module[1] for module in loaded if module[0] == "alpt_ref" and len(module) > 1}
    assert "verification" in rooms
    assert rooms & ABOVE == set()
    beside = {module[-1] for module in loaded if module[0] != "alpt_ref" and len(module) > 1} - HELPERS
    assert {file.split("_")[0] for file in beside} == {name} | ABOUT.get(name, set())
    assert len(loaded) < MOST, len(loaded)


def test_every_control_has_cells_in_either_budget() -> None:
    """A control that is run nowhere is not refuted: its claim would fail in that budget alone."""
    from alpt_ref.verification.runner import load_claims

    found = load_claims()
    assert len(found) > 50
    without = [
        (name, budget, control.name)
        for name, one in found.items()
        for budget in ("quick", "full")
        for control in one.claim.controls
        if control.where is not None and not any(map(control.where, one.claim.grid(budget)))
    ]
    assert without == []

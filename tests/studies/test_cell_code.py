"""A trained cell is keyed by the code of its own method, backbone and optimiser, and by the libraries alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from alpt_ref._util import code_parts
from alpt_ref.data import ClickDataset
from alpt_ref.errors import InputError
from alpt_ref.studies import cell_code as module
from alpt_ref.studies.bits_of_runs import bits_in_words
from alpt_ref.studies.cell import cell_key
from alpt_ref.studies.comparison import compare
from alpt_ref.studies.reproduce import Row, Stored, Table
from alpt_ref.studies.table import fill_table
from alpt_ref.training.config import RunConfig
from alpt_ref.training.versions import versions
from tests.studies.fabricated import VERSIONS, fabricate

METHODS = ("fp32", "lpt", "alpt", "hashing", "pruning", "lsq")


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package."""
    copy = tmp_path_factory.mktemp("copy") / "alpt_ref"
    shutil.copytree(code_parts.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def package(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy that may be edited, in the place of ours; afterwards it is as it was."""
    ours = code_parts.PACKAGE
    monkeypatch.setattr(code_parts, "PACKAGE", copied)
    monkeypatch.setattr(module, "PACKAGE", copied)
    module._parts_digest.cache_clear()
    yield copied
    module._parts_digest.cache_clear()
    for file in copied.rglob("*.py"):
        kept = ours / file.relative_to(copied)
        if not kept.exists():
            file.unlink()
        elif file.read_bytes() != kept.read_bytes():
            shutil.copy(kept, file)


UNTOUCHED: dict[str, str] = {}
"""Keys of the copy as it is made."""


@pytest.fixture
def before(package: Path) -> dict[str, str]:
    """Keys of the copy before it is edited."""
    if not UNTOUCHED:
        UNTOUCHED.update(keys())
    return UNTOUCHED


def keys(**model: str) -> dict[str, str]:
    module._parts_digest.cache_clear()
    base = RunConfig().replace("model", **model) if model else RunConfig()
    return {name: cell_key(base.replace("table", method=name), "data") for name in METHODS}


def changed(package: Path, file: str, before: dict[str, str], text: str = "EDITED = 1\n") -> set[str]:
    with (package / file).open("a") as stream:
        stream.write(text)
    after = keys()
    return {name for name in METHODS if after[name] != before[name]}


@pytest.mark.parametrize(
    ("file", "discards"),
    [
        ("tables/alpt.py", {"alpt"}),
        ("tables/hashing.py", {"hashing"}),
        ("tables/lpt.py", {"lpt", "alpt", "lsq", "hashing"}),
        ("tables/base.py", set(METHODS)),
        ("tables/optimizers.py", set(METHODS)),
        ("models/dcn.py", set(METHODS)),
        ("scalar/dense_update.py", set(METHODS)),
        ("training/trainer.py", set(METHODS)),
        ("studies/table_diagnostics.py", set(METHODS)),
        ("models/fm.py", set()),
        ("kernels/cuda/rows.py", set()),
        ("data/formats/criteo.py", set()),
        ("training/checkpoint.py", set()),
        ("studies/report.py", set()),
        ("theory/problems.py", set()),
        ("cli/train.py", set()),
    ],
)
def test_a_change_discards_the_cells_that_use_the_file(
    package: Path, before: dict[str, str], file: str, discards: set[str]
) -> None:
    assert changed(package, file, before) == discards


@pytest.mark.parametrize("file", ["tables/alpt.py", "tables/base.py", "kernels/cpu/table.py"])
def test_a_comment_and_a_docstring_discard_nothing(package: Path, before: dict[str, str], file: str) -> None:
    assert not changed(package, file, before, '# a comment\n"""And a docstring."""\n')


def test_a_new_method_discards_nothing(package: Path, before: dict[str, str]) -> None:
    shutil.copy(package / "tables" / "alpt.py", package / "tables" / "newest.py")
    assert not changed(package, "catalog.py", before, "NEWEST = ('newest', 'newest:Table')\n")
    assert not changed(package, "tables/options.py", before, "class NewestOptions(MethodOptions): pass\n")


def test_the_settings_struct_of_a_method_counts_for_it_alone(package: Path, before: dict[str, str]) -> None:
    options = package / "tables" / "options.py"
    text = options.read_text()
    options.write_text(text.replace("class HashingOptions(MethodOptions", "class HashingOptions(ChangedOptions"))
    after = keys()
    assert {name for name in METHODS if after[name] != before[name]} == {"hashing"}


@pytest.mark.parametrize("library", ["numpy", "scipy", "numba", "blas"])
def test_another_library_or_kernel_of_products_discards_all(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, true = keys(), versions()
    monkeypatch.setattr(module, "versions", lambda: {**true, library: "another"})
    after = keys()
    assert all(after[name] != before[name] for name in METHODS)


def test_a_new_version_of_the_package_alone_discards_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    before, true = keys(), versions()
    monkeypatch.setattr(module, "versions", lambda: {**true, "alpt_ref": "99"})
    assert keys() == before


def test_a_helper_of_a_third_partys_method_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import alpt_ref

    (tmp_path / "own_method_helper.py").write_text("SCALE = 1\n")
    (tmp_path / "own_method.py").write_text(
        "import own_method_helper\nfrom alpt_ref.tables.full import FullTable\nclass Mine(FullTable): pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    alpt_ref.allow("own_method:Mine")
    config = RunConfig().replace("table", method="own_method:Mine")
    before = cell_key(config, "data")
    (tmp_path / "own_method_helper.py").write_text("SCALE = 2\n")
    module._parts_digest.cache_clear()
    assert cell_key(config, "data") != before


TABLE = Table(
    id="one",
    title="One",
    label_columns=("method",),
    runs=lambda study: {"fp32": study.run("fp32")},
    rows=lambda study: [Row(("FP32",), "fp32")],
    seeds="all",
)


def legend(stored: Stored) -> str:
    (part,) = fill_table(TABLE, stored.plan("one"))
    return " ".join(part.legend)


def test_a_table_says_with_what_its_runs_were_trained(tmp_path: Path) -> None:
    stored = fabricate(tmp_path / "runs", [TABLE])
    assert "Trained with alpt_ref 9.9, numpy 2.0, scipy 1.0, numba 0.60, matrix products by openblas" in legend(stored)


@pytest.mark.parametrize(
    ("versions", "text"),
    [
        ({**VERSIONS, "numpy": "1.9"}, "1 run with alpt_ref 9.9, numpy 1.9,"),
        (
            {**VERSIONS, "blas": "openblas 0.3 Haswell"},
            "numba 0.60, matrix products by openblas 0.3 Haswell",
        ),
        ({}, "1 run by an earlier release (bits of version 0.1)"),
    ],
)
def test_a_table_of_mixed_bits_says_so(versions: dict[str, str], text: str, tmp_path: Path) -> None:
    fabricate(tmp_path / "runs", [TABLE])
    file = sorted((tmp_path / "runs" / "cells").glob("*.json"))[0]
    file.write_text(json.dumps({**json.loads(file.read_text()), "versions": versions}))
    said = legend(Stored(tmp_path / "runs"))
    assert "MIXED BITS" in said
    assert text in said
    assert "2 runs with alpt_ref 9.9, numpy 2.0" in said


def test_a_cell_that_was_edited_is_refused(config: RunConfig, dataset: ClickDataset, tmp_path: Path) -> None:
    compare(config, dataset, tmp_path / "out", methods=[], seeds=[0], jobs=1)
    (file,) = (tmp_path / "out" / "cells").glob("*.json")
    plain = json.loads(file.read_text())
    assert bits_in_words([plain["versions"]]).startswith("Trained with alpt_ref ")
    file.write_text(json.dumps({**plain, "test_auc": 0.99}))
    with pytest.raises(InputError, match="does not have its checksum"):
        Stored(tmp_path / "out").plan("comparison")


def test_a_comparison_that_goes_on_under_another_kernel_says_what_it_trains_again(
    config: RunConfig, dataset: ClickDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare(config, dataset, tmp_path / "out", methods=[], seeds=[0], jobs=1)
    true = versions()
    monkeypatch.setattr(module, "versions", lambda: {**true, "blas": "openblas 0.3 Haswell"})
    said: list[str] = []
    compare(config, dataset, tmp_path / "out", methods=[], seeds=[0, 1], jobs=1, log=said.append)
    assert said[0].startswith(
        "1 finished run of this folder cannot be used beside those of this installation and are trained again: trained "
        f"with alpt_ref {true['alpt_ref']}, numpy {true['numpy']}"
    )
    assert said[-1] == "0 cells reused, 2 measured"

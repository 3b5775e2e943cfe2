"""Parts by name: installed ones are found, clashes and broken ones are one sentence, files import nothing unnamed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alpt_ref import make_table
from alpt_ref._util import parts
from alpt_ref.catalog import Entry
from alpt_ref.errors import InputError
from alpt_ref.tables import FullTable

Install = Callable[..., Path]
TABLE = "from alpt_ref.tables import FullTable\nclass Mine(FullTable):\n    method = 'mine'\n"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a distribution on the path: metadata with entry points, and modules; forget them afterwards."""
    monkeypatch.setattr(parts, "_BY_CALLER", {})
    own: set[str] = set()

    def made(name: str, group: str, points: str, *, version: str = "1.0", **modules: str) -> Path:
        folder = tmp_path / f"{name}-{version}"
        info = folder / f"{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[alpt_ref.{group}]\n{points}\n")
        own.update(modules)
        for module, text in modules.items():
            (folder / f"{module}.py").write_text(text)
        monkeypatch.syspath_prepend(folder)
        return folder

    yield made
    for module in own:
        sys.modules.pop(module, None)


def test_an_installed_method_is_found_by_name_and_not_imported_before(install: Install) -> None:
    install("gamma", "tables", "mine = gamma_mod:Mine", gamma_mod=TABLE)
    assert parts.names("table")[-1] == "mine"
    assert "gamma_mod" not in sys.modules
    entry = parts.find("table", "mine", "method")
    assert (entry.distribution, entry.built_in, entry.cuda) == ("gamma 1.0", False, "")
    assert make_table("mine", 4, 2).method == "mine"
    assert parts.name_of(entry.load()) == "mine"


def test_two_parts_of_one_name_are_refused(install: Install) -> None:
    install("alpha", "tables", "mine = alpha_mod:Mine", alpha_mod=TABLE)
    install("beta", "tables", "mine = beta_mod:Mine", version="2.1", beta_mod=TABLE)
    with pytest.raises(InputError, match=r"'mine' is declared twice, by alpha 1\.0 and beta 2\.1; uninstall one"):
        make_table("mine", 4, 2)
    make_table("fp32", 4, 2)  # the others go on working


def test_a_part_with_the_name_of_a_built_in_one_is_refused(install: Install) -> None:
    install("alpha", "tables", "lpt = alpha_mod:Mine", alpha_mod=TABLE)
    with pytest.raises(InputError, match=r"'lpt' of distribution alpha 1\.0 has the name of a built-in one"):
        make_table("lpt", 4, 2, bits=8)
    make_table("alpt", 4, 2, bits=8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module_at_all\n", "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("Other = 1\n", "AttributeError: module '.*' has no attribute 'Mine'"),
        ("class Mine:\n  x = (\n", "SyntaxError: "),
    ],
)
def test_a_broken_plug_in_is_one_sentence_that_names_the_distribution(
    install: Install, text: str, message: str
) -> None:
    install("broken", "tables", "mine = broken_mod:Mine", broken_mod=text)
    with pytest.raises(InputError, match=rf"'mine' of distribution broken 1\.0 cannot be loaded from .* \({message}"):
        make_table("mine", 4, 2)


def test_a_plug_in_that_is_no_table_is_refused(install: Install) -> None:
    install("gamma", "tables", "mine = gamma_mod:Mine", gamma_mod="Mine = 3\n")
    with pytest.raises(InputError, match="'mine' must be a subclass of EmbeddingTable, gamma_mod:Mine is 3"):
        make_table("mine", 4, 2)


def test_options_must_be_a_struct(install: Install) -> None:
    from alpt_ref import RunConfig

    install("gamma", "tables", "mine = gamma_mod:Mine", gamma_mod=TABLE + "    Options = dict\n")
    with pytest.raises(InputError, match=r"Options of 'mine' must be a msgspec\.Struct"):
        RunConfig().replace("table", method="mine")


@pytest.mark.usefixtures("install")
def test_a_file_imports_only_what_is_installed_or_named_by_the_caller() -> None:
    def named() -> None:
        parts.require_named("table", "delta_mod:Mine", "table.method", "run/config.toml")

    with pytest.raises(InputError, match=r"run/config\.toml names the class 'delta_mod:Mine' as table\.method"):
        named()
    parts.allow("delta_mod:Mine")
    named()
    with pytest.raises(InputError, match=r"a class must be named as package\.module:Class, got 'delta_mod'"):
        parts.allow("delta_mod")


def test_a_file_may_name_an_installed_class(install: Install) -> None:
    install("gamma", "tables", "mine = gamma_mod:Mine", gamma_mod=TABLE)
    parts.require_named("table", "gamma_mod:Mine", "table.method", "run/config.toml")
    assert "gamma_mod" not in sys.modules


def test_identity_sees_source_bases_and_version(install: Install) -> None:
    text = "from gamma_base import Base\nclass Mine(Base):\n    pass\n"
    base = "from alpt_ref.tables import FullTable\nclass Base(FullTable):\n    rate = 1\n"
    seen = []
    written = {"1": (text, base), "2": (text, base), "2.1": (text + "#\n", base), "2.2": (text, base + "#")}
    for version, (mine, below) in written.items():
        install("gamma", "tables", "mine = gamma_mod:Mine", version=version, gamma_mod=mine, gamma_base=below)
        for module in ("gamma_mod", "gamma_base"):
            sys.modules.pop(module, None)
        seen.append(parts.identity(Entry("mine", "gamma_mod:Mine", distribution=f"gamma {version}")))
    assert [one["distribution"] for one in seen] == ["gamma 1", "gamma 2", "gamma 2.1", "gamma 2.2"]
    sources = [one["source"] for one in seen]
    assert sources[0] == sources[1]
    assert len(set(sources)) == 3


def test_a_class_without_a_file_is_known_by_its_code() -> None:
    def made(factor: int) -> Any:
        space: dict[str, Any] = {"FullTable": FullTable, "__name__": "__main__"}
        exec(f"class Mine(FullTable):\n    def twice(self, x):\n        return x * {factor}\n", space)
        return space["Mine"]

    sources = [parts.identity(Entry("m", "m:M", given=made(factor)))["source"] for factor in (2, 2, 3)]
    assert sources[0] == sources[1] != sources[2]


@pytest.mark.parametrize(
    ("label", "expected"),
    [("fp32", ("fp32", "")), ("alpt-sr", ("alpt", "sr")), ("a_b.c:Mine", None)],
)
def test_labels_of_a_comparison(label: str, expected: tuple[str, str] | None) -> None:
    assert parts.split_label(label) == (expected or (label, ""))
    for wrong in ("alpt", "fp32-sr", "lptt-sr"):
        with pytest.raises(InputError, match=f"methods must be among fp32, lpt-dr, .* or module:Class, got '{wrong}'"):
            parts.split_label(wrong)

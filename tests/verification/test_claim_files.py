"""Files of claims that cannot be loaded or planned: one sentence with the file's name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alpt_ref.errors import InputError
from alpt_ref.verification.results import ClaimResult
from alpt_ref.verification.runner import choose, load_claims, verify

Toys = Callable[..., Path]


def run(folder: Path, output: Path, *ids: str, **options: Any) -> dict[str, ClaimResult]:
    output.mkdir(exist_ok=True)
    found = verify(choose(load_claims(folder), ids), output, **{"jobs": 1, **options})
    return {result.id: result for result in found}


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("x_syntax", "def broken(:\n", "x_syntax.py cannot be loaded: SyntaxError"),
        ("x_import", "import no_such_module_here", "x_import.py cannot be loaded: ModuleNotFoundError"),
        ("x_exit", "raise SystemExit(3)", "x_exit.py cannot be loaded: SystemExit"),
        ("x_empty", "", "x_empty.py must define CLAIM"),
        ("x_number", "CLAIM = 3", "CLAIM must be a Claim, got int"),
        (
            "y_name",
            """
            from alpt_ref.verification import Claim, Control
            CLAIM = Claim("x", "t", "s", "upper", lambda b: [{}], lambda c, k: 1,
                          lambda c, s, broken=None: 1, Control("a", "b"))
            """,
            "must be named x_<what>.py",
        ),
        (
            "z_kind",
            """
            from alpt_ref.verification import Claim, Control
            CLAIM = Claim("z", "t", "s", "law", lambda b: [{}], lambda c, k: 1,
                          lambda c, s, broken=None: 1, Control("a", "b"))
            """,
            "z_kind.py cannot be loaded: kind must be one of",
        ),
    ],
)
def test_a_bad_claim_file_is_one_sentence_with_its_name(toys: Toys, name: str, source: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_claims(toys(**{name: source}))


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ("[]", "at least one cell"),
        ("[{'a': 1}, {'a': 1}]", "twice"),
        ("[{'f': len}]", "cannot be stored"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_a_grid_that_cannot_be_used_stops_before_anything_is_measured(
    toys: Toys, tmp_path: Path, grid: str, message: str
) -> None:
    source = f"""
    from alpt_ref.verification import Claim, Control
    CLAIM = Claim("x", "t", "s", "upper", lambda b: {grid}, lambda c, k: 1,
                  lambda c, s, broken=None: 1, Control("a", "b"))
    """
    with pytest.raises(InputError, match=message):
        run(toys("good_mean", x_grid=source), tmp_path / "out")
    assert not (tmp_path / "out" / "cells").exists()


def test_two_files_of_one_claim_are_refused(toys: Toys) -> None:
    folder = toys("good_mean")
    (folder / "good_again.py").write_text((folder / "good_mean.py").read_text())
    with pytest.raises(InputError, match="both define claim 'good'"):
        load_claims(folder)


def test_an_unknown_id_suggests_the_nearest(toys: Toys) -> None:
    with pytest.raises(InputError, match="no claim 'godo'; nearest: good"):
        choose(load_claims(toys("good_mean", "open_mean")), ["godo"])


def test_helpers_beside_a_claim_can_be_imported(toys: Toys, tmp_path: Path) -> None:
    folder = toys(
        _common="VALUE = 0.5",
        uses_helper="""
        from alpt_ref.verification import Claim, Control, exact
        from ._common import VALUE
        CLAIM = Claim("uses", "t", "s", "upper", lambda b: [{}], lambda c, k: 1.0,
                      lambda cell, seed, broken=None: exact(VALUE), Control("a", "b", shrink=0.1))
        """,
    )
    assert run(folder, tmp_path / "out")["uses"].outcome == "SUPPORTED"


def test_a_broken_helper_that_no_claim_imports_does_not_matter(toys: Toys, tmp_path: Path) -> None:
    assert run(toys("good_mean", _helper="def broken(:"), tmp_path / "out")["good"].outcome == "SUPPORTED"


def test_no_folder_of_claims_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        load_claims(tmp_path / "none")
    with pytest.raises(InputError, match="holds no claims"):
        load_claims(tmp_path)


def test_an_installation_without_its_folder_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alpt_ref._util.plugin.analysis_folder", lambda: None)
    with pytest.raises(InputError, match="this installation of alpt_ref lacks its folder analysis/claims; install it"):
        load_claims()

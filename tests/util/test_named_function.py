"""Functions by name: from a module, from a file with a helper beside it, or one sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from alpt_ref._util.named_function import load_function
from alpt_ref.errors import InputError


def test_a_file_may_import_the_module_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "helper_of_a_quantizer.py").write_text("HALF = 0.5\n")
    (tmp_path / "mine.py").write_text("from helper_of_a_quantizer import HALF\ndef fn(x): return x * HALF\n")
    assert load_function(f"{tmp_path / 'mine.py'}:fn")(3.0) == 1.5
    assert sys.path[-1] == str(tmp_path.resolve())
    monkeypatch.delitem(sys.modules, "helper_of_a_quantizer")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine.py:fn", "there is no file mine.py"),
        ("fn", "must be named module:function or file.py:function"),
        ("math:pi", "must be a function, got float"),
        ("math:nothing", "math has no nothing"),
        ("no_such_module_here:fn", "cannot be loaded"),
    ],
)
def test_what_cannot_be_loaded_is_one_sentence(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(InputError, match=message):
        load_function(name)

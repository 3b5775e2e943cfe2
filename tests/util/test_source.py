"""Digests of sources: the same for every version of Python."""

from __future__ import annotations

import ast

import pytest

from alpt_ref._util import source

TEXT = b'''
import numpy as np


class Law(dict[str, int]):
    """A law."""

    def mean(self, *, of: int = 3) -> str:
        return f"{of + 1:g} of {max(self, default=None)}"


def f(x): return [one for one in x if one] or (lambda: -1.5)()
'''
DIGEST = "a4ca279e84ab9d660c7070d19bb4147a214547bf543ca27ec227e593d04bcabd"


def test_a_digest_is_that_of_python_3_11() -> None:
    assert source.read_source(TEXT).digest == DIGEST


def test_empty_type_parameters_are_not_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.12 writes them for each function and class."""
    for kind in (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef):
        if "type_params" not in kind._fields:
            monkeypatch.setattr(kind, "_fields", (*kind._fields, "type_params"))
            monkeypatch.setattr(kind, "type_params", [], raising=False)
    tree = ast.parse(TEXT)
    assert "type_params" in ast.dump(tree)
    assert source.digest_of(tree) == DIGEST

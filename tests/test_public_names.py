"""Every public name has a numpydoc docstring with an example, and the example runs."""

from __future__ import annotations

import doctest
import inspect
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import alpt_ref

NAMES = sorted(name for name in [*alpt_ref.__all__, *alpt_ref._EXTRAS] if not isinstance(getattr(alpt_ref, name), str))
NAMESPACE = {"np": np, **{name: getattr(alpt_ref, name) for name in alpt_ref.__all__}}
"""What an example may use without an import: NumPy and what ``from alpt_ref import *`` gives."""


def load(name: str) -> Any:
    if name in alpt_ref._EXTRAS:
        pytest.importorskip("sklearn")
    return getattr(alpt_ref, name)


def headings(text: str) -> list[str]:
    """Sections of a numpydoc docstring: words underlined with as many hyphens."""
    lines = text.splitlines()
    return [a for a, b in itertools.pairwise(lines) if a.strip() and b == "-" * len(a)]


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_has_a_docstring_with_an_example(name: str) -> None:
    value = load(name)
    text = inspect.getdoc(value) or ""
    assert text, f"{name} has no docstring"
    assert "Examples" in headings(text), f"{name} has no section Examples"
    if inspect.isfunction(value):
        signature = inspect.signature(value)
        if signature.parameters:
            assert "Parameters" in headings(text), f"{name} does not describe its parameters"
        if signature.return_annotation not in (None, "None", inspect.Signature.empty):
            assert "Returns" in headings(text), f"{name} does not say what it returns"
        for parameter in signature.parameters:
            assert parameter in text, f"{name} does not mention its parameter {parameter}"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: None) -> None:
    """An empty folder, in which examples may write."""
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("elsewhere")
def test_the_examples_of_a_public_name_run(name: str) -> None:
    value = load(name)
    finder = doctest.DocTestFinder(recurse=False)
    (found,) = finder.find(value, name, module=False, globs=dict(NAMESPACE))
    assert found.examples, f"{name} has no example that runs"
    output: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(found, out=output.append)
    assert result.failed == 0, "".join(output)

"""A function that is broken in place says what an import of the broken source would; where it would not, none is."""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from analysis.mutate.swap import functions, swap

SOURCE = '''"""A module."""
import functools

LEVEL = 3


def f(x, y=2):
    """Docstring."""
    return x + y


@functools.cache
def kept(x):
    return x * LEVEL


class C:
    size = 5

    @property
    def area(self):
        def inner(z):
            return z - 1

        return inner(self.size)


pick = [lambda x: x + 1, lambda x: x + 2]


def times(k):
    def made(x):
        return k * x

    return made


twice = times(2)
'''


@pytest.fixture
def module(tmp_path: Path) -> Iterator[ModuleType]:
    file = tmp_path / "swapped_module.py"
    file.write_text(SOURCE, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("swapped_module", file)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["swapped_module"] = made
    spec.loader.exec_module(made)
    yield made
    del sys.modules["swapped_module"]


@pytest.mark.parametrize(
    ("old", "new", "ask", "expected"),
    [
        ("return x + y", "return x\\\n   - y", "m.f(5)", 3),  # what follows moves by a line
        ("return x * LEVEL", "return x * 7", "m.kept(2)", 14),
        ("return z - 1", "return z + 1", "m.C().area", 6),
        ("lambda x: x + 2", "lambda x: x + 3", "m.pick[1](1)", 4),
        ("return x + y", "return x + 1.0", "m.f(5)", 6.0),
    ],
)
def test_a_function_is_broken_for_everyone_who_has_it(
    module: ModuleType, old: str, new: str, ask: str, expected: float
) -> None:
    file, before = str(module.__file__), module.f
    known = functions(Path(file).parent)[file]
    found = swap(file, SOURCE, SOURCE.replace(old, new), known)
    assert found is not None
    assert len(found) == 1
    for function, code in found:
        function.__code__ = code
    assert eval(ask, {"m": module}) == expected
    assert module.f is before
    assert isinstance(module.kept, functools._lru_cache_wrapper)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LEVEL = 3", "LEVEL = 4"), ("y=2", "y=3"), ("size = 5", "size = 6"), ("def f(", "def g("),
        ("@functools.cache", "@functools.lru_cache(1)"), ("def f(", "def more(): return 1\n\n\ndef f("),
    ],
)  # fmt: skip
def test_what_runs_at_import_is_left_to_an_import(module: ModuleType, old: str, new: str) -> None:
    file = str(module.__file__)
    assert swap(file, SOURCE, SOURCE.replace(old, new), functions(Path(file).parent)[file]) is None
    assert swap(file, SOURCE, SOURCE.replace("x + y", "x - y"), {}) is None  # nobody has imported it


def test_functions_that_another_has_made_keep_their_code(module: ModuleType) -> None:
    file = str(module.__file__)
    known = functions(Path(file).parent)[file]
    assert swap(file, SOURCE, SOURCE.replace("return k * x", "return k + x"), known) is None
    assert module.twice(5) == 10

"""Which way to call a user's function is taken, with a compiler that is played by Python."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory import row_functions as module
from alpt_ref.theory.row_functions import row_function

POINTS = np.array([[0.5, -1.5], [2.0, 3.0], [-0.25, 0.75]])
W = np.array([[1.5, 2.0], [-3.0, 0.5], [4.0, 0.25], [0.0, -1.0]])


def compiler(monkeypatch: pytest.MonkeyPatch, made: Any = None) -> list[Any]:
    """In place of Numba's: loops stay as they are, a function becomes `made`; the calls of loops are recorded."""
    spans: list[Any] = []

    def njit(**options: Any) -> Any:
        def compiled(function: Any) -> Any:
            if function.__name__ != "loop":
                return made or function

            def loop(lo: int, hi: int, w: Any, out: Any) -> None:
                spans.append((lo, hi))
                function(lo, hi, w, out)

            return loop

        return compiled

    monkeypatch.setattr(module, "numba", SimpleNamespace(njit=njit))
    return spans


def size(w: Any) -> Any:
    return w[0] * w[0] + 3.0 * w[1]


def slopes(w: Any) -> Any:
    return np.array([2.0 * w[0], 3.0])


def test_a_function_that_compiles_to_the_same_numbers_is_called_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = compiler(monkeypatch)
    value = row_function("value", size, POINTS, gradient=False, compiled=None)
    assert (value.how, value.why, str(value)) == ("compiled", "", "compiled")
    assert spans == [(0, 3)]
    assert value.call(W).tolist() == [x * x + 3.0 * y for x, y in W]
    gradient = row_function("gradient", slopes, POINTS, gradient=True, compiled=True)
    assert gradient.how == "compiled"
    assert gradient.call(W).tolist() == [[2.0 * x, 3.0] for x, _ in W]


def test_other_numbers_when_compiled_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    compiler(monkeypatch, lambda w: size(w) + 1e-6)
    value = row_function("value", size, POINTS, gradient=False, compiled=None)
    assert (value.how, value.why) == ("row by row", "it gives other numbers when compiled")
    assert value.call(W).tolist() == [x * x + 3.0 * y for x, y in W]
    with pytest.raises(InputError, match=r"value does not compile \(it gives other numbers when compiled\)"):
        row_function("value", size, POINTS, gradient=False, compiled=True)
    compiler(monkeypatch, lambda w: size(w) + 1e-10)
    assert row_function("value", size, POINTS, gradient=False, compiled=None).how == "compiled"


def test_what_is_not_compiled_is_vectorised_where_it_gives_the_same() -> None:
    many = row_function("value", lambda w: (w * w).sum(axis=-1), POINTS, gradient=False, compiled=False)
    assert (many.how, many.why) == ("vectorised", "compiled=False")
    other = row_function("value", lambda w: w[..., 0] * w.size, POINTS, gradient=False, compiled=False)
    assert other.how == "row by row"  # of many points it is another number
    assert other.call(W).tolist() == [2.0 * x for x, _ in W]
    only = row_function("value", lambda w: (w * w).sum(axis=1), POINTS, gradient=False, compiled=None)
    assert (only.how, only.why) == ("vectorised", "it takes many points only")
    with pytest.raises(InputError, match=r"value must return a number, or \(n,\) for \(n, d\), here d = 2"):
        row_function("value", lambda w: w, POINTS, gradient=False, compiled=None)

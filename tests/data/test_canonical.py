"""Canonical texts of values: one rule whatever held them."""

from __future__ import annotations

import decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.data.canonical import float_text, log_text, number_text, texts_of, value_text
from alpt_ref.data.formats.criteo import integer_category
from alpt_ref.data.formats.moments import time_of, times_of
from alpt_ref.errors import InputError


@given(st.integers(-(10**40), 10**40), st.integers(0, 3))
def test_whole_numbers_of_any_size_are_exact(value: int, zeros: int) -> None:
    sign, digits = ("-", str(-value)) if value < 0 else ("", str(value))
    assert number_text(sign + "0" * zeros + digits) == str(value)
    assert value_text(value, "text") == value_text(value, "number") == str(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_spelling_of_a_fraction_is_one_text(value: float) -> None:
    text = float_text(value)
    assert text is not None
    assert Fraction(text) == Fraction(value) or float(text) == value
    assert {number_text(repr(value)), number_text(f"{value:.17e}"), number_text(f" {value!r}")} == {text}
    assert texts_of(pa.array([value]), "number") == [text] == [value_text(value, "number")]


@given(st.floats(allow_nan=False, allow_infinity=False, width=32))
def test_a_float32_is_its_shortest_decimal(value: float) -> None:
    narrow = np.float32(value)
    assert texts_of(pa.array([narrow]), "number") == [number_text(str(narrow))] == [value_text(narrow, "number")]


@given(st.integers(-(10**18), 10**18))
def test_the_log_rule_is_criteos(value: int) -> None:
    assert log_text(str(value)) == integer_category(str(value))


@pytest.mark.parametrize(
    ("array", "kind", "texts"),
    [
        (pa.array(["03", None, "nan", " 3", ""]), "text", ["03", "", "nan", " 3", ""]),
        (pa.array(["03", None, "NaN", " 3", "x", "1e999"]), "number", ["3", "", "", "3", None, None]),
        (pa.array([2**64 - 1], pa.uint64()), "text", ["18446744073709551615"]),
        (pa.array([3.0, float("nan"), None, float("inf")]), "number", ["3", "", "", None]),
        (pa.array([True, False, None]), "number", ["1", "0", ""]),
        (pa.array([decimal.Decimal("12.50"), None]), "number", ["12.5", ""]),
        (pa.array([decimal.Decimal(10) ** 30], pa.decimal128(38, 0)), "text", ["1" + "0" * 30]),
        (pa.array([decimal.Decimal("3.00")], pa.decimal128(9, 2)), "number", ["3"]),
        (pa.array([b"ab", b"\xff", None]), "text", ["ab", None, ""]),
        (pa.array([0], pa.date32()), "text", ["1970-01-01"]),
        (pa.array([None, None]), "text", ["", ""]),
        (pa.array(["a", "b"], pa.large_string()), "text", ["a", "b"]),
    ],
)
def test_texts_of_arrow_values(array: Any, kind: str, texts: list[str | None]) -> None:
    assert texts_of(array, kind) == texts


@pytest.mark.parametrize(
    ("array", "kind", "message"),
    [
        (pa.array([0.5]), "text", 'type = "number"'),
        (pa.array([True]), "text", 'type = "number"'),
        (pa.array([decimal.Decimal("0.5")]), "text", 'type = "number"'),
        (pa.array([0], pa.timestamp("s")), "text", "no category"),
        (pa.array([[1]]), "number", "no category"),
        (pa.array([0], pa.date32()), "number", "no category"),
    ],
)
def test_values_without_one_text_are_refused(array: Any, kind: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        texts_of(array, kind)


@given(st.integers(-(2**62), 2**62), st.sampled_from(["s", "ms", "us", "ns"]))
def test_a_timestamp_and_its_text_are_one_time(moment: int, unit: str) -> None:
    moment = int(np.clip(moment, -(2**31), 2**31)) if unit == "s" else moment // 10**7
    array = pa.array([moment], pa.timestamp(unit))
    numbers, whole, known = times_of(array, None)
    text = str(np.datetime64(moment, unit))
    assert time_of(text) == time_of(text.replace("T", " ") + "Z") == (int(numbers[0]), False)
    assert (whole.tolist(), known.tolist()) == ([False], [True])


def test_times_that_cannot_be_read() -> None:
    for text in ("", "1.5", "2014-13-01", "2014-01-01 25:00", "9999-01-01", "1" * 20, "yesterday"):
        assert time_of(text) is None, text
    far = pa.array([2**62], pa.timestamp("s"))
    assert times_of(far, None)[2].tolist() == [False]
    with pytest.raises(InputError, match="no time"):
        times_of(pa.array([True]), None)

"""Columns in memory as local ids: by value, whatever holds the value, and fractions by bins."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.data.formats.categories import CategoryWarning
from alpt_ref.data.formats.columns import CategoryError, ColumnCoder
from alpt_ref.errors import InputError

VALUES = st.one_of(
    st.none(), st.just(float("nan")), st.text(max_size=3), st.integers(-3, 3), st.booleans(), st.binary(max_size=2)
)


def objects(values: list[Any]) -> np.ndarray[Any, Any]:
    column = np.empty(len(values), object)
    column[:] = values
    return column


def missing(value: Any) -> bool:
    return value is None or value != value


@pytest.mark.filterwarnings("ignore::alpt_ref.data.formats.categories.CategoryWarning")
@given(values=st.lists(VALUES, min_size=1, max_size=30), later=st.lists(VALUES, max_size=10), least=st.integers(1, 3))
def test_every_frequent_value_has_an_id_of_its_own_and_all_others_share_zero(
    values: list[Any], later: list[Any], least: int
) -> None:
    coder = ColumnCoder.of("c", objects(values), bins=4, min_count=least)
    counts = Counter("missing" if missing(value) else ("value", value) for value in values)
    kept = {key for key, count in counts.items() if count >= least}
    assert coder.size == 1 + len(kept)
    ids: dict[Any, int] = {}
    for value, found in zip(values + later, coder.encode(objects(values + later)), strict=True):
        key = "missing" if missing(value) else ("value", value)
        assert (found > 0) == (key in kept)
        assert ids.setdefault(key, int(found)) == found < coder.size
    assert len({found for found in ids.values() if found}) == len(set(ids) & kept)


@pytest.mark.parametrize("dtype", ["int8", "uint64", "float32", "float64", "object"])
def test_a_number_is_one_category_in_every_dtype(dtype: str) -> None:
    coder = ColumnCoder.of("c", np.arange(100), bins=4)
    assert coder.size == 101
    assert coder.encode(np.array([3, 99, 100]).astype(dtype)).tolist() == [4, 100, 0]


def test_whole_numbers_beyond_float64_held_as_float64_are_warned_about() -> None:
    with pytest.warns(CategoryWarning, match=r"c: whole numbers of 2\*\*53 and more"):
        ColumnCoder.of("c", np.array([2.0**60, 2.0**60 + 512, 5.0]), bins=4)
    ColumnCoder.of("c", np.array([2.0**60, 2.0**61, 5.5]), bins=4)  # fractions


def test_whole_numbers_beyond_float64_stay_apart() -> None:
    big = [2**53, 2**53 + 1, 2**80]
    coder = ColumnCoder.of("c", objects(big), bins=2)
    assert sorted(coder.encode(objects(big)).tolist()) == [1, 2, 3]
    assert ColumnCoder.of("c", np.array(big[:2]), bins=2).encode(np.array(big[:2])).tolist() == [1, 2]


def test_numbers_and_their_texts_are_different_categories() -> None:
    with pytest.warns(CategoryWarning, match=r"c: 1 values stand there in two types, such as (1|b'1') and '1'"):
        coder = ColumnCoder.of("c", objects([1, "1", b"1"]), bins=2)
    assert coder.encode(objects(["1", b"1", 1])).tolist() == [2, 3, 1]
    assert coder.encode(np.array(["1", "2"])).tolist() == [2, 0]


@pytest.mark.parametrize("as_objects", [False, True])
def test_many_fractions_fall_into_bins_of_equal_counts(as_objects: bool) -> None:
    values = np.random.default_rng(0).standard_normal(1000)
    column = objects([*values.tolist(), None]) if as_objects else np.append(values, np.nan)
    coder = ColumnCoder.of("c", column, bins=10)
    ids = coder.encode(column)
    assert np.bincount(ids).tolist() == [0, *[100] * 10, 1]  # none out of vocabulary, one missing
    assert coder.size == 12
    order = np.argsort(values)
    assert (np.diff(ids[:-1][order].astype(int)) >= 0).all()
    assert coder.encode(np.array([-1e9, 1e9])).tolist() == [1, 10]
    assert coder.encode(objects(["text", None, 0])).tolist() == [0, 11, ids[order[int((values < 0).sum())]]]


def test_bins_are_few_where_values_repeat_and_few_fractions_are_categories() -> None:
    column = np.append(np.zeros(900), np.linspace(0.5, 1.5, 100))
    coder = ColumnCoder.of("c", column, bins=10)
    assert coder.edges is not None
    assert len(set(coder.encode(column).tolist())) == coder.size - 1 < 10  # no bin stays empty
    few = ColumnCoder.of("c", np.array([0.1, 0.2, 0.1]), bins=2)
    assert few.encode(np.array([0.2, 0.1, 0.15])).tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (np.array([1.0, np.inf]), "c contains infinity"),
        (objects([1.5, float("-inf"), "a"]), "c contains infinity"),
        (objects([1.5, 2.5, 3.5, 10**400]), "c has a number beyond float64"),
    ],
)
def test_bad_numbers_are_one_sentence(column: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ColumnCoder.of("c", column, bins=2)


@pytest.mark.parametrize("value", [{"a": 1}, [1], (1, 2), object(), 1j, np.datetime64("2020-01-01")])
def test_values_that_are_no_categories_are_refused(value: Any) -> None:
    with pytest.raises(CategoryError, match="c: every argument must be a string or a number"):
        ColumnCoder.of("c", objects([1, value]), bins=2)


def test_dates_are_refused() -> None:
    with pytest.raises(CategoryError, match="c holds datetime64"):
        ColumnCoder.of("c", np.array(["2020-01-01"], "datetime64[D]"), bins=2)

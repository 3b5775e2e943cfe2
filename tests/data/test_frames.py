"""One rule for every container: the same values are the same categories, whatever table and type holds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpt_ref.data.formats.columns import CategoryError, ColumnCoder
from alpt_ref.data.formats.frames import columns_of
from alpt_ref.errors import InputError

pd = pytest.importorskip("pandas")

BIG = 2**60
IDS = st.one_of(st.integers(-3, 3), st.integers(BIG, BIG + 3), st.integers(2**53, 2**53 + 3))
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3)


def as_rows(values: list[Any], make: type) -> Any:
    return make(make([value, 0.5]) for value in values)


def arrow(values: list[Any]) -> Any:
    return pa.table({"a": pa.array(values), "b": pa.array([0.5] * len(values))})


def dictionary(values: list[Any]) -> Any:
    return pa.table({"a": pa.array(values).dictionary_encode(), "b": pa.array([0.5] * len(values))})


def pandas(dtype: str | None) -> Callable[[list[Any]], Any]:
    def make(values: list[Any]) -> Any:
        return pd.DataFrame({"a": pd.Series(values, dtype=dtype), "b": 0.5})

    return make


def categorical(values: list[Any]) -> Any:
    known = sorted({value for value in values if value is not None})
    codes = [-1 if value is None else known.index(value) for value in values]
    return pd.DataFrame({"a": pd.Categorical.from_codes(codes, categories=known), "b": 0.5})


def polars(values: list[Any]) -> Any:
    pl = pytest.importorskip("polars")
    return pl.DataFrame({"a": values, "b": [0.5] * len(values)}, strict=False)


def masked(values: list[Any]) -> Any:
    filled = np.array([[0 if value is None else value, 1] for value in values], np.int64)
    return np.ma.array(filled, mask=[[value is None, False] for value in values])


WITH_MISSING: dict[str, Callable[[list[Any]], Any]] = {
    "list": lambda values: as_rows(values, list),
    "tuple": lambda values: as_rows(values, tuple),
    "arrow": arrow,
    "arrow dictionary": dictionary,
    "record batch": lambda values: arrow(values).to_batches()[0],
    "pandas object": pandas("object"),
    "pandas categorical": categorical,
    "polars": polars,
}
FOR_NUMBERS = {
    **WITH_MISSING, "pandas Int64": pandas("Int64"), "pandas Arrow": pandas("int64[pyarrow]"), "masked": masked,
}  # fmt: skip
FOR_TEXTS = {**WITH_MISSING, "pandas string": pandas("string"), "pandas Arrow": pandas("string[pyarrow]")}


def labels(column: Any) -> list[int]:
    """Local ids by a coder of its own; the categories' order depends on their values alone."""
    return ColumnCoder.of("c", column, bins=2).encode(column).tolist()  # type: ignore[no-any-return]


def expected(values: list[Any]) -> list[int]:
    known = sorted({value for value in values if value is not None})
    return [len(known) + 1 if value is None else known.index(value) + 1 for value in values]


@given(values=st.lists(IDS, min_size=1, max_size=20))
def test_whole_numbers_are_the_same_categories_in_every_container(values: list[int]) -> None:
    tables = {
        **{name: make(values) for name, make in FOR_NUMBERS.items()},
        "pandas int64": pandas("int64")(values),
        "two-dimensional array": np.array([values, values]).T,
    }
    for name, table in tables.items():
        columns = columns_of(table)
        column = table[:, 0] if columns is None else columns[0]
        assert labels(column) == expected(values), name


@given(values=st.lists(st.none() | IDS, min_size=1, max_size=20))
def test_a_missing_value_beside_them_changes_no_number(values: list[int | None]) -> None:
    for name, make in FOR_NUMBERS.items():
        columns = columns_of(make(values))
        assert columns is not None
        assert labels(columns[0]) == expected(values), name


@pytest.mark.filterwarnings("ignore::alpt_ref.data.formats.categories.CategoryWarning")
@given(values=st.lists(st.none() | TEXTS, min_size=1, max_size=20))
def test_texts_are_the_same_categories_in_every_container(values: list[str | None]) -> None:
    for name, make in FOR_TEXTS.items():
        columns = columns_of(make(values))
        assert columns is not None
        assert labels(columns[0]) == expected(values), name


DTYPES = ("int8", "int64", "uint64", "float32", "float64", "Int16", "Float32", "bool", "object", "int64[pyarrow]")


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_column_learned_in_one_type_is_known_in_another(dtype: str) -> None:
    coder = ColumnCoder.of("c", np.array([0, 1]), bins=2)
    columns = columns_of(pd.DataFrame({"a": pd.Series([1, 0, 1], dtype=dtype)}))
    assert columns is not None
    assert coder.encode(columns[0]).tolist() == [2, 1, 2]


def test_polars_keeps_texts_enums_and_large_numbers() -> None:
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame(
        {
            "text": ["b", None, "a"],
            "category": pl.Series(["b", None, "a"], dtype=pl.Categorical),
            "enum": pl.Series(["b", None, "a"], dtype=pl.Enum(["a", "b"])),
            "id": pl.Series([2**64 - 1, None, 2**64 - 2], dtype=pl.UInt64),
            "fraction": [0.5, None, float("nan")],
        }
    )
    columns = columns_of(frame)
    assert columns is not None
    assert [labels(column) for column in columns] == [*[[2, 3, 1]] * 4, [1, 2, 2]]


@pytest.mark.parametrize(
    "table",
    [
        pd.DataFrame({"a": pd.to_datetime(["2020-01-01"])}),
        pa.table({"a": pa.array([[1, 2]])}),
        pa.table({"a": pa.array([0], pa.timestamp("s"))}),
        [[{"a": 1}]],
        [[[1]]],
    ],
    ids=["date", "list", "time", "dict in a row", "list in a row"],
)
def test_what_is_no_category_is_named(table: Any) -> None:
    with pytest.raises(CategoryError, match=r"must be a string or a number"):
        ColumnCoder.of("c", (columns_of(table) or [])[0], bins=2)


def test_rows_of_different_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="rows of one length"):
        columns_of([[1, 2], [3]])


def test_plain_arrays_are_left_to_their_one_type() -> None:
    assert columns_of(np.zeros((2, 2))) is None
    assert columns_of([1, 2]) is None
    assert columns_of([]) is None

"""`CTRClassifier` on the same values in other containers, types and spellings: the same bits, or a word about it."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("sklearn")
pd = pytest.importorskip("pandas")

from alpt_ref import CTRClassifier  # noqa: E402
from alpt_ref.data.formats.categories import CategoryWarning  # noqa: E402
from alpt_ref.errors import AlptWarning, InputError  # noqa: E402

RANDOM = np.random.default_rng(0)
IDS = [2**60 + int(k) for k in RANDOM.integers(0, 8, 400)]
NAMES = [None if k == 3 else f"site{k}" for k in RANDOM.integers(0, 5, 400)]
PRICES = [0.25 * int(k) for k in RANDOM.integers(0, 4, 400)]
Y = np.array([number % 2 for number in IDS])


def small(**options: Any) -> CTRClassifier:
    return CTRClassifier(**{"dim": 2, "hidden": (4,), "epochs": 2, "lr": 0.02, "random_state": 0, **options})


def tables() -> dict[str, Any]:
    rows = list(zip(IDS, NAMES, PRICES, strict=True))
    columns = {"id": IDS, "name": NAMES, "price": PRICES}
    found = {
        "lists": [list(row) for row in rows],
        "tuples": rows,
        "object array": np.array(rows, dtype=object),
        "pandas": pd.DataFrame(columns),
        "pandas, own types": pd.DataFrame(columns).convert_dtypes(),
        "pandas, categoricals": pd.DataFrame(columns).astype({"id": "category", "name": "category"}),
        "arrow": pa.table(columns),
    }
    try:
        import polars as pl

        found["polars"] = pl.DataFrame(columns)
    except ImportError:
        pass
    return found


def test_every_container_gives_the_same_bits() -> None:
    expected = small(epochs=8).fit(tables()["lists"], Y).predict_proba(tables()["lists"])
    assert ((expected[:, 1] > 0.5) == Y).all()  # neighbours beyond 2**53 stay apart
    for name, table in tables().items():
        clf = small(epochs=8).fit(table, Y)
        assert np.array_equal(clf.predict_proba(table), expected), name
    model = small().fit(tables()["arrow"], Y)
    if hasattr(model, "feature_names_in_"):
        assert model.feature_names_in_.tolist() == ["id", "name", "price"]


SPELLINGS: dict[str, Any] = {
    "text": [str(number) for number in IDS],
    "float text": [f"{number}.0" for number in IDS],
    "padded": [f"{number} " for number in IDS],
    "quoted": [f'"{number}"' for number in IDS],
    "bytes": [str(number).encode() for number in IDS],
    "zeros": [f"000{number}" for number in IDS],
}


@pytest.mark.parametrize(
    ("learned", "asked", "hint"),
    [
        ("text", "padded", "blanks are part of the values"),
        ("text", "quoted", "quotes are part of the values"),
        ("text", "bytes", "they are of another type"),
        ("text", "zeros", "check that they are written as in training"),
        ("bytes", "text", "they are of another type"),
        ("text", "float text", "check that they are written"),
    ],
)
def test_another_spelling_is_named_with_field_share_and_values(learned: str, asked: str, hint: str) -> None:
    table = [[value, "x"] for value in SPELLINGS[learned]]
    clf = small().fit(table, Y)
    known, unknown = SPELLINGS[learned], SPELLINGS[asked]
    with pytest.warns(CategoryWarning, match="100 % of the values of column 0 of X are unknown") as caught:
        clf.predict([[value, "x"] for value in unknown])
    text = str(caught[0].message)
    assert f"such as {unknown[0]!r} and" in text
    assert any(f"it knows {value!r} and" in text for value in known)
    assert text.endswith(hint + text[text.index(hint) + len(hint) :])
    with pytest.warns(CategoryWarning):
        pickle.loads(pickle.dumps(clf)).predict([[value, "x"] for value in unknown])
    clf.predict(table)


def test_a_few_new_values_are_nothing_to_speak_of() -> None:
    clf = small().fit([[value, "x"] for value in SPELLINGS["text"]], Y)
    clf.predict([["new", "x"]] * 9)
    clf.predict([["new", "x"]] * 100 + [[value, "x"] for value in SPELLINGS["text"][:201]])
    with pytest.warns(CategoryWarning, match="50 % of the values"):
        clf.predict([["new", "x"]] * 100 + [[value, "x"] for value in SPELLINGS["text"][:100]])


def test_rare_values_that_have_no_row_by_choice_are_usual() -> None:
    rare = [[f"once{number}", number % 2] for number in range(400)]
    clf = small(min_count=2).fit(rare, Y)
    clf.predict(rare)


def test_a_column_of_numbers_and_their_texts_is_warned_about() -> None:
    mixed = [[number if row < 200 else str(number)] for row, number in enumerate(IDS)]
    with pytest.warns(CategoryWarning, match=r"column 0 of X: 8 values stand there in two types, such as 11529"):
        small().fit(mixed, Y)


def test_a_batch_of_one_row_teaches_batch_norm_nothing() -> None:
    table = tables()["tuples"]
    with pytest.raises(InputError, match="batch_size must be at least 2 with batch_norm, got 1"):
        small(batch_size=1, batch_norm=True).fit(table, Y)
    small(batch_size=1, batch_norm=False, epochs=1).fit(table[:40], Y[:40])
    with pytest.warns(AlptWarning, match="batch_size 57 leaves one row for the last batch of 400 rows"):
        small(batch_size=57, epochs=1, batch_norm=True).fit(table, Y)

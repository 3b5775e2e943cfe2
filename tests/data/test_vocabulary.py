"""The vocabulary against a slow dictionary, and what unknown categories become."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alpt_ref.data import ClickDataset, RawClicks, Vocabulary
from alpt_ref.errors import InputError

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\n\0"), max_size=3)
ROWS = st.lists(st.tuples(st.sampled_from([0, 1]), TEXT, st.sampled_from("abc")), min_size=1, max_size=60)


def raw(rows: list[tuple[int, str, str]]) -> RawClicks:
    """Rows of two text fields as a reader would give them."""
    categories, codes = [], []
    for column in (1, 2):
        code_of: dict[str, int] = {}
        codes.append([code_of.setdefault(str(row[column]), len(code_of)) for row in rows])
        categories.append(list(code_of))
    labels = np.array([row[0] for row in rows], dtype=np.uint8)
    return RawClicks(labels, np.array(codes, dtype=np.int32).T, tuple(categories), ("left", "right"))


def oracle(rows: list[tuple[int, str, str]], counted: list[bool], min_count: int) -> list[dict[str, int]]:
    """Category -> local id by sorting (-count, text)."""
    vocabularies = []
    for column in (1, 2):
        counts = Counter(str(row[column]) for row, use in zip(rows, counted, strict=True) if use)
        kept = sorted((-count, text.encode()) for text, count in counts.items() if count >= min_count)
        vocabularies.append({text.decode(): number for number, (_, text) in enumerate(kept, start=1)})
    return vocabularies


@settings(deadline=None)
@given(rows=ROWS, min_count=st.integers(1, 4), which=st.sampled_from(["train", "all"]), seed=st.integers(0, 9))
def test_against_a_dictionary(rows: list[tuple[int, str, str]], min_count: int, which: str, seed: int) -> None:
    clicks = raw(rows)
    dataset = clicks.encode(min_count=min_count, vocabulary=which, seed=seed)  # type: ignore[arg-type]
    counted = [which == "all" or part == 0 for part in dataset.split]
    expected = oracle(rows, counted, min_count)
    assert dataset.field_sizes == tuple(len(vocabulary) + 1 for vocabulary in expected)
    second = dataset.field_sizes[0]
    for row, ids in zip(rows, dataset.ids, strict=True):
        assert ids[0] == expected[0].get(row[1], 0)
        assert ids[1] == second + expected[1].get(row[2], 0)
    assert dataset.vocabulary is not None
    for field, vocabulary in enumerate(expected):
        assert dataset.vocabulary.categories(field) == list(vocabulary)
    columns = [[row[1] for row in rows], [row[2] for row in rows]]
    np.testing.assert_array_equal(dataset.vocabulary.encode(columns), dataset.ids)
    np.testing.assert_array_equal(dataset.vocabulary.encode_clicks(clicks), dataset.ids)
    dataset.validate()


@pytest.fixture
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    rows = [(0, "a", "x"), (1, "", "x"), (0, "a", "y")]
    folder = tmp_path_factory.mktemp("v") / "store"
    raw(rows).encode(min_count=1, split=(1, 0, 0)).save(folder)
    opened = ClickDataset.open(folder).vocabulary
    assert opened is not None
    return opened


def test_unknown_categories_go_out_of_vocabulary(vocabulary: Vocabulary) -> None:
    ids = vocabulary.encode([["a", "", "never", "x"], ["x", "y", "a", ""]])
    assert ids.dtype == np.uint32
    assert ids.tolist() == [[1, 4], [2, 5], [0, 3], [0, 3]]


def test_missing_is_out_of_vocabulary_if_it_was_never_seen() -> None:
    vocabulary = raw([(0, "a", "a")]).encode(min_count=1, split=(1, 0, 0)).vocabulary
    assert vocabulary is not None
    assert vocabulary.encode([[""], ["a"]]).tolist() == [[0, 3]]


def test_no_category_is_frequent_enough(tmp_path_factory: pytest.TempPathFactory) -> None:
    dataset = raw([(0, "a", "x"), (1, "b", "y")]).encode(min_count=5)
    assert dataset.field_sizes == (1, 1)
    assert dataset.ids.tolist() == [[0, 1], [0, 1]]
    folder = tmp_path_factory.mktemp("v") / "store"
    dataset.save(folder)
    opened = ClickDataset.open(folder, verify=True).vocabulary
    assert opened is not None
    assert opened.encode([["a"], ["x"]]).tolist() == [[0, 1]]


def test_bad_columns(vocabulary: Vocabulary) -> None:
    with pytest.raises(InputError, match="one a field, got 1"):
        vocabulary.encode([["a"]])
    with pytest.raises(InputError, match="same number of rows"):
        vocabulary.encode([["a"], ["x", "y"]])
    with pytest.raises(InputError, match="field left must hold texts"):
        vocabulary.encode([[3], ["x"]])  # type: ignore[list-item]
    with pytest.raises(InputError, match="field right must hold texts"):
        vocabulary.encode([["a"], [None]])  # type: ignore[list-item]


def test_clicks_of_another_kind_are_refused(vocabulary: Vocabulary) -> None:
    other = RawClicks(np.zeros(1, np.uint8), np.zeros((1, 1), np.int32), (["a"],), ("only",))
    with pytest.raises(InputError, match="fields left, right"):
        vocabulary.encode_clicks(other)


@pytest.mark.parametrize("offsets", [[0, 1, 2], [0, 2, 1, 2, 3], [1, 1, 2, 3, 3], [0, 1, 2, 3, 4]])
def test_damaged_offsets(offsets: list[int]) -> None:
    with pytest.raises(InputError, match="category_offsets must"):
        Vocabulary(("a", "b"), (2, 2), np.zeros(3, np.uint8), np.array(offsets, dtype=np.int64))

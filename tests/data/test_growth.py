"""Growing vocabularies against dictionaries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from alpt_ref.data.growth import Growth, translation
from alpt_ref.data.vocabulary import Vocabulary, build_vocabulary, join_vocabulary
from alpt_ref.errors import InputError

NAMES = ("os", "site", "app")


def vocabulary(*texts: list[str]) -> Vocabulary:
    counts = [np.arange(len(one), 0, -1) for one in texts]
    return build_vocabulary(NAMES, texts, counts, 1)[0]


def ids_by_dictionary(vocabulary: Vocabulary) -> dict[tuple[int, str | None], int]:
    found: dict[tuple[int, str | None], int] = {}
    number = 0
    for field in range(len(vocabulary.field_sizes)):
        for text in [None, *vocabulary.categories(field)]:
            found[field, text] = number
            number += 1
        assert number == sum(vocabulary.field_sizes[: field + 1])
    return found


OLD = vocabulary(["a", "b"], ["", "x", "ä"], ["k"])
NEW = [["c", "a", "d", "e"], ["y", "x", "y2"], ["k"]]
COUNTS = [np.array([2, 9, 5, 1]), np.array([3, 3, 3]), np.array([1])]


def test_new_categories_stand_behind_the_old_ones_by_count_and_text() -> None:
    new, growth = OLD.extended(NEW, COUNTS, min_count=2)
    assert [new.categories(field) for field in range(3)] == [["a", "b", "d", "c"], ["", "x", "ä", "y", "y2"], ["k"]]
    before, after = ids_by_dictionary(OLD), ids_by_dictionary(new)
    assert growth.moved.tolist() == [after[name] for name in before]
    assert growth.origin.tolist() == [before.get(name, -1) for name in after]
    assert growth.added == [2, 2, 0]
    assert [rows.tolist() for rows in growth.fresh] == [[3, 4], [9, 10], []]


def test_what_leaves_may_come_back_as_a_fresh_row() -> None:
    keep = [np.array([True, False, True]), np.array([True, True, False, False]), np.array([True, True])]
    new, growth = OLD.extended(NEW, COUNTS, min_count=3, keep=keep)
    assert [new.categories(field) for field in range(3)] == [["b", "a", "d"], ["", "x", "y", "y2"], ["k"]]
    assert growth.origin.tolist() == [0, 2, -1, -1, 3, 4, -1, -1, -1, 7, 8]
    with pytest.raises(InputError, match="keep must hold each field's out-of-vocabulary id"):
        OLD.extended(NEW, COUNTS, keep=[~keep[0], *keep[1:]])


@pytest.mark.parametrize("seed", range(5))
def test_many_days_in_a_row_agree_with_a_dictionary(seed: int) -> None:
    rng = np.random.default_rng(seed)
    now = vocabulary(["0"], ["0"], ["0"])
    row = ids_by_dictionary(now)  # (field, text) -> number of its first row
    rows, number = list(row.values()), len(row)
    for _ in range(4):
        texts = [[str(text) for text in rng.permutation(12)[: rng.integers(1, 8)]] for _ in NAMES]
        counts = [rng.integers(0, 4, len(one)) for one in texts]
        now, growth = now.extended(texts, counts, min_count=2)
        moved: list[Any] = [rows[old] if old >= 0 else None for old in growth.origin]
        for name, place in ids_by_dictionary(now).items():
            if name not in row:
                assert moved[place] is None
                moved[place] = row[name] = number
                number += 1
            assert moved[place] == row[name]
        rows = moved
        for field, (names, often) in enumerate(zip(texts, counts, strict=True)):
            assert all((field, text) in row for text, count in zip(names, often, strict=True) if count >= 2)


def test_ids_of_one_vocabulary_in_another() -> None:
    other = vocabulary(["b", "z"], ["ä"], ["q", "k"])
    mine, theirs = ids_by_dictionary(other), ids_by_dictionary(OLD)
    expected = [theirs.get(name, theirs[name[0], None]) for name in mine]
    assert translation(other, OLD).tolist() == expected


def test_bins_of_numbers_stay_and_a_category_may_become_a_number_of_theirs() -> None:
    edges, names = [["-inf", "2", "5.5", ""], ["-inf", "3"]], ("price", "os")
    old = join_vocabulary(names, [pa.array(edges[0], pa.large_utf8()), pa.array(["a"], pa.large_utf8())], [True, False])
    new, growth = old.extended([["7", "1", "seven"], ["b"]], [np.array([9, 9, 9]), np.array([5])])
    assert growth.origin.tolist() == [0, 1, 2, 3, 4, 5, 6, -1]
    assert new.categories(0) == edges[0]
    assert new.local_ids(0, ["7", "-1", "2", "", "seven"]).tolist() == [3, 1, 2, 4, 0]
    numbers = join_vocabulary(names, [pa.array(["9", "1.5"], pa.large_utf8()), pa.array(["b"], pa.large_utf8())])
    assert translation(numbers, new).tolist() == [0, 3, 1, 5, 7]
    other = join_vocabulary(
        names, [pa.array(edges[1], pa.large_utf8()), pa.array(["a"], pa.large_utf8())], [True, False]
    )
    assert translation(old, new).tolist() == list(range(7))
    with pytest.raises(InputError, match="field price is cut into bins that are not those of the run"):
        translation(other, new)


def test_growth_is_by_field() -> None:
    with pytest.raises(InputError, match="an entry for each field"):
        Growth.of((2, 3), (1,))
    with pytest.raises(InputError, match="min_count must be one number or 3, one a field, got 2"):
        OLD.extended(NEW, COUNTS, min_count=[1, 2])
    assert OLD.extended(NEW, COUNTS, min_count=[9, 1, 1])[1].added == [0, 2, 0]
    assert OLD.extended(NEW, COUNTS, min_count=np.int64(9))[1].added == [0, 0, 0]
    with pytest.raises(InputError, match="3 entries, one a field"):
        OLD.extended(NEW[:2], COUNTS)
    assert Growth.of((2, 3), (0, 0)).unchanged
    assert not Growth.of((2, 3), (0, 1)).unchanged

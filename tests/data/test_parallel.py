"""Work in threads: results in order, few items under way, the first failure of the stream wins."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from alpt_ref.data.store.parallel import ordered_map, worker_count


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_are_in_order_and_items_are_taken_late(workers: int) -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(40):
            taken.append(number)
            yield number

    for done, result in enumerate(ordered_map(lambda number: number * number, items(), workers)):
        assert result == done * done
        assert len(taken) <= done + workers + 1
    assert len(taken) == 40


def test_the_first_failure_wins_whatever_is_faster() -> None:
    late = threading.Event()

    def work(number: int) -> int:
        if number == 3:
            late.wait(10)
            raise ValueError("three")
        if number == 4:
            late.set()
            raise ValueError("four")
        return number

    results = ordered_map(work, iter(range(9)), 4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)


def test_a_failure_of_the_source_comes_after_what_it_gave() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise ValueError("source")

    results = ordered_map(lambda number: number, items(), 8)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="source"):
        next(results)


def test_closing_early_leaves_no_thread() -> None:
    before = threading.active_count()
    results = ordered_map(lambda number: number, iter(range(100)), 3)
    next(results)
    results.close()
    assert threading.active_count() == before


def test_default_is_at_least_one() -> None:
    assert 1 <= worker_count(None) <= 8
    assert worker_count(3) == 3

"""A table over ranks has the bits of one process: state, looked-up values, counters and statistics."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref import InputError, TrainingError, make_table
from alpt_ref.distributed import ShardedTable
from alpt_ref.tables import TableSpec
from alpt_ref.tables.options import EcoOptions, LptOptions
from tests.distributed import jobs
from tests.distributed.driver import Case, D, N, alone, digest, joined, spread
from tests.distributed.ranks import Ranks
from tests.distributed.threads import run_threads

OPTIMIZERS = ("sgd", "adagrad", "momentum", "adam", "dense_adam")
NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"

DAILY = [
    Case("fp32", "adam"),
    Case("fp32", "dense_adam", split="empty"),
    Case("lpt", "sgd", 8),
    Case("lpt", "adagrad", 2, "field", rounding="dr"),
    Case("lpt", "momentum", 16, "table", d=5, weights=True),
    Case("lpt", "dense_adam", 4, d=5),
    Case("alpt", "adam", 8, two_pass=True, steps=30),
    Case("alpt", "adam", 4, two_pass=True, split="one", d=5),
    Case("alpt", "sgd", 2, "field", step_domain="log"),
    Case("alpt", "dense_adam", 8, "table", two_pass=True, split="empty"),
]
GRID = [
    *(Case("fp32", optimizer, d=d) for optimizer, d in itertools.product(OPTIMIZERS, (1, 6))),
    *(
        Case("lpt", optimizer, bits, granularity, rounding=rounding, d=d)
        for optimizer, bits, granularity, rounding, d in itertools.product(
            OPTIMIZERS, (2, 4, 8, 16), ("row", "field"), ("sr", "dr"), (5, 8)
        )
    ),
    *(
        Case("alpt", optimizer, bits, granularity, two_pass, d=6, step_domain=domain)
        for optimizer, bits, granularity, two_pass, domain in itertools.product(
            OPTIMIZERS, (2, 4, 8, 16), ("row", "field", "table"), (False, True), ("linear", "log")
        )
    ),
    *(Case("alpt", "adam", 8, two_pass=True, split=split) for split in ("one", "empty")),
]
LONG = [
    Case(method, optimizer, bits, two_pass=two_pass, steps=1000)
    for method, optimizer, bits, two_pass in (
        ("fp32", "adam", None, False), ("lpt", "sgd", 8, False), ("lpt", "adam", 2, False),
        ("alpt", "adam", 8, True), ("alpt", "adagrad", 4, False), ("alpt", "dense_adam", 16, True),
    )
]  # fmt: skip


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ranks]:
    pytest.importorskip("torch")
    with Ranks(4 if NIGHTLY else 2, tmp_path_factory.mktemp("ranks")) as group:
        yield group


@pytest.mark.parametrize("case", DAILY, ids=str)
def test_one_process_has_the_bits_of_an_unsharded_table(case: Case) -> None:
    assert joined([spread(None, 0, 1, case)]) == alone(case)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("case", DAILY, ids=str)
def test_ranks_as_threads_have_the_bits_of_one_process(case: Case, size: int) -> None:
    assert joined(run_threads(spread, size, case)) == alone(case)


@pytest.mark.parametrize("case", DAILY, ids=str)
def test_two_ranks_have_the_bits_of_one_process(case: Case, ranks: Ranks) -> None:
    assert joined(ranks.run(spread, case, size=2)) == alone(case)


@pytest.mark.nightly
@pytest.mark.parametrize("case", [*GRID, *LONG], ids=str)
def test_any_number_of_ranks_has_the_bits_of_one_process(case: Case, ranks: Ranks) -> None:
    wanted = alone(case)
    for size in (1, 2, 3, 4):
        assert joined(ranks.run(spread, case, size=size)) == wanted, size


def test_shards_are_read_by_another_number_of_ranks(ranks: Ranks) -> None:
    case = Case("alpt", "adam", 8, "field", steps=3)
    shards = ranks.run(jobs.shards, case, size=2)
    assert sorted(np.concatenate([shard["rows"] for shard in shards]).tolist()) == list(range(N))
    assert sum(len(shard["packed"]) for shard in shards) == N
    table = case.table()
    for ids, grads, _, _ in case.batches():
        table.apply_gradients(ids, grads)
    one = ShardedTable(table.spec)
    one.load_shards(iter(shards))
    assert digest(one.gather_state() or {}) == digest(table.state())
    back = ranks.run(jobs.loaded, case, [one.state_shard()], size=2)
    assert back == [digest(table.state()), None]
    assert ranks.run(jobs.loaded, case, [table.state()], size=2) == back


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda a, b: [a], "every row once"),
        (lambda a, b: [a, b, b], "every row once"),
        (lambda a, b: [a, {**b, "packed": b["packed"][:-1]}], "'packed' of shard 1 must be"),
        (lambda a, b: [a, {**b, "updates": b["updates"] + 1}], "at one update"),
        (lambda a, b: [a, {name: array for name, array in b.items() if name != "step_size"}], "must hold exactly"),
        (lambda a, b: [{**a, "rows": a["rows"] + N}, b], "each in"),
        (lambda a, b: [a, {**b, "step_size": -b["step_size"]}], "finite and positive"),
    ],
)
def test_shards_that_do_not_fit_are_refused_and_change_nothing(spoil: Any, words: str) -> None:
    table = ShardedTable(Case("alpt", "adam", 8).table().spec)
    whole = table.state_shard()
    rows = whole["rows"]
    per_row = table.own.row_arrays() | {"rows"}
    a, b = (
        {name: array[part] if name in per_row else array for name, array in whole.items()}
        for part in (rows % 3 == 0, rows % 3 != 0)
    )
    table.load_shards([b, a])
    table.apply_gradients([3], np.ones((1, D), np.float32))
    before = digest(table.gather_state() or {})
    with pytest.raises(InputError, match=words):
        table.load_shards(spoil(a, b))
    assert digest(table.gather_state() or {}) == before


@pytest.mark.parametrize("wrong", jobs.WRONG)
def test_what_is_wrong_on_one_of_three_is_refused_by_all(wrong: str) -> None:
    answers = run_threads(jobs.refused, 3, wrong, 1)
    assert all(same for _, _, same in answers)
    assert {kind for kind, _, _ in answers} == {jobs.WRONG[wrong][0]}
    assert all(jobs.WRONG[wrong][1] in text for _, text, _ in answers), answers


@pytest.mark.parametrize("wrong", jobs.WRONG)
def test_what_is_wrong_on_one_rank_is_refused_by_all_and_changes_nothing(wrong: str, ranks: Ranks) -> None:
    for rank in (0, 1):
        (kind_0, first, same_0), (kind_1, second, same_1) = ranks.run(jobs.refused, wrong, rank, size=2)
        assert same_0
        assert same_1
        assert kind_0 == kind_1 == jobs.WRONG[wrong][0]
        assert all(jobs.WRONG[wrong][1] in text for text in (first, second)), (first, second)
        assert "\n" not in first + second


def test_an_error_of_any_kind_on_one_rank_is_told_to_all() -> None:
    """Else the others would wait for it: a file that one machine cannot read."""
    told = "TrainingError: rank 1 refused, so that nothing has changed on any: OSError: no such shard"
    assert run_threads(jobs.unreadable, 3, 1) == [(told, True), ("OSError: no such\nshard", True), (told, True)]


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("case", [Case("lpt", "adam", 8), Case("alpt", "adam", 8, two_pass=True)], ids=str)
def test_batches_that_were_looked_up_before_may_be_others_on_each_rank(case: Case, size: int) -> None:
    found = run_threads(jobs.looked_up_before, size, case)
    assert all(same for same, _ in found)
    both = found[0][1] or ""
    assert both[:64] == both[64:]


def test_equal_parts_go_to_their_ranks(ranks: Ranks) -> None:
    for size in (1, 2, 4) if NIGHTLY else (2,):
        wanted = [[number for sender in range(size) for number in 3 * [sender, rank]] for rank in range(size)]
        assert ranks.run(jobs.swapped, size=size) == wanted


def test_counts_go_on_after_they_are_loaded(ranks: Ranks) -> None:
    assert ranks.run(jobs.counted, Case("alpt", "adam", 4), size=2) == [True, True]


def test_every_rank_holds_its_share_and_bytes_are_as_computed_by_hand(ranks: Ranks) -> None:
    rows, d, words = 1000, 16, 4
    held, sent, asked = zip(*ranks.run(jobs.traffic, rows, d, size=2), strict=True)
    whole = make_table("lpt", rows, d, bits=8, optimizer="adam")
    assert sum(held) == whole.nbytes()
    assert max(held) == whole.nbytes() // 2
    # ids and how often (8), codes and step size back (4 * words + 4), how often in all (4), gradients (4 d)
    assert sum(sent) == sum(asked) * (8 + 4 * words + 4 + 4 + 4 * d)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize(
    "case", [Case("fp32", "adam"), Case("lpt", "sgd", 8), Case("alpt", "adam", 2, two_pass=True, d=5)], ids=str
)
def test_bytes_of_rows_on_one_rank_and_on_several_are_as_computed_by_hand(case: Case, size: int) -> None:
    sent, wanted = zip(*run_threads(jobs.bytes_sent, size, case), strict=True)
    assert sent == wanted
    assert all(sent)


@pytest.mark.nightly
def test_a_lost_rank_ends_the_others_with_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with Ranks(2, tmp_path) as group:
        (text,) = group.run(jobs.lost, size=2, heard=1)
    assert text.startswith("another rank did not answer")
    assert "\n" not in text


def test_ranks_that_make_different_calls_are_told_so(ranks: Ranks) -> None:
    texts = ranks.run(jobs.different_calls, size=2)
    assert all("all ranks must make the same call, got rank 0 lookup, rank 1 apply_gradients" in text for text in texts)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ShardedTable("lpt"), "spec must be a TableSpec"),  # type: ignore[arg-type]
        (lambda: ShardedTable(TableSpec(10, 4, EcoOptions())), "only fp32, lpt and alpt"),
        (lambda: ShardedTable(TableSpec(10, 4)), "only fp32, lpt and alpt"),
        (lambda: ShardedTable(TableSpec(10, 4, LptOptions()), object()), "group must be a"),
        (lambda: ShardedTable(TableSpec(10, 4, LptOptions()), capacity=0), "capacity must be a whole number"),
        (lambda: ShardedTable(TableSpec(10, 4, LptOptions(init_step=1e-46))), "init_step must be finite and positive"),
    ],
)
def test_what_cannot_be_spread_is_refused(make: Any, words: str) -> None:
    if "group" in words:
        pytest.importorskip("torch")
    with pytest.raises(InputError, match=words):
        make()


def test_a_launcher_without_a_process_group_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match="init_process_group"):
        ShardedTable(TableSpec(10, 4, LptOptions()))


def test_more_rows_than_the_capacity_are_refused_before_anything_changes() -> None:
    table = ShardedTable(TableSpec(10, 4, LptOptions()), capacity=3)
    table.apply_gradients([1, 1, 2, 3], np.ones((4, 4), np.float32))
    before = digest(table.gather_state() or {})
    with pytest.raises(InputError, match="capacity=3 unique rows in one batch, got 4"):
        table.apply_gradients([1, 2, 3, 4], np.ones((4, 4), np.float32))
    assert digest(table.gather_state() or {}) == before
    assert table.updates == 1


def test_a_pending_update_is_good_once() -> None:
    table = ShardedTable(replace(Case("alpt", "sgd", 8).table().spec))
    grads = np.ones((1, D), np.float32)
    pending = table.begin_update([1], grads)
    table.finish_update(pending, grads)
    for call in (lambda: table.lookup_pending(pending), lambda: table.finish_update(pending, grads)):
        with pytest.raises(InputError, match="latest begin_update"):
            call()
    with pytest.raises(InputError, match="need method 'alpt'"):
        ShardedTable(TableSpec(10, 4, LptOptions())).begin_update([1], np.ones((1, 4), np.float32))


@pytest.mark.parametrize("optimizer", ["sgd", "dense_adam"])
def test_a_batch_without_ids_counts_and_moves_nothing(optimizer: str) -> None:
    table = Case("alpt", optimizer, 8).table()
    spread_table = ShardedTable(table.spec)
    none, nothing = np.zeros(0, np.int64), np.zeros((0, D), np.float32)
    assert spread_table.lookup(none).shape == (0, D)
    for one in (table, spread_table):
        one.apply_gradients(none, nothing)
        pending = one.begin_update(none, nothing)
        assert one.lookup_pending(pending).shape == (0, D)
        one.finish_update(pending, nothing)
    assert spread_table.updates == 2
    assert digest(spread_table.gather_state() or {}) == digest(table.state())


def test_an_overflowing_sum_of_large_gradients_is_refused_by_its_value(ranks: Ranks) -> None:
    """Two halves that cancel are fine on two ranks as they are in one process; two that add up are not."""
    assert ranks.run(jobs.large_sums, size=2) == [(True, True)] * 2


def test_one_process_does_not_load_torch() -> None:
    script = (
        "import sys, numpy as np\nfrom alpt_ref.distributed import ShardedTable\n"
        "from alpt_ref.tables import TableSpec\n"
        "from alpt_ref.tables.options import LptOptions\nt = ShardedTable(TableSpec(10, 4, LptOptions()))\n"
        "t.apply_gradients([1], np.ones((1, 4), np.float32))\nprint('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout == "False\n"


def test_a_training_error_is_raised_in_one_process_too() -> None:
    table = ShardedTable(Case("lpt", "sgd", 8).table().spec)
    with pytest.raises(TrainingError, match="NaN or infinity at position 1 of table update 0"):
        table.apply_gradients([1, 2], np.array([[0.0] * D, [np.nan] * D], np.float32))

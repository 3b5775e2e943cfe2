"""What the tests let ranks do, besides `driver.spread`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from alpt_ref.distributed import ShardedTable
from alpt_ref.distributed.group import find_group
from alpt_ref.errors import AlptError, InputError, TrainingError
from alpt_ref.tables import TableSpec
from alpt_ref.tables.options import LptOptions
from tests.distributed.driver import Case, D, N, digest

ONES = np.ones((2, D), np.float32)
BASE = Case("alpt", "adam", 8)

WRONG: dict[str, tuple[type[AlptError], str]] = {
    "id": (InputError, f"ids must be in [0, {N}), got {N}"),
    "shape": (InputError, "grads must have shape"),
    "dtype": (InputError, "grads must be float32"),
    "nan": (TrainingError, "grads must be finite, got NaN or infinity at position 1 of table update 1"),
    "lr": (InputError, "lr must be the same on all ranks"),
    "batch_size": (InputError, "batch_size must be the same on all ranks"),
    "large batch_size": (InputError, "batch_size must be a whole number from 1 to 2**63 - 1"),
    "sum": (TrainingError, "sum of a row's gradients must be below 2**48"),
    "one of many": (TrainingError, "got 5.63e+14 for row 6 in table update 1"),
    "lookup": (InputError, "ids must be in [0,"),
    "checked ids": (InputError, f"ids must be in [0, {N}), got {N}"),
    "spec": (InputError, "must be the same on all ranks"),
    "method": (InputError, "only fp32, lpt and alpt can be spread"),
}


def _trained(group: Any, case: Case) -> ShardedTable:
    table = ShardedTable(case.table().spec, group)
    for step, (ids, grads, _, cuts) in enumerate(case.batches()):
        mine = case.part(step, len(ids), cuts, table.rank, table.ranks)
        table.apply_gradients(ids[mine], grads[mine])
    return table


def shards(group: Any, rank: int, size: int, case: Case) -> Any:
    return _trained(group, case).state_shard()


def loaded(group: Any, rank: int, size: int, case: Case, given: Any) -> str | None:
    table = ShardedTable(case.table().spec, group)
    table.load_shards(iter(given))
    state = table.gather_state()
    return None if state is None else digest(state)


def refused(group: Any, rank: int, size: int, wrong: str, guilty: int) -> tuple[type[AlptError] | None, str, bool]:
    """One rank is given something wrong: what is raised here, and whether the state is as before."""
    table, bad = ShardedTable(BASE.table().spec, group), rank == guilty
    table.apply_gradients([1, 2], ONES)
    before = digest(table.state_shard())
    nan, large = ONES.copy(), np.full((2, D), 2.0**48, np.float32)
    nan[1, 2] = np.nan
    nine = np.ones((9, D), np.float32)
    many = np.concatenate([large, nine[:7]])
    calls: dict[str, Any] = {
        "id": lambda: table.apply_gradients([1, N if bad else 2], ONES),
        "shape": lambda: table.apply_gradients([1, 2], ONES[:1] if bad else ONES),
        "dtype": lambda: table.apply_gradients([1, 2], ONES.astype(np.float64) if bad else ONES),
        "nan": lambda: table.apply_gradients([1, 2], nan if bad else ONES),
        "lr": lambda: table.apply_gradients([1, 2], ONES, lr=0.5 if bad else None),
        "batch_size": lambda: table.apply_gradients([1, 2], ONES, batch_size=5 if bad else None),
        "large batch_size": lambda: table.apply_gradients([1, 2], ONES, batch_size=2**70 if bad else 5),
        "sum": lambda: table.apply_gradients([5, 6], large if bad else ONES),
        "one of many": lambda: table.apply_gradients(
            [6, 6] * 3 + [7, 7, 7], many if bad else np.ones((9, D), np.float32)
        ),
        "lookup": lambda: table.lookup([-1] if bad else []),
        "checked ids": lambda: table.apply_gradients(table.checked_ids([1, N if bad else 2]), ONES),
        "spec": lambda: ShardedTable(replace(BASE.table().spec, lr=0.3 if bad else 0.2), group),
        "method": lambda: ShardedTable(TableSpec(N, D) if bad else BASE.table().spec, group),
    }
    try:
        calls[wrong]()
    except AlptError as error:
        found: tuple[Any, str] = type(error), str(error)
    else:
        found = (None, "")
    return (*found, digest(table.state_shard()) == before)


def counted(group: Any, rank: int, size: int, case: Case) -> bool:
    table = _trained(group, case)
    counts, figures = table.counters(), table.statistics()
    empty = table.counters()
    table.load_counters(counts)
    again = table.statistics(reset=False)
    return not empty.any() and bool(counts.any()) and figures == again and bool((table.counters() == counts).all())


def traffic(group: Any, rank: int, size: int, rows: int, d: int) -> tuple[int, int, int]:
    """Bytes held and sent, and unique rows that crossed: no row is on both ranks, each occurs once."""
    table = ShardedTable(TableSpec(rows, d, LptOptions(bits=8)), group)
    ids = table.checked_ids(np.arange(rank, rows, 2))
    table.lookup(ids)
    table.apply_gradients(ids, np.ones((len(ids.array), d), np.float32))
    owners, _ = table.row_map.find(ids.array)
    return table.nbytes(), table.sent, int((owners != rank).sum())


def bytes_sent(group: Any, rank: int, size: int, case: Case) -> tuple[int, int]:
    """Bytes that this rank sent in a lookup and an update, and those that docs/distributed.md says, by brute force."""
    table = ShardedTable(case.table().spec, group)
    ids, grads, again, cuts = case.batches()[0]
    given = [ids[case.part(0, len(ids), cuts, one, size)] for one in range(size)]
    mine = case.part(0, len(ids), cuts, rank, size)
    held = table.checked_ids(ids[mine])
    table.lookup(held)
    if case.two_pass:
        pending = table.begin_update(held, grads[mine])
        table.lookup_pending(pending)
        table.finish_update(pending, again[mine])
    else:
        table.apply_gradients(held, grads[mine])
    d, answer = case.d, 4 * case.d if case.bits is None else 4 * -(-case.d * case.bits // 32) + 4
    wanted, everywhere = 0, np.concatenate(given).tolist()
    for asker, part in enumerate(given):
        for row in set(part.tolist()):
            owner = int(table.row_map.find(np.array([row]))[0][0])
            whole = everywhere.count(row) in (part.tolist().count(row), 2)
            gradient, back = (4 * d, 0) if whole else (4 + 8 * d, 4)
            passes = 2 if case.two_pass else 1
            if owner != asker == rank:
                wanted += 4 + 4 + passes * gradient
            if asker != owner == rank:
                wanted += passes * (answer + back) + 4
    return table.sent, wanted


def unreadable(group: Any, rank: int, size: int, guilty: int) -> tuple[str, bool]:
    """One rank cannot read what all load: what is raised here, and whether the state is as before."""
    table = ShardedTable(BASE.table().spec, group)
    table.apply_gradients([1, 2], ONES)
    before, whole = digest(table.state_shard()), BASE.table().state()

    def states() -> Iterator[dict[str, np.ndarray[Any, Any]]]:
        if rank == guilty:
            raise OSError("no such\nshard")
        yield whole

    try:
        table.load_shards(states())
    except Exception as error:
        return f"{type(error).__name__}: {error}", digest(table.state_shard()) == before
    return "nothing was raised", False


def looked_up_before(group: Any, rank: int, size: int, case: Case) -> tuple[bool, str | None]:
    """Two batches are looked up, then rank 0 names the first again and the others the second, in lookup and updates.

    Whether values are those of ids that come anew, and the state's digest.
    """
    table, anew = (ShardedTable(case.table().spec, group) for _ in range(2))
    batches = case.batches()[:2]
    parts = [case.part(step, len(ids), cuts, rank, size) for step, (ids, _, _, cuts) in enumerate(batches)]
    held = [table.checked_ids(batches[step][0][part]) for step, part in enumerate(parts)]
    same = True
    for step, part in enumerate(parts):
        table.lookup(held[step])
        for one, given in ((table, held[step]), (anew, held[step].array)):
            one.apply_gradients(given, batches[step][1][part])
    mine = min(rank, 1)
    grads = batches[mine][1][parts[mine]]
    ids = held[mine].array
    same &= np.array_equal(table.lookup(held[mine]), anew.lookup(ids))
    if case.two_pass:
        pending, wanted = table.begin_update(held[mine], grads), anew.begin_update(ids, grads)
        table.lookup(held[1 - mine])  # the way of what is pending stays
        same &= np.array_equal(table.lookup_pending(pending), anew.lookup_pending(wanted))
        table.finish_update(pending, grads)
        anew.finish_update(wanted, grads)
    else:
        table.apply_gradients(held[mine], grads)
        anew.apply_gradients(anew.checked_ids(held[mine]), grads)  # of another table
    states = table.gather_state(), anew.gather_state()
    return same and table.updates == 3, None if states[0] is None else digest(states[0]) + digest(states[1] or {})


def different_calls(group: Any, rank: int, size: int) -> str:
    table = ShardedTable(BASE.table().spec, group)
    try:
        if rank == 0:
            table.lookup([1])
        else:
            table.apply_gradients([1, 2], ONES)
    except InputError as error:
        return str(error)
    return "nothing was raised"


def swapped(group: Any, rank: int, size: int) -> list[int]:
    """Two numbers from every rank: whose, and which of its parts."""
    found = find_group(group, "cpu")
    array, into = np.array([[rank, to] for to in range(size)]).repeat(3, axis=0), np.zeros((3 * size, 2), np.int64)
    found.swap(found.kept(array), found.kept(into))
    return into.reshape(-1).tolist()


def large_sums(group: Any, rank: int, size: int) -> tuple[bool, bool]:
    """2**48 on one rank and minus it on the other for one row; then twice 2**47."""
    table = ShardedTable(replace(BASE.table().spec), group)
    sign = np.float32(1 - 2 * rank)
    table.apply_gradients([3], sign * np.full((1, D), 2.0**48, np.float32))
    fine = table.updates == 1
    try:
        table.apply_gradients([3], np.full((1, D), 2.0**47, np.float32))
    except TrainingError:
        return fine, table.updates == 1
    return fine, False


def lost(group: Any, rank: int, size: int) -> str:
    """Rank 1 ends in the middle; what the other is told."""
    table = ShardedTable(BASE.table().spec, group)
    table.apply_gradients([1, 2], ONES)
    if rank == 1:
        os._exit(3)
    try:
        table.apply_gradients([1, 2], ONES)
    except TrainingError as error:
        return str(error)
    return "nothing was raised"

"""`driver.spread` by steps of a fixed size, which only launch."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import numpy as np

from alpt_ref.distributed import ShardedTable
from tests.distributed.driver import Case, digest

POSITIONS = 40


def batches(case: Case, size: int) -> Any:
    """Ids and two gradients of each rank, the same number on each: (steps, size, POSITIONS, ...)."""
    rng = np.random.default_rng([3, case.seed])
    for step in range(case.steps):
        ids = (rng.random((size, POSITIONS)) ** 3 * 97).astype(np.int64)
        if step == 1:
            ids[:] = 11
        scale = np.float32(10.0) ** rng.integers(-3, 2, (size, POSITIONS, 1)).astype(np.float32)
        grads = rng.standard_normal((2, size, POSITIONS, case.d)).astype(np.float32) * scale
        yield ids, grads[0].astype(np.float32), grads[1].astype(np.float32)


def alone(case: Case, size: int) -> tuple[str, str, list[int]]:
    """State, looked-up values and counters in one process on the CPU."""
    table, seen = case.table(), hashlib.sha256()
    for ids, grads, again in batches(case, size):
        flat = ids.reshape(-1)
        seen.update(table.lookup(flat).tobytes())
        if case.two_pass:
            pending = table.begin_update(flat, grads.reshape(-1, case.d))
            seen.update(table.lookup_pending(pending).tobytes())
            table.finish_update(pending, again.reshape(-1, case.d))
        else:
            table.apply_gradients(flat, grads.reshape(-1, case.d))
    return digest(table.state()), seen.hexdigest(), table.counters().tolist()


def spread(group: Any, rank: int, size: int, case: Case, recorded: bool = False) -> Any:
    """The same over ranks; `recorded` replays CUDA graphs."""
    from alpt_ref.distributed.static import StaticSteps  # loads CUDA

    table = ShardedTable(replace(case.table().spec, device="cuda"), group)
    steps = StaticSteps(table, POSITIONS, POSITIONS)
    host, assign = table.own.backend.to_host, table.own.backend.assign
    record: Any = steps.recorded if recorded else (lambda work: work)
    batch = size * POSITIONS
    seen: list[Any] = []
    runs: dict[str, Any] = {}
    for number, (ids, grads, again) in enumerate(batches(case, size)):
        if number == 0:
            runs = {
                "lookup": record(steps.queue_lookup),
                "update": record(lambda: steps.queue_update(batch)),
                "begin": record(steps.queue_begin) if case.two_pass else None,
                "pending": record(steps.queue_pending) if case.two_pass else None,
                "finish": record(lambda: steps.queue_finish(batch)) if case.two_pass else None,
            }
        assign(steps.ids, ids[rank].astype(np.uint32))
        assign(steps.grads, grads[rank])
        runs["lookup"]()
        values = [host(steps.values).tobytes()]
        if case.two_pass:
            runs["begin"]()
            runs["pending"]()
            values.append(host(steps.values).tobytes())
            assign(steps.grads, again[rank])
            runs["finish"]()
        else:
            runs["update"]()
        steps.check(1)
        seen.append(values)
    state, counters = table.gather_state(), table.counters().tolist()
    return (None if state is None else digest(state)), seen, counters


def joined(answers: list[Any]) -> tuple[str, str, list[int]]:
    """The ranks' answers as `alone` gives them."""
    seen = hashlib.sha256()
    for parts in zip(*(answer[1] for answer in answers), strict=True):
        for k in range(len(parts[0])):
            for part in parts:
                seen.update(part[k])
    return answers[0][0], seen.hexdigest(), answers[0][2]

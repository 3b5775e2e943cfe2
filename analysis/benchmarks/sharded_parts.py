"""What a `fast` step over several GPUs is made of: each exchange and each group of kernels by itself, as a CUDA graph.

`analysis.benchmarks.sharded_train --cases parts` takes the engine of its `fast` case after it was timed. Every part is
recorded by itself and replayed `TURNS` times by all ranks; milliseconds are the mean, the slowest rank's. In a step
some parts run beside others, so that they add up to more than it takes.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref.distributed.graphs import recorded
from alpt_ref.kernels.cuda import shard_static as kernels

TURNS = 20
LINK = 1 << 28
"""Bytes of each rank's array in the exchange that measures the link."""


def parts_of(engine: Any, batch: int) -> dict[str, tuple[Callable[[], Any], int]]:
    """Name -> what queues it, and the bytes that a rank sends in it; each needs what those before it have left."""
    at, ops, group = engine._steps_of[batch], engine.ops, engine.table.group
    backend, others = engine.backend, engine.ranks.size - 1
    share, flat = others * at.capacity, at.grads.reshape(-1)
    big, back = backend.zeros(LINK, np.uint8), backend.zeros(LINK, np.uint8)
    kept = group.kept(big), group.kept(back)

    def slots() -> None:
        at._wire.fill(0xFFFFFFFF)
        at._cursor.fill(0)
        rows = (at._here.totals, at._here.records, *at._hash, np.int64(at.capacity), at._cursor)
        at._launch(kernels.fill_slots, at.positions, *rows, at._wire, at._slot_of, at.flags)
        at._launch(kernels.pick, at.positions, at._slot_of, at._here.inverse, np.int64(at.positions), at._spread)

    return {
        "one large exchange": (lambda: group.swap(*kept), LINK * others // (others + 1)),
        "unique rows": (lambda: at._here.queue(at.ids), 0),
        "into slots": (slots, 0),
        "ids travel": (lambda: at._move(at._wire, at._wire_in), 8 * share),
        "lookup": (at.queue_lookup, (8 + 4 * at._words) * share),
        "rows travel": (lambda: at._move(at._answer, at._answer_in), 4 * at._words * share),
        "asked rows": (at.queue_asked, 0),
        "own sums": (lambda: at._queue_sums_here(flat), 0),
        "sums travel": (lambda: at._move(at._floats, at._floats_in), 4 * at.d * share),
        "flags travel": (lambda: group.raised(at._kept(at.flags)), 12),
        "sums": (at._queue_sums, 4 * at.d * share),
        "rows move": (lambda: at.queue_rows(batch), 0),
        "gradients travel": (lambda: ops.sums.reduce(ops._parts_of), 2 * ops._parts_of.nbytes * others // (others + 1)),
        "dense optimiser": (engine.dense.queue, 0),
    }


def parts(engine: Any, batch: int) -> dict[str, Any]:
    """Milliseconds and bytes of each part; what fails is said and left out."""
    found: dict[str, Any] = {}
    at, ranks, backend = engine._steps_of[batch], engine.ranks, engine.backend
    with engine.stream:
        for name, (queue, sent) in parts_of(engine, batch).items():
            try:
                replay = recorded(queue, at.flags, engine._table.guard)
                replay()
                backend.synchronize()
                ranks.everyone(name)
                begin = time.perf_counter()
                for _ in range(TURNS):
                    replay()
                backend.synchronize()
                took = max(ranks.everyone(time.perf_counter() - begin)) / TURNS
            except Exception:
                print(f"{name}, rank {ranks.rank}: {traceback.format_exc()}", flush=True)
                break
            found[name] = {"ms": 1e3 * took, "bytes": sent} | ({"gb_per_s": sent / took / 1e9} if sent > 1e6 else {})
            at.reset()
    return found

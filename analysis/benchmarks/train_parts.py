"""Where the time of a training step on a GPU goes: its parts, each recorded as a CUDA graph of its own and replayed."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

ONE_THOUSANDTH = 0x3A83
"""0.001 as bits of a bfloat16."""


@contextmanager
def only(matrix_products: bool) -> Iterator[None]:
    """Inside, the models' operations queue their matrix products alone, or everything but these."""
    from alpt_ref.kernels.cuda import target
    from alpt_ref.models import ops_cuda

    owner, name = (target, "instead") if matrix_products else (ops_cuda, "matmul")
    kept = getattr(owner, name)
    setattr(owner, name, lambda *args, **options: None)
    try:
        yield
    finally:
        setattr(owner, name, kept)


def parts(engine: Any, b: int, repeats: int = 20) -> dict[str, float]:
    """Milliseconds of the parts of a step, each recorded as a graph of its own; they leave nonsense in the tables."""
    import cupy

    table, stream, model = engine._table, engine.stream, engine.model
    source = engine.source
    engine.backend.assign(engine.counters, np.zeros(3, np.int64))  # an epoch has ended: back into its rows
    with stream:
        ids, labels, emb = engine._gather((source.ids, source.labels, source.order), engine.counters, b)
        grads = engine._queue_pass(emb, labels, second=False)

    def dense(matrix_products: bool) -> None:
        with only(matrix_products):
            engine._queue_pass(emb, labels, second=False)
            if engine._is_two_pass:
                engine._queue_pass(emb, labels, second=True)

    def update() -> None:
        if engine._is_two_pass:
            table.queue_begin(grads, emb)
            table.queue_finish(grads, b)
        else:
            table.queue_update(grads, b)

    pieces: dict[str, Callable[[], Any]] = {
        "matrix products": lambda: dense(True),
        "passes between them": lambda: dense(False),
        "gather the batch": lambda: engine._gather((source.ids, source.labels, source.order), engine.counters, b),
        "table: unique rows": lambda: table.queue_unique_rows(ids),
        "table: lookup": lambda: table.queue_lookup(ids, emb),
        "table: update": update,
        "dense Adam": engine.dense.queue,
    }
    found: dict[str, float] = {}
    with stream:
        grads = grads.copy()  # the passes run alone leave nonsense in the model's own buffer
        grads[...] = 1e-3 if grads.dtype == np.float32 else ONE_THOUSANDTH
        engine.backend.assign(engine.counters, np.zeros(3, np.int64))
        for name, piece in pieces.items():
            engine.guard[...] = 0
            piece()
            stream.begin_capture()
            piece()
            graph = stream.end_capture()
            times = []
            for _ in range(repeats):
                engine.guard[...] = 0  # an update does nothing once it is set
                begin, end = cupy.cuda.Event(), cupy.cuda.Event()
                begin.record(stream)
                graph.launch(stream)
                end.record(stream)
                end.synchronize()
                times.append(cupy.cuda.get_elapsed_time(begin, end))
            found[name] = statistics.median(times)
        model._input = None
    return found


def flops(engine: Any, batch: int) -> float:
    """Floating-point operations of the network's matrix products in a step."""
    weights = sum(param.size for param in engine.model.params.values() if param.ndim == 2 and min(param.shape) > 16)
    return float(2 * weights * batch * (5 if engine._is_two_pass else 3))


def report(name: str, found: dict[str, float], seconds: float, operations: float) -> dict[str, float]:
    """Print the parts of a step of `seconds`; with the rate of the matrix products and what no part explains."""
    total = sum(found.values())
    rate = operations / (found["matrix products"] * 1e-3) / 1e12
    print(f"{name}: {seconds * 1e3:.3f} ms per step, its parts {total:.3f} ms")
    for part, milliseconds in found.items():
        print(f"    {part:22s} {milliseconds:7.3f} ms" + (f"  {rate:.0f} TFLOP/s" if part == "matrix products" else ""))
    return {**found, "step": seconds * 1e3, "sum of parts": total, "matrix products TFLOP/s": rate}

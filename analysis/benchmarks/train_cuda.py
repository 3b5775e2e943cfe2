"""Speed of whole training on a GPU beside PyTorch in one run, and where a step's time goes.

    python -m analysis.benchmarks.train_cuda [--rows 34000000] [--fields 39] [--batches 10000,65536] [--repeats 5]
        [--no-peers] [--no-parts] [--output FILE.json]

DCN with 3 cross layers and a 1024-512-256 network with batch norm on embeddings of dimension 16, TF32 matrix products,
dense Adam. Ours: the training engine as `alpt-ref train --device cuda` runs it, data on the device, the order of rows
drawn anew every epoch. PyTorch: fp32 ``nn.Embedding``, the dense part compiled (``torch.compile``), fused dense Adam,
and for the table sparse SGD, SparseAdam or fused dense Adam. Ids are Zipf-distributed in each field, labels random.
Figures: samples a second, medians of interleaved rounds. The parts of a step are recorded and replayed on their own;
they run beside each other in the whole step, so their sum may exceed it.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from alpt_ref.data.dataset import ClickDataset
from alpt_ref.kernels.backend import get_backend
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.engine import BatchRange, make_engine

from . import peers
from .ids import in_fields
from .timing import arguments, interleaved, medians, wall_clock, write

DIM, HIDDEN = 16, (1024, 512, 256)
SAMPLES = 2_000_000  # rows of the dataset; an epoch is as many of them as whole batches fit
METHODS = {
    "fp32, SGD": TableConfig(method="fp32", optimizer="sgd"),
    "fp32, lazy Adam": TableConfig(method="fp32"),
    "8-bit LPT(SR), lazy Adam": TableConfig(method="lpt", init_step=0.001),
    "8-bit ALPT(SR), two passes, lazy Adam": TableConfig(method="alpt", init_step=0.001),
}
PEERS = ("SGD", "SparseAdam", "dense Adam")
MULTIPLY_ADDS = 39 * DIM * HIDDEN[0] + HIDDEN[0] * HIDDEN[1] + HIDDEN[1] * HIDDEN[2]


def clicks(xp: Any, n: int, fields: int, samples: int) -> ClickDataset:
    """Random clicks with Zipf ids (exponent 1.1, see `ids`), drawn on the device."""
    each = n // fields
    generator = xp.random.default_rng(0)
    ids = np.empty((samples, fields), np.uint32)
    for start in range(0, samples, 1 << 18):
        size = min(1 << 18, samples - start)
        ids[start : start + size] = xp.asnumpy(in_fields(generator, xp, xp.full(fields, each, xp.int64), size, 1.1))
    labels = xp.asnumpy(generator.random(samples) < 0.25).astype(np.uint8)
    names = tuple(f"f{k}" for k in range(fields))
    return ClickDataset("zipf", ids, labels, np.zeros(samples, np.uint8), names, (each,) * fields)


class Ours:
    """One of our methods: an engine, and an epoch of `steps` batches."""

    def __init__(self, table: TableConfig, dataset: ClickDataset, batch: int, steps: int) -> None:
        train = TrainConfig(batch_size=batch, eval_batch_size=batch, device="cuda")
        config = RunConfig(model=ModelConfig(hidden=HIDDEN, precision="tf32"), table=table, train=train)
        self.engine: Any = make_engine(config, dataset, "cuda")
        self.rows, self.batch, self.steps, self.epoch = np.arange(batch * steps), batch, steps, 0

    def __call__(self) -> None:
        """Train an epoch."""
        self.epoch += 1
        rates = {"table": 1e-3, "dense": 1e-3, "step": 2e-5}
        before = (self.epoch - 1) * self.steps
        self.engine.train(
            BatchRange(self.epoch, self.rows, rates, 0, self.steps, before, 0.0), lambda rows, loss: False
        )


class Theirs:
    """PyTorch with one optimiser of the table; the compiled dense part is shared by the optimisers."""

    def __init__(self, torch: Any, kind: str, n: int, data: Any, batch: int, steps: int, model: Any) -> None:
        self.torch, self.data, self.batch, self.steps = torch, data, batch, steps
        self.training = peers.Training(torch, kind, n, DIM, model, "cuda")

    def __call__(self) -> None:
        """Train `steps` batches of a new permutation."""
        ids, labels = self.data
        order = self.torch.randperm(len(ids), device="cuda")
        for step in range(self.steps):
            rows = order[step * self.batch : (step + 1) * self.batch]
            self.training.step(ids[rows], labels[rows])
        self.torch.cuda.synchronize()


# --- where a step's time goes ----------------------------------------------------------------------------------------


@contextmanager
def only(matrix_products: bool) -> Iterator[None]:
    """Inside, the models' operations queue their matrix products alone, or everything but these."""
    from alpt_ref.models import ops_cuda

    name = "launch" if matrix_products else "matmul"
    kept = getattr(ops_cuda, name)
    setattr(ops_cuda, name, lambda *args, **options: None)
    try:
        yield
    finally:
        setattr(ops_cuda, name, kept)


def parts(ours: Ours, repeats: int = 20) -> dict[str, float]:
    """Milliseconds of the parts of a step, each recorded as a graph of its own; they leave nonsense in the tables."""
    import cupy

    engine, b = ours.engine, ours.batch
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
            table.queue_begin(grads)
            table.queue_pending(emb)
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
        grads[...] = 1e-3
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


def report(name: str, found: dict[str, float], seconds: float, batch: int, passes: int) -> dict[str, float]:
    """Print the parts of a step of `seconds`; with the rate of the matrix products and what no part explains."""
    flops = 2 * MULTIPLY_ADDS * batch * (3 if passes == 1 else 5)
    total = sum(found.values())
    rate = flops / (found["matrix products"] * 1e-3) / 1e12
    print(f"{name}, batch {batch:,}: {seconds * 1e3:.3f} ms a step, its parts {total:.3f} ms")
    for part, milliseconds in found.items():
        print(f"    {part:22s} {milliseconds:7.3f} ms" + (f"  {rate:.0f} TFLOP/s" if part == "matrix products" else ""))
    return {**found, "step": seconds * 1e3, "sum of parts": total, "matrix products TFLOP/s": rate}


def main() -> None:
    options = arguments(
        __doc__, rows=34_000_000, fields=39, batches="10000,65536", repeats=5, no_peers=False, no_parts=False
    )
    backend = get_backend("cuda")
    dataset = clicks(backend.xp, options.rows, options.fields, SAMPLES)
    torch = None if options.no_peers else peers.torch_module(say=True)
    results: dict[str, Any] = {}
    for batch in [int(part) for part in options.batches.split(",")]:
        steps = min(100, SAMPLES // batch)
        cases: dict[str, Any] = {name: Ours(table, dataset, batch, steps) for name, table in METHODS.items()}
        done = dict.fromkeys(cases, batch * steps)
        if torch is not None:
            torch.set_float32_matmul_precision("high")
            data = (
                torch.from_numpy(dataset.ids.astype(np.int32)).cuda(),
                torch.from_numpy(dataset.labels).cuda().float(),
            )
            model = torch.compile(peers.dcn(torch, options.fields * DIM, HIDDEN).cuda(), dynamic=False)
            for kind in PEERS:
                few = max(5, steps // 5)
                name = f"PyTorch fp32, {kind}"
                cases[name] = Theirs(torch, kind, options.rows, data, batch, few, model)
                done[name] = batch * few
        seconds = medians(interleaved(cases, options.repeats, warmup=2, clock=wall_clock))
        speed = {name: done[name] / value for name, value in seconds.items()}
        print(f"batch {batch:,}: million samples a second")
        for name, value in speed.items():
            print(f"    {name:40s} {value / 1e6:7.2f}")
        results[str(batch)] = {"samples_per_s": speed}
        if not options.no_parts:
            results[str(batch)]["parts_ms"] = {
                name: report(name, parts(cases[name]), seconds[name] / steps, batch, 1 + case.engine._is_two_pass)
                for name, case in cases.items()
                if isinstance(case, Ours) and "fp32" not in name
            }
        cases.clear()
        backend.xp.get_default_memory_pool().free_all_blocks()
        if torch is not None:
            del model, data
            torch.cuda.empty_cache()
    write(options, {**backend.description(), "fields": options.fields, "dim": DIM, "batch": results})


if __name__ == "__main__":
    main()

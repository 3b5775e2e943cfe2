"""Speed of whole training on a GPU beside PyTorch and beside the hardware's floor, and where a step's time goes.

    python -m analysis.benchmarks.train_cuda [--rows 34000000] [--fields 39] [--batches 10000,65536] [--repeats 5]
        [--no-peers] [--no-parts] [--output FILE.json]

DCN with 3 cross layers and a 1024-512-256 network with batch norm on embeddings of dimension 16, dense Adam, matrix
products in TF32 or bf16. Ours: the training engine as `alpt-ref train --device cuda` runs it, data on the device, the
order of rows drawn anew every epoch. PyTorch: the strongest step that we know how to write (`peers_graph`: a plain
tensor, ``index_add_`` SGD, the whole step one CUDA graph), in TF32 and under bf16 autocast; and the convenient one,
``nn.Embedding(sparse=True)`` with its optimiser around the compiled dense part, TF32. Ids are Zipf-distributed in each
field, labels random. Figures: samples a second, medians of interleaved rounds; the share of the floor, which is
measured in the same run (`peers_graph.floor`). The parts of a step (`train_parts`) are recorded and replayed on their
own; they run beside each other in the whole step, so their sum may exceed it.
"""

from __future__ import annotations

import argparse
import functools
from typing import Any

import numpy as np

from alpt_ref.data.dataset import ClickDataset
from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import get_backend
from alpt_ref.training.batch_range import BatchRange
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.engine import make_engine

from . import peers
from .ids import in_fields
from .peers_graph import GraphTraining, copied_bytes_per_ms, floor
from .timing import arguments, interleaved, medians, wall_clock, write
from .train_parts import flops, parts, report

DIM, HIDDEN = 16, (1024, 512, 256)
SAMPLES = 2_000_000  # rows of the dataset; an epoch is as many of them as whole batches fit
LPT, ALPT = "8-bit LPT(SR), lazy Adam", "8-bit ALPT(SR), two passes, lazy Adam"
METHODS = {
    "fp32, SGD": TableConfig(method="fp32", optimizer="sgd"),
    LPT: TableConfig(method="lpt", init_step=0.001),
    ALPT: TableConfig(method="alpt", init_step=0.001),
}
PRECISIONS = {"TF32": "tf32", "bf16": "bf16"}
STRONGEST = "PyTorch fp32 table, CUDA graph"
CONVENIENT = ("SGD", "SparseAdam")


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

    def __init__(self, table: TableConfig, precision: str, dataset: ClickDataset, batch: int, steps: int) -> None:
        train = TrainConfig(batch_size=batch, eval_batch_size=batch, device="cuda")
        model: Any = {"hidden": HIDDEN, "precision": precision}
        config = RunConfig(model=ModelConfig(**model), table=table, train=train)
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


class Convenient:
    """PyTorch as one writes it first; the compiled dense part is shared by the optimisers of the table."""

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


def our_cases(dataset: ClickDataset, batch: int, steps: int) -> dict[str, Ours]:
    """Every method at every precision that this version has."""
    found: dict[str, Ours] = {}
    for title, precision in PRECISIONS.items():
        for name, table in METHODS.items():
            try:
                found[f"{name}, {title}"] = Ours(table, precision, dataset, batch, steps)
            except InputError as error:
                print(f"{name}, {title}: left out ({error})")
    return found


def their_cases(torch: Any, dataset: ClickDataset, rows: int, batch: int, steps: int) -> dict[str, tuple[Any, int]]:
    """PyTorch's cases and the steps of a call; one that fails is said and left out."""
    torch.set_float32_matmul_precision("high")
    data = (torch.from_numpy(dataset.ids.astype(np.int32)).cuda(), torch.from_numpy(dataset.labels).cuda().float())
    found: dict[str, tuple[Any, int]] = {}
    for title in PRECISIONS:
        module = peers.dcn(torch, dataset.fields * DIM, HIDDEN).cuda()
        try:
            graph = GraphTraining(torch, rows, DIM, module, data, batch, bf16=title == "bf16")
        except RuntimeError as error:
            print(f"{STRONGEST}, {title}: left out ({error})")
            continue
        found[f"{STRONGEST}, {title}"] = (functools.partial(graph.train, steps), steps)
    model = torch.compile(peers.dcn(torch, dataset.fields * DIM, HIDDEN).cuda(), dynamic=False)
    few = max(5, steps // 5)
    for kind in CONVENIENT:
        case = Convenient(torch, kind, rows, data, batch, few, model)
        found[f"PyTorch, convenient (nn.Embedding, {kind})"] = (case, few)
    return found


def floors(torch: Any, cases: dict[str, Ours], batch: int) -> dict[str, dict[str, float]]:
    """Milliseconds of the floor by case (`peers_graph.floor`).

    The table's bytes: the record of every unique row read and written, and for every id the id, and the codes and the
    step size that a lookup reads. The rest of a lookup, and the gradients that an update reads, are passes over the
    input.
    """
    speed = copied_bytes_per_ms(torch)
    found: dict[str, dict[str, float]] = {}
    for name, case in cases.items():
        engine = case.engine
        ids = np.asarray(engine.dataset.ids[:batch])
        record = engine._table._store.array.nbytes / engine._table.n
        served = engine._table.nbytes("serving") / engine._table.n
        bytes_ = np.unique(ids).size * 2.0 * record + ids.size * (4.0 + served)
        how = {"bf16": name.endswith("bf16"), "second": engine._is_two_pass}
        found[name] = floor(torch, batch, (engine.dataset.fields * DIM, *HIDDEN), bytes_, speed, **how)
    return found


def comparisons(speed: dict[str, float], ms: dict[str, dict[str, float]], batch: int) -> dict[str, float]:
    """Shares and ratios of one batch size, printed: of the floor, to the strongest PyTorch, ALPT to LPT."""
    found: dict[str, float] = {}
    for name, parts_ms in ms.items():
        found[f"{name}: share of the floor"] = speed[name] / (batch / parts_ms["sum"] * 1e3)
    for title in PRECISIONS:
        ours, alpt = speed.get(f"{LPT}, {title}"), speed.get(f"{ALPT}, {title}")
        peer = speed.get(f"{STRONGEST}, {title}")
        if ours and peer:
            found[f"{LPT} to {STRONGEST}, {title}"] = ours / peer
        if ours and alpt:
            found[f"ALPT to LPT, {title}"] = alpt / ours
    for name, value in found.items():
        print(f"    {name:75s} {value:6.3f}")
    return found


def one_batch(options: argparse.Namespace, torch: Any, dataset: ClickDataset, batch: int) -> dict[str, Any]:
    """All cases of one batch size, interleaved, and their floors and parts."""
    steps = min(100, SAMPLES // batch)
    mine = our_cases(dataset, batch, steps)
    cases: dict[str, Any] = dict(mine)
    done = dict.fromkeys(cases, batch * steps)
    if torch is not None:
        for name, (case, few) in their_cases(torch, dataset, options.rows, batch, steps).items():
            cases[name], done[name] = case, batch * few
    seconds = medians(interleaved(cases, options.repeats, warmup=2, clock=wall_clock))
    speed = {name: done[name] / value for name, value in seconds.items()}
    result: dict[str, Any] = {"samples_per_s": speed}
    ms = {} if torch is None else floors(torch, mine, batch)
    result["floor_samples_per_s"] = {name: batch / found["sum"] * 1e3 for name, found in ms.items()}
    result["floor_ms"] = ms
    print(f"batch {batch:,}: million samples a second, and the floor's")
    for name, value in speed.items():
        limit = result["floor_samples_per_s"].get(name)
        share = "" if limit is None else f" {limit / 1e6:7.2f}  {100 * value / limit:5.1f} %"
        print(f"    {name:50s} {value / 1e6:7.2f}{share}", flush=True)
    result["ratios"] = comparisons(speed, ms, batch)
    if not options.no_parts:
        result["parts_ms"] = {
            name: report(name, parts(case.engine, batch), seconds[name] / steps, flops(case.engine, batch))
            for name, case in mine.items()
            if "fp32" not in name
        }
    return result


def main() -> None:
    options = arguments(
        __doc__, rows=34_000_000, fields=39, batches="10000,65536", repeats=5, no_peers=False, no_parts=False
    )
    backend = get_backend("cuda")
    dataset = clicks(backend.xp, options.rows, options.fields, SAMPLES)
    torch = None if options.no_peers else peers.torch_module(say=True)
    results: dict[str, Any] = {}
    for batch in [int(part) for part in options.batches.split(",")]:
        results[str(batch)] = one_batch(options, torch, dataset, batch)
        backend.xp.get_default_memory_pool().free_all_blocks()
        if torch is not None:
            torch.cuda.empty_cache()
        write(options, {**backend.description(), "fields": options.fields, "dim": DIM, "batch": results})


if __name__ == "__main__":
    main()

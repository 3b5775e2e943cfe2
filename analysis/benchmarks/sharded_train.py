"""Whole training on several GPUs: weak scaling, bytes between them, and the strongest data-parallel PyTorch.

    torchrun --nproc-per-node 2 -m analysis.benchmarks.sharded_train [--rows 34000000] [--fields 39]
        [--samples 65536 10000] [--precisions float32 tf32 bf16] [--repeats 3]
        [--cases fast one ordered alpt torch parts]
        [--patience 60] [--profile] [--output FILE.json]

Model and data are those of `train_cuda`: DCN, 3 cross layers, 1024-512-256 with batch norm, d = 16, dense Adam, Zipf
ids. `samples` are those of a rank. Cases: ``one``, the unsharded engine on each GPU by itself, with which the others
are compared; ``fast`` and ``ordered`` (8 slices) 8-bit LPT with lazy Adam over all GPUs; ``alpt`` the same table with
two passes, by itself and fast; ``torch`` PyTorch on each GPU by itself (`peers_graph`) and over all (`peers_parallel`).
Weak scaling is samples a second of all GPUs over those of one, the slowest rank's median. Bytes are counted where
they are handed to NCCL in a step, and computed by hand (`by_hand`). With ``parts`` the fast case of LPT is taken
apart (`sharded_parts`). ``--profile`` prints kernels by their time.

Every case is tried for itself: what fails is said, with its traceback, and left out; one that hangs ends the program
after `patience` seconds (three times as long for the first, which compiles). The file is written after every case.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import statistics
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from alpt_ref.distributed import joined
from alpt_ref.distributed.group import TorchGroup
from alpt_ref.kernels.backend import get_backend
from alpt_ref.training.batch_range import BatchRange
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.engine import make_engine

from . import peers
from .sharded import kernels_of
from .timing import arguments, write
from .train_cuda import DIM, HIDDEN, clicks

SAMPLES = 2_000_000
METHODS = {
    "LPT": TableConfig(method="lpt", init_step=0.001, init_std=0.0),
    "ALPT": TableConfig(method="alpt", init_step=0.001, init_std=0.0),
}
WANTED = 1.7, 1.4
"""Weak scaling that was asked for on two GPUs, at 65,536 and at 10,000 samples a rank."""


class Counter:
    """Bytes that this rank hands to others through NCCL while a step is queued."""

    def __init__(self) -> None:
        self.sent: dict[str, int] = {}
        self.on = False
        ranks: Callable[[TorchGroup], int] = lambda group: group.ranks  # noqa: E731
        self._watch("swap", lambda group, array, *_: array.nbytes * (ranks(group) - 1) // ranks(group))
        self._watch("gathered", lambda group, array, *_: array.nbytes * (ranks(group) - 1))
        self._watch("summed", lambda group, array, *_: 2 * array.nbytes * (ranks(group) - 1) // ranks(group))

    def _watch(self, name: str, size: Callable[..., int]) -> None:
        before = getattr(TorchGroup, name)

        def counted(group: Any, *arguments: Any) -> None:
            if self.on:
                self.sent[name] = self.sent.get(name, 0) + size(group, *arguments)
            before(group, *arguments)

        setattr(TorchGroup, name, counted)


class Run:
    """An engine, and epochs of some batches; `samples` of a rank."""

    def __init__(self, engine: Any, samples: int, steps: int) -> None:
        self.engine, self.steps, self.epoch = engine, steps, 0
        self.rows = np.arange(samples * steps)

    def train(self, steps: int) -> None:
        """The first batches of an epoch of its own; waits for the device."""
        self.epoch += 1
        rates = {"table": 1e-3, "dense": 1e-3, "step": 2e-5}
        before = int(self.engine.backend.to_host(self.engine.counters)[2])
        self.engine.train(BatchRange(self.epoch, self.rows, rates, 0, steps, before, 0.0), lambda rows, loss: False)


def config(method: str, precision: str, batch: int, **train: Any) -> RunConfig:
    """Of a run with `batch` samples in all."""
    settings = {"batch_size": batch, "eval_batch_size": batch, "device": "cuda", **train}
    model: Any = {"hidden": HIDDEN, "precision": precision}
    return RunConfig(model=ModelConfig(**model), table=METHODS[method], train=TrainConfig(**settings))


def sharded(given: RunConfig, dataset: Any, ranks: Any) -> Any:
    """The engine over all ranks."""
    from alpt_ref.training.engine_cuda_sliced import SlicedCudaEngine

    return SlicedCudaEngine(given, dataset, ranks)


def by_hand(engine: Any, batch: int) -> dict[str, int]:
    """Bytes that a rank sends in a step, from the sizes alone."""
    ranks, table = engine.ranks.size, engine.table
    at, own, columns = engine._steps_of[batch], len(engine.sums.own), sum(HIDDEN)
    fast, passes = engine.config.train.reduce == "fast", 2 if engine._is_two_pass else 1
    answer, gradient = 4 * (-(-DIM * table.bits // 32) + 1), 4 * DIM if fast else 4 + 4 + 8 * DIM
    row = 8 + (0 if fast else 4) + passes * (answer + gradient)
    moments = 2 * 2 * 8 * columns * own  # forward and backward, two float64 a column and slice
    dense = engine.ops._parts_of[0].nbytes
    return {
        "swap": (ranks - 1) * at.capacity * row,
        "gathered": (ranks - 1) * (passes * (8 * own + (0 if fast else moments)) + (0 if fast else own * dense)),
        "summed": 2 * (ranks - 1) * dense // ranks if fast else 0,
    }


def timed(ranks: Any, run: Callable[[], None], repeats: int) -> float:
    """Median seconds of `run`, which all ranks begin together; the slowest rank's."""
    found = []
    for turn in range(repeats + 1):
        if ranks.size > 1:
            ranks.everyone(turn)
        begin = time.perf_counter()
        run()
        found.append(time.perf_counter() - begin)
    seconds = statistics.median(found[1:])
    return max(ranks.everyone(seconds)) if ranks.size > 1 else seconds


def ours(ranks: Any, counter: Counter, dataset: Any, case: str, method: str, precision: str, options: Any) -> Any:
    """Figures of one of our cases."""
    samples, repeats, alone = options.sample, options.repeats, case == "one"
    batch = samples * (1 if alone else ranks.size)
    steps = min(100, SAMPLES // batch)
    if alone:
        engine: Any = make_engine(config(method, precision, batch), dataset, "cuda")
    else:
        engine = sharded(config(method, precision, batch, sharded=True, reduce=case, slices=8), dataset, ranks)
    run = Run(engine, batch, steps)
    counter.sent, counter.on = {}, not alone
    run.train(1)
    counter.on = False
    sent = dict(counter.sent)
    run.train(min(steps, 5))
    seconds = timed(ranks, lambda: run.train(steps), repeats)
    if options.profile:
        table = kernels_of(lambda: run.train(min(steps, 5)))
        if ranks.first:
            print(f"{case}, {method}, {precision}, {samples}\n{table}", flush=True)
    found: dict[str, Any] = {"samples_per_s": batch * steps / seconds, "ms_a_step": 1e3 * seconds / steps}
    if not alone and ranks.size > 1:
        at = engine._steps_of[batch]
        ids = np.unique(np.asarray(dataset.ids[:samples]))
        found |= {
            "bytes_a_step": sent, "bytes_a_sample": sum(sent.values()) / samples, "capacity": at.capacity,
            "unique_rows_of_a_rank": len(ids), "room": engine._room,
        }  # fmt: skip
        found["bytes_by_hand"] = by_hand(engine, batch)
        found["counted_as_by_hand"] = {k: v for k, v in by_hand(engine, batch).items() if v} == sent
        if method == "LPT" and case == "fast" and "parts" in options.cases:
            from .sharded_parts import parts  # needs numba-cuda, which --help does not

            found["parts"] = parts(engine, batch)
    return found


def theirs(ranks: Any, dataset: Any, precision: str, alone: bool, options: Any) -> Any:
    """Figures of PyTorch, on each GPU by itself or over all."""
    from .peers_graph import GraphTraining
    from .peers_parallel import ParallelTraining

    torch = peers.torch_module()
    assert torch is not None
    torch.set_float32_matmul_precision("highest" if precision == "float32" else "high")
    samples, bf16 = options.sample, precision == "bf16"
    batch = samples * (1 if alone else ranks.size)
    steps = min(100, SAMPLES // batch)
    data = (torch.from_numpy(dataset.ids.astype(np.int32)).cuda(), torch.from_numpy(dataset.labels).cuda().float())
    module = peers.dcn(torch, dataset.fields * DIM, HIDDEN).cuda()
    given: Any = (torch, options.rows, DIM, module, data, samples)
    case: Any = GraphTraining(*given, bf16=bf16) if alone else ParallelTraining(*given, bf16=bf16, steps=steps)
    seconds = timed(ranks, lambda: case.train(steps), options.repeats)
    found = {"samples_per_s": batch * steps / seconds, "ms_a_step": 1e3 * seconds / steps}
    if not alone:
        found |= {"bytes_a_step": case.bytes_a_step, "bytes_a_sample": case.bytes_a_step / samples}
    return found


def plan(wanted: list[str], precisions: list[str]) -> Iterator[tuple[str, str, str]]:
    """(case, method or "PyTorch", precision), the most telling first."""
    for precision in precisions:
        for case in ("one", "fast", "ordered"):
            if case in wanted:
                yield case, "LPT", precision
        if "alpt" in wanted:
            yield "one", "ALPT", precision
            yield "fast", "ALPT", precision
        if "torch" in wanted:
            yield "one", "PyTorch", precision
            yield "all", "PyTorch", precision


def scaling(results: dict[str, Any], method: str, precision: str) -> dict[str, float]:
    """Samples a second of all GPUs over those of one."""
    one = results.get(f"{method}, one, {precision}")
    cases = ("fast", "ordered", "all")
    found = {case: results.get(f"{method}, {case}, {precision}") for case in cases}
    return {k: v["samples_per_s"] / one["samples_per_s"] for k, v in found.items() if one and v}


def main() -> None:
    """Run."""
    options = arguments(
        __doc__, rows=34_000_000, fields=39, samples=[65536, 10000], precisions=["float32", "tf32", "bf16"], repeats=3,
        cases=["fast", "one", "ordered", "alpt", "torch", "parts"], patience=60.0,
        profile=False,
    )  # fmt: skip
    faulthandler.enable()
    faulthandler.dump_traceback_later(3 * options.patience, exit=True)
    with joined("cuda") as found_ranks:
        ranks: Any = found_ranks
        backend, counter = get_backend("cuda"), Counter()
        dataset = clicks(backend.xp, options.rows, options.fields, SAMPLES)
        results: dict[str, Any] = {"ranks": ranks.size, "rows": options.rows, **backend.description(), "samples": {}}
        for number, sample in enumerate(options.samples):
            options.sample, of_size = sample, results["samples"].setdefault(str(sample), {})
            for case, method, precision in plan(options.cases, options.precisions):
                name, failed = f"{method}, {case}, {precision}", ""
                faulthandler.dump_traceback_later(options.patience * (1 if number else 3), exit=True)
                try:
                    if method == "PyTorch":
                        found = theirs(ranks, dataset, precision, case == "one", options)
                    else:
                        found = ours(ranks, counter, dataset, case, method, precision, options)
                except Exception:
                    failed = traceback.format_exc()
                    print(f"{name}, {sample}, rank {ranks.rank}: {failed}", flush=True)
                everyone = ranks.everyone(failed) if ranks.size > 1 else [failed]
                clean(backend)
                if any(everyone):
                    continue
                of_size[name] = found
                of_size["weak scaling"] = {
                    f"{kind}, {precision}": scaling(of_size, kind, precision)
                    for kind in ("LPT", "ALPT", "PyTorch") for precision in options.precisions
                }  # fmt: skip
                if ranks.first:
                    print(sample, name, found, of_size["weak scaling"][f"{method}, {precision}"], flush=True)
                    with contextlib.suppress(OSError):
                        write(options, results)
        faulthandler.cancel_dump_traceback_later()


def clean(backend: Any) -> None:
    """Give back the device's memory."""
    gc.collect()
    backend.synchronize()
    backend.xp.get_default_memory_pool().free_all_blocks()
    torch = peers.torch_module()
    if torch is not None:
        torch.cuda.empty_cache()


if __name__ == "__main__":
    main()

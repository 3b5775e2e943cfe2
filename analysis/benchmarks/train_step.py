"""Speed of a training step, ours and PyTorch's in one process: the table's part, and a whole DCN step.

    python -m analysis.benchmarks.train_step [--rows 1000000] [--batch 10000] [--fields 24] [--repeats 7]
        [--ids zipf|uniform] [--output FILE.json]

Table part: lookup, sum of duplicate ids, optimiser, and for low precision stochastic re-rounding. PyTorch:
``nn.Embedding(sparse=True)`` with SparseAdam or SGD, gradients given. Whole step: DCN with 3 cross layers and a
1024-512-256 network with batch norm; PyTorch's dense part is optimised by fused Adam. Ids are Zipf-distributed in each
field ("zipf") or uniform ("uniform", the hardest case for the memory). Cases run in turn; figures are medians.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle PyTorch threads must not spin beside ours

import numpy as np
from numpy.typing import NDArray

from alpt_ref import make_model, make_table, num_threads
from alpt_ref.kernels.linalg import single_threaded_blas
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.models.loss import bce_with_logits
from alpt_ref.models.optim import make_dense_optimizer
from alpt_ref.tables import AdaptiveTable, EmbeddingTable

from . import peers
from .ids import zipf_ids
from .timing import arguments, interleaved, medians, paired_ratio, write

DIM = 16
HIDDEN = (1024, 512, 256)
TABLES: dict[str, dict[str, Any]] = {
    "ours fp32 lazy Adam": {"method": "fp32"},
    "ours 8-bit LPT(SR) lazy Adam": {"method": "lpt", "bits": 8},
    "ours 8-bit LPT(SR) SGD": {"method": "lpt", "bits": 8, "optimizer": "sgd"},
    "ours 4-bit LPT(SR) lazy Adam": {"method": "lpt", "bits": 4},
    "ours 8-bit ALPT(SR) lazy Adam": {"method": "alpt", "bits": 8},
}
REST = 0.2
"""Seconds before a whole step of ours: BLAS workers of the case before spin for about half of it."""

Batch = tuple[NDArray[np.int64], NDArray[np.uint8]]
Case = Callable[[Batch], None]


def our_cases(table: EmbeddingTable, fields: int, grads: NDArray[np.float32]) -> tuple[Case, Case]:
    """The table's part and a whole step of one of our tables with our DCN."""
    model = make_model("dcn", fields, DIM, hidden=HIDDEN, seed=1)
    dense = make_dense_optimizer("adam", lr=1e-3)

    def part(batch: Batch) -> None:
        flat = batch[0].reshape(-1)
        table.lookup(flat)
        table.apply_gradients(flat, grads)

    def whole(batch: Batch) -> None:
        """Lookup, forward, backward, table and dense update; twice forward and backward for ALPT."""
        time.sleep(REST)
        ids, labels = batch
        flat = ids.reshape(-1)
        _, dlogits = bce_with_logits(model.forward(table.lookup(flat).reshape(len(ids), -1), training=True), labels)
        found = model.backward(dlogits).reshape(len(flat), -1)
        if not isinstance(table, AdaptiveTable):
            table.apply_gradients(flat, found)
            dense.step(model.params, model.grads)
            return
        pending = table.begin_update(flat, found)
        dense.step(model.params, model.grads)
        values = table.lookup_pending(pending).reshape(len(ids), -1)
        _, dlogits = bce_with_logits(model.forward(values, training=True, update_stats=False), labels)
        table.finish_update(pending, model.backward(dlogits, params=False).reshape(len(flat), -1), batch_size=len(ids))

    return part, whole


def their_cases(torch: Any, kind: str, rows: int, fields: int, grads: NDArray[np.float32]) -> tuple[Case, Case]:
    """The same of PyTorch with one optimiser of the embedding."""
    torch.set_num_threads(num_threads())
    table, optimizer = peers.embedding(torch, kind, rows, DIM)
    training = peers.Training(torch, kind, rows, DIM, peers.dcn(torch, fields * DIM, HIDDEN))
    gradient = torch.from_numpy(grads)

    def part(batch: Batch) -> None:
        optimizer.zero_grad()
        table(torch.from_numpy(batch[0]).reshape(-1)).backward(gradient)
        optimizer.step()

    def whole(batch: Batch) -> None:
        training.step(torch.from_numpy(batch[0]), torch.from_numpy(batch[1].astype(np.float32)))

    return part, whole


def main() -> None:
    options = arguments(__doc__, rows=1_000_000, batch=10_000, fields=24, repeats=7, ids=("zipf", "uniform"))
    rows, fields = options.rows, options.fields
    rng = np.random.default_rng(0)
    exponent = 1.1 if options.ids == "zipf" else 0.0
    batches: list[Batch] = [  # in turn: one batch alone would sit in the cache
        (
            zipf_ids(rows, options.batch, fields, seed, exponent=exponent).astype(np.int64),
            rng.integers(0, 2, options.batch, dtype=np.uint8),
        )
        for seed in range(4)
    ]
    grads: NDArray[np.float32] = aligned_empty((options.batch * fields, DIM), np.float32)
    grads[...] = rng.standard_normal(grads.shape) * 1e-3
    unique = int(np.mean([len(np.unique(ids)) for ids, _ in batches]))
    print(f"{rows:,} rows x {DIM}, batch {options.batch:,} x {fields} {options.ids} ids, {unique:,} unique")

    pairs = {name: our_cases(make_table(n=rows, d=DIM, **settings), fields, grads) for name, settings in TABLES.items()}
    torch = peers.torch_module(say=True)
    if torch is not None:
        pairs |= {
            f"PyTorch fp32 {kind}": their_cases(torch, kind, rows, fields, grads) for kind in ("SparseAdam", "SGD")
        }
    results: dict[str, dict[str, float]] = {}
    with single_threaded_blas():
        for which, what in enumerate(("table", "whole")):
            cases = {f"{what}: {name}": pair[which] for name, pair in pairs.items()}
            seconds: dict[str, list[float]] = {name: [] for name in cases}
            for round_ in range(options.repeats + 2):
                batch = batches[round_ % len(batches)]
                turn = {name: functools.partial(run, batch) for name, run in cases.items()}
                for name, values in interleaved(turn, 1, warmup=0).items():
                    seconds[name] += values if round_ >= 2 else []
            if what == "whole":
                seconds = {name: [s - REST * ("ours" in name) for s in values] for name, values in seconds.items()}
            reference = f"{what}: PyTorch fp32 SparseAdam"
            for name, middle in medians(seconds).items():
                ratio = paired_ratio(seconds, reference, name) if reference in seconds else float("nan")
                results[name] = {"milliseconds": middle * 1e3, "times_torch_sparse_adam": ratio}
                print(f"{name:44s} {middle * 1e3:8.2f} ms   {ratio:6.2f} x PyTorch fp32 SparseAdam")
    write(options, {"unique_rows": unique, "cases": results})


if __name__ == "__main__":
    main()

"""Speed of a training step, ours and PyTorch's in one process: the table's part, and a whole DCN step.

    python -m analysis.benchmarks.train_step [--rows 1000000] [--batch 10000] [--fields 24] [--repeats 7]
        [--ids zipf|uniform] [--output FILE.json]

Table part: lookup, sum of duplicate ids, optimiser, and for low precision stochastic re-rounding. PyTorch:
``nn.Embedding(sparse=True)`` with SparseAdam or SGD, gradients given. Whole step: DCN with 3 cross layers and a
1024-512-256 network with batch norm; PyTorch's dense part is optimised by fused Adam. Ids are Zipf-distributed in each
field ("zipf") or uniform ("uniform", the hardest case for the memory). Cases run in turn; figures are medians.
"""

from __future__ import annotations

import argparse
import functools
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle PyTorch threads must not spin beside ours

import numpy as np
from numpy.typing import NDArray

from alpt_ref import make_model, make_table, num_threads
from alpt_ref._version import install_hint
from alpt_ref.kernels.linalg import single_threaded_blas
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.models.loss import bce_with_logits
from alpt_ref.models.optim import make_dense_optimizer
from alpt_ref.tables import AdaptiveTable, EmbeddingTable

from .harness import interleaved, medians, paired_ratio, write

DIM = 16
HIDDEN = (1024, 512, 256)


def draw_ids(kind: str, rows: int, batch: int, fields: int, seed: int) -> NDArray[np.int64]:
    """Global ids (batch, fields); every field owns ``rows // fields`` of them."""
    rng = np.random.default_rng(seed)
    each = rows // fields
    if kind == "uniform":
        local = rng.integers(0, each, (batch, fields))
    else:
        weights = 1.0 / np.arange(1, each + 1) ** 1.1
        edges = np.cumsum(weights / weights.sum())
        local = np.minimum(np.searchsorted(edges, rng.random((batch, fields))), each - 1)
        local = rng.permutation(each)[local]
    return np.asarray(local + np.arange(fields) * each, np.int64)


class OurStep:
    """A whole step of one of our tables with our DCN."""

    def __init__(self, table: EmbeddingTable, fields: int) -> None:
        self.table = table
        self.model = make_model("dcn", fields, DIM, hidden=HIDDEN, seed=1)
        self.dense = make_dense_optimizer("adam", lr=1e-3)

    def table_part(self, ids: NDArray[np.int64], grads: NDArray[np.float32]) -> None:
        """Lookup and update with given gradients."""
        self.table.lookup(ids)
        self.table.apply_gradients(ids, grads)

    def whole(self, ids: NDArray[np.int64], labels: NDArray[np.uint8]) -> None:
        """Lookup, forward, backward, table and dense update; twice forward and backward for ALPT."""
        table, model, flat = self.table, self.model, ids.reshape(-1)
        _, dlogits = bce_with_logits(model.forward(table.lookup(flat).reshape(len(ids), -1), training=True), labels)
        grads = model.backward(dlogits).reshape(len(flat), -1)
        if not isinstance(table, AdaptiveTable):
            table.apply_gradients(flat, grads)
            self.dense.step(model.params, model.grads)
            return
        pending = table.begin_update(flat, grads)
        self.dense.step(model.params, model.grads)
        values = table.lookup_pending(pending).reshape(len(ids), -1)
        _, dlogits = bce_with_logits(model.forward(values, training=True, update_stats=False), labels)
        table.finish_update(pending, model.backward(dlogits, params=False).reshape(len(flat), -1), batch_size=len(ids))


def torch_cases(rows: int, fields: int, batches: list[Any], grads: NDArray[np.float32]) -> dict[str, Any]:
    """PyTorch's table parts and whole steps, by name; empty where PyTorch is not installed."""
    try:
        import torch
    except ImportError:
        print(f"PyTorch is not installed: left out ({install_hint('peers')})")
        return {}
    torch.set_num_threads(num_threads())
    from_numpy: Any = torch.from_numpy
    data = [(from_numpy(ids), from_numpy(labels.astype(np.float32))) for ids, labels in batches]
    gradient = from_numpy(grads)

    class Dcn(torch.nn.Module):
        """The same DCN."""

        def __init__(self) -> None:
            super().__init__()
            width = fields * DIM
            self.cross_w = torch.nn.ParameterList([torch.nn.Parameter(torch.randn(width) * 0.05) for _ in range(3)])
            self.cross_b = torch.nn.ParameterList([torch.nn.Parameter(torch.zeros(width)) for _ in range(3)])
            layers: list[torch.nn.Module] = []
            for before, after in zip((width, *HIDDEN[:-1]), HIDDEN, strict=True):
                layers += [torch.nn.Linear(before, after), torch.nn.BatchNorm1d(after), torch.nn.ReLU()]
            self.deep = torch.nn.Sequential(*layers)
            self.out = torch.nn.Linear(width + HIDDEN[-1], 1)

        def forward(self, x0: Any) -> Any:
            """Logits of embeddings (b, fields * dim)."""
            x = x0
            for w, b in zip(self.cross_w, self.cross_b, strict=True):
                x = x0 * (x @ w).unsqueeze(1) + b + x
            return self.out(torch.cat([x, self.deep(x0)], 1)).squeeze(1)

    def embedding(kind: str) -> tuple[Any, Any]:
        table = torch.nn.Embedding(rows, DIM, sparse=True)
        make = torch.optim.SparseAdam if kind == "SparseAdam" else torch.optim.SGD
        return table, make(list(table.parameters()), lr=1e-3)

    cases: dict[str, Any] = {}
    for kind in ("SparseAdam", "SGD"):
        table, optimizer = embedding(kind)

        def part(step: int, table: Any = table, optimizer: Any = optimizer) -> None:
            optimizer.zero_grad()
            table(data[step][0].reshape(-1)).backward(gradient)
            optimizer.step()

        cases[f"table: PyTorch fp32 {kind}"] = part
        model = Dcn()
        dense = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
        whole_table, whole_optimizer = embedding(kind)

        def whole(
            step: int,
            table: Any = whole_table,
            optimizer: Any = whole_optimizer,
            model: Any = model,
            dense: Any = dense,
        ) -> None:
            ids, labels = data[step]
            optimizer.zero_grad()
            dense.zero_grad()
            logits = model(table(ids).reshape(len(ids), -1))
            loss: Any = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels)
            loss.backward()
            optimizer.step()
            dense.step()

        cases[f"whole: PyTorch fp32 {kind}"] = whole
    return cases


def _take_turn(run: Any, turn: dict[str, int]) -> None:
    run(turn["step"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=10_000)
    parser.add_argument("--fields", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--ids", choices=("zipf", "uniform"), default="zipf")
    parser.add_argument("--output")
    options = parser.parse_args()
    count = 4  # batches in turn: one batch alone would sit in the cache
    rng = np.random.default_rng(0)
    batches = [
        (draw_ids(options.ids, options.rows, options.batch, options.fields, seed), rng.integers(0, 2, options.batch))
        for seed in range(count)
    ]
    grads: NDArray[np.float32] = aligned_empty((options.batch * options.fields, DIM), np.float32)
    grads[...] = rng.standard_normal(grads.shape) * 1e-3
    unique = int(np.mean([len(np.unique(ids)) for ids, _ in batches]))
    print(
        f"{options.rows:,} rows x {DIM}, batch {options.batch:,} x {options.fields} {options.ids} ids, "
        f"{unique:,} unique"
    )

    n = options.rows
    tables = {
        "ours fp32 lazy Adam": make_table("fp32", n, DIM),
        "ours 8-bit LPT(SR) lazy Adam": make_table("lpt", n, DIM, bits=8, rounding="sr"),
        "ours 8-bit LPT(SR) SGD": make_table("lpt", n, DIM, bits=8, rounding="sr", optimizer="sgd"),
        "ours 4-bit LPT(SR) lazy Adam": make_table("lpt", n, DIM, bits=4, rounding="sr"),
        "ours 8-bit ALPT(SR) lazy Adam": make_table("alpt", n, DIM, bits=8, rounding="sr"),
    }
    turn = {"step": 0}
    cases: dict[str, Callable[[], Any]] = {}
    for name, table in tables.items():
        ours = OurStep(table, options.fields)

        def part(ours: OurStep = ours) -> None:
            ours.table_part(batches[turn["step"]][0].reshape(-1), grads)

        def whole(ours: OurStep = ours) -> None:
            time.sleep(0.2)  # BLAS workers of the case before spin for about 0.1 s
            ours.whole(*batches[turn["step"]])

        cases[f"table: {name}"] = part
        cases[f"whole: {name}"] = whole
    for name, run in torch_cases(n, options.fields, batches, grads).items():
        cases[name] = functools.partial(_take_turn, run, turn)

    results: dict[str, dict[str, float]] = {}
    command = f"python -m analysis.benchmarks.train_step --rows {n} --batch {options.batch} --fields {options.fields}"
    with single_threaded_blas():
        for part_name in ("table", "whole"):
            chosen = {name: run for name, run in cases.items() if name.startswith(part_name)}
            seconds: dict[str, list[float]] = {name: [] for name in chosen}
            for round_ in range(options.repeats + 2):
                turn["step"] = round_ % count
                for name, values in interleaved(chosen, 1, warmup=0).items():
                    seconds[name] += values if round_ >= 2 else []
            for name in list(seconds):
                if part_name == "whole" and "ours" in name:
                    seconds[name] = [value - 0.2 for value in seconds[name]]
            reference = f"{part_name}: PyTorch fp32 SparseAdam"
            for name, middle in medians(seconds).items():
                ratio = paired_ratio(seconds, reference, name) if reference in seconds else float("nan")
                results[name] = {"milliseconds": middle * 1e3, "times_torch_sparse_adam": ratio}
                print(f"{name:44s} {middle * 1e3:8.2f} ms   {ratio:6.2f} x PyTorch fp32 SparseAdam")
    write(
        options.output,
        f"{command} --repeats {options.repeats} --ids {options.ids}",
        {"unique_rows": unique, "cases": results},
    )


if __name__ == "__main__":
    main()

"""Speed of a training step, ours and others' in one process: the table's part, and a whole DCN step.

    python -m analysis.benchmarks.train_step [--rows 1000000] [--batch 10000] [--fields 24] [--repeats 7]
        [--ids zipf|uniform] [--parts both|table] [--output FILE.json]

Table part: lookup, sum of duplicate ids, optimiser, and for low precision stochastic re-rounding. PyTorch:
``nn.Embedding(sparse=True)`` with SGD, Adagrad or SparseAdam, gradients given, and ``index_add_`` on a plain tensor;
FBGEMM's batched tables where they are installed (`peers_cpu`). Beside them two floors: what the step's bytes take here
(`floor`), and what its arithmetic takes with all rows in the cache (`arithmetic`). Whole step: DCN with 3 cross layers
and a 1024-512-256 network with batch norm; PyTorch's dense part is optimised by fused Adam. Beside it the step's matrix
products alone: nine, and six more for two-pass ALPT. Ids are Zipf-distributed in each field ("zipf") or uniform
("uniform", the hardest case for the memory). Cases run in turn; figures are medians.
"""

from __future__ import annotations

import functools
import itertools
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle PyTorch threads must not spin beside ours

import numpy as np
from numpy.typing import NDArray

from alpt_ref import make_model, make_table, num_threads
from alpt_ref.kernels.linalg import matmul, single_threaded_blas
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.models.loss import bce_with_logits
from alpt_ref.models.optim import make_dense_optimizer
from alpt_ref.tables import AdaptiveTable, EmbeddingTable
from alpt_ref.tables.unique_rows import unique_rows

from . import peers, peers_cpu
from .arithmetic import Arithmetic, hot_groups
from .floor import Floor
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
        ids = table.checked_ids(batch[0].reshape(-1))  # as the training engine does
        table.lookup(ids)
        table.apply_gradients(ids, grads)

    def whole(batch: Batch) -> None:
        """Lookup, forward, backward, table and dense update; twice forward and backward for ALPT."""
        time.sleep(REST)
        ids, labels = batch
        flat = table.checked_ids(ids.reshape(-1))
        _, dlogits = bce_with_logits(model.forward(table.lookup(flat).reshape(len(ids), -1), training=True), labels)
        found = model.backward(dlogits).reshape(ids.size, -1)
        if not isinstance(table, AdaptiveTable):
            table.apply_gradients(flat, found)
            dense.step(model.params, model.grads)
            return
        pending = table.begin_update(flat, found)
        dense.step(model.params, model.grads)
        values = table.lookup_pending(pending).reshape(len(ids), -1)
        _, dlogits = bce_with_logits(model.forward(values, training=True, update_stats=False), labels)
        table.finish_update(pending, model.backward(dlogits, params=False).reshape(ids.size, -1), batch_size=len(ids))

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


def product_cases(batch: int, fields: int) -> dict[str, Callable[[], None]]:
    """The matrix products of the network's step alone: forward, data gradients, weight gradients; and a second pass."""
    rng, sizes = np.random.default_rng(1), (fields * DIM, *HIDDEN)
    x = [rng.standard_normal((batch, size), dtype=np.float32) for size in sizes]
    w = [rng.standard_normal(shape, dtype=np.float32) for shape in itertools.pairwise(sizes)]
    out = [np.empty_like(one) for one in x]
    dw = [np.empty_like(one) for one in w]

    def forward_and_data() -> None:
        for k, one in enumerate(w):
            matmul(x[k], one, out[k + 1])
        for k, one in reversed(list(enumerate(w))):
            matmul(x[k + 1], one.T, out[k])

    def nine() -> None:
        forward_and_data()
        for k, one in enumerate(dw):
            matmul(x[k].T, x[k + 1], one)

    def fifteen() -> None:
        nine()
        forward_and_data()

    return {"products of a step": nine, "products of a two-pass step": fifteen}


def timed(cases: dict[str, Case], batches: list[Batch], repeats: int) -> dict[str, list[float]]:
    """Seconds of each case, the batches in turn, the first two rounds left out."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for round_ in range(repeats + 2):
        turn = {name: functools.partial(run, batches[round_ % len(batches)]) for name, run in cases.items()}
        for name, values in interleaved(turn, 1, warmup=0).items():
            seconds[name] += values if round_ >= 2 else []
    return seconds


def drop_batch(run: Callable[[], None]) -> Case:
    """A case that is the same for every batch."""
    return lambda batch: run()


def floor_cases(floor: Floor, arithmetic: Arithmetic, batches: list[Batch], n: int) -> dict[str, Case]:
    """The parts of both floors, of the unique rows of each batch."""
    unique = {id(ids): unique_rows(ids.reshape(-1), n) for ids, _ in batches}
    hot = {which: hot_groups(groups) for which, groups in unique.items()}

    def of(part: Callable[..., None], what: Callable[[Batch], tuple[Any, ...]]) -> Case:
        return lambda batch: part(*what(batch))

    return {
        "in order": drop_batch(floor.in_order),
        "at random": of(floor.at_random, lambda batch: (unique[id(batch[0])].rows,)),
        "codes at random": of(floor.codes_at_random, lambda batch: (unique[id(batch[0])].rows,)),
        "gathers": of(floor.gathers, lambda batch: (batch[0].reshape(-1), unique[id(batch[0])].order)),
        "grouping ids": of(arithmetic.grouping, lambda batch: (batch[0].reshape(-1),)),
        "lookup": of(arithmetic.lookup, lambda batch: (batch[0].size,)),
        "sums of duplicates": of(arithmetic.sums, lambda batch: (hot[id(batch[0])],)),
        "optimiser and rounding": of(arithmetic.step, lambda batch: (len(unique[id(batch[0])]),)),
    }


def summary(
    seconds: dict[str, list[float]], floor: dict[str, Any], arithmetic: dict[str, Any]
) -> dict[str, float]:  # fmt: skip
    """The ratios that the package is judged by, medians over the rounds; NaN where a peer is missing."""

    def ratio(slow: str, fast: str) -> float:
        return paired_ratio(seconds, slow, fast) if slow in seconds and fast in seconds else float("nan")

    ours, whole = "table: ours 8-bit LPT(SR) lazy Adam", "whole: ours 8-bit LPT(SR) lazy Adam"
    middle = medians(seconds)
    ms, moved = middle[ours] * 1e3, floor["milliseconds"]["8-bit LPT lazy Adam"]
    computed = arithmetic["milliseconds"]["all"]
    found = {
        "table part of LPT over the floor of its bytes": ms / moved,
        "arithmetic and grouping alone over the floor of the bytes": computed / moved,
        "table part of LPT over the larger of bytes and arithmetic": ms / max(moved, computed),
        "table part of LPT over bytes and arithmetic one after the other": ms / (moved + computed),
        "PyTorch SGD over LPT, table part": ratio("table: PyTorch fp32 SGD", ours),
        "PyTorch SparseAdam over LPT, table part": ratio("table: PyTorch fp32 SparseAdam", ours),
    }
    if whole in seconds:
        products = middle["whole: products of a step"] / middle[whole]
        second = middle["whole: products of a two-pass step"] / middle["whole: ours 8-bit ALPT(SR) lazy Adam"]
        found |= {
            "two-pass ALPT over LPT, whole step": ratio("whole: ours 8-bit ALPT(SR) lazy Adam", whole),
            "products of a two-pass step over those of a step": ratio(
                "whole: products of a two-pass step", "whole: products of a step"
            ),
            "share of matrix products in a step of LPT": products,
            "share of matrix products in a step of two-pass ALPT": second,
        }
    return found


def main() -> None:
    options = arguments(
        __doc__, rows=1_000_000, batch=10_000, fields=24, repeats=7, ids=("zipf", "uniform"), parts=("both", "table")
    )
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
    floor, arithmetic = Floor(rows, DIM, len(grads)), Arithmetic(rows, DIM)
    floors = {f"floor: {name}": run for name, run in floor_cases(floor, arithmetic, batches, rows).items()}
    parts = {name: pair[0] for name, pair in pairs.items()}
    wholes = {name: pair[1] for name, pair in pairs.items()}
    wholes |= {name: drop_batch(run) for name, run in product_cases(options.batch, fields).items()}
    torch = peers.torch_module(say=True)
    if torch is not None:
        theirs = {kind: their_cases(torch, kind, rows, fields, grads) for kind in ("SparseAdam", "SGD", "Adagrad")}
        parts |= {f"PyTorch fp32 {kind}": pair[0] for kind, pair in theirs.items()}
        parts["PyTorch fp32 SGD, index_add_"] = peers_cpu.index_add_case(torch, rows, DIM, grads)
        parts |= {
            f"FBGEMM fp32 {kind}": case
            for kind, case in peers_cpu.fbgemm_cases(torch, rows, fields, DIM, grads).items()
        }
        wholes |= {f"PyTorch fp32 {kind}": theirs[kind][1] for kind in ("SparseAdam", "SGD")}
    with single_threaded_blas():
        tables = {f"table: {name}": run for name, run in parts.items()}
        found = timed(floors | tables, batches, options.repeats)
        if options.parts == "both":
            found |= timed({f"whole: {name}": run for name, run in wholes.items()}, batches, options.repeats)
    seconds = {name: [s - REST * ("whole: ours" in name) for s in values] for name, values in found.items()}
    middle = medians(seconds)
    alone = {name.removeprefix("floor: "): middle[name] for name in floors}
    limits, computed = floor.figures(alone, unique), arithmetic.figures(alone, unique)
    results: dict[str, dict[str, float]] = {}
    for name in seconds:
        what = name.split(":")[0]
        if name in floors:
            continue
        results[name] = {"milliseconds": middle[name] * 1e3}
        for key, kind in (("times_torch_sparse_adam", "SparseAdam"), ("times_torch_sgd", "SGD")):
            reference = f"{what}: PyTorch fp32 {kind}"
            results[name][key] = paired_ratio(seconds, reference, name) if reference in seconds else float("nan")
        adam, sgd = results[name]["times_torch_sparse_adam"], results[name]["times_torch_sgd"]
        print(f"{name:44s} {middle[name] * 1e3:8.2f} ms   {adam:6.2f} x SparseAdam   {sgd:6.2f} x SGD")
    ratios = summary(seconds, limits, computed)
    for name, value in limits["milliseconds"].items():
        print(f"floor of the bytes, {name}: {value:.2f} ms")
    print(f"reads at random besides: {limits['milliseconds_of_gathers_besides']:.2f} ms")
    each = computed["nanoseconds_per_unique_row_and_thread"]
    for name, value in computed["milliseconds"].items():
        print(f"arithmetic in the cache, {name}: {value:.2f} ms, {each[name]:.1f} ns a unique row and thread")
    for name, value in ratios.items():
        print(f"{name}: {value:.3f}")
    threads = {"ours": num_threads(), "pytorch": num_threads()}
    floors_found = {"floor": limits, "arithmetic": computed}
    write(options, {"unique_rows": unique, "threads": threads, **floors_found, "ratios": ratios, "cases": results})


if __name__ == "__main__":
    main()

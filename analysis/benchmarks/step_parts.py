"""Where a two-pass ALPT step takes longer than a step of LPT: both in their parts, beside the matrix products.

    python -m analysis.benchmarks.step_parts [--rows 1000000] [--batch 10000] [--fields 24] [--repeats 7] [--minima]
        [--output FILE.json]

The steps of `train_step`, each part timed in turn. LPT: lookup, forward, backward, table update, dense update. ALPT:
the same with the first half of its update, then the pending values' lookup, the second forward pass, the second
backward pass (gradients of the data alone) and the second half of the update. Nine matrix products are a step's,
fifteen a two-pass step's, so that products alone are at least 5/3; what is left of the ratio is printed by part: the
network's passes over activations (batch norm, ReLU, cross layers, loss) and the table. Medians over the rounds, or
minima with ``--minima``, which other work on the machine disturbs less.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from alpt_ref import make_model, make_table, num_threads
from alpt_ref.kernels.linalg import single_threaded_blas
from alpt_ref.models.loss import bce_with_logits
from alpt_ref.models.optim import make_dense_optimizer

from .ids import zipf_ids
from .timing import arguments, medians, write
from .train_step import DIM, HIDDEN, REST, product_cases

TABLE = ("lookup", "table update", "first half", "pending lookup", "second half")
NETWORK = ("forward", "loss", "backward", "dense update", "second forward", "second loss", "second backward")


class Clock:
    """Seconds of named parts, round by round."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def __call__(self, name: str, run: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        """The result of `run`, whose time becomes one more of `name`."""
        begin = time.perf_counter()
        result = run(*args, **keywords)
        self.seconds.setdefault(name, []).append(time.perf_counter() - begin)
        return result


def step(clock: Clock, table: Any, model: Any, dense: Any, ids: Any, labels: Any) -> None:
    """One training step, LPT's or two-pass ALPT's, part by part; names begin with the method."""
    name = table.method
    flat, rows = table.checked_ids(ids.reshape(-1)), len(ids)
    values = clock(f"{name}: lookup", table.lookup, flat).reshape(rows, -1)
    logits = clock(f"{name}: forward", model.forward, values, training=True)
    _, dlogits = clock(f"{name}: loss", bce_with_logits, logits, labels)
    grads = clock(f"{name}: backward", model.backward, dlogits).reshape(ids.size, -1)
    if name == "lpt":
        clock(f"{name}: table update", table.apply_gradients, flat, grads)
        clock(f"{name}: dense update", dense.step, model.params, model.grads)
        return
    pending = clock(f"{name}: first half", table.begin_update, flat, grads)
    clock(f"{name}: dense update", dense.step, model.params, model.grads)
    values = clock(f"{name}: pending lookup", table.lookup_pending, pending).reshape(rows, -1)
    logits = clock(f"{name}: second forward", model.forward, values, training=True, update_stats=False)
    _, dlogits = clock(f"{name}: second loss", bce_with_logits, logits, labels)
    grads = clock(f"{name}: second backward", model.backward, dlogits, params=False).reshape(ids.size, -1)
    clock(f"{name}: second half", table.finish_update, pending, grads, batch_size=rows)


def decomposition(parts: dict[str, float]) -> dict[str, float]:
    """Milliseconds of both steps by kind, and what each adds to the ratio."""
    found: dict[str, float] = {}
    for name in ("lpt", "alpt"):
        own = {part.partition(": ")[2]: value for part, value in parts.items() if part.startswith(f"{name}: ")}
        products = parts["products of a step" if name == "lpt" else "products of a two-pass step"]
        found[f"{name}: whole"] = sum(own.values())
        found[f"{name}: products"] = products
        found[f"{name}: network besides"] = sum(own[part] for part in NETWORK if part in own) - products
        found[f"{name}: table"] = sum(own[part] for part in TABLE if part in own)
    found["products of both steps, ratio"] = found["alpt: products"] / found["lpt: products"]
    found["whole steps, ratio"] = found["alpt: whole"] / found["lpt: whole"]
    return found


def main() -> None:
    options = arguments(__doc__, rows=1_000_000, batch=10_000, fields=24, repeats=7, minima=False)
    batches = [zipf_ids(options.rows, options.batch, options.fields, seed).astype(np.int64) for seed in range(4)]
    labels = np.random.default_rng(0).integers(0, 2, options.batch, dtype=np.uint8)
    sides = [
        (
            make_table(method, n=options.rows, d=DIM, bits=8),
            make_model("dcn", options.fields, DIM, hidden=HIDDEN, seed=1),
            make_dense_optimizer("adam", lr=1e-3),
        )
        for method in ("lpt", "alpt")
    ]
    clock, products = Clock(), product_cases(options.batch, options.fields)
    with single_threaded_blas():
        for round_ in range(options.repeats + 2):
            for table, model, dense in sides:
                time.sleep(REST)
                step(clock, table, model, dense, batches[round_ % len(batches)], labels)
            for name, run in products.items():
                time.sleep(REST)
                clock(name, run)
    kept = {name: values[2:] for name, values in clock.seconds.items()}
    middle = {name: min(values) for name, values in kept.items()} if options.minima else medians(kept)
    parts = {name: value * 1e3 for name, value in middle.items()}
    kinds = decomposition(parts)
    for name, value in parts.items():
        print(f"{name:36s} {value:8.2f} ms")
    for name, value in kinds.items():
        print(f"{name:36s} {value:8.3f}" + ("" if "ratio" in name else " ms"))
    write(options, {"threads": num_threads(), "parts_milliseconds": parts, "decomposition": kinds})


if __name__ == "__main__":
    main()

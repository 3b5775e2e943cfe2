"""Dense Adam at lazy cost: a table step beside lazy Adam's, and beside Adam that really moves all rows.

    python -m analysis.benchmarks.dense_adam [--rows 1000000] [--batch 2000] [--fields 26] [--repeats 9]
        [--output FILE.json]

A step is a lookup and an update of one batch of ids, by a Zipf law over the table; enough steps are run before that
rows are behind by hundreds of steps. "All rows" is Adam in NumPy over the whole table, with in-place operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref import make_table

from .ids import EXPONENTS, LAWS
from .timing import arguments, interleaved, medians, paired_ratio, write

DIM, BATCHES, BEFORE = 16, 8, 600
LAZY, ALL = "fp32, lazy Adam", "fp32, Adam on all rows (NumPy)"
CASES = {
    LAZY: ("fp32", None, "adam"),
    "fp32, dense Adam, replayed": ("fp32", None, "dense_adam"),
    "LPT(SR) 8 bits, lazy Adam": ("lpt", 8, "adam"),
    "LPT(SR) 8 bits, dense Adam, replayed": ("lpt", 8, "dense_adam"),
}


def main() -> None:
    options = arguments(__doc__, rows=1_000_000, batch=2_000, fields=26, repeats=9)
    size = (options.rows, options.batch, options.fields)
    ids = [LAWS["table"](*size, seed, exponent=EXPONENTS["table"]).reshape(-1) for seed in range(BATCHES)]
    grads = (np.random.default_rng(2).standard_normal((ids[0].size, DIM)) * 1e-3).astype(np.float32)
    cases: dict[str, Callable[[], Any]] = {}
    for name, (method, bits, optimizer) in CASES.items():
        table = make_table(method, options.rows, DIM, bits=bits, optimizer=optimizer)
        for at in range(BEFORE):
            step(table, ids[at % BATCHES], grads)
        cases[name] = every(table, ids, grads)
    cases[ALL] = all_rows(options.rows, ids, grads)
    seconds = interleaved(cases, options.repeats)
    found = {name: value / BATCHES * 1e3 for name, value in medians(seconds).items()}
    unique = int(np.mean([len(np.unique(one)) for one in ids]))
    print(f"{options.rows:,} rows x {DIM}, {ids[0].size:,} ids a batch, {unique:,} unique")
    for name, value in found.items():
        print(f"{name:40s} {value:9.3f} ms per step, {paired_ratio(seconds, name, LAZY):6.2f} x lazy Adam's")
    ratios = {f"{name} against lazy Adam": paired_ratio(seconds, name, LAZY) for name in found}
    write(options, {"unique_rows": unique, "milliseconds_a_step": found, "times": ratios})


def step(table: Any, ids: NDArray[Any], grads: NDArray[np.float32]) -> None:
    """Look a batch up and update it, as the training engine does."""
    checked = table.checked_ids(ids)
    table.lookup(checked)
    table.apply_gradients(checked, grads)


def every(table: Any, ids: list[NDArray[Any]], grads: NDArray[np.float32]) -> Callable[[], None]:
    """A step with each batch."""

    def run() -> None:
        for one in ids:
            step(table, one, grads)

    return run


def all_rows(rows: int, ids: list[NDArray[Any]], grads: NDArray[np.float32]) -> Callable[[], None]:
    """Adam on every row, its gradient zero where the batch has none."""
    w, m, v, g = (np.zeros((rows, DIM), np.float32) for _ in range(4))
    room = np.empty_like(w)

    def run() -> None:
        for one in ids:
            w[one]
            g[...] = 0.0
            np.add.at(g, one, grads)
            np.multiply(m, np.float32(0.9), out=m)
            np.multiply(g, np.float32(0.1), out=room)
            np.add(m, room, out=m)
            np.multiply(v, np.float32(0.999), out=v)
            np.multiply(g, g, out=room)
            np.multiply(room, np.float32(0.001), out=room)
            np.add(v, room, out=v)
            np.sqrt(v, out=room)
            np.add(room, np.float32(1e-8), out=room)
            np.divide(m, room, out=room)
            np.multiply(room, np.float32(1e-3), out=room)
            np.subtract(w, room, out=w)

    return run


if __name__ == "__main__":
    main()

"""Speed of a table step, beside PyTorch's fp32 embedding in the same run; on a GPU by default, 34 million rows.

    python -m analysis.benchmarks.table [--device cuda] [--rows 34000000] [--batch 65536] [--fields 26]
        [--laws table,criteo,fields] [--repeats 15] [--output FILE.json]

Ours: unique rows, sum of duplicate gradients, lazy Adam or SGD, stochastic re-rounding, 8 bits; on a GPU replayed as a
CUDA graph of four batches in turn. PyTorch: ``nn.Embedding(sparse=True)`` with SGD and SparseAdam: lookup, backward and
optimiser step. Ids follow three laws (`ids`): one Zipf law over the table, Criteo's field sizes with a Zipf law in
each, equal fields with a Zipf law in each. Times are those of the device for one batch; medians.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from alpt_ref.kernels.backend import Backend, get_backend

from . import cases as ours
from . import peers
from .ids import EXPONENTS, LAWS
from .run import measure
from .timing import arguments, write

DIM, BATCHES = 16, 4
METHODS = {
    "8-bit LPT(SR) lazy Adam": ("lpt", 8, "adam"),
    "8-bit LPT(SR) SGD": ("lpt", 8, "sgd"),
    "fp32 lazy Adam": ("fp32", None, "adam"),
}


def main() -> None:
    options = arguments(
        __doc__,
        device=("cuda", "cpu"),
        rows=34_000_000,
        batch=65_536,
        fields=26,
        laws="table,criteo,fields",
        repeats=15,
    )
    backend = get_backend(options.device)
    found = {law: _measured(law, options, backend) for law in options.laws.split(",")}
    write(options, {**backend.description(), "laws": found})


def _measured(law: str, options: argparse.Namespace, backend: Backend) -> dict[str, Any]:
    """Ids of one law: how they repeat, the cases' times, and ours against PyTorch's."""
    size = (options.rows, options.batch, options.fields)
    ids = [LAWS[law](*size, seed, exponent=EXPONENTS[law]).reshape(-1) for seed in range(BATCHES)]
    counts = [np.unique(one, return_counts=True)[1] for one in ids]
    unique, most = (int(np.mean([figure(one) for one in counts])) for figure in (len, np.max))
    print(
        f"{law}, exponent {EXPONENTS[law]}: {options.rows:,} rows x {DIM}, {ids[0].size:,} ids, {unique:,} unique rows,"
        f" the most frequent one {most:,} times"
    )
    cases = ours.table_cases(backend, options.rows, ids, DIM, methods=METHODS)
    torch = peers.torch_module(say=True)
    if torch is not None:
        generator = np.random.Generator(np.random.Philox(key=2))
        grads = (generator.standard_normal((ids[0].size, DIM)) * 1e-3).astype(np.float32)
        cases |= peers.table_cases(torch, options.device, options.rows, DIM, ids, grads)
    results = measure(cases, backend, options.repeats)
    ratios = {}
    for name, one in results.items():
        one["milliseconds_a_batch"] = float(one["seconds"]) / BATCHES * 1e3
        line = f"{name:58s} {one['milliseconds_a_batch']:8.3f} ms"
        for kind in ("SGD", "SparseAdam"):
            reference = results.get(f"PyTorch fp32: table step (lookup, backward, {kind})")
            if reference is not None and name.startswith("table "):
                ratios[f"{name} against PyTorch {kind}"] = float(reference["seconds"]) / float(one["seconds"])
                line += f"   {ratios[f'{name} against PyTorch {kind}']:6.1f} x PyTorch {kind}"
        print(line, flush=True)
    return {
        "exponent": EXPONENTS[law], "ids": int(ids[0].size), "unique_rows": unique, "most_frequent": most,
        "cases": results, "times": ratios,
    }  # fmt: skip


if __name__ == "__main__":
    main()

"""Speed of a table step on a GPU, 34 million rows, beside PyTorch's fp32 embedding in the same run.

    python -m analysis.benchmarks.table_cuda [--rows 34000000] [--batch 65536] [--fields 26] [--exponent 0.95]
        [--repeats 15] [--output FILE.json]

Ours: unique rows, sum of duplicate gradients, lazy Adam or SGD, stochastic re-rounding, 8 bits; replayed as a CUDA
graph of four batches in turn. PyTorch: ``nn.Embedding(sparse=True)`` with SGD and SparseAdam: lookup, backward and
optimiser step. Ids are Zipf-distributed in each field. Times are those of the device for one batch; medians.
"""

from __future__ import annotations

import argparse

import numpy as np

from alpt_ref.backend import get_backend
from alpt_ref.bench import cases as ours
from alpt_ref.bench import peers
from alpt_ref.bench.ids import zipf_ids
from alpt_ref.bench.run import Results, measure

from .harness import write

DIM, BATCHES = 16, 4
METHODS = {
    "8-bit LPT(SR) lazy Adam": ("lpt", 8, "adam"),
    "8-bit LPT(SR) SGD": ("lpt", 8, "sgd"),
    "fp32 lazy Adam": ("fp32", None, "adam"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=34_000_000)
    parser.add_argument("--batch", type=int, default=65_536)
    parser.add_argument("--fields", type=int, default=26)
    parser.add_argument("--exponent", type=float, default=0.95, help="of the Zipf law in each field")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--output")
    options = parser.parse_args()
    backend = get_backend("cuda")
    law = (options.rows, options.batch, options.fields)
    ids = [zipf_ids(*law, seed, exponent=options.exponent).reshape(-1) for seed in range(BATCHES)]
    unique = int(np.mean([len(np.unique(one)) for one in ids]))
    print(f"{options.rows:,} rows x {DIM}, {options.batch:,} x {options.fields} ids, {unique:,} unique")
    cases = ours.table_cases(backend, options.rows, ids, DIM, methods=METHODS)
    torch = peers.torch_module()
    if torch is not None:
        generator = np.random.Generator(np.random.Philox(key=2))
        grads = (generator.standard_normal((options.batch * options.fields, DIM)) * 1e-3).astype(np.float32)
        cases |= peers.table_cases(torch, "cuda", options.rows, DIM, ids, grads)
    results: Results = measure(cases, backend, options.repeats)
    for found in results.values():
        found["milliseconds_a_batch"] = float(found["seconds"]) / BATCHES * 1e3
    ratios = {}
    for name, found in results.items():
        line = f"{name:58s} {float(found['milliseconds_a_batch']):8.3f} ms"
        for kind in ("SGD", "SparseAdam"):
            reference = results.get(f"PyTorch fp32: table step (lookup, backward, {kind})")
            if reference is not None and not name.startswith("PyTorch") and "lookup, " not in name:
                ratio = float(reference["seconds"]) / float(found["seconds"])
                ratios[f"{name} against PyTorch {kind}"] = ratio
                line += f"   {ratio:6.1f} x PyTorch {kind}"
        print(line)
    command = (
        f"python -m analysis.benchmarks.table_cuda --rows {options.rows} --batch {options.batch} "
        f"--fields {options.fields} --exponent {options.exponent} --repeats {options.repeats}"
    )
    write(options.output, command, {**backend.description(), "unique_rows": unique, "cases": results, "times": ratios})


if __name__ == "__main__":
    main()

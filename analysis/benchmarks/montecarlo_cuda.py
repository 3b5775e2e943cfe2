"""Speed of Monte Carlo runs of SR-SGD on a GPU: whole calls of `simulate`, and PyTorch in the same run.

    python -m analysis.benchmarks.montecarlo_cuda [--runs 262144] [--dim 16] [--steps 10000] [--repeats 5]
        [--output FILE.json]

Ours is timed by the host's clock around the whole call, results on the host included; PyTorch on the device alone, for
100 steps. The figure is coordinate updates a second.
"""

from __future__ import annotations

import argparse

from alpt_ref.bench import cases as ours
from alpt_ref.bench import peers
from alpt_ref.bench.run import measure
from alpt_ref.kernels.backend import get_backend

from .harness import write


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1 << 18)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output")
    options = parser.parse_args()
    backend = get_backend("cuda")
    cases = ours.montecarlo_cases(backend, options.runs, options.steps, options.dim)
    results = measure(cases, backend, options.repeats, whole_calls=True)
    torch = peers.torch_module()
    if torch is not None:
        theirs = peers.montecarlo_cases(torch, "cuda", options.runs, options.dim, 100)
        results |= measure(theirs, backend, options.repeats)
    for name, found in results.items():
        print(f"{name:48s} {float(found['per_second']) / 1e9:8.1f} G coordinate updates/s")
    command = (
        f"python -m analysis.benchmarks.montecarlo_cuda --runs {options.runs} --dim {options.dim} "
        f"--steps {options.steps} --repeats {options.repeats}"
    )
    write(options.output, command, {**backend.description(), "cases": results})


if __name__ == "__main__":
    main()

"""Speed of quantisation on a GPU beside a copy of the same memory, and PyTorch eager and compiled in the same run.

    python -m analysis.benchmarks.quantize_cuda [--elements 268435456] [--repeats 15] [--output FILE.json]

A case moves ``4 + bits / 8`` bytes an element; its share of the copy is the figure. Arrays are far larger than the
last cache. Times are those of the device, between two events; medians of interleaved rounds.
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
    parser.add_argument("--elements", type=int, default=1 << 28)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--output")
    options = parser.parse_args()
    backend = get_backend("cuda")
    cases = {**ours.copy_case(backend, options.elements), **ours.quantize_cases(backend, options.elements)}
    torch = peers.torch_module()
    if torch is not None:
        tensor = torch.as_tensor(ours.weights(backend, options.elements, 16), device="cuda")
        cases |= peers.quantize_cases(torch, tensor, 0.01, compiled=not options.no_compile)
    results = measure(cases, backend, options.repeats)
    copied = float(results["copy"]["gigabytes_per_second"])
    for name, found in results.items():
        found["share_of_copy"] = float(found["gigabytes_per_second"]) / copied
        speed, rate = float(found["gigabytes_per_second"]), float(found["per_second"]) / 1e9
        share = 100 * float(found["share_of_copy"])
        print(f"{name:40s} {rate:8.1f} G elements/s {speed:8.1f} GB/s {share:6.1f} % of the copy")
    command = f"python -m analysis.benchmarks.quantize_cuda --elements {options.elements} --repeats {options.repeats}"
    write(options.output, command, {**backend.description(), "cases": results})


if __name__ == "__main__":
    main()

"""Speed of stochastic and nearest quantisation: ours, NumPy and PyTorch in one run.

    python -m analysis.benchmarks.quantize [--elements 16000000] [--repeats 9] [--output FILE.json]
    python -m analysis.benchmarks.quantize --device cuda --elements 268435456 --repeats 15 [--no-compile]

On a processor fp32 to 8 bits, rates and ratios to naive NumPy; "convert only" is the same memory traffic without
rounding: the limit. On a GPU every width beside a copy of the same memory, whose share is the figure (a case moves
``4 + bits / 8`` bytes an element, and the step sizes of rows), and PyTorch eager and compiled; times of the device.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle PyTorch threads must not spin beside ours

import numpy as np

from alpt_ref import QuantSpec, num_threads, quantize, set_num_threads
from alpt_ref.kernels.backend import get_backend
from alpt_ref.kernels.jit import kernel, run_rows

from . import cases as ours
from . import peers
from .run import measure
from .timing import arguments, interleaved, medians, paired_ratio, write


@kernel
def convert_rows(lo, hi, w, out):  # type: ignore[no-untyped-def]
    """The memory traffic of a quantiser without its work."""
    for i in range(lo, hi):
        for j in range(w.shape[1]):
            out[i, j] = np.int8(w[i, j])


def on_a_processor(options: argparse.Namespace) -> dict[str, Any]:
    d, step = 16, np.float32(0.01)
    w = ours.weights(get_backend("cpu"), options.elements, d)
    steps = np.full(len(w), step, np.float32)
    out = np.empty(w.shape, np.int8)
    threads = num_threads()

    def with_threads(count: int, run: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
        def turn() -> None:
            set_num_threads(count)
            run(*arguments)

        return turn

    sr, dr = QuantSpec(8, "sr"), QuantSpec(8, "dr")
    cases = {
        "convert only, 1 thread": with_threads(1, run_rows, convert_rows, len(w), w, out),
        **peers.numpy_quantizers(w, step),
        "ours SR, 1 thread": with_threads(1, quantize, w, step, sr),
        "ours SR, step a row, 1 thread": with_threads(1, quantize, w, steps, sr),
        f"ours SR, {threads} threads": with_threads(threads, quantize, w, step, sr),
        "ours DR, 1 thread": with_threads(1, quantize, w, step, dr),
    }
    torch = peers.torch_module(say=True)
    if torch is not None:
        (eager,) = peers.quantize_cases(torch, torch.from_numpy(w), float(step), compiled=False).values()

        def torch_eager(count: int) -> None:
            torch.set_num_threads(count)
            eager.run()

        cases["PyTorch eager SR, 1 thread"] = lambda: torch_eager(1)
        cases[f"PyTorch eager SR, {threads} threads"] = lambda: torch_eager(threads)
    seconds = interleaved(cases, options.repeats)
    rates = {name: w.size / value / 1e6 for name, value in medians(seconds).items()}
    ratios = {name: paired_ratio(seconds, "NumPy naive SR", name) for name in cases}
    print(f"{options.elements:,} elements, fp32 -> 8 bits, medians of {options.repeats}")
    for name, rate in rates.items():
        print(f"{name:32s} {rate:8.0f} M elements/s   {ratios[name]:6.2f} x naive NumPy")
    return {"million_elements_per_second": rates, "times_naive_numpy": ratios}


def on_a_gpu(options: argparse.Namespace) -> dict[str, Any]:
    backend = get_backend(options.device)
    cases = {**ours.copy_case(backend, options.elements), **ours.quantize_cases(backend, options.elements)}
    torch = peers.torch_module(say=True)
    if torch is not None:
        tensor = torch.as_tensor(ours.weights(backend, options.elements, 16), device=options.device)
        cases |= peers.quantize_cases(torch, tensor, 0.01, compiled=not options.no_compile)
    results = measure(cases, backend, options.repeats)
    copied = float(results["copy"]["gigabytes_per_second"])
    for name, found in results.items():
        speed, rate = float(found["gigabytes_per_second"]), float(found["per_second"]) / 1e9
        found["share_of_copy"] = speed / copied
        print(f"{name:40s} {rate:8.1f} G elements/s {speed:8.1f} GB/s {100 * speed / copied:6.1f} % of the copy")
    return {**backend.description(), "cases": results}


def main() -> None:
    options = arguments(__doc__, device=("cpu", "cuda"), elements=16_000_000, repeats=9, no_compile=False)
    write(options, on_a_processor(options) if options.device == "cpu" else on_a_gpu(options))


if __name__ == "__main__":
    main()

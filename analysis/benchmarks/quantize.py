"""Speed of stochastic and nearest quantisation, fp32 to 8 bits: NumPy, PyTorch and ours in one run.

    python -m analysis.benchmarks.quantize [--elements 16000000] [--repeats 9] [--output FILE.json]

"NumPy naive" is the definition written down: ``low + (rng.random(x.shape) < x - low)``, clipped and cast. "NumPy
float32, blocked" adds float32 noise and works in place on blocks that stay in the cache, the best that we found in
plain NumPy; its sum in float32 loses the low bits of the fraction and so is biased, ours is not. "convert only" is the
same memory traffic without rounding: the limit.
"""

from __future__ import annotations

import argparse
import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle PyTorch threads must not spin beside ours

import numpy as np

from alpt_ref import QuantSpec, num_threads, quantize, set_num_threads
from alpt_ref._version import install_hint
from alpt_ref.kernels.jit import kernel, run_rows

from .harness import interleaved, medians, paired_ratio, write


@kernel
def convert_rows(lo, hi, w, out):  # type: ignore[no-untyped-def]
    """The memory traffic of a quantiser without its work."""
    for i in range(lo, hi):
        for j in range(w.shape[1]):
            out[i, j] = np.int8(w[i, j])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elements", type=int, default=16_000_000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--output")
    options = parser.parse_args()
    d, step = 16, np.float32(0.01)
    rng = np.random.default_rng(0)
    w = (rng.standard_normal((options.elements // d, d), dtype=np.float32) * np.float32(0.3)).astype(np.float32)
    steps = np.full(len(w), step, np.float32)
    out = np.empty(w.shape, np.int8)
    threads = num_threads()

    def ours(rounding: str, count: int, per_row: bool = False) -> None:
        set_num_threads(count)
        quantize(w, steps if per_row else step, QuantSpec(8, rounding))  # type: ignore[arg-type]

    def convert() -> None:
        set_num_threads(1)
        run_rows(convert_rows, len(w), w, out)

    def numpy_naive() -> None:
        x = w / step
        low = np.floor(x)
        np.clip(low + (rng.random(x.shape) < x - low), -128, 127).astype(np.int8)

    block = 65_536
    work, noise = np.empty(block, np.float32), np.empty(block, np.float32)
    flat_w, flat_out = w.reshape(-1), out.reshape(-1)

    def numpy_blocked() -> None:
        for lo in range(0, flat_w.size, block):
            size = min(block, flat_w.size - lo)
            x = work[:size]
            np.divide(flat_w[lo : lo + size], step, out=x)
            rng.random(dtype=np.float32, out=noise[:size])
            np.add(x, noise[:size], out=x)
            np.floor(x, out=x)
            np.clip(x, -128, 127, out=x)
            flat_out[lo : lo + size] = x

    cases = {
        "convert only, 1 thread": convert,
        "NumPy naive SR": numpy_naive,
        "NumPy float32, blocked, SR": numpy_blocked,
        "ours SR, 1 thread": lambda: ours("sr", 1),
        "ours SR, step a row, 1 thread": lambda: ours("sr", 1, per_row=True),
        f"ours SR, {threads} threads": lambda: ours("sr", threads),
        "ours DR, 1 thread": lambda: ours("dr", 1),
    }
    try:
        import torch

        tensor = torch.from_numpy(w)

        def torch_eager(count: int) -> None:
            torch.set_num_threads(count)
            torch.floor(tensor / float(step) + torch.rand_like(tensor)).clamp_(-128, 127).to(torch.int8)

        cases["PyTorch eager SR, 1 thread"] = lambda: torch_eager(1)
        cases[f"PyTorch eager SR, {threads} threads"] = lambda: torch_eager(threads)
    except ImportError:
        print(f"PyTorch is not installed: left out ({install_hint('peers')})")
    seconds = interleaved(cases, options.repeats)
    middle = medians(seconds)
    print(f"{options.elements:,} elements, fp32 -> 8 bits, medians of {options.repeats}")
    rates = {name: w.size / value / 1e6 for name, value in middle.items()}
    ratios = {name: paired_ratio(seconds, "NumPy naive SR", name) for name in cases}
    for name, rate in rates.items():
        print(f"{name:32s} {rate:8.0f} M elements/s   {ratios[name]:6.2f} x naive NumPy")
    command = f"python -m analysis.benchmarks.quantize --elements {options.elements} --repeats {options.repeats}"
    write(options.output, command, {"million_elements_per_second": rates, "times_naive_numpy": ratios})


if __name__ == "__main__":
    main()

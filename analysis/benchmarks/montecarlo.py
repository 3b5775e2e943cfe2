"""Speed of Monte Carlo runs of SR-SGD on a quadratic: NumPy, PyTorch, JAX where installed, and ours in one run.

    python -m analysis.benchmarks.montecarlo [--runs 4096] [--dim 16] [--steps 200] [--repeats 7] [--output FILE.json]

All do the same work in float32: gradient of a quadratic with a spectrum plus noise (normal, uniform or none), the
update, clipping to 8 bits, stochastic rounding. "NumPy" allocates its temporaries as vectorised code does; "NumPy in
place" reuses them and works on blocks of runs that stay in the cache, the best that we found in plain NumPy. The
figure is million coordinate-updates a second; ratios are medians over rounds of the interleaved cases.
"""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle PyTorch threads must not spin beside ours

import numpy as np
from numpy.typing import NDArray

from alpt_ref import num_threads, set_num_threads
from alpt_ref.theory import Grid, Noise, Schedule, quadratic, simulate

from .harness import interleaved, medians, paired_ratio, write

F = np.float32
STEP, RATE, LOW, HIGH, START = F(0.01), F(0.5), F(-128), F(127), F(50)
NOISES = ("normal", "uniform", "none")
BLOCK = 65_536


class NumpyRuns:
    """SR-SGD on an array of runs, written with array operations."""

    def __init__(self, dim: int, noise: str) -> None:
        self.spectrum = np.linspace(0.1, 2.0, dim, dtype=F)
        self.noise, self.rng = noise, np.random.default_rng(0)

    def plain(self, runs: int, steps: int) -> NDArray[np.float32]:
        """One array expression after the other."""
        code = np.full((runs, self.spectrum.size), START)
        for _ in range(steps):
            g = self.spectrum * (code * STEP - F(0.1))
            if self.noise == "normal":
                g += self.rng.standard_normal(code.shape, dtype=F)
            elif self.noise == "uniform":
                g += self.rng.random(code.shape, dtype=F) * F(2) - F(1)
            x = np.clip(code - RATE * g, LOW, HIGH)
            low = np.floor(x)
            code = low + (self.rng.random(code.shape, dtype=F) < x - low)
        return code

    def in_place(self, runs: int, steps: int) -> None:
        """The same without new arrays, block by block of runs."""
        rows = max(BLOCK // self.spectrum.size, 1)
        for first in range(0, runs, rows):
            shape = (min(rows, runs - first), self.spectrum.size)
            code, g, u, low = (np.full(shape, START) for _ in range(4))
            up = np.empty(shape, np.bool_)
            for _ in range(steps):
                np.multiply(code, STEP, out=g)
                np.subtract(g, F(0.1), out=g)
                np.multiply(g, self.spectrum, out=g)
                if self.noise == "normal":
                    np.add(g, self.rng.standard_normal(dtype=F, out=u), out=g)
                elif self.noise == "uniform":
                    self.rng.random(dtype=F, out=u)
                    np.multiply(u, F(2), out=u)
                    np.add(g, u, out=g)
                    np.subtract(g, F(1), out=g)
                np.multiply(g, RATE, out=g)
                np.subtract(code, g, out=g)
                np.clip(g, LOW, HIGH, out=g)
                np.floor(g, out=low)
                np.subtract(g, low, out=g)
                self.rng.random(dtype=F, out=u)
                np.less(u, g, out=up)
                np.add(low, up, out=code)


def torch_case(dim: int, noise: str, runs: int, steps: int) -> Callable[[], Any] | None:
    """The PyTorch twin, or None without PyTorch."""
    try:
        import torch
    except ImportError:
        return None
    spectrum = torch.linspace(0.1, 2.0, dim)
    generator = torch.Generator().manual_seed(0)

    def run() -> None:
        torch.set_num_threads(num_threads())
        code = torch.full((runs, dim), float(START))
        u = torch.empty_like(code)
        with torch.no_grad():
            for _ in range(steps):
                g = (code * float(STEP) - 0.1) * spectrum
                if noise == "normal":
                    g += u.normal_(generator=generator)
                elif noise == "uniform":
                    g += u.uniform_(-1.0, 1.0, generator=generator)
                x = (code - float(RATE) * g).clamp_(float(LOW), float(HIGH))
                low = x.floor()
                code = low + (u.uniform_(generator=generator) < x - low)

    return run


def jax_case(dim: int, noise: str, runs: int, steps: int) -> Callable[[], Any] | None:
    """The JAX twin, one jitted loop; None without JAX."""
    try:
        jax, jnp = importlib.import_module("jax"), importlib.import_module("jax.numpy")
    except ImportError:
        return None
    spectrum = jnp.linspace(0.1, 2.0, dim, dtype=jnp.float32)

    def body(t: Any, code: Any) -> Any:
        first, second = jax.random.split(jax.random.fold_in(jax.random.key(0), t))
        g = (code * STEP - F(0.1)) * spectrum
        if noise == "normal":
            g += jax.random.normal(first, code.shape, jnp.float32)
        elif noise == "uniform":
            g += jax.random.uniform(first, code.shape, jnp.float32, -1.0, 1.0)
        x = jnp.clip(code - RATE * g, LOW, HIGH)
        low = jnp.floor(x)
        return low + (jax.random.uniform(second, code.shape, jnp.float32) < x - low)

    loop = jax.jit(lambda: jax.lax.fori_loop(0, steps, body, jnp.full((runs, dim), START, jnp.float32)))
    return lambda: loop().block_until_ready()


def cases_of(noise: str, runs: int, dim: int, steps: int, threads: int) -> dict[str, Callable[[], Any]]:
    """Every implementation of one noise."""
    numpy_runs = NumpyRuns(dim, noise)
    kind = Noise() if noise == "none" else Noise(noise, 1.0 if noise == "normal" else 3.0**-0.5)  # type: ignore[arg-type]
    problem = quadratic(np.linspace(0.1, 2.0, dim), 0.1)

    def ours(count: int) -> None:
        set_num_threads(count)
        simulate(
            problem, Grid(float(STEP), 8), Schedule("constant", float(STEP * RATE)), steps=steps + 1, runs=runs,
            start=int(START), noise=kind,
        )  # fmt: skip

    cases: dict[str, Callable[[], Any]] = {
        "NumPy": lambda: numpy_runs.plain(runs, steps),
        "NumPy in place": lambda: numpy_runs.in_place(runs, steps),
        "ours, 1 thread": lambda: ours(1),
    }
    if threads > 1:
        cases[f"ours, {threads} threads"] = lambda: ours(threads)
    for name, case in (("PyTorch", torch_case(dim, noise, runs, steps)), ("JAX", jax_case(dim, noise, runs, steps))):
        if case is not None:
            cases[name] = case
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=4096)
    parser.add_argument("--dim", type=int, default=16)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output")
    options = parser.parse_args()
    threads = num_threads()
    updates = options.runs * options.dim * options.steps
    results: dict[str, Any] = {"runs": options.runs, "dim": options.dim, "steps": options.steps, "threads": threads}
    for noise in NOISES:
        cases = cases_of(noise, options.runs, options.dim, options.steps, threads)
        seconds = interleaved(cases, options.repeats, warmup=1)
        fastest = f"ours, {threads} threads" if threads > 1 else "ours, 1 thread"
        results[noise] = {
            "million_updates_per_second": {name: updates / s / 1e6 for name, s in medians(seconds).items()},
            "times_faster_than": {name: paired_ratio(seconds, name, fastest) for name in cases if "ours" not in name},
        }
        print(f"noise {noise}: million coordinate-updates a second")
        for name, rate in results[noise]["million_updates_per_second"].items():
            ratio = results[noise]["times_faster_than"].get(name)
            print(f"  {name:20s} {rate:8.0f}" + (f"   {fastest} is {ratio:.1f}x as fast" if ratio else ""))
    command = "python -m analysis.benchmarks.montecarlo"
    write(options.output, f"{command} --runs {options.runs} --dim {options.dim} --steps {options.steps}", results)


if __name__ == "__main__":
    main()

"""The GPU's bits against the CPU's: Philox words and codes of 10**9 elements each, and Monte Carlo runs.

    python -m analysis.benchmarks.parity_cuda [--elements 1000000000] [--output FILE.json]

Works in chunks; every chunk has its own step size and draw, so that no two quotients are alike. Most are quantised by
the kernel that divides without a division (8 bits, one step size), the others in turn by every other bit width and
rounding, with ragged rows and with a step size a row. Exit status 1 if a single bit differs.
"""

from __future__ import annotations

import itertools
import sys
import time
from dataclasses import fields
from typing import Any

import numpy as np

from alpt_ref import QuantSpec, philox4x32, quantize
from alpt_ref.kernels.backend import get_backend
from alpt_ref.theory import Grid, Noise, Schedule, elastic, huber, quadratic, saturating, simulate
from alpt_ref.theory.linear import synthetic_regression

from .timing import arguments, write

CHUNK = 1 << 26


def words_differ(total: int) -> int:
    """Philox blocks that differ, of ``total / 4`` counters with random parts."""
    xp = get_backend("cuda").xp
    generator = np.random.Generator(np.random.Philox(key=3))
    key = generator.integers(0, 1 << 32, 2, dtype=np.uint32)
    wrong = 0
    for first in range(0, total // 4, CHUNK // 4):
        count = min(CHUNK // 4, total // 4 - first)
        counters = np.empty((count, 4), np.uint32)
        counters[:, 0] = np.arange(first, first + count, dtype=np.uint32)
        counters[:, 1:] = generator.integers(0, 1 << 32, 3, dtype=np.uint32)
        ours = xp.asnumpy(philox4x32(xp.asarray(counters), xp.asarray(key)))
        wrong += int((ours != philox4x32(counters, key)).any(axis=1).sum())
    return wrong


def codes_differ(total: int) -> dict[str, list[int]]:
    """Elements compared and elements that differ, by kind of case."""
    xp = get_backend("cuda").xp
    generator = np.random.Generator(np.random.Philox(key=4))
    base = generator.standard_normal(CHUNK, dtype=np.float32)
    others = itertools.cycle(itertools.product((8, 4, 2, 16), ("sr", "dr"), (16, 17, 12), (False, True)))
    found: dict[str, list[int]] = {}
    for number in range(-(-total // CHUNK)):
        step = np.float32(2.0 ** generator.uniform(-30.0, 30.0))
        cases: list[tuple[int, Any, int, bool]] = [(8, "sr", 16, False), *itertools.islice(others, 4)]
        for bits, rounding, d, each in cases:
            count = CHUNK if (bits, rounding, d, each) == cases[0] else CHUNK // 32
            scale = np.float32(step * np.float32(generator.uniform(0.2, 0.6)) * np.float32(2.0 ** (bits - 1)))
            w = (base[: count // d * d] * scale).reshape(-1, d)
            steps = (step * generator.uniform(0.5, 2.0, len(w))).astype(np.float32) if each else step
            spec = QuantSpec(bits, rounding)
            expected = quantize(w, steps, spec, seed=number, counter=number << 31)
            placed = xp.asarray(steps) if each else steps
            ours = xp.asnumpy(quantize(xp.asarray(w), placed, spec, seed=number, counter=number << 31))
            entry = found.setdefault(f"{bits} bits {rounding} d={d}" + (", step a row" if each else ""), [0, 0])
            entry[0] += w.size
            entry[1] += int((ours != expected).sum())
    return found


def simulations_differ() -> tuple[int, list[str]]:
    """How many simulations were compared, and the settings with a figure that differs."""
    generator = np.random.Generator(np.random.Philox(key=5))
    d = 17
    a, b, target = (generator.uniform(low, high, d) for low, high in ((0.2, 2.0), (0.1, 1.0), (-0.4, 0.4)))
    problems: dict[str, Any] = {
        "quadratic": quadratic(a, target), "elastic": elastic(a, b, target), "huber": huber(a, b, target),
        "saturating": saturating(a, target),
        **{loss: synthetic_regression(loss, 32, 12, seed=1) for loss in ("square", "absolute", "huber", "logistic")},
    }  # fmt: skip
    noises = (Noise(), Noise("two-point", 0.7), Noise("uniform", 0.6), Noise("normal", 0.8))
    wrong, count = [], 0
    for (name, problem), noise, rounding, watched in itertools.product(
        problems.items(), noises, ("sr", "dr", "full"), (False, True)
    ):
        results = [
            simulate(
                problem, Grid(0.0625, 5), Schedule("inverse-sqrt", 0.3), steps=150, runs=1003, start=5,
                minimum_outside=True,
                rounding=rounding, noise=noise, batch=3, checkpoints=[1, 64, 100], averages=watched, check=watched,
                seed=2**40 + 3, device=device,
            )
            for device in ("cpu", "cuda")
        ]  # fmt: skip
        count += 1
        for field in fields(results[0]):
            one, other = (getattr(result, field.name) for result in results)
            if one is not None and not np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind == "f"):
                wrong.append(f"{name}, {noise.kind} noise, {rounding}, watched {watched}: {field.name}")
    return count, wrong


def main() -> None:
    options = arguments(__doc__, elements=10**9)
    begin = time.perf_counter()
    words = words_differ(options.elements)
    print(f"Philox: {words} of {options.elements // 4:,} blocks differ ({time.perf_counter() - begin:.1f} s)")
    codes = codes_differ(options.elements)
    for name, (compared, wrong) in codes.items():
        print(f"codes, {name}: {wrong} of {compared:,} differ ({time.perf_counter() - begin:.1f} s)")
    count, simulations = simulations_differ()
    print(f"Monte Carlo: {len(simulations)} differences in {count} simulations ({time.perf_counter() - begin:.1f} s)")
    for line in simulations[:10]:
        print(f"  {line}")
    write(
        options,
        {
            **get_backend("cuda").description(),
            "philox_blocks": {"compared": options.elements // 4, "different": words},
            "codes": {name: {"compared": c, "different": w} for name, (c, w) in codes.items()},
            "simulations": {"compared": count, "different": simulations},
        },
    )
    if words or simulations or any(wrong for _, wrong in codes.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()

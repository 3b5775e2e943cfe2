"""Right quantisers with many seeds, which must pass, and slightly wrong ones, which must be found, with times.

``python -m tests.testing.false_alarms --quick 200 --full 20 --jobs 16`` takes minutes on 16 cores; status 1 if one of
them is judged wrongly; ``--first-seed 1000`` takes other seeds and step sizes. The right ones are plain NumPy (by the
values, and by the quotient where that is exact) and ours, at all widths and several step sizes; the wrong ones are
those by which `check_quantizer` is measured. A run that is stopped has said every 20 reports how many there were.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref import QuantSpec, dequantize, quantize
from alpt_ref.testing import Uniform, check_quantizer, reference

STEP = 2.0**-4
Floats = NDArray[np.float32]
Words = NDArray[np.uint32]


class Job(NamedTuple):
    """One report: which quantiser, how it is checked, and the property that must fail, if any."""

    name: str
    bits: int
    step_size: float
    rounding: str
    effort: str
    seed: int
    fails: str = ""


def words_of(draw: int, shape: tuple[int, ...]) -> Words:
    return np.random.default_rng(draw).integers(0, 1 << 32, shape, dtype=np.uint32)


def cut(draw: int, shape: tuple[int, ...]) -> Words:
    """Words of which 20 bits are left."""
    return words_of(draw, shape) & np.uint32(0xFFFFF000)


def by_quotient(
    job: Job,
    *,
    words: Callable[[int, tuple[int, ...]], Words] = words_of,
    chance: Callable[[NDArray[np.float64]], NDArray[np.float64]] = lambda p: p,
    late: float = 0.0,
) -> Callable[[Any, int], Any]:
    """Plain NumPy for step sizes that are powers of two, or one thing wrong in it."""
    low, high = -(1 << (job.bits - 1)), (1 << (job.bits - 1)) - 1

    def fn(x: Floats, draw: int) -> Floats:
        scaled = np.clip(x.astype(np.float64) / job.step_size, low - late, high + late)
        code = np.floor(scaled)
        up = words(draw, x.shape) * 2.0**-32 < chance(scaled - code)
        return ((code + up) * job.step_size).astype(np.float32)

    return fn


def ours(job: Job) -> Callable[[Any, int], Any]:
    spec = QuantSpec(job.bits, job.rounding)
    return lambda x, draw: dequantize(quantize(x, job.step_size, spec, seed=job.seed, counter=draw), job.step_size)


def tie_by_sign(job: Job) -> Callable[[Any, int], Any]:
    low, high = -(1 << (job.bits - 1)), (1 << (job.bits - 1)) - 1

    def fn(x: Floats, draw: int) -> Floats:
        scaled = x.astype(np.float64) / job.step_size
        code = np.where(x > 0, np.floor(scaled + 0.5), np.rint(scaled))
        return (np.clip(code, low, high) * job.step_size).astype(np.float32)

    return fn


MAKERS: dict[str, Callable[[Job], Callable[[Any, int], Any]]] = {
    "plain NumPy": by_quotient,
    "reference": lambda job: reference(Uniform(job.step_size, job.bits), job.rounding, seed=job.seed),
    "ours": ours,
    "threshold 2^-20 late": lambda job: by_quotient(job, chance=lambda p: p + 2.0**-20),
    "threshold 2^-20 early": lambda job: by_quotient(job, chance=lambda p: p - 2.0**-20),
    "words cut to 20 bits": lambda job: by_quotient(job, words=cut),
    "p cut to 20 bits": lambda job: by_quotient(job, chance=lambda p: np.floor(p * 2.0**20) / 2.0**20),
    "p rounded to 20 bits": lambda job: by_quotient(job, chance=lambda p: np.rint(p * 2.0**20) / 2.0**20),
    "one word a row": lambda job: by_quotient(job, words=lambda draw, shape: words_of(draw, (shape[0], 1))),
    "clipped half a step late": lambda job: by_quotient(job, late=0.5),
    "clipped a code late": lambda job: by_quotient(job, late=1.0),
    "seed repeats after 2^16": lambda job: by_quotient(
        job, words=lambda draw, shape: words_of(draw % (1 << 16), shape)
    ),
    "ties by sign": tie_by_sign,
}
WRONG = [
    ("threshold 2^-20 late", 16, "fixed_points"),
    ("threshold 2^-20 early", 16, "unbiased"),
    ("words cut to 20 bits", 16, "unbiased"),
    ("p cut to 20 bits", 16, "unbiased"),
    ("p rounded to 20 bits", 16, "unbiased"),
    ("one word a row", 16, "independence"),
    ("clipped half a step late", 8, "saturation"),
    ("clipped a code late", 8, "saturation"),
    ("seed repeats after 2^16", 8, "independence"),
    ("ties by sign", 8, "ties"),
]


def jobs_of(quick: int, full: int, first: int) -> list[Job]:
    """The long ones first; seeds of the right ones from `first`."""
    wrong = [Job(name, bits, STEP, "dr" if fails == "ties" else "sr", "full", 0, fails) for name, bits, fails in WRONG]
    random = np.random.default_rng(1 + first)
    right = []
    for number in range(full + quick):
        name = ("plain NumPy", "reference", "ours")[number % 3]
        bits = (16, 8, 4, 2)[number // 3 % 4]
        any_step = (0.1, 1 / 3, STEP, float(np.exp(random.normal(-3, 4))))[number // 12 % 4]
        step_size = STEP if name == "plain NumPy" else any_step
        rounding = "dr" if name != "plain NumPy" and number % 5 == 4 else "sr"
        right.append(Job(name, bits, step_size, rounding, "full" if number < full else "quick", first + number))
    return wrong + right


def judge(job: Job) -> tuple[Job, tuple[str, ...], float, float, str]:
    """What failed, seconds of processor time, probability of a false alarm, and what was said where it is wrong."""
    fn = MAKERS[job.name](job)
    start = time.process_time()  # of this process: a busy machine is no slower
    report = check_quantizer(
        fn, Uniform(job.step_size, job.bits), rounding=job.rounding, effort=job.effort, seed=job.seed
    )
    seconds = time.process_time() - start
    good = job.fails in report.failed if job.fails else report.ok
    return job, report.failed, seconds, report.false_alarm, "" if good else str(report)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", type=int, default=200)
    parser.add_argument("--full", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=0)
    given = parser.parse_args()
    slowest, alarm, bad = {"quick": 0.0, "full": 0.0}, 0.0, 0
    jobs = jobs_of(given.quick, given.full, given.first_seed)
    with multiprocessing.get_context("spawn").Pool(given.jobs) as pool:
        for done, (job, failed, seconds, chance, said) in enumerate(pool.imap_unordered(judge, jobs), 1):
            alarm, bad = max(alarm, chance), bad + bool(said)
            slowest[job.effort] = max(slowest[job.effort], seconds)
            if job.fails or said:
                print(
                    f"{'WRONG' if said else 'found'} {seconds:5.1f} s {job.name}, {job.bits} bits: {', '.join(failed)}"
                )
            if said:
                print(said)
            if done % 20 == 0:
                print(f"{done} of {len(jobs)} reports, {bad} judged wrongly")
            sys.stdout.flush()
    print(
        f"{given.quick} quick and {given.full} full reports on right quantisers, {len(WRONG)} on wrong ones: "
        f"{bad} judged wrongly; most processor time: quick {slowest['quick']:.1f} s, full {slowest['full']:.1f} s; "
        f"false alarm at most {alarm:.2g} a report"
    )
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())

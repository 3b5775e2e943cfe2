"""One run of all cases: warm up, time them in turn, medians; subjects one after the other, so that memory suffices."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from alpt_ref.kernels.backend import Backend, get_backend

from . import cases as ours
from . import peers
from .cases import Case, Cases
from .ids import zipf_ids
from .timing import device_clock, interleaved, machine, medians, wall_clock

Results = dict[str, dict[str, float | str]]


@dataclass(frozen=True)
class Size:
    """How much of each subject: elements to quantise, rows and ids of the table, runs and steps, training rows."""

    elements: int
    table_rows: int
    batch: int
    fields: int
    runs: int
    steps: int
    train_rows: int
    train_features: int
    train_batch: int
    train_steps: int


SIZES = {
    "cpu": Size(1 << 24, 1_000_000, 10_000, 24, 4096, 200, 60_000, 100_000, 2048, 8),
    "cuda": Size(1 << 28, 10_000_000, 65_536, 26, 1 << 18, 4000, 200_000, 1_000_000, 8192, 16),
}
"""By device: larger than the last cache, seconds in all."""


def measure(cases: Cases, backend: Backend, repeats: int, *, whole_calls: bool = False) -> Results:
    """Median seconds and rates of the cases; `whole_calls` are timed by the host's clock on a GPU too."""
    if not cases:
        return {}
    on_device = backend.name == "cuda" and not whole_calls
    clock = device_clock if on_device else wall_clock
    rounds = interleaved({name: case.run for name, case in cases.items()}, repeats, clock=clock)
    seconds = medians(rounds)
    return {name: {**figures(case, seconds[name]), **spread(rounds[name])} for name, case in cases.items()}


def spread(rounds: list[float]) -> dict[str, float | str]:
    """Within what the middle half of the rounds lies."""
    ends = statistics.quantiles(rounds, n=4, method="inclusive") if len(rounds) > 1 else rounds * 3
    return {"low_seconds": ends[0], "high_seconds": ends[2]}


def figures(case: Case, seconds: float) -> dict[str, float | str]:
    """Seconds, rate and, where the memory is the limit, gigabytes a second."""
    found: dict[str, float | str] = {"seconds": seconds, "per_second": case.amount / seconds, "unit": case.unit}
    if case.bytes:
        found["gigabytes_per_second"] = case.bytes / seconds / 1e9
    return found


def subjects(backend: Backend, size: Size, torch: Any | None) -> Iterator[tuple[str, Callable[[], Cases], bool]]:
    """Name, cases and whether whole calls are timed, of every subject; cases are made when their turn comes."""
    device = backend.name

    def quantising() -> Cases:
        cases = {**ours.copy_case(backend, size.elements), **ours.quantize_cases(backend, size.elements)}
        if torch is not None:
            w = torch.as_tensor(ours.weights(backend, size.elements, 16), device=device)
            cases |= peers.quantize_cases(torch, w, 0.01, compiled=False)
        return cases

    def tables() -> Cases:
        ids = [zipf_ids(size.table_rows, size.batch, size.fields, seed).reshape(-1) for seed in range(4)]
        cases = ours.table_cases(backend, size.table_rows, ids)
        if torch is not None:
            grads = np.full((size.batch * size.fields, 16), 1e-3, np.float32)
            cases |= peers.table_cases(torch, device, size.table_rows, 16, ids, grads)
        return cases

    def montecarlo() -> Cases:
        return ours.montecarlo_cases(backend, size.runs, size.steps)

    def peers_montecarlo() -> Cases:
        steps = min(size.steps, 100)
        return {} if torch is None else peers.montecarlo_cases(torch, device, size.runs, 16, steps)

    def training() -> Cases:
        return ours.training_cases(backend, size.train_rows, size.train_features, size.train_batch, size.train_steps)

    yield "quantiser", quantising, False
    yield "table", tables, False
    yield "Monte Carlo", montecarlo, True
    yield "Monte Carlo, PyTorch", peers_montecarlo, False
    yield "training", training, True


def bench(
    device: str = "cpu",
    *,
    size: Size | None = None,
    repeats: int = 7,
    with_peers: bool = True,
    log: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Measure everything on a device.

    Parameters
    ----------
    device : {"cpu", "cuda"}
    size : Size, optional
        Default by device, `SIZES`.
    repeats : int
        Rounds; medians are over these.
    with_peers : bool
        PyTorch beside ours, if it is installed.
    log : takes a line on what is being measured

    Returns
    -------
    dict
        ``device``, ``machine``, ``size``, ``cases`` (name -> seconds; low_seconds and high_seconds, between which half
        of the rounds lie; per_second, unit, gigabytes_per_second, share_of_copy), ``failed`` (subject -> reason: one
        that cannot run here does not end the others).

    Raises
    ------
    InputError
        If the device is unknown or cannot be used here.
    """
    backend = get_backend(device)
    size = size or SIZES[device]
    torch = peers.torch_module() if with_peers else None
    if torch is not None and device == "cuda" and not torch.cuda.is_available():
        torch = None
    results: Results = {}
    failed: dict[str, str] = {}
    for name, make, whole_calls in subjects(backend, size, torch):
        log(f"measuring: {name}")
        try:
            results |= measure(make(), backend, repeats, whole_calls=whole_calls)
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
            log(f"{name}: {failed[name]}")
        _release(backend, torch)
    copied = results.get("copy", {}).get("gigabytes_per_second")
    for found in results.values():
        if copied and "gigabytes_per_second" in found:
            found["share_of_copy"] = float(found["gigabytes_per_second"]) / float(copied)
    return {
        **backend.description(), "machine": machine(), "repeats": repeats, "size": asdict(size), "cases": results,
        "failed": failed,
    }  # fmt: skip


def _release(backend: Backend, torch: Any | None) -> None:
    """Give the arrays of one subject back before the next."""
    if backend.name == "cuda":
        backend.synchronize()
        backend.xp.get_default_memory_pool().free_all_blocks()
        if torch is not None:
            torch.cuda.empty_cache()


_SCALES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def table_of(report: dict[str, Any]) -> str:
    """The report as aligned lines."""
    lines = []
    for name, found in report["cases"].items():
        rate = found["per_second"]
        factor, letter = next(((factor, letter) for factor, letter in _SCALES if rate >= factor), (1.0, ""))
        line = f"{name:58s} {found['seconds'] * 1e3:10.3f} ms  {rate / factor:8.2f} {letter} {found['unit']}/s"
        if "share_of_copy" in found:
            line += f"  {found['gigabytes_per_second']:7.1f} GB/s, {100 * found['share_of_copy']:.1f} % of a copy"
        lines.append(line)
    lines += [f"{name}: not measured ({reason})" for name, reason in report["failed"].items()]
    return "\n".join(lines)

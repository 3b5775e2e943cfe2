"""The headline numbers of README.md, each with its machine, from stored benchmarks and the stored study."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LPT = "8-bit LPT(SR), lazy Adam"


Figures = Mapping[str, Any]


def headline(studies: Mapping[str, Figures], cpu: Mapping[str, Figures], gpu: Mapping[str, Figures]) -> str:
    """A table of the numbers that one asks for first.

    Parameters
    ----------
    studies : summaries (``analysis/results/*/summary.json``) by name; ``small`` is the synthetic study
    cpu : benchmark files ``quantize`` and ``train_step``
    gpu : benchmark files ``train`` and ``capacity`` of one GPU
    """
    study = studies["small"]
    real = [(name.capitalize(), one) for name, one in studies.items() if name in ("frappe", "criteo")]
    rows = [
        ("bytes of a served row of 16 columns, 8, 4 and 2 bits", _ratios(16), "by definition; claim m4 counts them"),
        ("test AUC, 8-bit ALPT(SR) − FP32", _equivalence(study), f"synthetic clicks, {study['runs']} runs"),
        *(
            (f"the same, new rows of {name}", _equivalence(found), f"{found['data'][0]}, {found['runs']:,} runs")
            for name, found in real
        ),
        ("rounding 8-bit codes (SR), 2 threads", *_quantize(cpu["quantize"])),
        ("training step on a CPU, 8-bit LPT(SR)", *_step(cpu["train_step"])),
        ("training on a GPU, 8-bit LPT(SR)", *_gpu(gpu["train"])),
        ("largest table on one GPU", *_capacity(gpu["capacity"])),
    ]
    return "\n".join(["| | | measured on |", "|---|---|---|", *(f"| {' | '.join(row)} |" for row in rows)])


def _ratios(dim: int) -> str:
    ratios = [f"{32 * dim / (bits * dim + 32):.3g}" for bits in (8, 4, 2)]
    return f"{', '.join(ratios[:-1])} and {ratios[-1]} times fewer than float32"


def _equivalence(study: Figures) -> str:
    """The difference and its interval, out of the study's own sentence."""
    for sentence in study["conclusions"]["methods"]["sentences"]:
        found = re.search(r"ALPT-SR and FP32 are (not shown to be )?equivalent within ([\d.]+) AUC", sentence)
        if found:
            (difference,) = re.findall(r"[+-][\d.]+ ± [\d.]+", sentence)
            how = "not shown to be equivalent" if found[1] else "equivalent"
            margin = re.search(r"smallest margin ([\d.]+)", sentence)
            holds = f", but within {margin[1]}" if found[1] and margin else ""
            return f"{difference.replace('-', '−')} over {study['seeds']} seeds: {how} within {found[2]}{holds}"
    raise SystemExit("the study says nothing about ALPT-SR and FP32: it must hold the table methods")


def _where(figures: Figures) -> str:
    machine = figures["machine"]
    return f"{machine['processor']}, {machine['cores']} cores, {machine['date']}"


def _quantize(figures: Figures) -> tuple[str, str]:
    rates = figures["million_elements_per_second"]
    ours, peer = rates["ours SR, 2 threads"], rates["PyTorch eager SR, 2 threads"]
    return f"{ours / 1000:.1f} G elements/s, {ours / peer:.0f} times PyTorch eager", _where(figures)


def _step(figures: Figures) -> tuple[str, str]:
    cases = figures["cases"]
    ours = cases["whole: ours 8-bit LPT(SR) lazy Adam"]["milliseconds"]
    adam, sgd = (cases[f"whole: PyTorch fp32 {name}"]["milliseconds"] for name in ("SparseAdam", "SGD"))
    times = f"{adam / ours:.1f} times as fast as PyTorch SparseAdam, {sgd / ours:.1f} as SGD"
    return f"{ours:.0f} ms for 10,000 samples, {times}", _where(figures)


def _gpu(figures: Figures) -> tuple[str, str]:
    """Both sides at their best: ours in bfloat16 where that was measured, PyTorch in whatever was fastest."""
    ours, times = [], []
    batches = {f"{int(batch):,}": one["samples_per_s"] for batch, one in figures["batch"].items()}
    best = f"{LPT}, bf16" if all(f"{LPT}, bf16" in rates for rates in batches.values()) else LPT
    for rates in batches.values():
        ours.append(f"{rates[best] / 1e6:.1f}")
        times.append(f"{rates[best] / max(rate for name, rate in rates.items() if name.startswith('PyTorch')):.1f}")
    how = " (dense part bf16)" if best != LPT else ""
    text = f"{' and '.join(ours)} M samples/s{how} at batches of {' and '.join(batches)}"
    text += f", {' and '.join(times)} times the fastest PyTorch"
    return text, f"{figures['device']}, {figures['machine']['date']}"


def _capacity(figures: Figures) -> tuple[str, str]:
    text = (
        f"{figures['rows']:,} rows × {figures['dim']} at 8 bits in {figures['device_bytes_used'] / 1e9:.0f} GB, "
        f"{figures['samples_per_s'] / 1e6:.1f} M samples/s"
    )
    return text, f"{figures['device']}, {figures['machine']['date']}"

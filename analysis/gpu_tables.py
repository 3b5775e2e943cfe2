"""What a GPU does, as Markdown: the part of docs/gpu.md that is read from the JSON files of its benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

GPU_FILES = ("quantize", "table", "train", "montecarlo", "parity", "capacity", "verify")


def gpu_part(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The JSON files of the benchmarks on a GPU, by name, as Markdown."""
    batches = found["train"]["batch"]
    lines = [*_training_lines(found["train"]), "", *_aim_lines(found["train"], found["quantize"])]
    lines += ["", *_table_lines(found["table"])]
    title = f"quantisation, {_gpu_name(found['quantize'])}"
    lines += ["", f"| {title} | G elements/s | share of the copy's bandwidth |", "|---|---|---|"]
    for name, case in found["quantize"]["cases"].items():
        lines.append(f"| {name} | {case['per_second'] / 1e9:.0f} | {100 * case['share_of_copy']:.0f} % |")
    lines += ["", f"| Monte Carlo, {_gpu_name(found['montecarlo'])} | G coordinate-updates/s |", "|---|---|"]
    for name, case in found["montecarlo"]["cases"].items():
        lines.append(f"| {name} | {case['per_second'] / 1e9:.0f} |")
    capacity = found["capacity"]
    bits = [*found["parity"]["codes"].values(), found["parity"]["philox_blocks"]]
    lines += ["", _bounds(batches), ""]
    lines.append(
        f"Capacity: {capacity['rows']:,} rows × {capacity['dim']} at 8 bits with {capacity['optimizer']} took "
        f"{capacity['device_bytes_used'] / 1e9:.1f} GB of {capacity['device_bytes'] / 1e9:.1f} GB (float32 weights "
        f"alone: {capacity['fp32_weight_bytes'] / 1e9:.0f} GB) and trained {capacity['steps']} steps at "
        f"{capacity['samples_per_s'] / 1e6:.1f} M samples/s. Parity: {sum(one['different'] for one in bits)} of "
        f"{sum(one['compared'] for one in bits):,} codes and Philox blocks differ from the CPU's."
    )
    claims = found["verify"]
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in claims["verdicts"].items())
    lines[-1] += (
        f" The {claims['claims']} claims of that day in full ({claims['cells']:,} cells): {claims['seconds']:.0f} s, "
        f"compilation included; {verdicts}."
    )
    for run in dict.fromkeys(_gpu_run(figures) for figures in found.values()):
        commands = "; ".join(f"`{figures['command']}`" for figures in found.values() if _gpu_run(figures) == run)
        lines += ["", f"{run}: {commands}."]
    return "\n".join(lines)


def _gpu_name(figures: Mapping[str, Any]) -> str:
    """``H100`` of ``NVIDIA H100 80GB HBM3``."""
    return str(figures["device"]).removeprefix("NVIDIA ").split(" ")[0]


def _gpu_run(figures: Mapping[str, Any]) -> str:
    """Device, PyTorch and day of a benchmark."""
    machine = figures["machine"]
    torch = machine["versions"].get("torch")
    return ", ".join([figures["device"], *([f"PyTorch {torch}"] if torch else []), machine["date"]])


def _training_lines(figures: Mapping[str, Any]) -> list[str]:
    """Samples a second of training, and the share of the floor where that was measured."""
    batches, sizes = figures["batch"], ("10000", "65536")
    heads = [f"training, DCN, 34 million rows, {_gpu_name(figures)}"]
    heads += [f"batch {int(size):,}, M samples/s" for size in sizes]
    floors = [batches[size].get("floor_samples_per_s", {}) for size in sizes]
    if all(floors):
        heads.append("share of the floor")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name in batches[sizes[0]]["samples_per_s"]:
        rates = [batches[size]["samples_per_s"][name] for size in sizes]
        cells = [name, *(f"{rate / 1e6:.2f}" for rate in rates)]
        if all(floors):
            pairs = zip(rates, floors, strict=True)
            shares = [f"{100 * rate / floor[name]:.0f}" for rate, floor in pairs if name in floor]
            cells.append(" and ".join(shares) + " %" if shares else "")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


LAWS = {
    "table": "one Zipf law over the table",
    "criteo": "Criteo's field sizes, a Zipf law in each",
    "fields": "equal fields, a Zipf law in each",
}


def _table_lines(figures: Mapping[str, Any]) -> list[str]:
    """Milliseconds of a table step under each law of ids, and how often ids repeat under it."""
    laws = figures["laws"]
    lines = [
        f"| table step, 34 million rows, {_gpu_name(figures)}, ms | {' | '.join(LAWS[law] for law in laws)} |",
        "|---" * (1 + len(laws)) + "|",
    ]
    for name in next(iter(laws.values()))["cases"]:
        times = [f"{law['cases'][name]['milliseconds_a_batch']:.3f}" for law in laws.values()]
        lines.append(f"| {name} | {' | '.join(times)} |")
    for kind in ("SGD", "SparseAdam"):
        ratios = [f"{law['times'][f'{ADAM} against PyTorch {kind}']:.1f}" for law in laws.values()]
        lines.append(f"| PyTorch with {kind} over ours: {ADAM} | {' | '.join(ratios)} |")
    said = (
        f"{LAWS[name]}: exponent {law['exponent']}, {law['unique_rows']:,} unique rows among {law['ids']:,} ids, "
        f"the most frequent one {law['most_frequent']:,} times"
        for name, law in laws.items()
    )
    return [*lines, "", f"Ids, {'; '.join(said)}."]


ADAM = "table step (lookup and update), 8-bit LPT(SR) lazy Adam"


def _bounds(batches: Mapping[str, Any]) -> str:
    """What a step's time consists of."""
    sentences = []
    for batch, figures in batches.items():
        name, parts = next((name, parts) for name, parts in figures["parts_ms"].items() if "LPT" in name)
        table = sum(value for part, value in parts.items() if part.startswith("table"))
        sentences.append(
            f"{name}, batch {int(batch):,}: {parts['step']:.2f} ms per step; "
            f"matrix products {parts['matrix products']:.2f} ms ({parts['matrix products TFLOP/s']:.0f} TFLOP/s), "
            f"passes between them {parts['passes between them']:.2f} ms, table {table:.2f} ms."
        )
    return " ".join(sentences)


LPT, ALPT, STRONGEST = (
    "8-bit LPT(SR), lazy Adam",
    "8-bit ALPT(SR), two passes, lazy Adam",
    "PyTorch fp32 table, CUDA graph",
)
AIMS: tuple[tuple[str, str, str | None, tuple[float, float], float, str], ...] = (
    ("8-bit LPT(SR), bf16: at least 15 and 20 M samples/s", f"{LPT}, bf16", None, (15.0, 20.0), 1e6, ".2f"),
    ("the same, TF32: at least 10.4 and 14.2", f"{LPT}, TF32", None, (10.4, 14.2), 1e6, ".2f"),
    ("bf16: at least 1.5 times the strongest PyTorch", f"{LPT}, bf16", f"{STRONGEST}, bf16", (1.5, 1.5), 1, ".2f"),
    ("two-pass ALPT, TF32: at least 60 % of LPT", f"{ALPT}, TF32", f"{LPT}, TF32", (60.0, 60.0), 0.01, ".1f"),
    ("two-pass ALPT, bf16: at least 57 % of LPT", f"{ALPT}, bf16", f"{LPT}, bf16", (57.0, 57.0), 0.01, ".1f"),
)
"""What was aimed at, with an H100 in mind: words, case, the case it is compared with, bounds, unit, format."""
ROW_SHARE, ROW_CASE = 80.0, "quantise SR 8 bits, step a row"


def _aim_lines(train: Mapping[str, Any], quantize: Mapping[str, Any]) -> list[str]:
    """Aims beside what was measured."""
    batches = [train["batch"][size]["samples_per_s"] for size in ("10000", "65536")]
    lines = [f"| aim, set for an H100 | {_gpu_name(train)}: batch 10,000 | batch 65,536 | |", "|---|---|---|---|"]
    for words, name, other, bounds, unit, how in AIMS:
        values = [speed[name] / (speed[other] if other else 1.0) / unit for speed in batches]
        cells = [words, *(format(value, how) for value in values), _verdict(values, bounds)]
        lines.append(f"| {' | '.join(cells)} |")
    share = 100.0 * quantize["cases"][ROW_CASE]["share_of_copy"]
    cells = [f"quantising with a step size a row: at least {ROW_SHARE:.0f} % of the copy", f"{share:.0f} %", ""]
    return [*lines, f"| {' | '.join([*cells, _verdict([share], [ROW_SHARE])])} |"]


def _verdict(values: Sequence[float], bounds: Sequence[float]) -> str:
    """Whether each value reaches its bound."""
    reached = [value >= bound for value, bound in zip(values, bounds, strict=True)]
    return "reached" if all(reached) else "missed" if not any(reached) else "missed at one size"

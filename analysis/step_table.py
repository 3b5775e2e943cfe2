"""The table of the training-step benchmark: the machine at hand and others side by side, with floors and ratios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COLUMNS = (
    ("milliseconds", "ms per step", ",.1f"),
    ("times_torch_sparse_adam", "times PyTorch fp32 SparseAdam", ".2f"),
    ("times_torch_sgd", "times PyTorch fp32 SGD", ".2f"),
)
"""Key of a case, heading, format; a column that no case has is left out."""


def machine_line(figures: Mapping[str, Any]) -> str:
    """Command, machine, versions and date of a benchmark."""
    machine = figures["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    where = f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, {versions}"
    return f"`{figures['command']}` on {where}; {machine['date']}."


def train_step_table(figures: Mapping[str, Any]) -> str:
    """The benchmark's JSON as Markdown; ``figures["elsewhere"]`` holds those of other machines, if there are any."""
    runs: list[Mapping[str, Any]] = [figures, *figures.get("elsewhere", ())]
    names = list(dict.fromkeys(name for run in runs for name in run["cases"]))
    shown = [column for column in COLUMNS if any(column[0] in case for run in runs for case in run["cases"].values())]
    head = [""]
    for run in runs:
        first, *others = (heading for _, heading, _ in shown)
        head += [f"{first}, {run['machine']['processor']}" if len(runs) > 1 else first, *others]
    lines = [_row(head), "|" + "---|" * len(head)]
    for name in names:
        cases = [run["cases"].get(name, {}) for run in runs]
        lines.append(_row([name, *(_number(case.get(key), form) for case in cases for key, _, form in shown)]))
    ratios = list(dict.fromkeys(name for run in runs for name in run.get("ratios", {})))
    if ratios:
        lines += ["", _row(["", *(run["machine"]["processor"] for run in runs)]), "|" + "---|" * (len(runs) + 1)]
        floors = [run["floor"] if "arithmetic" in run else {} for run in runs]  # earlier floors were too high
        for name in dict.fromkeys(name for floor in floors for name in floor.get("milliseconds", {})):
            cells = [_number(floor.get("milliseconds", {}).get(name), ".1f") for floor in floors]
            lines.append(_row([f"floor of the table's bytes, {name}, ms", *cells]))
        for key, heading in (("in_order", "in order"), ("at_random", "at random")) if any(floors) else ():
            cells = [_number(floor.get(f"gigabytes_per_second_{key}"), ".1f") for floor in floors]
            lines.append(_row([f"GB/s {heading}", *cells]))
        work = [run.get("arithmetic", {}).get("milliseconds", {}) for run in runs]
        for name in dict.fromkeys(name for parts in work for name in parts):
            cells = [_number(parts.get(name), ".2f") for parts in work]
            lines.append(_row([f"arithmetic with all rows in the cache, {name}, ms", *cells]))
        lines += [_row([name, *(_number(run.get("ratios", {}).get(name), ".2f") for run in runs)]) for name in ratios]
    return "\n\n".join(["\n".join(lines), *map(_where, runs)])


def _where(run: Mapping[str, Any]) -> str:
    note = f" {run['note']}" if "note" in run else ""
    return f"{run['unique_rows']:,} unique rows per batch. {machine_line(run)}{note}"


def _row(cells: list[str]) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def regression_table(figures: Mapping[str, Any]) -> str:
    """The Monte Carlo benchmark's JSON of a regression as Markdown: how many times as fast as NumPy.

    Where NumPy multiplies by all rows, the part of its time that these products take alone says the most that a driver
    with the same products could reach.
    """
    lines = [
        "| | 64 runs, NumPy | blocks on threads | 1,024 runs, NumPy | blocks on threads | NumPy's products |",
        "|---|---|---|---|---|---|",
    ]
    cases = {name: case for name, case in figures.items() if "runs, " in name}
    for name in dict.fromkeys(one.partition("runs, ")[2] for one in cases):
        of = [cases[f"{runs} runs, {name}"] for runs in (64, 1024) if f"{runs} runs, {name}" in cases]
        ratios = [f"{ratio:.1f}" for case in of for ratio in case["times_faster_than"].values()]
        shares = [case["products_of_numpy"] for case in of if "products_of_numpy" in case]
        said = f"{min(shares):.0%}: at most {1 / min(shares):.1f}" if shares else ""
        lines.append(_row([name, *ratios, *[""] * (4 - len(ratios)), said]))
    return "\n".join([*lines, "", machine_line(figures)])

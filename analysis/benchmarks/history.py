"""The page of all stored figures: what was measured on which machine with which versions and when: a loss is seen.

    python -m analysis.benchmarks.history > docs/benchmark-history.md

Every file of ``analysis/benchmarks/results`` and of its folder ``earlier``, where a benchmark puts the figures that it
replaces (`timing.write`). Files of one benchmark stand side by side, oldest first. Where the latest two of one machine
share a figure, the last column has their ratio, and names a loss of more than `LOSS`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .timing import RESULTS

LOSS = 0.05
"""A smaller change between two days is the machine's, as far as we can tell."""
HIGHER = ("per_s", "per_second", "share_of", "times", "tflop/s", "ratio", "faster")
LOWER = ("seconds", "milliseconds", "_ms", "ms", "peak", "resident")
"""Words in a figure's name that say which way is better; figures without one are not shown, but the file is named."""
LEFT_OUT = ("machine", "memory_bytes", "driver", "cuda", "size", "note", "low_seconds", "high_seconds", "floor_ms")
_INSTEAD = {"per_second": ("seconds", "gigabytes_per_second", "milliseconds_a_batch")}
_DEVICE = re.compile(r"(?:_cuda)?_(?:nvidia|amd|intel)_\w+$")

Figures = dict[str, float]


@dataclass(frozen=True)
class Run:
    """One stored file."""

    path: Path
    subject: str
    content: dict[str, Any]
    figures: Figures

    @property
    def date(self) -> str:
        """The day it was measured on."""
        return str(self._machine.get("date", "unknown"))

    @property
    def _machine(self) -> dict[str, Any]:
        found: dict[str, Any] = self.content.get("machine") or {}
        return found

    @property
    def machine(self) -> str:
        """Device, processor and cores in words."""
        device = self.content.get("device")
        own = f"{self._machine.get('processor', 'unknown processor')}, {self._machine.get('cores', '?')} cores"
        return own if device in (None, "cpu") else f"{device}; {own}"

    @property
    def versions(self) -> str:
        """Of Python and of the packages."""
        packages = self._machine.get("versions") or {}
        return ", ".join([f"Python {self._machine.get('python', '?')}", *(f"{k} {v}" for k, v in packages.items())])


def figures_of(content: dict[str, Any]) -> Figures:
    """Every number that is better when it is higher or lower, by the path to it."""

    def leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, float]]:
        if isinstance(value, dict):
            instead = {name for key, names in _INSTEAD.items() if key in value for name in names}
            for key, part in value.items():
                if key not in LEFT_OUT and key not in instead:
                    yield from leaves(part, (*path, str(key)))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            yield " / ".join(path), float(value)

    return {name: value for name, value in leaves(content, ()) if better(name) != 0}


def better(name: str) -> int:
    """1 where a higher figure is better, -1 where a lower one is, 0 where that is not known."""
    for part in reversed(name.lower().split(" / ")):
        if any(word in part for word in HIGHER):
            return 1
        if any(part == word or part.endswith(word) or part.startswith(f"{word}_") for word in LOWER):
            return -1
    return 0


def runs(folder: Path = RESULTS) -> list[Run]:
    """All stored runs, by subject and date."""
    found = []
    for path in sorted([*folder.glob("*.json"), *folder.glob("earlier/*.json")]):
        content = json.loads(path.read_text(encoding="utf-8"))
        stem = re.sub(r"_\d{4}-\d{2}-\d{2}$", "", path.stem)
        found.append(Run(path, _DEVICE.sub("", stem), content, figures_of(content)))
    return sorted(found, key=lambda run: (run.subject, run.date, run.path.name))


def change(name: str, pair: tuple[Run, Run] | None) -> str:
    """How much better or worse the later run of a pair is."""
    if pair is None or any(name not in run.figures or not run.figures[name] for run in pair):
        return ""
    ratio = pair[1].figures[name] / pair[0].figures[name]
    ratio = ratio if better(name) > 0 else 1 / ratio
    return f"× {ratio:.2f}" + (" **loss**" if ratio < 1 - LOSS else "")


def latest_pair(group: list[Run]) -> tuple[Run, Run] | None:
    """The latest run and the one before it on the same machine."""
    before = [run for run in group[:-1] if run.machine == group[-1].machine]
    return (before[-1], group[-1]) if before else None


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in [header, *rows]]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return [lines[0], f"|{'---|' * len(header)}", *lines[1:], ""]


def page(folder: Path = RESULTS) -> str:
    """The page, in Markdown."""
    found = runs(folder)
    lines = [
        "# Benchmark history",
        "",
        "Every stored benchmark with its machine, versions and date, written by",
        "`python -m analysis.benchmarks.history > docs/benchmark-history.md`. A benchmark that replaces a file of",
        "`analysis/benchmarks/results` keeps the former one in `earlier` if that is of another day; where one machine",
        f"has two runs, the last column is how many times better the later one is, and a loss of more than "
        f"{100 * LOSS:.0f} % is called one.",
        "Your own machine, today and later: `alpt-ref bench --output old.json`, then",
        "`alpt-ref bench --compare old.json`.",
        "",
    ]
    rows = [[f"`{run.path.relative_to(folder)}`", run.date, run.machine, run.versions] for run in found]
    lines += _table(["file", "date", "machine", "versions"], rows)
    for subject in dict.fromkeys(run.subject for run in found):
        group = [run for run in found if run.subject == subject]
        names = list(dict.fromkeys(name for run in group for name in run.figures))
        lines += [f"## {subject}", ""]
        lines += [line for run in group for line in (f"{run.date}: `{run.content.get('command', 'unknown')}`", "")]
        if names:
            pair = latest_pair(group)
            header = ["", *(f"{run.date}, {run.machine.split(';')[0].split(',')[0]}" for run in group)]
            rows = [[name, *(_number(run.figures.get(name)) for run in group)] for name in names]
            if pair is not None:
                header.append("latest two")
                rows = [[*row, change(row[0], pair)] for row in rows]
            lines += _table(header, rows)
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    print(page(), end="")

"""Put measured numbers into README.md and docs: what commands print, what studies found, and the benchmark tables.

    python -m analysis.readme            # everything
    python -m analysis.readme --stored   # only what is read from files, in a second

Runs ``alpt-ref reproduce --quick``, ``alpt-ref verify --runs runs/reproduce`` and ``alpt-ref compare`` (about six
minutes; seconds if ``runs`` holds their results), copies the comparison's figure and CSV to ``figures/``, and reads the
studies collected in ``analysis/results`` and the figures in ``analysis/benchmarks/results/*.json``. A part of a page
stands between ``<!-- name:begin ... -->`` and ``<!-- name:end -->`` in the file that `PARTS` names; of other files only
the page of all benchmarks (`benchmarks.history`) is written.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from .benchmarks import history
from .gpu_tables import GPU_FILES, gpu_part
from .headline import headline
from .step_table import machine_line, regression_table, train_step_table
from .study_sentences import studies, studies_part

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "analysis" / "benchmarks" / "results"
WIDTH = 120
PARTS = {
    "quick": "README.md",
    "first": "docs/start.md",
    "headline": "README.md",
    "table": "docs/compare.md",
    "studies": "docs/studies.md",
    "verify": "docs/claims.md",
    "gpu": "docs/gpu.md",
    "quantize": "docs/benchmarks.md",
    "train_step": "docs/benchmarks.md",
    "montecarlo": "docs/benchmarks.md",
    "montecarlo_regression": "docs/your-problem.md",
}
"""Where each part stands."""


def part(text: str, name: str) -> str:
    """What stands between the marks of a part."""
    found = re.search(rf"<!-- {name}:begin.*?-->\n(.*?)<!-- {name}:end -->", text, re.DOTALL)
    if found is None:
        raise SystemExit(f"the page must hold the marks <!-- {name}:begin --> and <!-- {name}:end -->")
    return found[1]


def with_part(text: str, name: str, content: str) -> str:
    """`text` with another content between the marks of a part."""
    part(text, name)
    pattern = rf"(<!-- {name}:begin.*?-->\n).*?(<!-- {name}:end -->)"
    return re.sub(pattern, lambda marks: f"{marks[1]}{content}\n{marks[2]}", text, flags=re.DOTALL)


def console(output: str) -> str:
    """A command's output as a code block: table lines as they are, sentences wrapped."""
    table, _, notes = output.rstrip().partition("\n\n")
    wrapped = [line for note in notes.splitlines() for line in textwrap.wrap(note, WIDTH) or [""]]
    return "\n".join(["```text", *table.splitlines(), "", *wrapped, "```"])


def quantize_table(figures: Mapping[str, Any]) -> str:
    """The quantisation benchmark's JSON as Markdown."""
    lines = ["| | M elements/s | times naive NumPy |", "|---|---|---|"]
    for name, rate in figures["million_elements_per_second"].items():
        lines.append(f"| {name} | {rate:,.0f} | {figures['times_naive_numpy'][name]:.1f} |")
    return "\n".join([*lines, "", machine_line(figures)])


def montecarlo_table(figures: Mapping[str, Any]) -> str:
    """The Monte Carlo benchmark's JSON as Markdown."""
    lines = ["| noise | | M coordinate-updates/s | our fastest is faster by |", "|---|---|---|---|"]
    key = "million_updates_per_second"
    noises = {name: cases for name, cases in figures.items() if isinstance(cases, dict) and key in cases}
    for noise, cases in noises.items():
        for name, rate in cases[key].items():
            ratio = cases["times_faster_than"].get(name)
            lines.append(f"| {noise} | {name} | {rate:,.0f} | {'' if ratio is None else f'{ratio:.1f}'} |")
    return "\n".join([*lines, "", machine_line(figures)])


BENCHMARKS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "quantize": quantize_table,
    "train_step": train_step_table,
    "montecarlo": montecarlo_table,
    "montecarlo_regression": regression_table,
}


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _benchmarks(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Stored benchmarks of the CPU by name; those that are not stored are left out."""
    files = {name: RESULTS / f"{name}.json" for name in names}
    return {name: _read(file) for name, file in files.items() if file.exists()}


def _gpu_benchmarks() -> dict[str, dict[str, Any]]:
    """The newest stored benchmark of each name on a GPU, whichever GPU that was."""
    found: dict[str, dict[str, Any]] = {}
    for name in GPU_FILES:
        runs = [_read(file) for file in sorted(RESULTS.glob(f"{name}_cuda_*.json"))]
        if runs:
            found[name] = max(runs, key=lambda one: str(one["machine"]["date"]))
    return found


def stored() -> dict[str, str]:
    """Every part that is read from files, by name."""
    cpu, gpu, found = _benchmarks(BENCHMARKS), _gpu_benchmarks(), studies()
    if "train_step" in cpu:
        others = sorted(RESULTS.glob("train_step_*.json"))
        cpu["train_step"]["elsewhere"] = [json.loads(file.read_text(encoding="utf-8")) for file in others]
    parts = {name: BENCHMARKS[name](figures) for name, figures in cpu.items()}
    parts["studies"] = studies_part(found)
    parts["first"] = part((ROOT / PARTS["quick"]).read_text(encoding="utf-8"), "quick").rstrip("\n")
    if len(gpu) == len(GPU_FILES):
        parts["gpu"] = gpu_part(gpu)
        if "small" in found and len(cpu) == len(BENCHMARKS):
            parts["headline"] = headline(found, cpu, gpu)
    return parts


def with_parts(parts: Mapping[str, str]) -> dict[str, str]:
    """The pages that hold these parts, by path below the repository, with the parts put in."""
    pages: dict[str, str] = {}
    for name, content in parts.items():
        path = PARTS[name]
        text = pages[path] if path in pages else (ROOT / path).read_text(encoding="utf-8")
        pages[path] = with_part(text, name, content)
    return pages


def screen(output: str) -> str:
    """All that ``alpt-ref reproduce --quick`` prints on standard output, as a code block."""
    if "(d)" not in output:
        raise SystemExit("alpt-ref reproduce --quick printed no four answers")
    return f"```text\n{output.rstrip()}\n```"


def _output(*arguments: str) -> str:
    """What ``alpt-ref ARGUMENTS`` prints on standard output."""
    command = [sys.executable, "-m", "alpt_ref", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Regenerate every part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stored", action="store_true", help="only what is read from files")
    options = parser.parse_args()
    parts = stored()
    if not options.stored:
        parts["quick"] = parts["first"] = screen(_output("reproduce", "--quick"))
        parts["verify"] = f"```text\n{_output('verify', '--runs', 'runs/reproduce').rstrip()}\n```"
        parts["table"] = console(_output("compare"))
        (ROOT / "figures").mkdir(exist_ok=True)
        for name in ("figure.png", "figure.svg", "results.csv"):
            target = ROOT / "figures" / f"compare{Path(name).suffix}"
            shutil.copyfile(ROOT / "runs" / "compare-synthetic" / name, target)
        for ending in ("png", "svg", "csv"):
            name = f"four_answers.{ending}"
            shutil.copyfile(ROOT / "runs" / "reproduce" / "figures" / name, ROOT / "figures" / name)
    pages = {**with_parts(parts), "docs/benchmark-history.md": history.page()}
    for path, text in pages.items():
        (ROOT / path).write_text(text, encoding="utf-8")
    print(f"wrote {', '.join(pages)}")


if __name__ == "__main__":
    main()

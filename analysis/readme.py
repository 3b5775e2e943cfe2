"""Put measured numbers into README.md: verdicts, the comparison's table and figure, and the benchmark tables.

    python -m analysis.readme

Runs ``alpt-ref verify`` and ``alpt-ref compare`` (about three minutes; seconds if ``runs`` holds their results), then
copies the comparison's figure and CSV to ``figures/``, and reads ``analysis/benchmarks/results/*.json``. A part of
README.md stands between ``<!-- name:begin ... -->`` and ``<!-- name:end -->``; nothing else is touched.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "analysis" / "benchmarks" / "results"
WIDTH = 120


def part(text: str, name: str) -> str:
    """What stands between the marks of a part."""
    found = re.search(rf"<!-- {name}:begin.*?-->\n(.*?)<!-- {name}:end -->", text, re.DOTALL)
    if found is None:
        raise SystemExit(f"README.md must hold the marks <!-- {name}:begin --> and <!-- {name}:end -->")
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


def _machine(figures: Mapping[str, Any]) -> str:
    machine = figures["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    where = f"{machine['processor']}, {machine['cores']} cores, Python {machine['python']}, {versions}"
    return f"`{figures['command']}` on {where}; {machine['date']}."


def quantize_table(figures: Mapping[str, Any]) -> str:
    """The quantisation benchmark's JSON as Markdown."""
    lines = ["| | M elements/s | times naive NumPy |", "|---|---|---|"]
    for name, rate in figures["million_elements_per_second"].items():
        lines.append(f"| {name} | {rate:,.0f} | {figures['times_naive_numpy'][name]:.1f} |")
    return "\n".join([*lines, "", _machine(figures)])


def train_step_table(figures: Mapping[str, Any]) -> str:
    """The training-step benchmark's JSON as Markdown."""
    lines = ["| | ms a step | times PyTorch fp32 SparseAdam |", "|---|---|---|"]
    for name, case in figures["cases"].items():
        lines.append(f"| {name} | {case['milliseconds']:,.1f} | {case['times_torch_sparse_adam']:.2f} |")
    unique = f"{figures['unique_rows']:,} unique rows a batch. "
    return "\n".join([*lines, "", unique + _machine(figures)])


def montecarlo_table(figures: Mapping[str, Any]) -> str:
    """The Monte Carlo benchmark's JSON as Markdown."""
    lines = ["| noise | | M coordinate-updates/s | ours is faster by |", "|---|---|---|---|"]
    key = "million_updates_per_second"
    noises = {name: cases for name, cases in figures.items() if isinstance(cases, dict) and key in cases}
    for noise, cases in noises.items():
        for name, rate in cases[key].items():
            ratio = cases["times_faster_than"].get(name)
            lines.append(f"| {noise} | {name} | {rate:,.0f} | {'' if ratio is None else f'{ratio:.1f}'} |")
    return "\n".join([*lines, "", _machine(figures)])


BENCHMARKS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "quantize": quantize_table,
    "train_step": train_step_table,
    "montecarlo": montecarlo_table,
}


def with_benchmarks(text: str) -> str:
    """`text` with the table of every benchmark whose JSON exists."""
    for name, table in BENCHMARKS.items():
        file = RESULTS / f"{name}.json"
        if file.exists():
            text = with_part(text, name, table(json.loads(file.read_text(encoding="utf-8"))))
    return text


def _output(verb: str) -> str:
    """What ``alpt-ref VERB`` prints on standard output."""
    command = [sys.executable, "-m", "alpt_ref", verb]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Regenerate every part of README.md."""
    readme = ROOT / "README.md"
    text = with_part(readme.read_text(encoding="utf-8"), "verify", f"```text\n{_output('verify').rstrip()}\n```")
    text = with_part(text, "table", console(_output("compare")))
    readme.write_text(with_benchmarks(text), encoding="utf-8")
    (ROOT / "figures").mkdir(exist_ok=True)
    for source, target in (
        ("figure.png", "compare.png"),
        ("figure.svg", "compare.svg"),
        ("results.csv", "compare.csv"),
    ):
        shutil.copyfile(ROOT / "runs" / "compare-synthetic" / source, ROOT / "figures" / target)
    print("wrote README.md, figures/compare.png, figures/compare.svg and figures/compare.csv")


if __name__ == "__main__":
    main()

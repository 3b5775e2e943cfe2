"""What `verify --quantizer` finds in known quantisers: ``python -m analysis.quantizer_table``.

Runs every function of `analysis.example_quantizers`, about half a minute each on 2 cores, and writes
``results/quantizers.md``: which theorems it breaks, and where most clearly. `docs/verify-your-quantizer.md` shows that.
Processes that run one function each (``--only NAME --output FOLDER/NAME.md``) finish sooner on many cores; ``--join
FOLDER`` puts their lines together.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from alpt_ref._util.files import write_text
from alpt_ref._util.progress import Progress
from alpt_ref.verification.code_hash import versions
from alpt_ref.verification.report import bound_text, number
from alpt_ref.verification.results import ClaimResult, Point
from alpt_ref.verification.substitution import QuantizerVerdicts
from alpt_ref.verification.verify import verify

from . import example_quantizers

PAGE = Path(__file__).parent / "results" / "quantizers.md"
HIDDEN = ("bits", "step_size", "runs", "first", "claim")


class Row(NamedTuple):
    """One function and its lattice."""

    name: str
    bits: int = 8
    step_size: float = example_quantizers.STEP_SIZE


ROWS = (
    Row("stochastic_between_neighbours"),
    Row("stochastic"),
    Row("biased"),
    Row("eight_random_bits"),
    Row("one_word_a_row"),
    Row("late_saturation"),
    Row("repeats"),
    Row("shifted_noise"),
    Row("words_of_20_bits", 16),
    Row("nearest_ties_by_sign"),
    Row("stochastic_16_bits", 16, 1 / 3),
    Row("shifted_threshold"),
    Row("truncated"),
    Row("stochastic_float32"),
    Row("stochastic_2_bits", 2, 1 / 3),
    Row("stochastic_4_bits", 4, 0.0625),
    Row("nearest"),
)
NOT_RUN = "not run"
DEFINITION = "Stochastic rounding of the quotient by the step size, in float64."


def clearest(result: ClaimResult) -> str:
    """The refuted point farthest from what is allowed, in words."""
    refuted = [(cell, point) for cell in result.cells for point in cell.points if point.outcome == "REFUTED"]
    cell, point = max(refuted, key=lambda pair: _excess(pair[1]))
    shown = [f"{value}" if name == "of" else f"{name} = {value}" for name, value in cell.cell.items()]
    keep = [text for text, name in zip(shown, cell.cell, strict=True) if name not in HIDDEN]
    where = ", ".join([*keep, *([point.label] if point.label else [])])
    return f"{result.id} at {where}: measured {number(point.value)}, allowed {bound_text(point)}"


def _excess(point: Point) -> float:
    width = point.high - point.low if math.isfinite(point.high - point.low) else abs(point.value)
    return -point.slack / (width or 1e-12)


def line(row: Row, verdicts: QuantizerVerdicts | None, seconds: float = 0.0) -> str:
    """A line of the table; without verdicts it says that there are none."""
    what = (
        getattr(example_quantizers, row.name).__doc__
        or "Stochastic rounding: the quotient by the step size, in float64."
    ).strip()
    about = (f"`{row.name}`", what, f"{row.bits} bits, {row.step_size:.4g}")
    found = (NOT_RUN, "", "", "", "")
    if verdicts is not None:
        found = (
            ", ".join(verdicts.breaks) or "none",
            "; ".join(clearest(verdicts[name]) for name in verdicts.breaks) or "–",
            ", ".join(verdicts.keeps) or "none",
            ", ".join(f"{name} ({verdicts[name].outcome.lower()})" for name in verdicts.undecided) or "none",
            f"{seconds:.0f}",
        )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in (*about, *found)) + " |"


def known_lines(page: Path, head: list[str], table: Mapping[str, str]) -> dict[str, str]:
    """Lines of a page, by function, that the table has too; none if there is no page or its head is another."""
    if not page.exists():
        return {}
    before = page.read_text(encoding="utf-8").splitlines()
    named = {text.split("`")[1]: text for text in before if text.startswith("| `") and NOT_RUN not in text}
    return {name: text for name, text in named.items() if name in table and before[: len(head)] == head}


HEAD = ("function", "what it is", "lattice", "breaks", "where", "keeps", "undecided", "s")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", "names", multiple=True, metavar="NAME", help="This function alone; may be repeated.")
@click.option("--budget", type=click.Choice(["quick", "full"]), default="quick", show_default=True, help="Grid size.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all cells.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: cores]")
@click.option("--join", "folder", metavar="FOLDER", help="Run nothing: take the lines of this folder's pages.")
@click.option("--output", metavar="FILE", default=str(PAGE), show_default=True, help="The page.")
def main(names: Sequence[str], budget: str, seed: int, jobs: int | None, folder: str | None, output: str) -> None:
    """Verify the claims with each of the example quantisers and write the table."""
    of = ", ".join(f"{name} {version}" for name, version in versions().items())
    lines = [
        "# What `alpt-ref verify --quantizer` finds in known quantisers",
        "",
        f"`python -m analysis.quantizer_table`: budget {budget}, seed {seed}; {of}. The functions are in",
        "`analysis/example_quantizers.py`; s: seconds on the machine that wrote this page.",
        "",
        "| " + " | ".join(HEAD) + " |",
        "|---" * len(HEAD) + "|",
    ]
    page = Path(output)
    table = {row.name: line(row, None) for row in ROWS}
    for known in [page, *(sorted(Path(folder).glob("*.md")) if folder else [])]:
        table |= known_lines(known, lines, table)
    if folder:
        write_text(page, "\n".join([*lines, *table.values()]) + "\n")
        return
    file = Path(example_quantizers.__file__)
    for row in ROWS:
        if names and row.name not in names:
            continue
        started = time.perf_counter()
        verdicts = verify(
            quantizer=f"{file}:{row.name}", bits=row.bits, step_size=row.step_size, budget=budget, seed=seed, jobs=jobs,
            progress=Progress(),
        )  # fmt: skip
        assert isinstance(verdicts, QuantizerVerdicts)
        table[row.name] = line(row, verdicts, time.perf_counter() - started)
        click.echo(table[row.name])
        write_text(page, "\n".join([*lines, *table.values()]) + "\n")


if __name__ == "__main__":
    main()

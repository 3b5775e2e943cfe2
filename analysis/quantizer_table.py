"""What `verify --quantizer` finds in known quantisers: ``python -m analysis.quantizer_table`` (10 minutes on 16 cores).

Runs every function of `analysis.example_quantizers` and writes ``results/quantizers.md``: which theorems it breaks, and
where most clearly. The page `docs/verify-your-quantizer.md` shows its rows.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
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
    Row("stochastic"),
    Row("stochastic_2_bits", 2, 1 / 3),
    Row("stochastic_4_bits", 4, 0.0625),
    Row("stochastic_16_bits", 16, 1 / 3),
    Row("stochastic_float32"),
    Row("biased"),
    Row("eight_random_bits"),
    Row("one_word_a_row"),
    Row("late_saturation"),
    Row("repeats"),
    Row("shifted_noise"),
    Row("shifted_threshold"),
    Row("words_of_20_bits", 16),
    Row("nearest"),
    Row("nearest_ties_by_sign"),
    Row("truncated"),
)


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


def line(row: Row, verdicts: QuantizerVerdicts, seconds: float) -> str:
    """A line of the table."""
    what = (getattr(example_quantizers, row.name).__doc__ or "Stochastic rounding to a lattice.").strip()
    lattice = f"{row.bits} bits, {row.step_size:.4g}"
    cells = (
        f"`{row.name}`", what, lattice, ", ".join(verdicts.breaks) or "none",
        "; ".join(clearest(verdicts[name]) for name in verdicts.breaks) or "–",
        ", ".join(verdicts.keeps) or "none", ", ".join(verdicts.undecided) or "none", f"{seconds:.0f}",
    )  # fmt: skip
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


HEAD = ("function", "what it is", "lattice", "breaks", "where", "keeps", "undecided", "s")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", "names", multiple=True, metavar="NAME", help="This function alone; may be repeated.")
@click.option("--budget", type=click.Choice(["quick", "full"]), default="quick", show_default=True, help="Grid size.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all cells.")
@click.option("--jobs", type=click.IntRange(min=1), help="Processes.  [default: cores]")
@click.option("--output", metavar="FILE", default=str(PAGE), show_default=True, help="The page.")
def main(names: Sequence[str], budget: str, seed: int, jobs: int | None, output: str) -> None:
    """Verify the claims with each of the example quantisers and write the table."""
    of = ", ".join(f"{name} {version}" for name, version in versions().items())
    lines = [
        "# What `alpt-ref verify --quantizer` finds in known quantisers",
        "",
        f"`python -m analysis.quantizer_table`, budget {budget}, seed {seed}; {of}. The functions are in",
        "`analysis/example_quantizers.py`; s: seconds on the machine that wrote this page.",
        "",
        "| " + " | ".join(HEAD) + " |",
        "|---" * len(HEAD) + "|",
    ]
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
        lines.append(line(row, verdicts, time.perf_counter() - started))
        click.echo(lines[-1])
        write_text(Path(output), "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

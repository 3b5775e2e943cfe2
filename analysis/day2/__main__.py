"""Measure day 2 and write ``results/day-2.json`` and ``results/day-2.md``: ``python -m analysis.day2 [--seeds 5]``.

Every seed draws days of its own, so that intervals speak of new logs. With `--table` the page is made anew from the
figures that are there.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import click

from alpt_ref._util.files import write_text
from alpt_ref.errors import AlptWarning

from . import estimator, runs
from .logs import Days
from .page import page
from .sizes import CAUSES_DAY, DAY, SMALL_DAY, UPDATE

RESULTS = Path(__file__).parents[1] / "results"


def measure(seed: int) -> dict[str, Any]:
    """All figures of one seed."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        days = Days.write(folder, DAY, seed)
        found: dict[str, Any] = {"seed": seed, "new categories": days.new_share()}
        found["estimator"] = estimator.measure(days, seed)
        for method in runs.TABLES:
            found[f"train {method}"] = runs.measure(days, folder, seed, method)
        small = Days.write(folder, SMALL_DAY, seed)
        found["small days"] = runs.measure(small, folder / "small", seed, "alpt")
        found["causes"] = estimator.measure(Days.write(folder, CAUSES_DAY, seed), seed, UPDATE)
    return found


@click.command(help=__doc__)
@click.option("--seeds", default=5, show_default=True, help="Logs that are drawn.")
@click.option("--table", is_flag=True, help="Write the page from the figures that are there.")
def main(seeds: int, table: bool) -> None:
    """Measure what is not there yet, seed by seed, and write the page."""
    file = RESULTS / "day-2.json"
    there = json.loads(file.read_text()) if table else []
    warnings.simplefilter("ignore", AlptWarning)
    for seed in range(0 if table else seeds):
        there.append(measure(seed))
        click.echo(f"seed {seed}: {there[-1]}", err=True)
        write_text(file, json.dumps(there, indent=1) + "\n")
    text = page(there)
    write_text(RESULTS / "day-2.md", text)
    click.echo(text)


if __name__ == "__main__":
    main()

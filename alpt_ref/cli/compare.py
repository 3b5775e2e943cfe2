"""``alpt-ref compare``: methods × bits × seeds."""

from __future__ import annotations

import re
from typing import Any

import click

from alpt_ref.cli.options import (
    Interrupted,
    advice,
    comma_list,
    config_options,
    data_options,
    describe,
    echo_unless,
    make_config,
    run_options,
    seeds_of,
)


@click.command("compare", short_help="Compare methods × bits × seeds.")
@data_options
@config_options
@click.option(
    "--methods",
    default="fp32,lpt-dr,lpt-sr,alpt-dr,alpt-sr",
    show_default=True,
    help="Comma-separated: fp32 (always run, as the reference), lpt-dr, lpt-sr, alpt-dr, alpt-sr, hashing, pruning, "
    "pact, lsq.",
)
@click.option("--bits", default="8,4,2", show_default=True, help="Comma-separated: 16, 8, 4, 2.")
@click.option(
    "--seeds", help="A number of seeds (0, 1, ...) or a list such as 3,7,9.  [default: 5, with --folds one a fold]"
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Runs at a time, each with cores // jobs threads.  [default: cores; on a GPU 1]",
)
@click.option("--output", metavar="FOLDER", help="Where runs and results go.  [default: runs/compare-DATASET]")
@run_options
def compare_command(
    methods: str, bits: str, seeds: str | None, jobs: int | None, output: str | None, quiet: bool, **options: Any
) -> None:
    """Compare methods × bits × seeds on one dataset.

    Prints one line a setting (test AUC and logloss with 95 % intervals over seeds, paired difference to FP32, bytes,
    samples/s) and writes results.csv, results.json, figure.png and figure.svg. Without data arguments it runs on
    the synthetic set with a small DCN, in under three minutes on two cores.

    Finished runs are kept, so a comparison that was stopped goes on where it was.
    """
    config = make_config(options)
    if config.data.folds:
        config = config.replace("data", seed=0)  # the fold that stands for the data; each run has that of its seed
    grid = {
        "methods": comma_list(methods, "--methods"),
        "bits": comma_list(bits, "--bits", int),
        "seeds": seeds_of(seeds or str(config.data.folds or 5)),
    }
    say = echo_unless(quiet)
    from alpt_ref._util.progress import Progress
    from alpt_ref.studies.comparison import compare
    from alpt_ref.studies.comparison_text import as_text, conclusion
    from alpt_ref.studies.grid import make_cells, make_settings
    from alpt_ref.training.sources import load_dataset

    make_cells(config, make_settings(grid["methods"], grid["bits"]), grid["seeds"])  # refused before data are read
    with Progress(enabled=not quiet) as progress:
        dataset = load_dataset(config.data, progress=progress)
    say(describe(dataset))
    say(advice(config, dataset))
    folder = output or "runs/compare-" + re.sub(r"[^\w.-]+", "-", dataset.name)
    store = config.data.path if config.data.source == "store" else None
    try:
        comparison = compare(
            config, dataset, folder, **grid, jobs=jobs, store=store, progress=Progress(enabled=not quiet), say=say
        )
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; finished runs are in {folder}, the same command goes on from there") from None
    click.echo(as_text(comparison))
    click.echo("\n".join(conclusion(comparison, metric) for metric in ("auc", "logloss")))
    say(f"wrote results.csv, results.json, figure.png and figure.svg to {folder}")

"""``alpt-ref compare``: methods × bits × varied settings × seeds."""

from __future__ import annotations

import re
from typing import Any

import click

from alpt_ref._util.outputs import check_results_folder
from alpt_ref.cli.options import (
    Interrupted,
    advice,
    cluster_options,
    comma_list,
    config_options,
    data_options,
    describe,
    echo,
    echo_unless,
    json_option,
    make_config,
    next_line,
    run_options,
    seeds_of,
)
from alpt_ref.cli.recipe import fit_to, named_settings
from alpt_ref.errors import InputError


@click.command("compare", short_help="Compare methods × bits × seeds.")
@data_options
@config_options
@click.option(
    "--methods",
    default="fp32,lpt-dr,lpt-sr,alpt-dr,alpt-sr",
    show_default=True,
    help="Comma-separated: fp32 (always run, as the reference), lpt-dr, lpt-sr, alpt-dr, alpt-sr, hashing, pruning, "
    "pact, lsq, eco-dr, eco-sr, rowmax-dr, rowmax-sr.",
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
@click.option(
    "--vary",
    metavar="SECTION.KEY=VALUE,VALUE",
    multiple=True,
    help="Any setting with several values, each compared with fp32 under the same; may be repeated for combinations.",
)
@click.option(
    "--metrics",
    metavar="NAMES",
    help="Further columns, comma-separated: ne, calibration, ece, gauc (with --set train.group=FIELD).",
)
@cluster_options
@click.option("--output", metavar="FOLDER", help="Where runs and results go.  [default: runs/compare-DATASET]")
@json_option
@run_options
def compare_command(
    methods: str,
    bits: str,
    seeds: str | None,
    vary: tuple[str, ...],
    metrics: str | None,
    jobs: int | None,
    scheduler: str | None,
    join: bool,
    output: str | None,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Compare methods × bits × varied settings × seeds on one dataset.

    Prints one line per setting (test AUC and logloss with 95 % intervals over seeds, paired difference to FP32, bytes,
    samples/s) and writes results.csv, results.json (with every metric), figure.png and figure.svg. Without data
    arguments it runs on the synthetic set with a small DCN, in under three minutes on two cores.

    Finished runs are kept, so a comparison that was stopped resumes.
    """
    quiet = quiet or as_json
    if output is not None:
        check_results_folder(output)
    named = named_settings(options)
    config = make_config(options)
    if config.data.folds:
        config = config.replace("data", seed=0)  # the fold that stands for the data; each run has that of its seed
    grid: dict[str, Any] = {
        "methods": comma_list(methods, "--methods"),
        "bits": comma_list(bits, "--bits", int),
        "seeds": seeds_of(seeds or str(config.data.folds or 5)),
        "vary": dict(map(vary_of, vary)),
    }
    log = echo_unless(quiet)
    from alpt_ref._util.progress import Progress
    from alpt_ref.studies.comparison import compare, plan_grid
    from alpt_ref.studies.comparison_rows import further_metrics
    from alpt_ref.studies.comparison_text import as_text, conclusion
    from alpt_ref.training.sources import load_dataset

    plan_grid(config, **grid)  # refused before data are read
    shown = further_metrics(comma_list(metrics, "--metrics") if metrics is not None else (), config)
    with Progress(enabled=not quiet) as progress:
        dataset = load_dataset(config.data, progress=progress)
    log(describe(dataset))
    varied = frozenset(grid["vary"])
    config = fit_to(config, dataset, None if named is None else named | varied, log)
    log(advice(config, dataset))
    folder = output or "runs/compare-" + re.sub(r"[^\w.-]+", "-", dataset.name)
    store = config.data.store
    try:
        comparison = compare(
            config, dataset, folder, **grid, metrics=shown, jobs=jobs, scheduler=scheduler, join=join, store=store,
            progress=Progress(enabled=not quiet), log=log,
        )  # fmt: skip
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted; finished runs are in {folder}, the same command resumes from there") from None
    if as_json:
        echo((comparison.folder / "results.json").read_text(encoding="utf-8").rstrip("\n"))
        return
    echo(as_text(comparison))
    echo("\n".join(conclusion(comparison, metric) for metric in ("auc", "logloss")))
    log(f"wrote results.csv, results.json, figure.png and figure.svg to {folder}")
    log(next_line("all tables and figures of the paper", "alpt-ref reproduce"))


def vary_of(text: str) -> tuple[str, list[Any]]:
    """``table.step_lr=2e-6,2e-5`` -> ("table.step_lr", [2e-6, 2e-5]); a comma within brackets separates nothing."""
    from alpt_ref.training.config_io import parse_override

    name, equals, values = text.partition("=")
    parts = [part for part in re.split(r",(?![^\[]*\])", values) if part.strip()]
    if not (equals and parts and "." in name):
        raise InputError(f"--vary must look like section.key=value,value, got {text!r}")
    return name.strip(), [parse_override(f"{name}={part}")[2] for part in parts]

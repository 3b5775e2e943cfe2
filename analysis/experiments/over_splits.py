"""Methods × bits × settings over random splits of one click file: means, and paired differences with their intervals.

    python -m analysis.experiments.over_splits --libfm FILE --config analysis/experiments/frappe.toml --splits 10

Takes the data and configuration options of ``alpt-ref compare``. ``--vary table.step_lr=2e-6,2e-5`` (may be repeated)
runs every combination of the values. Writes NAME-means.csv, NAME-differences.csv (each setting - FP32, SR - DR,
ALPT - LPT) and NAME-about.json; see `pairs` for what the intervals cover.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from alpt_ref.cli.options import comma_list, config_options, data_options, make_config
from alpt_ref.errors import AlptError, InputError
from alpt_ref.studies.grid import FP32, Setting, configure, make_settings
from alpt_ref.training.config import RunConfig, canonical
from alpt_ref.training.config_io import apply_overrides

from .pairs import Difference, differences, means, run_pairs, write_about, write_csv


def combinations(vary: Sequence[str]) -> list[tuple[str, ...]]:
    """``("table.lr=1,2", "table.optimizer=sgd")`` -> ``("table.lr=1", "table.optimizer=sgd")``, and so on."""
    choices = []
    for text in vary:
        name, equals, values = text.partition("=")
        if not (equals and values):
            raise InputError(f"--vary must look like section.key=value,value, got {text!r}")
        choices.append([f"{name}={value}" for value in values.split(",")])
    return list(itertools.product(*choices))


def make_grid(
    base: RunConfig, settings: Sequence[Setting], changes: Sequence[tuple[str, ...]]
) -> tuple[dict[str, RunConfig], list[Difference]]:
    """Every setting under every combination of changes, by name, and what is compared with what.

    A name holds the changes that its method has a use for; a setting that none of them concerns is there once.
    """
    variants: dict[str, RunConfig] = {}
    pairs: list[Difference] = []
    for change in changes:
        config = apply_overrides(base, change)
        names: dict[Setting, str] = {}
        for setting in settings:
            variant = configure(config, setting)
            used = canonical(variant)
            own = [text for text in change if text.split("=")[0].split(".")[1] in used.get(text.split(".")[0], ())]
            names[setting] = " ".join([str(setting), *(text.split(".", 1)[1] for text in own)])
            variants[names[setting]] = variant
        pairs += [Difference(names[first], names[second]) for first, second in _contrasts(settings)]
    return variants, pairs


def _contrasts(settings: Sequence[Setting]) -> list[tuple[Setting, Setting]]:
    """Each setting - FP32; SR - DR of one method and bits; ALPT - LPT of one rounding and bits."""
    pairs = [(one, FP32) for one in settings if one != FP32]
    for old, new in (("-sr", "-dr"), ("alpt-", "lpt-")):
        pairs += [(one, Setting(one.label.replace(old, new), one.bits)) for one in settings if old in one.label]
    return [pair for pair in pairs if pair[1] in settings]


@click.command(help=__doc__, context_settings={"max_content_width": 120})
@data_options
@config_options
@click.option("--methods", default="fp32,lpt-dr,lpt-sr,alpt-dr,alpt-sr", show_default=True)
@click.option("--bits", default="8,4,2", show_default=True)
@click.option("--splits", default=10, show_default=True, type=click.IntRange(min=2), help="Number of splits (seeds).")
@click.option("--vary", multiple=True, metavar="SECTION.KEY=VALUE,VALUE", help="May be repeated.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Runs at a time.")
@click.option("--output", default="runs/splits", show_default=True, metavar="FOLDER", help="Data, runs and results.")
@click.option("--name", default="splits", show_default=True, help="Beginning of the results' names.")
def main(
    methods: str, bits: str, splits: int, vary: tuple[str, ...], jobs: int, output: str, name: str, **options: Any
) -> None:
    try:
        base = make_config(options)
        settings = make_settings(comma_list(methods, "--methods"), comma_list(bits, "--bits", int))
        variants, pairs = make_grid(base, settings, combinations(vary))
        folder, seeds = Path(output), range(splits)
        runs = run_pairs(variants, base.data, seeds, folder, jobs=jobs, say=lambda text: click.echo(text, err=True))
    except AlptError as error:
        raise click.ClickException(str(error)) from None
    write_csv(folder / f"{name}-means.csv", means(runs))
    write_csv(folder / f"{name}-differences.csv", differences(runs, pairs, folds=base.data.folds))
    write_about(folder / f"{name}-about.json", "analysis.experiments.over_splits", base, seeds)
    for suffix in ("means", "differences"):
        click.echo((folder / f"{name}-{suffix}.csv").read_text())


if __name__ == "__main__":
    main()

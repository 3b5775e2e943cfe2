"""When does stochastic rounding beat nearest rounding? Sweep of eta/Delta, the learning rate in units of the step size.

    python -m analysis.experiments.eta_over_delta --libfm FILE --config analysis/experiments/frappe.toml --splits 5

Keeps the table's learning rate eta and sets the initial step size to Delta = eta / ratio, for every ratio and number of
bits; runs methods with "sr" and "dr" and FP32 as the reference, each seed on a split of its own. The learning rate is
constant unless ``--decay`` keeps the configuration's schedule. Takes the data and configuration options of
``alpt-ref compare`` (without data: the synthetic set). Writes NAME.csv, NAME-differences.csv, NAME-about.json and the
figure NAME.png.

The step size also sets the range that codes can reach, 2**(bits-1) * Delta: the share of clipped updates is drawn
beside the share that rounding undid, so that the two limits can be told apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from alpt_ref._util.files import atomic
from alpt_ref.cli.options import comma_list, config_options, data_options, make_config
from alpt_ref.errors import AlptError, InputError
from alpt_ref.studies.grid import FP32
from alpt_ref.studies.sweep import Point, make_sweep, name_of, points

from .pairs import Difference, Runs, differences, means, run_pairs, write_about, write_csv

RATIOS = "0.1,0.25,0.5,1,2,4"
REFERENCE = str(FP32)
NAMES = {"auc": "test AUC", "logloss": "test logloss"}
STYLE: dict[str, dict[str, Any]] = {
    "sr": {"color": "#0072B2", "linestyle": "-", "marker": "o"},
    "dr": {"color": "#D55E00", "linestyle": "--", "marker": "s"},
}
"""Dark blue and lighter orange of Okabe and Ito; line and marker tell them apart in greyscale."""


def parse_ratios(text: str) -> list[float]:
    """``"2,0.1"`` -> [0.1, 2.0]."""
    try:
        ratios = sorted({float(part) for part in text.split(",")})
    except ValueError:
        ratios = []
    if not ratios or not all(0 < ratio < float("inf") for ratio in ratios):
        raise InputError(f"--ratios must be a comma-separated list of finite numbers above 0, got {text!r}")
    return ratios


def draw(method: str, bits: Sequence[int], ratios: Sequence[float], metric: str, runs: Runs, path: Path) -> None:
    """One row of axes for each number of bits: the metric against FP32, and the shares undone and clipped."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    against = {
        line["first"]: line
        for line in differences(runs, [Difference(one, REFERENCE) for one in runs if one != REFERENCE])
        if line["metric"] == metric
    }
    table = {line["variant"]: line for line in means(runs)}
    with matplotlib.rc_context(
        {"font.size": 7, "axes.grid": True, "grid.alpha": 0.25, "lines.linewidth": 1.0, "xtick.labelsize": 6}
    ):
        figure = Figure(figsize=(3.5, 0.5 + 1.25 * len(bits)), layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.subplots(len(bits), 2, sharex=True, sharey="col", squeeze=False)
        for (left, right), one in zip(grid, bits, strict=True):
            for rounding in ("sr", "dr"):
                names = [name_of(method, Point(one, rounding, ratio)) for ratio in ratios]
                _curve(left, ratios, [against[name] for name in names if name in against], rounding)
                _shares(right, ratios, [table[name] for name in names], rounding)
            left.axhline(0, color="black", linewidth=0.6)
            left.set_ylabel(f"{one} bits\n{NAMES[metric]} - FP32")
            left.set_yscale("symlog", linthresh=0.01)
            right.set_ylabel("share of updates")
            right.set_ylim(-0.04, 1.04)
            for axes in (left, right):
                axes.set_xscale("log")
                axes.set_xticks(list(ratios), [f"{ratio:g}" for ratio in ratios])
                axes.minorticks_off()
        for axes in grid[-1]:
            axes.set_xlabel(r"$\eta/\Delta$")
        figure.legend(*grid[0][1].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
        with atomic(path) as stream:
            figure.savefig(stream, format="png", dpi=200)


def _curve(axes: Any, ratios: Sequence[float], lines: Sequence[dict[str, Any]], rounding: str) -> None:
    if len(lines) < len(ratios):
        return  # fewer than two pairs somewhere: no interval to draw
    middle = [line["difference"] for line in lines]
    low = [line["difference"] - line["half_width"] for line in lines]
    high = [line["difference"] + line["half_width"] for line in lines]
    axes.fill_between(ratios, low, high, color=STYLE[rounding]["color"], alpha=0.25, linewidth=0)
    axes.plot(ratios, middle, markersize=3, **STYLE[rounding])


def _shares(axes: Any, ratios: Sequence[float], lines: Sequence[dict[str, Any]], rounding: str) -> None:
    style, name = STYLE[rounding], rounding.upper()
    axes.plot(ratios, [line["stalled_share"] for line in lines], markersize=3, label=f"{name}, code kept", **style)
    faint = {**style, "marker": "+" if rounding == "sr" else "x", "alpha": 0.7}
    axes.plot(ratios, [line["clipped_share"] for line in lines], markersize=4, label=f"{name}, clipped", **faint)


@click.command(help=__doc__, context_settings={"max_content_width": 120})
@data_options
@config_options
@click.option("--method", default="lpt", show_default=True, type=click.Choice(["lpt", "alpt"]))
@click.option("--bits", default="8,4,2", show_default=True)
@click.option("--ratios", default=RATIOS, show_default=True, help="Values of eta/Delta.")
@click.option("--decay", is_flag=True, help="Keep the learning-rate schedule; eta is then its first value.")
@click.option("--splits", default=5, show_default=True, type=click.IntRange(min=2), help="Number of splits (seeds).")
@click.option("--metric", default="auc", show_default=True, type=click.Choice(list(NAMES)), help="In the figure.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(min=1), help="Runs at a time.")
@click.option("--output", default="runs/eta-over-delta", show_default=True, metavar="FOLDER")
@click.option("--name", default="eta-over-delta", show_default=True, help="Beginning of the results' names.")
def main(
    method: str,
    bits: str,
    ratios: str,
    decay: bool,
    splits: int,
    metric: str,
    jobs: int,
    output: str,
    name: str,
    **options: Any,
) -> None:
    try:
        base = make_config(options)
        if not decay:
            base = base.replace("train", milestones=())
        widths, values = comma_list(bits, "--bits", int), parse_ratios(ratios)
        variants = make_sweep(base, method, widths, values)
        folder, seeds = Path(output), range(splits)
        runs = run_pairs(variants, base.data, seeds, folder, jobs=jobs, say=lambda text: click.echo(text, err=True))
    except AlptError as error:
        raise click.ClickException(str(error)) from None
    pairs = [Difference(one, REFERENCE) for one in variants if one != REFERENCE]
    for one in points(widths, values):
        if one.rounding == "sr":
            pairs.append(Difference(name_of(method, one), name_of(method, one._replace(rounding="dr"))))
    write_csv(folder / f"{name}.csv", means(runs))
    write_csv(folder / f"{name}-differences.csv", differences(runs, pairs, folds=base.data.folds))
    write_about(folder / f"{name}-about.json", "analysis.experiments.eta_over_delta", base, seeds)
    draw(method, widths, values, metric, runs, folder / f"{name}.png")
    click.echo((folder / f"{name}-differences.csv").read_text())


if __name__ == "__main__":
    main()

"""``alpt-ref figures``: redraw every figure from stored results."""

from __future__ import annotations

from pathlib import Path

import click

from alpt_ref.cli.options import echo_unless
from alpt_ref.errors import InputError


@click.command("figures", short_help="Redraw every figure from stored results.")
@click.option(
    "--results",
    "results_folder",
    metavar="DIR",
    default="runs/verify",
    show_default=True,
    help="What `alpt-ref verify` wrote.",
)
@click.option(
    "--runs",
    "runs_folder",
    metavar="DIR",
    default="runs/reproduce",
    show_default=True,
    help="What `alpt-ref reproduce` wrote.",
)
@click.option("--figures", "figures_folder", metavar="DIR", help="Folder of figure files.  [default: analysis/figures]")
@click.option("--output", metavar="DIR", default="figures", show_default=True, help="Where they are written.")
@click.option("--quiet", is_flag=True, help="Print nothing but the ids.")
def figures_command(
    results_folder: str, runs_folder: str, figures_folder: str | None, output: str, quiet: bool
) -> None:
    """Write <id>.png, <id>.svg, <id>.csv for every figure, and INDEX.md; nothing is run again.

    A figure whose claims or runs have no stored results is named and left as it was.
    """
    from alpt_ref._util.files import writable_folder
    from alpt_ref.studies.stored import INDEX, Stored
    from alpt_ref.verification.figures import draw_figures, load_figures
    from alpt_ref.verification.results import Results

    figures = load_figures(figures_folder)
    results = Results(Path(results_folder))
    say = echo_unless(quiet)
    folder = writable_folder(output)
    runs = Stored(runs_folder) if (Path(runs_folder) / INDEX).exists() else None
    drawn = draw_figures(figures, results, folder, say, runs)
    if not drawn:
        raise InputError(f"none of the {len(figures)} figures could be drawn from {results_folder}")
    for name in drawn:
        click.echo(name)
    say(f"drew {len(drawn)} of {len(figures)} figures in {folder}")

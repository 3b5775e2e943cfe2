"""``alpt-ref figures``: redraw every figure from stored results."""

from __future__ import annotations

from pathlib import Path

import click

from alpt_ref._util.outputs import check_results_folder
from alpt_ref.cli.options import echo, echo_unless
from alpt_ref.errors import InputError


@click.command("figures", short_help="Redraw every figure from stored results.")
@click.option(
    "--results",
    "results_folder",
    metavar="DIR",
    help="What `alpt-ref verify` wrote.  [default: runs/verify, else runs/reproduce/verify]",
)
@click.option(
    "--runs",
    "runs_folder",
    metavar="DIR",
    default="runs/reproduce",
    show_default=True,
    help="What `alpt-ref reproduce` wrote.",
)
@click.option(
    "--figures", "figures_folder", metavar="DIR", help="Add the figure files of a folder; they are run as Python code."
)
@click.option("--only", metavar="ID", multiple=True, help="Only this figure; may be repeated.")
@click.option("--output", metavar="DIR", default="figures", show_default=True, help="Where they are written.")
@click.option("--quiet", is_flag=True, help="Print nothing but the ids.")
def figures_command(
    results_folder: str | None,
    runs_folder: str,
    figures_folder: str | None,
    only: tuple[str, ...],
    output: str,
    quiet: bool,
) -> None:
    """Write <id>.png, <id>.svg, <id>.csv for every figure, and INDEX.md; nothing is run again.

    A figure whose claims or runs have no stored results is named and left as it was.
    """
    from alpt_ref._util.files import writable_folder
    from alpt_ref.studies.stored import INDEX, Stored
    from alpt_ref.verification.figures import draw_figures, load_figures
    from alpt_ref.verification.results import Results

    check_results_folder(output, within=["reproduce.json", "verify.json"])
    figures = load_figures(add=figures_folder, only=only)
    stored = _results_folder(results_folder)
    results = Results(stored)
    log = echo_unless(quiet)
    folder = writable_folder(output)
    runs = Stored(runs_folder) if (Path(runs_folder) / INDEX).exists() else None
    drawn = draw_figures(figures, results, folder, log, runs)
    if not drawn:
        raise InputError(f"none of the {len(figures)} figures could be drawn from {stored}")
    for name in drawn:
        echo(name)
    log(f"drew {len(drawn)} of {len(figures)} figures in {folder}")


def _results_folder(given: str | None) -> Path:
    """The folder named, else where `alpt-ref verify` or `alpt-ref reproduce` leaves its verdicts."""
    if given is not None:
        return Path(given)
    usual = [Path("runs/verify"), Path("runs/reproduce/verify")]
    for folder in usual:
        if (folder / "claims").is_dir():
            return folder
    raise InputError(
        f"no stored results in {' or '.join(map(str, usual))}; run `alpt-ref verify` first, or name them with --results"
    )

"""``alpt-ref figures``: redraw every figure from stored results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from alpt_ref._util.outputs import check_results_folder
from alpt_ref.cli.options import comma_list, echo, echo_json, echo_unless, json_option, next_line
from alpt_ref.errors import InputError

if TYPE_CHECKING:
    from alpt_ref.verification.figures import Figure

PAGE_STYLES = ("page", "column", "aaai", "icml", "neurips")
"""Names of `alpt_ref._util.pages.STYLES`."""


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
@click.option(
    "--formats",
    default="png,svg",
    show_default=True,
    help="Comma-separated: png, svg, pdf (TrueType fonts), pgf (needs no TeX here).",
)
@click.option(
    "--style", type=click.Choice(PAGE_STYLES),
    help="Widths and letters of a template, or every figure for a page or a column.  [default: as it was laid out]",
)  # fmt: skip
@click.option("--list", "listing", is_flag=True, help="Draw nothing: print id and title of every figure.")
@json_option
@click.option("--output", metavar="DIR", default="figures", show_default=True, help="Where they are written.")
@click.option("--quiet", is_flag=True, help="Print nothing but the ids.")
def figures_command(
    results_folder: str | None,
    runs_folder: str,
    figures_folder: str | None,
    only: tuple[str, ...],
    formats: str,
    style: str | None,
    listing: bool,
    as_json: bool,
    output: str,
    quiet: bool,
) -> None:
    """Write <id>.png, <id>.svg, <id>.csv for every figure, INDEX.md and figures.json; nothing is run again.

    With pdf or pgf also <id>.tex, a figure environment with its caption. A figure whose claims or runs have no stored
    results is named and left as it was, with its entry in INDEX.md.
    """
    from alpt_ref._util.files import writable_folder
    from alpt_ref.studies.stored import INDEX, Stored
    from alpt_ref.verification.figures import check_formats, draw_figures, load_figures
    from alpt_ref.verification.results import Results

    figures = load_figures(add=figures_folder, only=only)
    if listing:
        _list(figures, as_json)
        return
    kinds = list(dict.fromkeys(comma_list(formats, "--formats")))
    check_formats(kinds)
    check_results_folder(output, within=["reproduce.json", "verify.json"])
    stored = _results_folder(results_folder)
    results = Results(stored)
    log = echo_unless(quiet or as_json)
    folder = writable_folder(output)
    runs = Stored(runs_folder) if (Path(runs_folder) / INDEX).exists() else None
    drawn = draw_figures(figures, results, folder, log, runs, formats=kinds, style=style)
    if not drawn:
        raise InputError(f"none of the {len(figures)} figures could be drawn from {stored}")
    if as_json:
        echo((folder / "figures.json").read_text(encoding="utf-8").rstrip("\n"))
        return
    for name in drawn:
        echo(name)
    log(f"drew {len(drawn)} of {len(figures)} figures in {folder}; captions and alt texts: {folder / 'INDEX.md'}")
    log(next_line("for a paper", "alpt-ref figures --formats pdf,pgf --style column --output paper-figures"))


def _list(figures: Sequence[Figure], as_json: bool) -> None:
    if as_json:
        fields = ("id", "title", "claims", "alt", "notes")
        echo_json([{name: getattr(figure, name) for name in fields} for figure in figures])
        return
    width = max(len(figure.id) for figure in figures)
    for figure in figures:
        echo(f"{figure.id:{width}}  {figure.title}")


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

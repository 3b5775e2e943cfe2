"""``python -m analysis.peers``: check every quantiser that is installed and write the table of the field."""

from __future__ import annotations

from pathlib import Path

import click

from alpt_ref._version import install_hint

from . import page
from .measure import PEERS, measured
from .record import STORED, Missing, load, merged, save

NAMES = [peer.name for peer in PEERS]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--only", multiple=True, metavar="NAME", help="A package; may be repeated. Rows of the others stay as they are."
)
@click.option(
    "--effort", type=click.Choice(["quick", "full"]), default="full", show_default=True, help="Of the checks."
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Of the checks.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=STORED,
    help="File for the results; the page goes beside it. By default analysis/results/peers.json.",
)
def main(only: tuple[str, ...], effort: str, seed: int, output: Path) -> None:
    """Check the quantisers of other packages, and ours, and write the table."""
    unknown = [name for name in only if name not in NAMES]
    if unknown:
        raise click.UsageError(f"--only takes one of {', '.join(NAMES)}, got {unknown[0]!r}")
    if output.suffix != ".json":
        raise click.UsageError(f"--output must be a file that ends with .json, got {str(output)!r}")
    old = load(output) if output.exists() else None
    rows, missing = [], []
    for peer in PEERS:
        if only and peer.name not in only:
            continue
        found = measured(peer, effort=effort, seed=seed, say=click.echo)
        if isinstance(found, Missing):
            click.echo(f"{peer.name}: left out ({found.reason}); {install_hint('peers')}")
            missing.append(found)
        else:
            rows += found
    record = merged(old, f"python -m analysis.peers --effort {effort} --seed {seed}", rows, missing, NAMES)
    save(output, record)
    page.write(output.with_suffix(".md"), record)
    if output == STORED:
        page.write_docs(record)
    click.echo(page.summary(record))


if __name__ == "__main__":
    main(prog_name="python -m analysis.peers")

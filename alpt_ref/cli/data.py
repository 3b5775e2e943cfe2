"""``alpt-ref data``: synthetic, raw and encoded data."""

from __future__ import annotations

from typing import Any

import click

from ..config import DataConfig
from ..errors import InputError
from .options import data_changes, raw_options

_DEFAULT = DataConfig()


@click.group("data", short_help="Draw, encode and inspect data.")
def data_group() -> None:
    """Draw synthetic clicks, encode raw files, inspect encoded stores."""


@data_group.command("synth", short_help="Write synthetic clicks.")
@click.option("--rows", type=int, default=_DEFAULT.rows, show_default=True, help="Impressions.")
@click.option("--fields", type=int, default=_DEFAULT.fields, show_default=True, help="Categorical fields.")
@click.option("--features", type=int, default=_DEFAULT.features, show_default=True, help="Table rows of all fields.")
@click.option("--exponent", type=float, default=_DEFAULT.exponent, show_default=True, help="Zipf exponent.")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws truth and rows.")
@click.option("--output", metavar="FOLDER", required=True, help="The store to write.")
@click.option("--quiet", is_flag=True, help="Print nothing.")
def synth(output: str, quiet: bool, **options: Any) -> None:
    """Write a store of synthetic clicks with known Bayes logloss and AUC, in bounded memory."""
    _write(DataConfig(**options), output, quiet)


@data_group.command("encode", short_help="Encode a raw click file.")
@raw_options
@click.option(
    "--vocabulary",
    type=click.Choice(["train", "all"]),
    default=_DEFAULT.vocabulary,
    show_default=True,
    help="The rows whose category counts decide.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Draws the 8:1:1 split.")
@click.option("--output", metavar="FOLDER", required=True, help="The store to write.")
@click.option("--quiet", is_flag=True, help="Print nothing.")
def encode(output: str, quiet: bool, vocabulary: str, seed: int, **options: Any) -> None:
    """Encode a raw click file (or a built-in set) into a memory-mapped store."""
    changes = data_changes(options)
    if "source" not in changes:
        raise InputError("nothing to encode, give --criteo, --avazu, --libfm or --dataset")
    _write(DataConfig(**changes, vocabulary=vocabulary, seed=seed), output, quiet)


@data_group.command("info", short_help="Describe a store.")
@click.argument("folder")
@click.option("--verify", is_flag=True, help="Also check every file against its checksum.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(folder: str, verify: bool, as_json: bool) -> None:
    """Describe an encoded store: sizes, click rates, preprocessing, checksums."""
    import json
    from pathlib import Path

    from ..data import describe, describe_text, load

    dataset = load(Path(folder), verify=verify)
    click.echo(json.dumps(describe(dataset), indent=2) if as_json else describe_text(dataset))


def _write(config: DataConfig, output: str, quiet: bool) -> None:
    from ..data import describe_text
    from ..progress import Progress
    from ..sources import encode as write_store

    with Progress(enabled=not quiet) as progress:
        dataset = write_store(config, output, progress=progress)
    if not quiet:
        click.echo(describe_text(dataset))
        click.echo(f"wrote {output}")

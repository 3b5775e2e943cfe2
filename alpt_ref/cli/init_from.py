"""``alpt-ref train --init-from``: the run that goes on from another, and the rows that it is trained on."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from alpt_ref.cli.data_options import stack
from alpt_ref.cli.options import make_config
from alpt_ref.errors import InputError
from alpt_ref.training.config import DataConfig, RunConfig

NEW_ROWS = ("data", "input", "train", "criteo", "avazu", "libfm", "text_format", "dataset")
"""Options that name rows."""

init_options = stack(
    click.option(
        "--init-from",
        metavar="RUN",
        help="Go on from the tested state of this finished run (its output folder), with rows for new ids.",
    ),
    click.option(
        "--evict-after",
        type=click.IntRange(min=1),
        metavar="RUNS",
        help="With --init-from: give up ids that no training row of this many runs has held.  [default: none]",
    ),
)


def continued_config(run: str, options: dict[str, Any]) -> RunConfig:
    """The configuration of a run that goes on: that of `run`, with the new rows and changed settings of ``train``.

    Raises
    ------
    InputError
        The options ask for something that comes from the run, or name no rows.
    """
    from alpt_ref.training.init_from import check_continuable, run_to_continue

    for option, name in (("--config", "config_file"), ("--preset", "preset"), ("--schema", "schema")):
        if options.get(name) is not None:
            raise InputError(f"{option} must be left out with --init-from: what it says comes from the run")
    named = [name for name in NEW_ROWS if options.get(name)]
    if not named and not any(text.strip().startswith("data.") for text in options["overrides"]):
        raise InputError(f"--init-from {run} needs new rows: name them with --data, --input, --train and --test, …")
    before = run_to_continue(run).config
    if named and named[0] in ("input", "train"):
        options["schema"] = _schema_of(run, before.data)
    config = make_config(options, msgspec.structs.replace(before, data=DataConfig()))
    check_continuable(before, config)
    return config


def _schema_of(run: str, data: DataConfig) -> str:
    """How the run's own files were read."""
    found = data.schema or (data.source if data.is_format else None)
    if found is None:
        raise InputError(
            f"{run} was not trained on files, so that it has no schema for new ones; encode them and give --data"
        )
    return found


def every_category(data: DataConfig) -> DataConfig:
    """The same rows, raw ones with an id for each category: which of them earn a row is seen once the run is known."""
    if data.source in ("store", "synthetic"):
        return data
    return msgspec.structs.replace(data, min_count=1, vocabulary="all")

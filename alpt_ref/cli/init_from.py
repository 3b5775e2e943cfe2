"""``alpt-ref train --init-from``: the run that goes on from another, and the rows that it is trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import msgspec

from alpt_ref.cli.data_options import stack
from alpt_ref.cli.options import make_config
from alpt_ref.errors import InputError
from alpt_ref.training.config import DataConfig, RunConfig

if TYPE_CHECKING:
    from alpt_ref._util.progress import Progress
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.checkpoint import Checkpoint

PARTS = ("train", "valid", "test")
NEW_ROWS = ("data", "input", *PARTS, "criteo", "avazu", "libfm", "text_format", "dataset")
"""Options that name rows."""
SPLIT = ("split", "shares", "stratify", "folds")
"""Options that say how they are split."""

init_options = stack(
    click.option(
        "--init-from",
        metavar="RUN",
        help="Continue from the tested state of this finished run (its output folder), with rows for new ids.",
    ),
    click.option(
        "--evict-after",
        type=click.IntRange(min=1),
        metavar="RUNS",
        help="With --init-from: drop ids that no training row of this many runs has held.  [default: none]",
    ),
)


def continued_config(run: str, output: str | None, options: dict[str, Any]) -> RunConfig:
    """The configuration of a run that goes on: that of `run`, with the new rows and changed settings of ``train``.

    Raises
    ------
    InputError
        The options ask for something that comes from the run, or name no rows.
    """
    from alpt_ref.data.schema import shipped_schemas
    from alpt_ref.training.init_from import check_continuable, check_output, run_to_continue

    check_output(run, output)
    for option, name in (("--config", "config_file"), ("--preset", "preset"), ("--schema", "schema")):
        if options.get(name) is not None:
            raise InputError(f"{option} must be left out with --init-from: what it says comes from the run")
    named = [name for name in NEW_ROWS if options.get(name)]
    if not named and not any(text.strip().startswith("data.") for text in options["overrides"]):
        raise InputError(f"--init-from {run} needs new rows: name them with --data, --input, --train and --test, …")
    before = run_to_continue(run)
    parts = any(options.get(part) for part in PARTS)
    files = bool(options.get("input") or parts)
    said = any(options.get(name) for name in SPLIT) or any(
        text.strip().startswith(tuple(f"data.{name}" for name in SPLIT)) for text in options["overrides"]
    )
    if files:
        options["schema"] = shipped_schemas()[0]  # any: the run's own takes its place below
    config = make_config(options, msgspec.structs.replace(before.config, data=DataConfig()))
    if files:
        config = config.replace("data", **_read_as_there(run, before))
    if config.data.is_format and not (said or parts):
        config = config.replace("data", **_split_as_there(before, timed=config.data.source == "files"))
    check_continuable(before.config, config)
    return config


def _read_as_there(run: str, before: Checkpoint) -> dict[str, Any]:
    """Source and schema of the run's own rows."""
    if before.meta["info"].get("schema") is not None:
        return {"source": "files", "schema": before.config.data.schema or run}
    source = before.meta["info"].get("source")
    kind = source.get("kind") if isinstance(source, dict) else None
    if kind is None:
        raise InputError(f"{run} was not trained on rows of files: nothing says how to read others; give --data")
    return {"source": kind, "schema": None}


def _split_as_there(before: Checkpoint, *, timed: bool) -> dict[str, Any]:
    """How the run's own rows were split, where that can be said of other rows too: not by folds, nor by files."""
    encoding = before.meta["info"].get("encoding")
    if not isinstance(encoding, dict) or "folds" in encoding or encoding.get("by") == "files":
        return {}
    by, stratify = encoding.get("by", "random"), bool(encoding.get("stratify", False))
    if by == "time" and not timed:  # these rows are read without the schema that names their times
        return {}
    return {"split": by, "shares": tuple(encoding.get("split", DataConfig().shares)), "stratify": stratify}


def load_rows(config: RunConfig, run: str, *, progress: Progress) -> ClickDataset:
    """The new rows, read by the run's schema where it has one."""
    from alpt_ref.data.schema import Schema
    from alpt_ref.training.init_from import run_to_continue
    from alpt_ref.training.new_ids import schema_of_run
    from alpt_ref.training.sources import load_to_continue

    plain = schema_of_run(run_to_continue(run)) if config.data.source == "files" else None
    schema = None if plain is None else Schema.from_dict(plain)
    return load_to_continue(config.data, schema, progress=progress)

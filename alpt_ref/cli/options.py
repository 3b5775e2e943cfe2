"""Options that several verbs share, and how they become one `RunConfig`.

Precedence, from weak to strong: preset, TOML file, options that name the data, ``--set``, options of their own name.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from alpt_ref._util.text import printable
from alpt_ref.cli.data_options import RAW as RAW
from alpt_ref.cli.data_options import bad_row_options as bad_row_options
from alpt_ref.cli.data_options import data_changes as data_changes
from alpt_ref.cli.data_options import data_options as data_options
from alpt_ref.cli.data_options import file_options as file_options
from alpt_ref.cli.data_options import raw_options as raw_options
from alpt_ref.cli.data_options import stack
from alpt_ref.errors import InputError
from alpt_ref.training.config import PRESETS, RunConfig
from alpt_ref.training.config_io import apply_overrides, load_toml

F = TypeVar("F", bound=Callable[..., Any])
MAX_SEEDS = 10_000
LEAST_ADVISED_BATCH = 16
"""Batch normalisation learns nothing from a batch of one row and little from a few."""


class Interrupted(click.ClickException):
    """Ctrl-C, with a sentence on how to go on."""

    exit_code = 130


def _usable(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse a device that does not work here, with the reason, before anything is read."""
    if value not in (None, "cpu"):
        from alpt_ref.kernels.backend import get_backend

        get_backend(value)
    return value


config_options = stack(
    click.option("--config", "config_file", metavar="FILE.toml", help="Settings; see `--set` for single ones."),
    click.option(
        "--preset",
        type=click.Choice(sorted(PRESETS)),
        help="Settings to start from.  [default: quick without data, paper with --config, else to fit the rows]",
    ),
    click.option(
        "--set", "overrides", metavar="SECTION.KEY=VALUE", multiple=True, help="Change one setting; may be repeated."
    ),
)


def _allow(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> None:
    from alpt_ref._util.parts import allow

    for name in value:
        allow(name)


allow_option = click.option(
    "--allow",
    metavar="MODULE:CLASS",
    multiple=True,
    expose_value=False,
    callback=_allow,
    help="Import this class if the run's files name it; installed ones need no permission. May be repeated.",
)

cluster_options = stack(
    click.option(
        "--scheduler",
        metavar="ADDRESS",
        help="Work on the Dask cluster of this scheduler (extra `dist`), which must see --output under the same path.",
    ),
    click.option(
        "--join",
        is_flag=True,
        help="Share the work with other calls of this command with --join on the same --output, here or elsewhere.",
    ),
)
run_options = stack(
    click.option("--threads", type=click.IntRange(min=1), help="Cores to use.  [default: all]"),
    click.option(
        "--device", metavar="cpu|cuda", callback=_usable, help="Where to compute.  [default: train.device, else cpu]"
    ),
    click.option("--quiet", is_flag=True, help="Print only the result."),
)


def make_config(options: dict[str, Any], base: RunConfig | None = None) -> RunConfig:
    """The run that the shared options describe, from `base` or a preset on; takes them out of `options`."""
    changes = data_changes(options)
    file, preset = options.pop("config_file"), options.pop("preset")
    if preset is None:
        preset = "paper" if "source" in changes or file is not None else "quick"
    config = PRESETS[preset] if base is None else base
    if file is not None:
        from alpt_ref.studies.shipped import require_current_path

        require_current_path(file)
        config = load_toml(file, config)
    if changes:
        config = config.replace("data", **changes)
    device = options.pop("device", None)
    on_device = () if device is None else (f"train.device={device}",)  # at once: what is set may need it
    config = apply_overrides(config, (*options.pop("overrides"), *on_device))
    if options.get("threads") is not None:
        config = config.replace("train", threads=options["threads"])
    options.pop("threads", None)
    return config


def comma_list(text: str, option: str, convert: Callable[[str], Any] = str) -> list[Any]:
    """``8,4,2`` -> [8, 4, 2]."""
    items: list[Any] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            items.append(convert(part))
        except ValueError:
            raise InputError(f"{option} must be a comma-separated list of whole numbers, got {text!r}") from None
    if not items:
        raise InputError(f"{option} must name at least one value, got {text!r}")
    return items


def describe(dataset: Any) -> str:
    """One line on a dataset."""
    import numpy as np

    counts = np.bincount(dataset.split, minlength=3)
    bad = dataset.info.get("bad_rows", {}).get("count", 0)
    left_out = f", left out {bad:,} bad row{'' if bad == 1 else 's'}" if bad else ""
    return (
        f"{dataset.name}: {dataset.rows:,} rows ({counts[0]:,} train, {counts[1]:,} valid, {counts[2]:,} test), "
        f"{dataset.fields} fields, {dataset.n:,} features{left_out}"
    )


def advice(config: RunConfig, dataset: Any) -> str | None:
    """A remark on a batch size made for larger data, or None."""
    from alpt_ref.training.weights import counted_rows

    rows, batch = len(counted_rows(dataset, "train")), config.train.batch_size
    if rows >= 10 * batch:
        return None
    steps, smaller = -(-rows // batch), max(LEAST_ADVISED_BATCH, rows // 100)
    if smaller >= batch:
        return None
    return (
        f"note: train.batch_size {batch:,} makes {steps} step{'' if steps == 1 else 's'} an epoch of {rows:,} rows; "
        f"--set train.batch_size={smaller} would make about {-(-rows // smaller)}"
    )


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def echo_json(value: Any) -> None:
    """Print a value for a script, on standard output; what is no finite number (an AUC of one class) is null."""
    import json

    echo(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    """A value of JSON without numbers that are not finite."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def next_line(what: str, command: str) -> str:
    """``next, to score rows: alpt-ref predict RUN FILE``: the last line of a verb, on standard error."""
    return f"next, {what}: {command}"


def hint(what: str, command: str) -> None:
    """Print `next_line`, where somebody can read it."""
    echo_unless(False)(next_line(what, command))


def echo(text: str, *, err: bool = False) -> None:
    """Print for a person: control characters in names (of files, fields, datasets) come as escapes."""
    click.echo(printable(text), err=err)


def echo_unless(quiet: bool) -> Callable[[str | None], None]:
    """Print on stderr, or nothing: stdout is for results."""

    def log(text: str | None) -> None:
        if text is not None and not quiet:
            with contextlib.suppress(OSError, ValueError):  # a remark that nobody can read stops no work
                echo(text, err=True)

    return log


def seeds_of(text: str) -> Sequence[int]:
    """``5`` -> seeds 0 to 4; ``3,7`` -> these."""
    seeds = comma_list(text, "--seeds", int)
    if len(seeds) == 1 and "," not in text:
        if seeds[0] < 1:
            raise InputError(f"--seeds must be at least 1, got {text}")
        if seeds[0] > MAX_SEEDS:
            raise InputError(
                f"--seeds must be at most {MAX_SEEDS}, got {text}; name single large seeds as a list: {text},"
            )
        return range(seeds[0])
    return seeds

"""``alpt-ref predict``: score clicks with a trained run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from alpt_ref._util.outputs import STDOUT
from alpt_ref.cli.options import (
    RAW,
    Interrupted,
    allow_option,
    bad_row_options,
    echo,
    echo_json,
    file_options,
    hint,
    json_option,
)
from alpt_ref.errors import InputError

_SCORED = ("rows", "bad_rows", "unseen_share", "labelled", "auc", "logloss")


@click.command("predict", short_help="Score clicks with a trained run.")
@click.argument("run", metavar="RUN_OR_CHECKPOINT")
@click.argument("files", metavar="[FILE]...", nargs=-1)
@click.option("--input", metavar="FILE", multiple=True, help="Another way to name FILE; may be repeated.")
@click.option("--data", metavar="FOLDER", help="An encoded store with the run's vocabulary.")
@click.option("--part", type=click.Choice(["all", "train", "valid", "test"]), default="all", show_default=True)
@file_options
@click.option("--vocabulary", metavar="FOLDER", help="The store that the run was trained on.  [default: the run's own]")
@click.option(
    "--group",
    metavar="NAME",
    help="Report the AUC within the rows of each value of a field or an id column.  [default: train.group]",
)
@bad_row_options
@click.option("--threads", type=click.IntRange(min=1), help="Cores to use.  [default: all]")
@allow_option
@click.option(
    "--output",
    metavar="FILE",
    required=True,
    help="Receives row, ids, label and probability: CSV (.csv, .csv.gz) or Parquet (.parquet).",
)
@json_option
@click.option("--quiet", is_flag=True, help="Print only the result.")
def predict_command(
    run: str,
    files: tuple[str, ...],
    data: str | None,
    threads: int | None,
    output: str,
    as_json: bool,
    quiet: bool,
    **options: Any,
) -> None:
    """Score raw click files or a store with a trained run, and print its metrics where there are labels.

    FILE... are read as the run's own files were: by its schema, whose id columns go along to the scores, or as its text
    format (--criteo, --avazu and --libfm name another one). They may have their column of labels or not. They are
    encoded with the vocabulary of the run; a category that it does not know counts as out-of-vocabulary, and a field
    with far more of them than the run's test rows is named.
    Memory does not grow with the file, but for five bytes a labelled row.
    """
    if as_json and output == STDOUT:
        raise InputError("--json and --output - both print on stdout; leave out one of them")
    quiet = quiet or as_json
    raw = {kind: names for kind in RAW if (names := options.pop(kind))}
    own = (*files, *options.pop("input"))
    options = {name: value for name, value in options.items() if value is not None}
    given = [*(["FILE"] if own else []), *(["--data"] if data is not None else []), *(f"--{kind}" for kind in raw)]
    if len(given) != 1:
        what = f"got {', '.join(given)}" if given else "got none"
        raise InputError(f"give one of FILE, --data, --criteo, --avazu and --libfm, {what}")
    from alpt_ref._util.progress import Progress
    from alpt_ref.kernels.jit import set_num_threads
    from alpt_ref.serving.packed import MARKER
    from alpt_ref.serving.predict import predict

    if threads is not None:
        set_num_threads(threads)
    kind, file = next(iter(raw.items()), (None, own or None))
    try:
        with Progress(enabled=not quiet) as progress:
            scores = predict(run, output, store=data, kind=kind, file=file, progress=progress, **options)
    except KeyboardInterrupt:
        raise Interrupted("interrupted; nothing was written; run the same command to start again") from None
    if as_json:
        quality = None if scores.quality is None else scores.quality._asdict()
        echo_json({**{name: getattr(scores, name) for name in _SCORED}, "quality": quality, "output": output})
        return
    left_out = f", left out {scores.bad_rows:,} bad rows" if scores.bad_rows else ""
    line = f"{scores.rows:,} rows{left_out}, {100 * scores.unseen_share:.2f} % of ids out of vocabulary"
    if scores.logloss is None:
        line += "; no metrics (all weights are 0)" if scores.labelled else "; no labels"
    else:
        line += f"; AUC {scores.auc:.5f}" if scores.auc is not None else "; no AUC (labels of one class)"
        line += f", logloss {scores.logloss:.5f}"
        line += f", {scores.quality.in_words()}" if scores.quality is not None else ""
    echo(line, err=output == STDOUT)
    if not quiet:
        echo(f"wrote {output}", err=output == STDOUT)
        if not (Path(run) / MARKER).exists():  # a packed run holds no state to train on
            hint("train on with new rows", f"alpt-ref train --init-from {run} --input FILE --output NEW")

"""``alpt-ref data``: synthetic, raw and encoded data."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote
from typing import Any

import click

from alpt_ref.cli.options import Interrupted, data_changes, echo, echo_json, hint, json_option, raw_options
from alpt_ref.errors import InputError
from alpt_ref.training.config import DataConfig

_DEFAULT = DataConfig()


@click.group("data", short_help="Draw, encode and inspect data.")
def data_group() -> None:
    """Draw synthetic clicks, encode raw files, inspect encoded stores."""


@data_group.command("synth", short_help="Write synthetic clicks.")
@click.option("--rows", type=int, default=_DEFAULT.rows, show_default=True, help="Impressions.")
@click.option("--fields", type=int, default=_DEFAULT.fields, show_default=True, help="Categorical fields.")
@click.option("--features", type=int, default=_DEFAULT.features, show_default=True, help="Table rows of all fields.")
@click.option("--exponent", type=float, default=_DEFAULT.exponent, show_default=True, help="Zipf exponent.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of true parameters and rows.")
@click.option("--output", metavar="FOLDER", required=True, help="The store to write.")
@json_option
@click.option("--quiet", is_flag=True, help="Print nothing.")
def synth(output: str, as_json: bool, quiet: bool, **options: Any) -> None:
    """Write a store of synthetic clicks with known Bayes logloss and AUC, in bounded memory."""
    _write(DataConfig(**options), output, quiet, as_json)


@data_group.command("encode", short_help="Encode raw click files.")
@click.argument("files", metavar="[FILE]...", nargs=-1)
@raw_options
@click.option("--folds", type=int, metavar="K", help="Part --seed mod K of the rows tests, the next one validates.")
@click.option(
    "--vocabulary",
    type=click.Choice(["train", "all"]),
    default=_DEFAULT.vocabulary,
    show_default=True,
    help="The rows whose category counts decide.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the random split.")
@click.option("--output", metavar="FOLDER", required=True, help="The store to write.")
@json_option
@click.option("--quiet", is_flag=True, help="Print nothing.")
def encode(
    files: tuple[str, ...], output: str, as_json: bool, quiet: bool, vocabulary: str, seed: int, **options: Any
) -> None:
    """Encode raw click files (or a built-in set) into a memory-mapped store.

    FILE... with --schema (--input is another way to name them), --train, --valid and --test with --schema, or a format
    by its own option.
    """
    options["input"] = (*options["input"], *files)
    changes = data_changes(options)
    if "source" not in changes:
        raise InputError("nothing to encode, give FILE and --schema, --criteo, --avazu, --libfm, --format or --dataset")
    _write(DataConfig(**changes, vocabulary=vocabulary, seed=seed), output, quiet, as_json)


@data_group.command("schema", short_help="Guess a schema to edit.")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--output", metavar="FILE.toml", help="The schema to write.  [default: standard output]")
@click.option("--quiet", is_flag=True, help="Print nothing but the schema.")
def schema(files: tuple[str, ...], output: str | None, quiet: bool) -> None:
    """Guess from the first rows of a click file which column is what, and write a schema with comments to edit.

    Text (any delimiter, with or without a header, compressed or not), Parquet or Arrow; of several files the first
    decides. Columns that the model could not learn from (one value, or a new one in every row) are left out.
    """
    from alpt_ref._util.files import write_text
    from alpt_ref._util.outputs import check_output_file
    from alpt_ref.cli.data_options import raw_files
    from alpt_ref.data.schema_guess import guess_schema

    named = raw_files("", files)
    path = None if output is None else check_output_file(output, inputs=map(Path, files), endings=(".toml",))
    guessed = guess_schema(named)
    if path is None:
        echo(guessed.toml.rstrip("\n"))
    else:
        if os.path.lexists(path):
            raise InputError(f"--output {path} exists, perhaps with your edits; choose another name or delete it")
        write_text(path, guessed.toml)
    if not quiet:
        if guessed.label is None:
            echo('no column could be guessed to be the label; fill in the line `label = ""` of the schema', err=True)
        given = " ".join(map(quote, files))
        if path is None:
            toml = Path(Path(files[0]).name.partition(".")[0] or "log").with_suffix(".toml")
            hint("keep it", f"alpt-ref data schema {given} --output {quote(str(toml))}")
        else:
            echo(f"wrote {path}; read it through", err=True)
            inputs = " ".join(f"--input {quote(file)}" for file in files)
            hint("train by it", f"alpt-ref train {inputs} --schema {quote(str(path))} --output runs/first")


@data_group.command("generate", short_help="Write raw text with the shape of a public set.")
@click.option(
    "--shape", type=click.Choice(["criteo", "avazu"]), required=True, help="Columns and categories of this set."
)
@click.option("--rows", type=int, required=True, help="Rows; Criteo has 45,840,617, Avazu 40,428,967.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of all rows.")
@click.option("--day", type=int, help="Rows of this day, from 1; most ids of one field are new.  [default: no days]")
@click.option("--output", metavar="FILE", required=True, help="Text file to write; compressed if it ends in .gz.")
@click.option("--quiet", is_flag=True, help="Print nothing.")
def generate(shape: str, rows: int, seed: int, day: int | None, output: str, quiet: bool) -> None:
    """Write raw click text with the columns, categories and click rate of Criteo or Avazu, its contents drawn.

    Row i depends on the shape, the seed and i alone: a shorter file is the beginning of a longer one. FILE may also be
    `-` (standard output), a device or a pipe. Each --day has rows of its own, and 80 % of the categories of one field
    (avazu: site_id, criteo: C7) are new on it.
    """
    from alpt_ref._util.outputs import STDOUT, check_output_file, is_regular, open_output
    from alpt_ref._util.progress import Progress
    from alpt_ref.data.synthetic.generate import check_generate, write_raw_text

    check_generate(shape, rows, seed, day)
    path = check_output_file(output, endings=(".txt", ".csv", ".tsv", ".gz") if Path(output).suffix else ())
    file = output != STDOUT and is_regular(path)
    if file and os.path.lexists(path):
        raise InputError(f"--output {path} exists; choose another name or delete it")
    try:
        with Progress(enabled=not quiet) as progress, open_output(path) as out:
            progress.begin(rows, f"writing {path.name}", unit="rows")
            gz = path.suffix == ".gz"
            write_raw_text(
                out, shape, rows, seed=seed, day=day, compress=gz, progress=lambda more: progress.advance(more)
            )
    except KeyboardInterrupt:
        whole = file and os.path.lexists(path)  # the signal came after the last byte
        state = "is whole" if whole else "was not written, the same command begins again"
        raise Interrupted(f"interrupted; {path} {state}") from None
    if not quiet:
        size = f", {path.stat().st_size:,} bytes" if file else ""
        echo(f"wrote {path}: {rows:,} rows{size}", err=output == STDOUT)
        if file:
            command = f"alpt-ref data encode --{shape} {quote(output)} --output data/{shape}"
            hint("make it a store", command)


@data_group.command("sample", short_help="Write a small drawn log to try things on.")
@click.argument("kind", type=click.Choice(["csv", "criteo", "avazu"]))
@click.option("--rows", type=click.IntRange(min=10, max=10_000_000), default=5000, show_default=True, help="Rows.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all rows.")
@click.option(
    "--output",
    metavar="FILE",
    help="Text file to write; compressed if it ends in .gz.  [default: clicks.csv, criteo.txt or avazu.csv]",
)
@click.option("--quiet", is_flag=True, help="Print nothing.")
def sample(kind: str, rows: int, seed: int, output: str | None, quiet: bool) -> None:
    """Write a drawn log, so that every tutorial runs without a download.

    csv: a log with a header as people have them (times, users, sites, prices with gaps). criteo and avazu: text in the
    format of these sets, as `data generate` writes it.
    """
    from alpt_ref._util.outputs import STDOUT, check_output_file, open_output

    path = check_output_file(output or {"csv": "clicks.csv", "criteo": "criteo.txt", "avazu": "avazu.csv"}[kind])
    if os.path.lexists(path):
        raise InputError(f"--output {path} exists; choose another name or delete it")
    gz = path.suffix == ".gz"
    with open_output(path) as out:
        if kind == "csv":
            import gzip

            from alpt_ref.data.synthetic.sample import sample_log

            text = sample_log(rows, seed=seed)
            out.write(gzip.compress(text, mtime=0) if gz else text)
        else:
            from alpt_ref.data.synthetic.generate import write_raw_text

            write_raw_text(out, kind, rows, seed=seed, compress=gz)
    if not quiet:
        echo(f"wrote {path}: {rows:,} rows, drawn", err=True)
    if not quiet and output != STDOUT:
        toml = (path.with_suffix("") if gz else path).with_suffix(".toml")
        schema = f"alpt-ref data schema {quote(str(path))} --output {quote(str(toml))}"
        train = f"alpt-ref train --input {quote(str(path))} --schema {kind} --output runs/{kind}"
        hint(*(("guess its schema", schema) if kind == "csv" else ("train on it", train)))


@data_group.command("info", short_help="Describe a store.")
@click.argument("folder")
@click.option("--verify", is_flag=True, help="Also check every file against its checksum.")
@json_option
def info(folder: str, verify: bool, as_json: bool) -> None:
    """Describe an encoded store: sizes, click rates, preprocessing, checksums."""
    from alpt_ref.data import describe, describe_text, load

    dataset = load(Path(folder), verify=verify)
    if as_json:
        echo_json(describe(dataset))
    else:
        echo(describe_text(dataset))
        hint("train on it", f"alpt-ref train --data {quote(folder)} --output runs/first")


def _write(config: DataConfig, output: str, quiet: bool, as_json: bool) -> None:
    from alpt_ref._util.outputs import check_output_folder
    from alpt_ref._util.progress import Progress
    from alpt_ref.data import describe, describe_text
    from alpt_ref.training.sources import encode as write_store

    folder = check_output_folder(output)
    if folder == Path.cwd():
        raise InputError(f"--output {output} is the current folder; name a folder in it")
    try:
        with Progress(enabled=not (quiet or as_json)) as progress:
            dataset = write_store(config, folder, progress=progress)
    except KeyboardInterrupt:
        kept = "nothing was kept, the same command begins again"
        if config.is_format:
            kept = f"finished pieces are kept beside {output}, the same command resumes from there"
        raise Interrupted(f"interrupted; {kept}") from None
    if as_json:
        echo_json({"output": output, **describe(dataset)})
    elif not quiet:
        echo(describe_text(dataset))
        echo(f"wrote {output}")
        hint("train on it", f"alpt-ref train --data {quote(output)} --output runs/first")

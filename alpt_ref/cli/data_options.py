"""Options that say where the rows come from, and the ``data`` section that they make."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from alpt_ref._util.settings import nearest
from alpt_ref.errors import InputError

F = TypeVar("F", bound=Callable[..., Any])
RAW = ("criteo", "avazu", "libfm")


def stack(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """One decorator out of several, shown in ``--help`` in this order."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


file_options = stack(
    click.option(
        "--criteo",
        metavar="FILE",
        multiple=True,
        help="Criteo click file (tab-separated), folder of files or pattern; may be repeated, read in this order.",
    ),
    click.option("--avazu", metavar="FILE", multiple=True, help="Avazu click file (CSV with a header); likewise."),
    click.option("--libfm", metavar="FILE", multiple=True, help="libfm / libsvm file; likewise."),
)

bad_row_options = stack(
    click.option(
        "--on-bad-row",
        type=click.Choice(["error", "skip"]),
        help="What to do with a malformed row of a raw file.  [default: error]",
    ),
    click.option(
        "--max-bad-rows",
        type=click.FloatRange(0, 1),
        metavar="SHARE",
        help="With --on-bad-row skip: stop if a larger share of the rows is malformed.  [default: 0.1]",
    ),
)

input_options = stack(
    click.option(
        "--input",
        metavar="FILE",
        multiple=True,
        help="Click file (text, Parquet, Arrow; compressed or not), folder or pattern, read as --schema says; may be "
        "repeated.",
    ),
    click.option(
        "--schema",
        metavar="NAME|FILE.toml",
        help="Which column is what: criteo, avazu, a text format such as libfm, a file that `alpt-ref data schema` has "
        "begun, or a run or store that was made by one.",
    ),
)

split_options = stack(
    click.option("--train", metavar="FILE", multiple=True, help="Training rows, where the files are the split."),
    click.option(
        "--valid",
        metavar="FILE",
        multiple=True,
        help="Validation rows.  [default: cut from the training rows at random, by --shares]",
    ),
    click.option("--test", metavar="FILE", multiple=True, help="Test rows."),
    click.option(
        "--split",
        type=click.Choice(["random", "time", "order"]),
        help="How raw rows are split: at random, by the schema's time, or by their order.  [default: random]",
    ),
    click.option("--shares", metavar="8:1:1", help="Of training, validation and test part.  [default: 8:1:1]"),
    click.option("--stratify", is_flag=True, help="Give each part of a random split the same share of clicks."),
)

raw_options = stack(
    input_options,
    split_options,
    file_options,
    click.option(
        "--format", "text_format", nargs=2, metavar="NAME FILE", help="A file of an installed format, or module:NAME."
    ),
    click.option("--dataset", metavar="NAME", help="synthetic, movielens, an installed set, or module:function."),
    bad_row_options,
    click.option(
        "--min-count", type=int, help="Rarer categories share their field's out-of-vocabulary id.  [default: by format]"
    ),
)

data_options = stack(
    click.option("--data", metavar="FOLDER", help="An encoded store, as written by `alpt-ref data`."),
    raw_options,
    click.option(
        "--folds",
        type=int,
        metavar="K",
        help="Cross-validate on a raw file: seed s tests on part s mod K of its rows.  [default: random splits, 8:1:1]",
    ),
)


def data_changes(options: dict[str, Any]) -> dict[str, Any]:
    """What the data options change in the ``data`` section; takes them out of `options`."""
    given = {name: options.pop(name, None) for name in ("data", *RAW, "dataset")}
    text_format = options.pop("text_format", None)
    given["format"] = None if text_format is None else text_format[1]
    given |= {"input": options.pop("input", None), **_parts(options)}
    schema = options.pop("schema", None)
    named = [name for name, value in given.items() if value]
    if len(named) > 1:
        raise InputError(f"give only one of {', '.join('--' + name for name in named)}")
    changes: dict[str, Any] = {}
    if named:
        name, value = named[0], given[named[0]]
        source = {"data": "store", "dataset": value, "format": text_format and text_format[0]}.get(name, name)
        changes = {"source": source, "path": "" if name == "dataset" else value}
        if name == "dataset" and value in (*RAW, "store", "files"):
            option = {"store": "data", "files": "input"}.get(value, value)
            raise InputError(f"--dataset must name a set, got {value!r}; give --{option}")
        if name in (*RAW, "format"):
            changes["path"] = raw_files(name, [value] if name == "format" else value)
        elif name == "data" and not Path(value).exists():
            raise InputError(f"--{name} {value} does not exist")
        elif name == "input":
            changes = {**_read_as(schema, name), "path": raw_files(name, value)}
        elif name == "train":
            changes = {**_read_as(schema, name), **{part: raw_files(part, files) for part, files in value.items()}}
    if schema is not None and named not in (["input"], ["train"]):
        raise InputError(
            f"--schema {schema} says how the files of --input (or --train, --valid, --test) are read"
            + (f", not those of --{named[0]}; leave it out" if named else "; name them")
        )
    for key in ("on_bad_row", "max_bad_rows", "min_count", "folds", "split", "shares", "stratify"):
        value = options.pop(key, None)
        if value is not None and value is not False:
            if changes.get("source") in ("store", "synthetic"):
                raise InputError(
                    f"--{key.replace('_', '-')} is about raw files, which --{named[0]} does not name; leave it out"
                )
            changes[key] = shares_of(value) if key == "shares" else value
    return changes


def _parts(options: dict[str, Any]) -> dict[str, Any]:
    """``--train``, ``--valid`` and ``--test`` as one source; `InputError` where one that is needed is missing."""
    given = {part: files for part in ("train", "valid", "test") if (files := options.pop(part, None))}
    if given and not {"train", "test"} <= set(given):
        lacks = "train" if "train" not in given else "test"
        raise InputError(f"--{next(iter(given))} names one part of the data; name the files of --{lacks} too")
    return {"train": given}


def _read_as(schema: str | None, option: str) -> dict[str, Any]:
    """The source that ``--schema`` names, checked before any data are read."""
    from alpt_ref._util.parts import is_object_name, names
    from alpt_ref.data.schema import schema_of, shipped_schemas

    if schema is None:
        raise InputError(
            f"--{option} needs --schema: {', '.join(shipped_schemas())}, libfm, or a TOML file that says which column "
            "is what, which `alpt-ref data schema FILE --output FILE.toml` begins for you"
        )
    if schema not in shipped_schemas() and (schema in names("format") or is_object_name(schema)):
        return {"source": schema, "schema": None}
    if schema not in shipped_schemas() and not Path(schema).exists() and not schema.endswith(".toml"):
        known = tuple(dict.fromkeys((*shipped_schemas(), *names("format"))))
        raise InputError(
            f"--schema must be {', '.join(known)}, module:NAME, a TOML file or a run, got {schema!r}, which does not "
            f"exist; {nearest(schema, known)}"
        )
    schema_of(schema)
    return {"source": "files", "schema": schema}


def shares_of(text: str) -> tuple[int, ...]:
    """``8:1:1`` -> (8, 1, 1); what the shares may be is checked where they are used."""
    parts = text.split(":")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 10 for part in parts):
        raise InputError(f"--shares must be three whole numbers such as 8:1:1, got {text!r}")
    return tuple(map(int, parts))


def raw_files(option: str, names: Sequence[str]) -> str | tuple[str, ...]:
    """The names given for raw files, one as it stands; `InputError` at once where one of them is no file.

    `option` is how they were named; empty: without one.
    """
    from alpt_ref.data.formats.sources import list_files

    try:
        list_files(names)
    except InputError as error:
        said = str(error)
        if not option:
            raise
        raise InputError(f"--{option} {said[5:]}" if said.startswith("file ") else f"--{option}: {said}") from None
    return names[0] if len(names) == 1 else tuple(names)

"""``alpt-ref init``: a small working package to begin with, its test, and the command that tries it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import click

from alpt_ref.cli.options import echo, hint
from alpt_ref.errors import InputError

TEMPLATES = Path(__file__).parent / "templates"


class Kind(NamedTuple):
    """What is begun: the usual name, what the name must match, and the command that tries it."""

    name: str
    pattern: str
    command: str


KINDS = {
    "claim": Kind("mine", r"[a-z][a-z0-9]*", "alpt-ref verify --claims {folder}/claims --output {folder}/verify"),
    "method": Kind("half", r"[a-z][a-z0-9]*", "PYTHONPATH={folder} alpt-ref train --set table.method={package}:{type}"),
    "table": Kind(
        "mine",
        r"[a-z][a-z0-9_]*",
        "alpt-ref reproduce --preset small --tables {folder}/tables --only {name} --no-verify --seeds 2 "
        "--set data.rows=5000 --set train.epochs=1 --output {folder}/runs",
    ),
    "quantizer": Kind(
        "mine",
        r"[a-z][a-z0-9_]*",
        "alpt-ref check {folder}/{name}.py:rounding --step-size 0.1 --bits 8 --effort quick",
    ),
}


@click.command("init", short_help="Begin a claim, method, table or quantiser.")
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("folder", metavar="DIR")
@click.option("--name", help="Name of the example.  [default: mine; method: half]")
@click.option("--quiet", is_flag=True, help="Print nothing.")
def init_command(kind: str, folder: str, name: str | None, quiet: bool) -> None:
    """Write a small working example with its test into DIR, a folder that is new or empty.

    claim: a statement that `alpt-ref verify --claims` verifies. method: an installable package with an
    embedding table of your own. table: a table of trained runs for `alpt-ref reproduce --tables`. quantizer: a rounding
    for `alpt-ref check` and `alpt-ref verify --quantizer`.
    """
    written, command = write(kind, folder, name)
    if quiet:
        return
    for path in written:
        echo(f"wrote {path}")
    echo(f"test: cd {shlex.quote(folder)} && python -m pytest", err=True)
    hint("try it", command)


def write(kind: str, folder: str, name: str | None = None) -> tuple[list[Path], str]:
    """Write the files; returns them and the command that tries what was written.

    Raises
    ------
    InputError
        The name will not do, or the folder holds something; nothing was written.
    """
    from alpt_ref._util.folders import new_folder
    from alpt_ref._util.outputs import check_output_folder

    own = KINDS[kind]
    name = own.name if name is None else name
    if not re.fullmatch(own.pattern, name):
        letters = "lower case letters and digits" + (" and _" if "_" in own.pattern else "")
        raise InputError(f"--name must be {letters} and begin with a letter, got {name!r}")
    place = check_output_folder(folder, option="DIR")
    if place == Path.cwd():
        raise InputError(f"DIR {folder} is the current folder; name a new one in it")
    if place.is_dir() and any(place.iterdir()):
        raise InputError(f"DIR {folder} is not empty; name a new folder")
    package, type_ = f"{name}_table", f"{name.capitalize()}Table"
    texts = {
        _target(path.relative_to(TEMPLATES / kind), name, package): _filled(path, name, package, type_)
        for path in sorted((TEMPLATES / kind).rglob("*.in"))
    }
    with new_folder(place) as fresh:
        for path, text in texts.items():
            (fresh / path).parent.mkdir(parents=True, exist_ok=True)
            (fresh / path).write_text(text, encoding="utf-8")
    words = {"folder": shlex.quote(folder.rstrip("/")), "name": name, "package": package, "type": type_}
    return [Path(folder) / path for path in texts], own.command.format(**words)


def _target(path: Path, name: str, package: str) -> Path:
    parts = [package if part == "package" else part.replace("NAME", name) for part in path.parts]
    return Path(*parts).with_suffix("")


def _filled(path: Path, name: str, package: str, type_: str) -> str:
    text = path.read_text(encoding="utf-8")
    for word, value in (("PACKAGE", package), ("CLASS", type_), ("NAME", name)):
        text = re.sub(rf"(?<![A-Z_]){word}(?![A-Z_])", value, text)
    return text

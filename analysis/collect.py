"""Keep what a finished study found: tables, figures, verdicts and one page, small enough for the repository.

    python -m analysis.collect runs/small small

copies from an output folder of `alpt-ref reproduce` to ``analysis/results/small/``. Sentences are those that the tables
computed from the runs; that the tables on disk are the ones of these runs and this version is checked, and nothing that
is written may name a path of this machine.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from alpt_ref._util.files import atomic, writable_folder
from alpt_ref.errors import AlptError, InputError
from alpt_ref.studies.stored import Stored
from alpt_ref.verification.ledger import LEDGER

from .finished_study import Found, find
from .study_command import ROOT, portable
from .study_pages import FORMATS, claims_csv, claims_markdown, page, summary

RESULTS = ROOT / "analysis" / "results"
MARKER = "summary.json"
Files = dict[str, bytes]


class Refused(click.ClickException):
    """Bad input: one line, exit status 2."""

    exit_code = 2


def contents(found: Found, name: str) -> Files:
    """Every file by its path below the results of `name`."""
    files: Files = {}
    for part in found.tables:
        for form in (*FORMATS, "notes.tex"):
            files[f"tables/{part.id}.{form}"] = (found.folder / "tables" / f"{part.id}.{form}").read_bytes()
    for figure in found.figures:
        for form in ("png", "csv"):
            source = found.folder / "figures" / f"{figure.id}.{form}"
            if not source.exists():
                raise InputError(f"{source} does not exist; first give the same command again")
            files[f"figures/{figure.id}.{form}"] = source.read_bytes()
    registered = found.index.study.registered
    made = msgspec.structs.replace(portable(found.index.study), registered=registered)
    study = json.loads(msgspec.json.encode(made))
    data = json.loads(msgspec.json.encode(found.index.data))
    files["settings.json"] = _json(
        {
            "command": found.about["command"],
            "study": study,
            "data": data,
            "intervals": "new rows",
            "versions": versions_of_runs(found),
        }
    )
    if found.verdicts:
        files["claims.csv"] = claims_csv(found).encode()
        files["claims.md"] = claims_markdown(found).encode()
    files[MARKER] = _json(summary(found))
    files["README.md"] = page(found, name).encode()
    return files


def versions_of_runs(found: Found) -> dict[str, str]:
    """The versions that all runs were trained with; empty where they recorded none, as those of release 0.1.

    Raises
    ------
    InputError
        They differ, so that the study is not one set of bits.
    """
    stored = Stored(found.folder)
    told = {
        json.dumps(dict(run.versions), sort_keys=True)
        for plan in stored.index.plans
        for of_seed in stored.plan(plan).values()
        for run in of_seed.values()
    }
    if len(told) > 1:
        raise InputError(f"{found.folder} holds runs of {len(told)} sets of libraries; collect runs of one alone")
    versions: dict[str, str] = json.loads(next(iter(told), "{}"))
    return versions


def merged_ledger(folder: Path, target: Path) -> bytes:
    """Verdicts that an earlier collection brought here, then those of the study that it lacks."""
    files = (target / LEDGER, folder / "verify" / LEDGER)
    lines = [line for file in files if file.exists() for line in file.read_bytes().splitlines()]
    return b"".join(line + b"\n" for line in dict.fromkeys(lines))


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def check_portable(files: Files, paths: Sequence[Path]) -> None:
    """Raise `InputError` if a file names one of the paths."""
    marks = {str(path).encode() for path in paths if len(path.parts) > 1}
    for name, content in files.items():
        for mark in marks:
            if re.search(re.escape(mark) + rb"(?![\w.-])", content):
                raise InputError(f"{name} would name {mark.decode()}, a path of this machine")


def collect(folder: Path, name: str, output: Path = RESULTS) -> Path:
    """Write everything of a finished study below ``output/name``, in place of what an earlier collection left there.

    Raises
    ------
    InputError
        The study is unfinished or not of this version, the name is none, or the target holds something else.
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", name):
        raise InputError(f"NAME must be lower case letters, digits, '-' and '_', got {name!r}")
    target = output / name
    if target.exists() and not (target / MARKER).exists():
        raise InputError(f"{target} exists and is no collected study; give another name, or remove it")
    found = find(folder)
    files = contents(found, name)
    named = found.index.study.base.data.path
    data = [Path(path) for path in ([named] if isinstance(named, str) else named)]
    here = [folder.absolute(), folder.resolve(), ROOT, Path.cwd(), Path.home()]
    ledger = merged_ledger(folder, target)
    if ledger:
        files[LEDGER] = ledger
    check_portable(files, [*here, *(path.absolute() for path in data), *data])
    for part in ("tables", "figures"):
        shutil.rmtree(target / part, ignore_errors=True)
        writable_folder(target / part)
    for path, content in files.items():
        with atomic(target / path) as stream:
            stream.write(content)
    return target


@click.command(help=__doc__, context_settings={"max_content_width": 120})
@click.argument("study_folder", type=click.Path(path_type=Path))
@click.argument("name")
@click.option("--output", default=RESULTS, type=click.Path(path_type=Path), metavar="FOLDER", help="Where it is put.")
def main(study_folder: Path, name: str, output: Path) -> None:
    try:
        target = collect(study_folder, name, output)
    except AlptError as error:
        raise Refused(str(error)) from None
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    click.echo(f"wrote {size / 1e6:.2f} MB to {target}")


if __name__ == "__main__":
    main()

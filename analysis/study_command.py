"""The `alpt-ref reproduce` command that makes a given study, with FILE in place of every path.

A study on disk holds its settings, not the words that were typed. The command is put together from them and then parsed
as the command line parses it: it counts only if the study that comes out equals the stored one. So it is right also
where several commands came to the same study; the shortest is named.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from alpt_ref.cli.reproduce import make_study, reproduce_command
from alpt_ref.errors import InputError
from alpt_ref.studies.reproduce import Stored, Study, Table, answering, load_tables, preset
from alpt_ref.studies.shipped import shipped_studies
from alpt_ref.studies.stored import Index
from alpt_ref.training.config import RunConfig
from alpt_ref.verification.figures import load_figures

ROOT = Path(__file__).resolve().parent.parent
QUICK = {"quick", "quick-custom"}


def command_of(folder: Path) -> str:
    """The shortest command that makes the study stored in a folder.

    Raises
    ------
    InputError
        There is none: the study's settings cannot be given to this version's `alpt-ref reproduce`.
    """
    index = Stored(folder).index
    words = options_of(index.study, folder)
    if words is None:
        raise InputError(
            f"no options of this version's `alpt-ref reproduce` give the study {index.study.name!r} in {folder}; "
            "run it again with this version"
        )
    return shlex.join(["alpt-ref", "reproduce", *words, *_extent(index, (folder / "verify" / "claims").exists())])


def _extent(index: Index, verified: bool) -> list[str]:
    """Options for the tables and figures that the study has, and for claims or none."""
    chosen = _chosen(index)
    if index.study.name in QUICK and not verified and set(index.plans) == set(answering(_tables())):
        return []
    full = ["--full"] if index.study.name in QUICK and (verified or not chosen) else []
    return [*full, *chosen, *([] if verified else ["--no-verify"])]


def options_of(study: Study, folder: Path) -> list[str] | None:
    """The fewest options that give the study, `folder` standing for its data; None if there are none."""
    every = (_words(study, shipped, folder) for shipped in (None, *shipped_studies()))
    return min((words for words in every if words is not None), key=lambda words: len(shlex.join(words)), default=None)


def _words(study: Study, shipped: str | None, folder: Path) -> list[str] | None:
    """Options, with the settings of this shipped study, that give the study; None if there are none."""
    words = _source(study)
    if shipped is not None:
        words += ["--study", shipped]
    try:
        words += _settings(_parse(words, folder).base, study.base)
        if study.seeds != _parse(words, folder).seeds:
            counted = study.seeds == tuple(range(len(study.seeds)))
            words += ["--seeds", str(len(study.seeds)) if counted else ",".join(map(str, study.seeds))]
        if _parse(words, folder).few != study.few:
            words += ["--few", str(study.few)]
        return words if portable(_parse(words, folder)) == portable(study) else None
    except InputError:
        return None


def _source(study: Study) -> list[str]:
    """Options that name the study and its data."""
    data, named = study.base.data, preset("quick" if study.name in QUICK else "small").base.data
    words = ["--quick"] if study.name in QUICK else []
    if study.name in ("criteo", "avazu"):
        words += ["--preset", study.name]
    if data.source != named.source or study.name == "quick-custom" or study.name == "custom":
        words += [f"--{data.source}", "FILE"] if data.path else ["--dataset", data.source]
    return ["--data" if word == "--store" else word for word in words]


def _settings(made: RunConfig, wanted: RunConfig) -> list[str]:
    """Options for what differs: the data's own where `reproduce` has one of that name, otherwise ``--set``."""
    own = {str(parameter.name) for parameter in reproduce_command.params}
    words = []
    for section in ("data", "model", "table", "train"):
        here, there = (vars_of(getattr(config, section)) for config in (made, wanted))
        for key, value in there.items():
            if value == here[key] or key in ("path", "threads", "seed"):
                continue
            text = value if isinstance(value, str) else json.dumps(value)
            if section == "data" and key in own:
                words += [f"--{key.replace('_', '-')}", text]
            else:
                words += ["--set", f"{section}.{key}={text}"]
    return words


def vars_of(section: msgspec.Struct) -> Mapping[str, Any]:
    """Fields of a section as plain values."""
    plain: dict[str, Any] = msgspec.to_builtins(section)
    return plain


def _parse(words: Sequence[str], folder: Path) -> Study:
    """The study that these options describe; FILE stands for something that exists, and is not read."""
    before = ("", *words)
    given = [
        word if word != "FILE" else str(folder if option == "--data" else Path(__file__))
        for option, word in zip(before, words, strict=False)
    ]
    options = reproduce_command.make_context("reproduce", given).params
    return make_study(options, options.pop("jobs"))[0]


def portable(study: Study) -> Study:
    """The study without what does not change its numbers: where the data lie, threads, which seeds were registered."""
    path = "FILE" if study.base.data.path else ""
    base = study.base.replace("data", path=path).replace("train", threads=1)
    return msgspec.structs.replace(study, base=base, registered=None)


def _tables() -> list[Table]:
    return load_tables(ROOT / "analysis" / "tables")


def _chosen(index: Index) -> list[str]:
    """``--only`` for each table and figure, unless the study has them all."""
    tables, figures = _tables(), load_figures(ROOT / "analysis" / "figures")
    every = [*(one.id for one in tables), *(one.id for one in figures if one.runs is not None)]
    if set(every) <= set(index.plans):
        return []
    return [word for name in every if name in index.plans for word in ("--only", name)]

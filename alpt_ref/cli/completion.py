"""What the shell completes: methods, presets, claims, figures, settings, files.

``eval "$(_ALPT_REF_COMPLETE=bash_source alpt-ref)"`` turns it on (zsh_source, fish_source: docs/command-line.md). The
key is pressed often, so nothing heavy is imported: names come from the catalogue, from the settings' structs and from
the names of files. Click completes verbs, options and choices such as presets by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    ParamType: TypeAlias = click.ParamType[Any]
else:  # generic in newer releases alone
    ParamType = click.ParamType

Names = Callable[[], Iterable[str]]
_PATH = re.compile(r"FILE|FOLDER|DIR|STORE|RUN")
"""Metavars of options and arguments that are paths."""


class Named(ParamType):
    """Text, of which the shell completes some names; with `commas` the last of a list. Nothing is refused here."""

    name = "text"

    def __init__(self, names: Names, *, commas: bool = False) -> None:
        self._names, self._commas = names, commas

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text itself: what it means is checked where it is used."""
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Names that begin like `incomplete`, each once in a list."""
        before, comma, word = incomplete.rpartition(",") if self._commas else ("", "", incomplete)
        given = set(before.split(",")) if comma else set()
        known = [name for name in self._names() if name.startswith(word) and name not in given]
        return [CompletionItem(f"{before}{comma}{name}") for name in known]


class SomePath(ParamType):
    """Text, which the shell completes as a path."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The text itself."""
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Files and folders, which the shell finds."""
        return [CompletionItem(incomplete, type="file")]


def methods() -> list[str]:
    """Labels of ``alpt-ref compare --methods``."""
    from alpt_ref.catalog import comparison_labels

    return list(comparison_labels())


def settings() -> list[str]:
    """``train.epochs=`` and the others, also those that only some method or backbone has."""
    from alpt_ref.catalog import MODELS, TABLES, optional_settings
    from alpt_ref.training.config import SECTIONS

    keys = {f"{section}.{name}=" for section, struct in SECTIONS.items() for name in struct.__struct_fields__}
    keys |= {f"table.{name}=" for name in optional_settings(TABLES)}
    keys |= {f"model.{name}=" for name in optional_settings(MODELS)}
    return sorted(key for key in keys if ".options=" not in key)


def _files_of(package: str) -> list[Path]:
    """Modules of a folder of `analysis`, in a checkout and where the package is installed; none is loaded."""
    root = Path(__file__).resolve().parents[1]
    places = (root / "analysis", root.parent / "analysis")
    return sorted(path for place in places for path in (place / package).glob("[!_]*.py"))


def claims() -> list[str]:
    """Ids of the package's claims: the first word of a file's name."""
    return [path.stem.partition("_")[0] for path in _files_of("claims")]


def figures() -> list[str]:
    """Ids of the package's figures: their files' names."""
    return [path.stem for path in _files_of("figures")]


def tables_and_figures() -> list[str]:
    """Ids of the package's tables, as their files have them, and of its figures."""
    found = [re.search(r'^    id="([\w-]+)"', path.read_text(), re.MULTILINE) for path in _files_of("tables")]
    return sorted({*(one[1] for one in found if one is not None), *figures()})


_BY_NAME: dict[str, ParamType] = {
    "overrides": Named(settings), "vary": Named(settings), "methods": Named(methods, commas=True),
    "device": Named(lambda: ("cpu", "cuda")),
    "bits": Named(lambda: ("16", "8", "4", "2"), commas=True), "ids": Named(claims), "claim_ids": Named(claims),
    "claim_id": Named(claims), "formats": Named(lambda: ("png", "svg", "pdf", "pgf"), commas=True),
}  # fmt: skip
_ONLY: dict[str, ParamType] = {"figures": Named(figures), "reproduce": Named(tables_and_figures)}


def attach(command: click.Command) -> None:
    """Tell every option and argument of a command, and of those below it, what completes it."""
    if isinstance(command, click.Group):
        for below in command.commands.values():
            attach(below)
    for parameter in command.params:
        if parameter.type is not click.STRING:
            continue  # a choice, a number, a flag
        known = _ONLY.get(command.name or "") if parameter.name == "only" else _BY_NAME.get(parameter.name or "")
        if known is None and _PATH.search(parameter.metavar or parameter.human_readable_name.upper()):
            known = SomePath()
        if known is not None:
            parameter.type = known

"""One page a table method: what it is, its settings, where it runs, and its code."""

from __future__ import annotations

import inspect
from pathlib import Path

from alpt_ref._util.settings import settings_of
from alpt_ref.catalog import TABLES, Entry

from .markdown import prose, sections, table

BY_HAND = {"eco": "../method-eco.md", "rowmax": "../method-rowmax.md", "lpt": "../method.md", "alpt": "../method.md"}
"""Pages that say more about a method."""


def pages(root: Path) -> dict[str, str]:
    """The pages of the built-in table methods, and their index."""
    made = {f"{name}.md": _page(entry) for name, entry in TABLES.items()}
    rows = [
        [f"[{name}]({name}.md)", prose(_first(entry)), ", ".join(entry.roundings) or "–", "yes" if entry.cuda else "no"]
        for name, entry in TABLES.items()
    ]
    listed = "\n".join(TABLES)
    index = [
        "# Table methods",
        "A method decides what an embedding table holds and how a row is updated: `--set table.method=NAME`. "
        "[The method](../method.md) describes LPT and ALPT; [How to](../how-to.md) says how to add one.",
        table(["method", "what it is", "roundings", "on a GPU"], rows),
        f"```{{toctree}}\n:hidden:\n\n{listed}\n```",
    ]
    return {"index.md": "\n\n".join(index) + "\n", **made}


def _first(entry: Entry) -> str:
    return (inspect.getdoc(entry.load()) or "").split("\n\n")[0].replace("\n", " ").rstrip(".")


def _page(entry: Entry) -> str:
    kind = entry.load()
    module = inspect.getmodule(kind)
    about = sections(inspect.getdoc(module) or "")
    own = sections(inspect.getdoc(kind) or "")
    where = Path(*kind.__module__.split(".")).with_suffix(".py").as_posix()
    rows = [
        [f"`table.{one.name}`", f"`{one.default}`", one.words, prose(one.doc)]
        for one in settings_of(entry.options()).values()
    ]
    parts = [f"# {entry.name}", prose(about[""]), *(prose(text) for text in (own[""],) if text)]
    parts += [prose(text) for name, text in own.items() if name in ("Notes", "Source", "References")]
    parts += ["## Settings", table(["setting", "default", "must be", "meaning"], rows) if rows else "None of its own."]
    parts.append("Those that every method reads are in [Settings of a run](../settings.md).")
    twin = entry.cuda.rpartition(":")[2]
    parts += [
        "## Where it runs",
        f"On the CPU, and on a GPU as `{twin}`, bit for bit the same." if twin else "On the CPU.",
    ]
    parts += ["## Use", f"```sh\nalpt-ref train --set table.method={entry.name} --output runs/{entry.name}\n```"]
    if entry.name in BY_HAND:
        parts.append(f"More about it: [{entry.name}]({BY_HAND[entry.name]}).")
    parts.append(f"Code: `{kind.__name__}` in [{where}](../../{where}).")
    return "\n\n".join(parts) + "\n"

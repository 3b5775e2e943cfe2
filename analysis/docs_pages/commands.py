"""One page a verb of ``alpt-ref``, as the command line declares it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from alpt_ref.cli import cli

from .markdown import prose, table


def pages() -> dict[str, str]:
    """The pages of all verbs, and their index."""
    made, rows = {}, []
    for name, context in _commands():
        stem = name.replace(" ", "-")
        made[f"commands/{stem}.md"] = _page(name, context)
        rows.append([f"[alpt-ref {name}]({stem}.md)", _plain(context.command.get_short_help_str(200))])
    listed = "\n".join(path.removeprefix("commands/").removesuffix(".md") for path in made)
    index = [
        "# Commands",
        "Every verb explains itself with `--help`; `alpt-ref --version` names the versions.",
        table(["verb", "what it does"], rows),
        f"```{{toctree}}\n:hidden:\n\n{listed}\n```",
    ]
    return {"commands/index.md": "\n\n".join(index) + "\n", **made}


def _commands() -> Iterator[tuple[str, click.Context]]:
    """Every command that does something, by its words after ``alpt-ref``."""
    root = click.Context(cli, info_name="alpt-ref")
    waiting: list[tuple[str, click.Command, click.Context]] = [("", cli, root)]
    while waiting:
        words, command, context = waiting.pop(0)
        if words and (not isinstance(command, click.Group) or command.invoke_without_command):
            yield words, context
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                if child is not None and not child.hidden:
                    waiting.append(
                        (f"{words} {name}".strip(), child, click.Context(child, info_name=name, parent=context))
                    )


def _plain(text: str) -> str:
    return prose(" ".join(text.split()))


def _page(name: str, context: click.Context) -> str:
    command = context.command
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"# alpt-ref {name}", f"```text\nalpt-ref {name} {usage}\n```"]
    for paragraph in re.split(r"\n\s*\n", (command.help or "").strip()):
        if paragraph.strip().startswith("\b"):
            parts.append("```text\n" + paragraph.strip().removeprefix("\b").strip("\n") + "\n```")
        elif paragraph.strip():
            parts.append(_plain(paragraph))
    rows = []
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            rows.append([f"`{record[0]}`", _plain(record[1])])
    parts.append(table(["option", "meaning"], rows))
    return "\n\n".join(parts) + "\n"

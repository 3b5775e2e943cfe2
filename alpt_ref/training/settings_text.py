"""The settings of a run as a page of documentation: what the declarations of `Options` and sections say, as Markdown.

``python -m alpt_ref.training.settings_text > docs/settings.md`` writes the page; a test compares the two.
"""

from __future__ import annotations

from typing import Any

from alpt_ref._util.settings import settings_of
from alpt_ref.catalog import MODELS, TABLES, Entry
from alpt_ref.training.config import SECTIONS
from alpt_ref.training.sections import PartSettings

HEAD = """# Settings of a run

Every setting is `section.key` in a TOML file's section, on the command line (`--set table.bits=4`) and in Python
(`config.replace("table", bits=4)`). `python -m alpt_ref.training.settings_text` makes this page from the declarations.
"""


def settings_markdown() -> str:
    """All settings of the built-in parts, a table a section."""
    blocks = [HEAD]
    for section, type_ in SECTIONS.items():
        entries = {"table": TABLES, "model": MODELS}.get(section, {})
        part = issubclass(type_, PartSettings)
        head = ["setting", "default", "must be", *(["read by"] if part else []), "meaning"]
        rows = [head, ["---"] * len(head)]
        for setting in settings_of(type_).values():
            readers = [_readers(setting.name, type_, entries)] if part else []
            rows.append([f"`{section}.{setting.name}`", _shown(setting.default), setting.words, *readers, setting.doc])
        blocks.append(f"## {section}\n\n" + "\n".join(_row(row) for row in rows) + "\n")
    return "\n".join(blocks)


def _readers(name: str, type_: Any, entries: dict[str, Entry]) -> str:
    return "all" if name in type_.common else ", ".join(key for key, entry in entries.items() if name in entry.settings)


def _shown(default: Any) -> str:
    if default is None or default == "":
        return "none" if default is None else "empty"
    if isinstance(default, bool):
        return f"{default}".lower()
    return f"{list(default)}" if isinstance(default, tuple) else f"{default}"


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(settings_markdown(), end="")

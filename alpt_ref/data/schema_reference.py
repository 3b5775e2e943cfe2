"""The keys of a schema's TOML file as tables of documentation, made from the declarations.

``python -m alpt_ref.data.schema_reference`` prints what stands in docs/your-logs.md; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alpt_ref._util.settings import Setting, settings_of
from alpt_ref.data.schema import Schema
from alpt_ref.data.schema_fields import KINDS, FieldSpec, TextLayout

_SECTIONS = {
    "categorical": "values are categories",
    "numeric": "values are numbers",
    "multi": "several values per row",
    "calendar": "hour, weekday or weekend of a time",
}


def reference() -> str:
    """All keys of a schema, a table a section."""
    plain = [one for one in settings_of(Schema).values() if one.name not in ("fields", "text")]
    rows = [(f"`{kind}`", "none", "a list of columns, or a table of fields", _SECTIONS[kind]) for kind in KINDS]
    order = ("`order`", "as listed", "names of all fields", "The fields' order in a store.")
    settings = [one for one in settings_of(FieldSpec).values() if one.name not in ("name", "kind")]
    blocks = [
        ("key", ("default", "must be", "meaning"), [*map(_row, plain), *rows, order]),
        ("of a field", ("of", "default", "must be", "meaning"), [_field_row(one) for one in settings]),
        ("under `[text]`", ("default", "must be", "meaning"), map(_row, settings_of(TextLayout).values())),
    ]
    return "\n".join(_table((first, *others), body) for first, others, body in blocks)


def _row(setting: Setting) -> tuple[str, ...]:
    return f"`{setting.name}`", _shown(setting.default), setting.words, setting.doc


def _field_row(setting: Setting) -> tuple[str, ...]:
    kinds = ", ".join(FieldSpec.applies.get(setting.name, ("all",)))
    default = "its name" if setting.name == "column" else _shown(setting.default)
    return f"`{setting.name}`", kinds, default, setting.words, setting.doc


def _shown(default: Any) -> str:
    if default is None or default in ("", ()):
        return "none"
    if isinstance(default, tuple):
        return ", ".join(f"`{one}`" for one in default)
    return f"`{default}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    print(reference(), end="")

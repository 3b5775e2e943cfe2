"""A text format: ``yes|site|app|hour``, fields between bars; hours must be numbers."""

from __future__ import annotations

from alpt_ref.data.formats.parse import FieldRule, TextFormat


def hour(text: str) -> str | None:
    """The category of an hour; None, which makes the row a bad one, unless it is a number from 0 to 23."""
    return str(int(text)) if text.isascii() and text.isdigit() and int(text) < 24 else None


PIPE = TextFormat(
    kind="pipe",
    delimiter="|",
    columns=("click", "site", "app", "hour"),
    label="click",
    label_values={"no": 0, "yes": 1},
    fields=(FieldRule("site", "site"), FieldRule("app", "app"), FieldRule("hour", "hour", hour, "an hour")),
)

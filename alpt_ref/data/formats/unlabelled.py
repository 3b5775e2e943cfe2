"""Raw click files without labels, as competitions publish their test parts: the usual format with a label put in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from alpt_ref.data.formats.avazu import HEADER, avazu_format
from alpt_ref.data.formats.criteo import CRITEO
from alpt_ref.data.formats.libfm import libfm_format
from alpt_ref.data.formats.parse import TextFormat


def has_label(kind: str, first_line: str) -> bool:
    """Whether a file whose first line this is has its label column."""
    if kind == "criteo":
        return first_line.count("\t") + 2 != len(CRITEO.columns)
    if kind == "avazu":
        return sorted(first_line.split(",")) != sorted(set(HEADER) - {"click"})
    return ":" not in first_line.split(" ", 1)[0]


def without_label(kind: str, first_line: str) -> TextFormat:
    """The format of an unlabelled file: every line gets the label 0 in front before it is parsed."""
    layouts: Mapping[str, Callable[[], TextFormat]] = {
        "criteo": lambda: CRITEO,
        "avazu": lambda: avazu_format(f"click,{first_line}"),
        "libfm": lambda: libfm_format(f"0 {first_line}"),
    }
    layout = layouts[kind]()
    start, tidy = f"0{layout.delimiter}".encode(), layout.tidy

    def labelled(data: bytes) -> bytes:
        data = start + data[:-1].replace(b"\n", b"\n" + start) + b"\n"
        return data if tidy is None else tidy(data)

    return dataclasses.replace(layout, tidy=labelled)

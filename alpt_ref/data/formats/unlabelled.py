"""Raw click files without labels, as competitions publish their test parts: the usual format with a label put in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from alpt_ref.data.formats.avazu import HEADER, avazu_format, header_names
from alpt_ref.data.formats.criteo import CRITEO
from alpt_ref.data.formats.libfm import is_labelled, libfm_format
from alpt_ref.data.formats.libsvm import SparseFormat, libffm_format, libsvm_format
from alpt_ref.data.formats.parse import TextFormat


def has_label(kind: str, head: Sequence[str]) -> bool:
    """Whether a file whose first lines these are has its label column: most of the lines decide, or the header."""
    if kind == "criteo":
        columns, wanted = [line.count("\t") + 1 for line in head], len(CRITEO.columns)
        return columns.count(wanted - 1) <= columns.count(wanted)
    if kind == "avazu":
        return sorted(header_names(head)) != sorted(set(HEADER) - {"click"})
    return is_labelled(head)


def without_label(kind: str, head: Sequence[str]) -> TextFormat | SparseFormat:
    """The format of an unlabelled file: every line gets the label 0 in front before it is parsed."""
    layouts: Mapping[str, Callable[[], TextFormat | SparseFormat]] = {
        "criteo": lambda: CRITEO,
        "avazu": lambda: avazu_format(head, labelled=False),
        "libfm": lambda: libfm_format(head, labelled=False),
        "libsvm": lambda: libsvm_format(head, labelled=False),
        "libffm": lambda: libffm_format(head, labelled=False),
    }
    layout = layouts[kind]()
    start, tidy = f"0{layout.delimiter}".encode(), layout.tidy

    def labelled(data: bytes) -> bytes:
        data = start + data[:-1].replace(b"\n", b"\n" + start) + b"\n"
        return data if tidy is None else tidy(data)

    return dataclasses.replace(layout, tidy=labelled)

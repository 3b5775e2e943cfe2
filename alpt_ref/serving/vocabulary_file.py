"""``vocabulary.json`` and ``encode.py``: how raw rows become ids where this package is not installed.

The file holds the schema, and for each field in the order of ids its settings, first id and categories: the category at
place k, from 0, has the id ``first_id + 1 + k``; what is not among them has ``first_id``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alpt_ref._util.files import atomic, write_text
from alpt_ref.data.fields import offsets_of
from alpt_ref.data.schema import Schema, schema_of, shipped_schemas
from alpt_ref.data.schema_fields import FieldSpec

if TYPE_CHECKING:
    from alpt_ref.data.vocabulary import Vocabulary

FILE, MODULE = "vocabulary.json", "encode.py"
FILES = (FILE, MODULE)
FORMAT, FORMAT_VERSION = "alpt_ref vocabulary", 1
_FROM_HERE = "# --- in exports from here on\n"
VALUED = ("libsvm", "libffm")
"""Text formats whose features have values, so that a dict of columns is no row of them."""
TEXT_KINDS = ("movielens",)
"""Datasets of the package whose categories are their values as they stand."""


def schema_of_data(info: Mapping[str, Any], names: tuple[str, ...]) -> tuple[Schema | None, str]:
    """How raw rows of a run's data become categories.

    Parameters
    ----------
    info : mapping
        Of the dataset (`ClickDataset.info`).
    names : tuple of str
        Its fields.

    Returns
    -------
    Schema or None
        The data's own; that of the format; else a text column a field; None where no schema says what rows hold.
    str
        What it does not say, in a sentence; else empty.
    """
    if "schema" in info:
        return Schema.from_dict(info["schema"], source="the run's schema"), ""
    kind = kind_of(info)
    if kind in shipped_schemas() and schema_of(kind).field_names == names:
        return schema_of(kind), ""
    if kind in VALUED:
        return None, f"vocabulary and schema, for rows of {kind} have numbers beside their ids: give ids and values"
    values = "number" if kind == "libfm" else "text"
    schema = Schema(label="label", fields=tuple(FieldSpec(name=name, type=values) for name in names))
    if kind in ("libfm", *TEXT_KINDS):
        return schema, ""
    what = f"format {kind}" if kind else "the data's source"
    return schema, f"the rules of {what}: its rows must hold categories as that makes them"


def kind_of(info: Mapping[str, Any]) -> str:
    """Kind of a dataset's source, empty where nothing says it."""
    source = info.get("source")
    found = source.get("kind") if isinstance(source, Mapping) else source
    return found if isinstance(found, str) else ""


def content_of(schema: Schema, vocabulary: Vocabulary, slots: tuple[int, ...] | None = None) -> dict[str, Any]:
    """What ``vocabulary.json`` holds, as plain values; `slots` are the places of each field, where not one."""
    return {**_head(schema), "fields": list(_fields(schema, vocabulary, slots))}


def write(folder: Path, schema: Schema, vocabulary: Vocabulary, slots: tuple[int, ...] | None = None) -> None:
    """Write ``vocabulary.json``, a field at a time, and ``encode.py``."""
    with atomic(folder / FILE) as stream:
        head = json.dumps(_head(schema), ensure_ascii=False, indent=1)
        stream.write(head.removesuffix("\n}").encode() + b',\n "fields": [')
        for number, field in enumerate(_fields(schema, vocabulary, slots)):
            text = json.dumps(field, ensure_ascii=False, allow_nan=False)
            stream.write((",\n  " if number else "\n  ").encode() + text.encode())
        stream.write(b"\n ]\n}\n")
    source = Path(__file__).with_name(MODULE).read_text(encoding="utf-8")
    if slots is not None:
        several = Path(__file__).with_name("encode_several.py").read_text(encoding="utf-8")
        source += f"\n\n{several.partition(_FROM_HERE)[2]}\n\nEncoder = SeveralEncoder\n"
    write_text(folder / MODULE, source)


def _head(schema: Schema) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "schema": schema.to_dict(),
        "missing": list(schema.text.missing),
        "time_format": schema.time_format,
    }


def _fields(schema: Schema, vocabulary: Vocabulary, slots: tuple[int, ...] | None) -> Iterator[dict[str, Any]]:
    offsets = offsets_of(vocabulary.field_sizes)
    for number, field in enumerate(schema.fields):
        settings = {name: getattr(field, name) for name in ("name", "column", "kind", "type", "pooling")}
        settings["binning"] = field.binning if field.kind == "numeric" else "identity"
        if field.kind == "calendar":
            settings["part"] = field.part
        several = field.kind == "multi"
        settings |= {"slots": 1 if slots is None else slots[number], "max_values": field.max_values if several else 1}
        if several:
            settings["separator"] = field.separator
        categories = vocabulary.categories(number)
        yield {**settings, "first_id": int(offsets[number]), "categories": categories}

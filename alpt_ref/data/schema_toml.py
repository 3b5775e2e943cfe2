"""A schema as TOML: read with the file's name in every complaint, written so that reading gives the same schema.

``categorical``, ``numeric``, ``multi`` and ``calendar`` are each a list of names, or a table of settings by name.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from alpt_ref._util.files import read_json
from alpt_ref._util.settings import checked, nearest, settings_of
from alpt_ref._util.text import decode_text
from alpt_ref.data.schema import Schema
from alpt_ref.data.schema_fields import KINDS, FieldSpec, TextLayout
from alpt_ref.errors import InputError

_PLAIN = tuple(name for name in settings_of(Schema) if name not in ("fields", "text"))
_KEYS = (*_PLAIN, *KINDS, "order", "text")


def read_schema(path: str | Path) -> Schema:
    """The schema of a TOML file; see `Schema.read`."""
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"schema {path} cannot be read: {error.strerror or error}") from None
    try:
        plain = tomllib.loads(decode_text(content, f"schema {path}"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"schema {path} is not valid TOML: {error}") from None
    return schema_of_dict(plain, f"schema {path}")


def schema_of_folder(folder: Path) -> Schema:
    """The schema that an encoded store, or the finished run in this folder, was made by.

    Raises
    ------
    InputError
        It holds neither, or one that was made without a schema.
    """
    for name in ("manifest.json", "state/checkpoint.json", "checkpoint.json", "packed.json"):
        if (folder / name).is_file():
            found = read_json(folder / name)
            content = found if isinstance(found, dict) else {}
            info = content.get("info") or content.get("meta", {}).get("info") or {}
            if "schema" in info:
                return schema_of_dict(info["schema"], f"the schema in {folder}")
            raise InputError(f"{folder} was not made by a schema; name a TOML file (`alpt-ref data schema`)")
    raise InputError(f"folder {folder} is neither an encoded store nor a finished run; name one, or a TOML file")


def schema_of_dict(plain: Mapping[str, Any], source: str) -> Schema:
    """The schema that plain values describe; see `Schema.from_dict`."""
    if not isinstance(plain, Mapping):
        raise InputError(f"{source} must be a mapping of settings, got {plain!r}")
    known = (*_PLAIN, "fields", "text") if "fields" in plain else _KEYS
    for key in plain:
        if key not in known:
            raise InputError(f"unknown setting {key!r} in {source}; {nearest(str(key), known)}")
    try:
        settings = settings_of(Schema)
        values = {key: checked(settings[key], plain[key]) for key in _PLAIN if key in plain}
        fields = _listed(plain["fields"]) if "fields" in plain else _sections(plain)
        return Schema(**values, fields=fields, text=_layout(plain.get("text", {})))
    except InputError as error:
        raise InputError(f"{error} ({source})") from None


def _layout(plain: Any) -> TextLayout:
    return TextLayout(**_checked(TextLayout, plain, "text", tuple(settings_of(TextLayout))))


def _checked(struct: Any, plain: Any, where: str, known: Sequence[str]) -> dict[str, Any]:
    """The settings of one table, each checked under its full name."""
    if not isinstance(plain, Mapping):
        raise InputError(f"{where} must be a table of settings, got {plain!r}")
    for key in plain:
        if key not in known:
            raise InputError(f"unknown setting {where}.{key}; {nearest(str(key), known)}")
    return {key: checked(settings_of(struct)[key], value, f"{where}.") for key, value in plain.items()}


def _sections(plain: Mapping[str, Any]) -> tuple[FieldSpec, ...]:
    """The fields of the four sections in the order asked for."""
    found: dict[str, FieldSpec] = {}
    for kind in KINDS:
        section = plain.get(kind, ())
        if isinstance(section, (str, bytes)) or not isinstance(section, (Mapping, Sequence)):
            raise InputError(f"{kind} must be a list of columns or a table of fields, got {section!r}")
        tables = section if isinstance(section, Mapping) else None
        for name in section:
            if not isinstance(name, str) or not name:
                raise InputError(f"{kind} must list names of columns, got {name!r}")
            field = _field(kind, name, tables[name] if tables is not None else {})
            if name in found:
                raise InputError(
                    f"field {name!r} stands twice under {kind}"
                    if found[name].kind == kind
                    else f"field {name!r} stands under {found[name].kind} and under {kind}"
                )
            found[name] = field
    order = plain.get("order")
    if order is None:
        return tuple(found.values())
    if isinstance(order, (str, bytes, Mapping)) or not isinstance(order, Sequence):
        raise InputError(f"order must be a list of the fields' names, got {order!r}")
    if any(not isinstance(name, str) for name in order) or sorted(order) != sorted(found):
        odd = [name for name in order if name not in found] or [name for name in found if name not in order]
        what = f"{odd[0]!r} is not in both" if odd else "a name stands twice"
        raise InputError(f"order must name every field once, but {what}")
    return tuple(found[name] for name in order)


def _field(kind: str, name: str, plain: Any) -> FieldSpec:
    known = tuple(key for key in settings_of(FieldSpec) if key not in ("name", "kind"))
    read = [key for key in known if kind in FieldSpec.applies.get(key, KINDS)]
    if isinstance(plain, Mapping):  # a setting of another kind gets FieldSpec's own sentence
        read += [key for key in plain if key in known and key not in read]
    return FieldSpec(name=name, kind=kind, **_checked(FieldSpec, plain, f"{kind}.{name}", read))


def _listed(plain: Any) -> tuple[FieldSpec, ...]:
    """The fields as `Schema.to_dict` wrote them."""
    if isinstance(plain, (str, bytes, Mapping)) or not isinstance(plain, Sequence):
        raise InputError(f"fields must be a list of fields, got {plain!r}")
    fields = []
    for number, one in enumerate(plain):
        if isinstance(one, FieldSpec):
            fields.append(one)
            continue
        values = _checked(FieldSpec, one, f"fields[{number}]", tuple(settings_of(FieldSpec)))
        fields.append(FieldSpec(**values))
    return tuple(fields)


# --- writing ----------------------------------------------------------------------------------------------------------


def toml_value(value: Any) -> str:
    """A text, number, truth value, list or table as TOML, in one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{toml_key(key)} = {toml_value(one)}" for key, one in value.items()) + "}"
    return f"{value}"


def toml_key(name: str) -> str:
    """A key, in quotes where its characters ask for them."""
    bare = name != "" and name.isascii() and all(one.isalnum() or one in "-_" for one in name)
    return name if bare else toml_value(name)


def schema_text(schema: Schema) -> str:
    """The TOML file of a schema; see `Schema.to_toml`."""
    plain = schema.to_dict()
    lines = [f"{key} = {toml_value(plain[key])}" for key in _PLAIN if key in plain]
    tables = []
    by_kind = {kind: [field for field in schema.fields if field.kind == kind] for kind in KINDS}
    for kind, fields in by_kind.items():
        if fields and not any(field.changed() for field in fields):
            lines.append(f"{kind} = {toml_value([field.name for field in fields])}")
        elif fields:
            rows = [f"{toml_key(field.name)} = {toml_value(field.changed())}" for field in fields]
            tables.append("\n".join([f"[{kind}]", *rows]))
    usual = [field for fields in by_kind.values() for field in fields]
    if list(schema.fields) != usual:
        lines.append(f"order = {toml_value(schema.field_names)}")
    if "text" in plain:
        tables.append("\n".join(["[text]", *(f"{key} = {toml_value(value)}" for key, value in plain["text"].items())]))
    return "\n\n".join(["\n".join(lines), *tables]) + "\n"

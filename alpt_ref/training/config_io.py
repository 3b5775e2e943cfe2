"""Configurations as text: TOML files, ``section.key=value`` overrides, and what to say about a misspelt name.

The same checks serve files, the command line and Python, because all of them construct the classes of `config`.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from alpt_ref._util.text import decode_text
from alpt_ref.errors import InputError
from alpt_ref.training.config import SECTIONS, RunConfig


def _nearest(name: str, known: Iterable[str]) -> str:
    """' (did you mean ...?)' or the list of known names."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"


def _check_name(section: str, key: str | None = None, *, source: str) -> None:
    if section not in SECTIONS:
        raise InputError(f"unknown section {section!r} in {source}; {_nearest(section, SECTIONS)}")
    if key is not None and key not in SECTIONS[section].__struct_fields__:
        keys = SECTIONS[section].__struct_fields__
        raise InputError(f"unknown setting '{section}.{key}' in {source}; {_nearest(key, keys)}")


def update(config: RunConfig, changes: Mapping[str, Any], *, source: str = "the configuration") -> RunConfig:
    """Return `config` with ``changes[section][key]`` put in; `source` names the origin in error messages."""
    parts = {}
    for section, values in changes.items():
        _check_name(section, source=source)
        if not isinstance(values, Mapping):
            raise InputError(f"{section} must be a section of settings in {source}, got {values!r}")
        for key in values:
            _check_name(section, key, source=source)
        parts[section] = msgspec.structs.replace(getattr(config, section), **values)
    return msgspec.structs.replace(config, **parts)


def parse_override(text: str) -> tuple[str, str, Any]:
    """``table.bits=4`` -> ("table", "bits", 4): the value as TOML, a bare word as text, ``none`` as None."""
    name, equals, value = text.partition("=")
    section, dot, key = name.strip().partition(".")
    if not (equals and dot and key):
        raise InputError(f"--set must look like section.key=value, got {text!r}")
    _check_name(section, key, source="--set")
    value = value.strip()
    if value.lower() == "none":
        return section, key, None
    try:
        parsed = tomllib.loads(f"value = {value}")
    except (ValueError, RecursionError):  # no TOML, or a number or nesting that Python refuses
        return section, key, value
    return section, key, parsed["value"] if len(parsed) == 1 else value


def apply_overrides(config: RunConfig, overrides: Iterable[str]) -> RunConfig:
    """Apply ``section.key=value`` texts together, so that settings that depend on each other may change at once."""
    changes: dict[str, dict[str, Any]] = {}
    for text in overrides:
        section, key, value = parse_override(text)
        changes.setdefault(section, {})[key] = value
    return update(config, changes, source="--set")


def load_toml(path: str | Path, base: RunConfig | None = None) -> RunConfig:
    """Read a TOML file over `base` (default: `RunConfig()`); raises `InputError` for anything it cannot mean."""
    path = Path(path)
    try:
        changes = tomllib.loads(decode_text(path.read_bytes(), str(path)))
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, or a number or nesting that Python refuses
        raise InputError(f"{path} is not a valid TOML file: {error}") from None
    return update(base or RunConfig(), changes, source=str(path))


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        plain = value.encode("utf-8", "replace").decode()  # a file's name may hold bytes that are no UTF-8
        return msgspec.json.encode(plain).decode().replace("\x7f", "\\u007f")  # a JSON string is a TOML basic string
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_toml_value(item) for item in value)}]"
    return repr(value)


def dump_toml(config: RunConfig) -> str:
    """The whole configuration as TOML; settings that are none are left out, so `load_toml` gives it back."""
    blocks = []
    for section in SECTIONS:
        part = getattr(config, section)
        pairs = [(key, getattr(part, key)) for key in part.__struct_fields__]
        lines = [f"{key} = {_toml_value(value)}" for key, value in pairs if value is not None]
        blocks.append("\n".join([f"[{section}]", *lines]))
    return "\n\n".join(blocks) + "\n"

"""Configurations as text: TOML files, ``section.key=value`` overrides, and the nearest known name for a misspelt one.

The same checks serve files, the command line and Python, because all of them construct the classes of `config`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from alpt_ref._util.parts import require_named
from alpt_ref._util.settings import nearest
from alpt_ref._util.text import decode_text
from alpt_ref.errors import InputError
from alpt_ref.training.config import SECTIONS, RunConfig
from alpt_ref.training.sections import changed


def update(config: RunConfig, changes: Mapping[str, Any], *, source: str = "the configuration") -> RunConfig:
    """Return `config` with ``changes[section][key]`` put in; `source` names the origin in error messages."""
    parts = {}
    for section, values in changes.items():
        if section not in SECTIONS:
            raise InputError(f"unknown section {section!r} in {source}; {nearest(section, SECTIONS)}")
        if not isinstance(values, Mapping):
            raise InputError(f"{section} must be a section of settings in {source}, got {values!r}")
        parts[section] = changed(getattr(config, section), values, source=source)
    return msgspec.structs.replace(config, **parts)


def from_file(changes: Mapping[str, Any], source: str) -> RunConfig:
    """The configuration that a run's own file holds: a class that it names must be installed or named by the caller.

    Raises
    ------
    InputError
        It names another class, which is not imported; or it holds no configuration.
    """
    require_own_names(changes, source)
    return update(RunConfig(), changes, source=source)


def require_own_names(changes: Any, source: str) -> None:
    """InputError where a file's configuration names a class that is neither installed nor named by the caller."""
    for section, key, kind in (("table", "method", "table"), ("model", "kind", "model"), ("data", "source", "format")):
        values = changes.get(section) if isinstance(changes, Mapping) else None
        if isinstance(values, Mapping):
            require_named(kind, values.get(key), f"{section}.{key}", source)


def parse_override(text: str) -> tuple[str, str, Any]:
    """``table.bits=4`` -> ("table", "bits", 4): the value as TOML, a bare word as text, ``none`` as None."""
    name, equals, value = text.partition("=")
    section, dot, key = name.strip().partition(".")
    if not (equals and dot and key):
        raise InputError(f"--set must look like section.key=value, got {text!r}")
    if section not in SECTIONS:
        raise InputError(f"unknown section {section!r} in --set; {nearest(section, SECTIONS)}")
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
    """Read a TOML file over `base` (default: `RunConfig()`); raises `InputError` for anything it cannot mean.

    The caller vouches for classes that the file names; `load_own_toml` reads the file of a run.
    """
    return update(base or RunConfig(), read_toml(Path(path)), source=str(path))


def load_own_toml(path: Path) -> RunConfig:
    """Read the ``config.toml`` that a run has written; see `from_file`."""
    return from_file(read_toml(path), str(path))


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file; `InputError` where it is none."""
    try:
        return tomllib.loads(decode_text(path.read_bytes(), str(path)))
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, or a number or nesting that Python refuses
        raise InputError(f"{path} is not a valid TOML file: {error}") from None


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

"""A setting is a field of a msgspec.Struct: name, type, default, rule and description stand there and nowhere else.

The configuration, the command line, the run hash, the documentation and the check of a value all read the field. A
rule is given by the type itself (``Literal["sr", "dr"]``), by ``msgspec.Meta(gt=0)``, or by a `Rule`::

    class Options(msgspec.Struct, frozen=True):
        temperature: Annotated[float, msgspec.Meta(gt=0, description="Softness of the threshold.")] = 1.0
        bits: Annotated[int, choice(2, 4, 8, 16), "Width of the codes."] = 8
"""

from __future__ import annotations

import difflib
import functools
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, ClassVar, NamedTuple

import msgspec

from alpt_ref.errors import InputError


class Rule(NamedTuple):
    """What a value must be: in words that follow "must be", and as a test; `choices` where it is one of a few."""

    words: str
    test: Callable[[Any], bool]
    choices: tuple[Any, ...] = ()


def listed(names: Iterable[Any], last: str = "or") -> str:
    """``a, b or c``."""
    words = [f"{name}" for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"


def nearest(name: str, known: Iterable[str]) -> str:
    """``did you mean ...?``, or the list of known names."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names) or 'none'}"


def choice(*allowed: Any) -> Rule:
    """One of these values, and of their type."""
    return Rule(
        listed(allowed), lambda value: any(value == one and type(value) is type(one) for one in allowed), allowed
    )


def whole(low: int, high: int = 2**63 - 1) -> Rule:
    """A whole number from `low` to `high`, both included."""
    text = f"a whole number of at least {low}" if high == 2**63 - 1 else f"a whole number from {low} to {high}"
    return Rule(text, lambda value: low <= value <= high)


def optional(rule: Rule) -> Rule:
    """The same rule, or none."""
    return Rule(f"{rule.words}, or none", lambda value: value is None or rule.test(value), rule.choices)


_FLOAT32_MAX, _FLOAT32_TINY = 3.4e38, 1.5e-45  # the kernels compute in float32: infinity or 0 there is no setting
POSITIVE = Rule("a finite number above 0 (in float32)", lambda value: _FLOAT32_TINY <= value <= _FLOAT32_MAX)
NOT_NEGATIVE = Rule("a finite number of at least 0 (in float32)", lambda value: 0 <= value <= _FLOAT32_MAX)

NAME = Rule("a name", lambda value: True)
"""Of something that is looked up elsewhere, which says what it can be."""


class Setting(NamedTuple):
    """One declared setting."""

    name: str
    type: Any
    rule: Rule | None
    default: Any
    doc: str

    @property
    def words(self) -> str:
        """What a value must be."""
        if self.rule is not None:
            return self.rule.words
        return {str: "text", bool: "true or false", int: "a whole number", float: "a finite number"}.get(
            self.type, f"of type {_type_name(self.type)}"
        )


def _type_name(type_: Any) -> str:
    return type_.__name__ if isinstance(type_, type) and not typing.get_args(type_) else f"{type_}"


@functools.cache
def settings_of(options: type[msgspec.Struct]) -> Mapping[str, Setting]:
    """The settings that a struct declares, by name, in order.

    Raises
    ------
    InputError
        The struct's annotations cannot be read, or a setting has no default.
    """
    try:
        hints = typing.get_type_hints(options, include_extras=True)
    except (NameError, TypeError) as error:
        raise InputError(f"the settings of {options.__qualname__} cannot be read: {error}") from None
    found = {}
    for field in msgspec.structs.fields(options):
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if default is msgspec.NODEFAULT:
            raise InputError(f"every setting must have a default, {options.__qualname__}.{field.name} has none")
        found[field.name] = _declared(field.name, hints[field.name], default)
        if default is not None and _takes_none(found[field.name].type):
            raise InputError(
                "a setting that may be none must be none by default, "
                f"{options.__qualname__}.{field.name} is {default!r}: a TOML file cannot hold none"
            )
    return types.MappingProxyType(found)


def _takes_none(type_: Any) -> bool:
    return type(None) in typing.get_args(typing.get_args(type_)[0] if typing.get_origin(type_) is Annotated else type_)


def _declared(name: str, hint: Any, default: Any) -> Setting:
    """A field's annotation taken apart."""
    type_, rule, doc, metas = hint, None, "", []
    if typing.get_origin(hint) is Annotated:
        type_, *extras = typing.get_args(hint)
        for extra in extras:
            if isinstance(extra, Rule):
                rule = extra
            elif isinstance(extra, str):
                doc = extra
            elif isinstance(extra, msgspec.Meta):
                metas.append(extra)
                doc = extra.description or doc
    if rule is None and typing.get_origin(type_) is typing.Literal:
        rule = choice(*typing.get_args(type_))
    for meta in metas:
        rule = rule or _rule_of(type_, meta)
        type_ = Annotated[type_, meta]
    return Setting(name, type_, rule, default, " ".join(doc.split()))


def _rule_of(type_: Any, meta: msgspec.Meta) -> Rule | None:
    """The limits of a `msgspec.Meta` in words; msgspec itself tests them."""
    limits = [
        f"{words} {limit}"
        for words, limit in (
            ("above", meta.gt), ("at least", meta.ge), ("below", meta.lt), ("at most", meta.le),
        )
        if limit is not None
    ]  # fmt: skip
    if not limits:
        return None
    kind = {int: "a whole number", float: "a finite number"}.get(type_, "a value")
    return Rule(f"{kind} {' and '.join(limits)}", lambda value: True)


def checked(setting: Setting, value: Any, prefix: str = "") -> Any:
    """`value` in the setting's type.

    Raises
    ------
    InputError
        Names the setting (after `prefix`), the rule and the value.
    """
    plain = value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 else value
    try:
        result = msgspec.convert(plain, setting.type)
    except (msgspec.ValidationError, OverflowError):
        raise InputError(f"{prefix}{setting.name} must be {setting.words}, got {_short(value)}") from None
    endless = setting.rule is None and isinstance(result, float) and not math.isfinite(result)
    if endless or (setting.rule is not None and not setting.rule.test(result)):
        words = setting.words
        if isinstance(plain, int) and plain >= 2**63:  # else the sentence names a rule that the value keeps to
            words = re.sub("(whole number of at least [0-9]+)", r"\1 and at most 2**63 - 1", words)
        raise InputError(f"{prefix}{setting.name} must be {words}, got {_short(value)}")
    return result


def _short(value: Any) -> str:
    if isinstance(value, int) and abs(value) >= 10**300:
        return "a number of over 300 digits"
    return f"{value!r}"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings that are checked on construction, so that no invalid ones can exist."""

    prefix: ClassVar[str] = ""

    def __post_init__(self) -> None:
        """Check every field."""
        for name, setting in settings_of(type(self)).items():
            msgspec.structs.force_setattr(self, name, checked(setting, getattr(self, name), self.prefix))

    def __repr__(self) -> str:
        """The settings that differ from their defaults."""
        return changed_repr(self)


def changed_repr(struct: msgspec.Struct) -> str:
    """``Name(key=value, ...)`` of the fields that differ from their defaults."""
    fields = zip(struct.__struct_fields__, struct.__struct_defaults__, strict=True)
    changes = [f"{name}={getattr(struct, name)!r}" for name, default in fields if getattr(struct, name) != default]
    return f"{type(struct).__name__}({', '.join(changes)})"


def extended(base: type[msgspec.Struct], *more: type[msgspec.Struct], name: str = "") -> type[Any]:
    """A subclass of `base` with the settings of other structs added; where a name occurs again the last one counts."""
    fields: dict[str, tuple[str, Any, Any]] = {}
    for options in more:
        hints = typing.get_type_hints(options, include_extras=True)
        for setting in settings_of(options).values():
            fields[setting.name] = (setting.name, hints[setting.name], setting.default)
    namespace = {"__doc__": base.__doc__, "__qualname__": name or base.__qualname__}
    return msgspec.defstruct(
        name or base.__name__, fields.values(), bases=(base,), module=base.__module__, namespace=namespace, frozen=True
    )

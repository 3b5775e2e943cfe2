"""A setting is declared once: what a field's annotation says is what is checked, and the words of the message."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import pytest

from alpt_ref._util.settings import Rule, Settings, checked, choice, extended, nearest, optional, settings_of, whole
from alpt_ref.errors import InputError


class Declared(msgspec.Struct, frozen=True):
    plain: float = 1.0
    limited: Annotated[float, msgspec.Meta(gt=0, le=2, description="A  share\nof two.")] = 1.0
    count: Annotated[int, msgspec.Meta(ge=3)] = 3
    word: Literal["a", "b"] = "a"
    bits: Annotated[int, choice(2, 4), "Width."] = 2
    maybe: Annotated[int | None, optional(whole(1, 9))] = None
    sizes: tuple[int, ...] = msgspec.field(default_factory=lambda: (1, 2))


@pytest.mark.parametrize(
    ("name", "good", "bad", "words"),
    [
        ("plain", 2, "x", "a finite number"),
        ("plain", -1.5, float("nan"), "a finite number"),
        ("plain", np.float32(0.5), float("inf"), "a finite number"),
        ("limited", 2.0, 0.0, "a finite number above 0 and at most 2"),
        ("limited", 1, float("nan"), "a finite number above 0 and at most 2"),
        ("count", np.int64(4), 2, "a whole number at least 3"),
        ("word", "b", "c", "a or b"),
        ("bits", 4, 3, "2 or 4"),
        ("bits", 2, True, "2 or 4"),
        ("maybe", None, 0, "a whole number from 1 to 9, or none"),
        ("sizes", [3], 3, "of type tuple[int, ...]"),
    ],
)
def test_values_and_messages_follow_from_the_annotation(name: str, good: Any, bad: Any, words: str) -> None:
    setting = settings_of(Declared)[name]
    assert setting.words == words
    assert checked(setting, good) == (tuple(good) if isinstance(good, list) else good)
    with pytest.raises(InputError) as caught:
        checked(setting, bad, "part.")
    assert str(caught.value) == f"part.{name} must be {words}, got {bad!r}"


def test_defaults_and_descriptions_are_part_of_it() -> None:
    settings = settings_of(Declared)
    assert list(settings) == ["plain", "limited", "count", "word", "bits", "maybe", "sizes"]
    assert settings["limited"].doc == "A share of two."
    assert settings["bits"].doc == "Width."
    assert settings["sizes"].default == (1, 2)


def test_a_setting_needs_a_default() -> None:
    class Bad(msgspec.Struct):
        size: int

    with pytest.raises(InputError, match=r"every setting must have a default, .*Bad\.size has none"):
        settings_of(Bad)


def test_a_setting_that_may_be_none_is_none_by_default() -> None:
    class Bad(msgspec.Struct):
        size: int | None = 3

    with pytest.raises(InputError, match=r"none by default, .*Bad\.size is 3: a TOML file cannot hold none"):
        settings_of(Bad)


class Own(msgspec.Struct, frozen=True):
    plain: Annotated[float, Rule("half", lambda value: value == 0.5)] = 0.5
    more: int = 7


def test_sections_check_themselves_and_can_be_extended() -> None:
    class Section(Settings, frozen=True):
        prefix = "part."
        first: str = "x"

    both: Any = extended(Section, Declared, Own)
    made: Any = both(first="y", limited=2)
    assert issubclass(both, Section)
    assert (made.plain, made.more, made.limited) == (0.5, 7, 2.0)
    with pytest.raises(InputError, match=r"part\.plain must be half, got 1\.0"):
        both(plain=1.0)


@pytest.mark.parametrize(
    ("name", "text"), [("bitz", "did you mean 'bits'?"), ("zzz", "known are bits, rate")],
)  # fmt: skip
def test_a_misspelt_name_gets_the_nearest(name: str, text: str) -> None:
    assert nearest(name, ["bits", "rate"]) == text

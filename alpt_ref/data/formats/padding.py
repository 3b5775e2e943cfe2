"""Values with blanks at their ends, which are part of the value; that is seldom meant, so a warning names the field."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from alpt_ref.data.formats.categories import CategoryWarning

LEAST_VALUES = 10
"""Fewer padded values, none of which stands there without blanks too, are no rule of a field."""


class Padding(NamedTuple):
    """Of a field's distinct values: how many; how many with blanks at an end; how many of these without them too."""

    values: int = 0
    padded: int = 0
    twice: int = 0
    example: Any = None
    """A value with blanks, of those that stand there without too, if any."""


def padding_of(texts: Any) -> Padding:
    """Padding of an Arrow array of distinct large strings."""
    import pyarrow.compute as pc

    plain = pc.utf8_trim_whitespace(texts)
    padded = pc.not_equal(plain, texts)
    if not pc.any(padded).as_py():
        return Padding(len(texts))
    held, without = texts.filter(padded), plain.filter(padded)
    twins = held.filter(pc.is_in(without, value_set=texts))
    return Padding(len(texts), len(held), len(twins), (twins if len(twins) else held)[0].as_py())


def padding_of_values(values: Sequence[Any]) -> Padding:
    """The same of values in memory, texts and bytes among them."""
    padded = [value for value in values if isinstance(value, (str, bytes)) and value != value.strip()]
    if not padded:
        return Padding(len(values))
    known = set(values)
    twins = [value for value in padded if value.strip() in known]
    return Padding(len(values), len(padded), len(twins), (twins or padded)[0])


def warn_of_padding(names: Sequence[str], paddings: Sequence[Padding], stacklevel: int = 2) -> None:
    """CategoryWarning where values stand there with and without blanks at their ends, or most of a field's have some.

    Parameters
    ----------
    names : sequence of str
        Of the fields.
    paddings : sequence of Padding
    stacklevel : int
        As of `warnings.warn`, counted from the caller.
    """
    fields = list(zip(names, paddings, strict=True))
    twice = [(name, one) for name, one in fields if one.twice]
    mostly = [(name, one) for name, one in fields if one.padded >= LEAST_VALUES and 2 * one.padded > one.values]
    if twice:
        name, one = max(twice, key=lambda field: field[1].twice)
        what = f"{one.twice:,} values"
        how = f"with and without blanks at the ends, such as {one.example!r:.60}, as two categories"
    elif mostly:
        name, one = max(mostly, key=lambda field: field[1].padded)
        what = f"{one.padded:,} of {one.values:,} values"
        how = f"with blanks at the ends, such as {one.example!r:.60}"
    else:
        return
    others = f" (and of {len(twice or mostly) - 1} more fields)" if len(twice or mostly) > 1 else ""
    warnings.warn(
        f"{what} of {name}{others} stand there {how}; blanks are part of a value, so that rows in which it is written "
        "without them have another one: take them off",
        CategoryWarning,
        stacklevel=stacklevel + 1,
    )

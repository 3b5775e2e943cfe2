"""How one text file is laid out, from a schema and the file's first lines: delimiter, column names, header or none."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alpt_ref._util.settings import listed
from alpt_ref.data.schema import Schema
from alpt_ref.errors import InputError

DELIMITERS = ("\t", ",", ";", "|")
"""Tried in this order where a schema names none."""
NAMES = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar", " ": "blank"}


@dataclass(frozen=True)
class Layout:
    """What a reader of one file needs.

    Parameters
    ----------
    delimiter : str
    columns : tuple of str
        Of the file, in its order.
    header : bool
        The first line is no row.
    quote : str
        Empty: none.
    missing : tuple of str
        Texts that stand for a missing value.
    """

    delimiter: str
    columns: tuple[str, ...]
    header: bool
    quote: str = '"'
    missing: tuple[str, ...] = ()


def cells(line: str, delimiter: str, quote: str = '"') -> list[str]:
    r"""The values of one line; a quote within a quoted value is doubled.

    Examples
    --------
    >>> cells('a,"b,c",', ",")
    ['a', 'b,c', '']
    """
    kwargs: dict[str, Any] = {"quotechar": quote} if quote else {"quoting": csv.QUOTE_NONE}
    try:
        return next(csv.reader([line.rstrip("\r\n").removeprefix("\ufeff")], delimiter=delimiter, **kwargs), [""])
    except csv.Error:  # a value beyond the module's limit, or a NUL
        return line.rstrip("\r\n").split(delimiter)


def needed_columns(schema: Schema, *, labelled: bool = True, times: bool = False, ids: bool = False) -> tuple[str, ...]:
    """The columns without which a file cannot be read: not the label where there is none, times and ids where asked."""
    fields = tuple(field.column for field in schema.fields)
    own = (schema.label, schema.weight) if labelled else ()
    named = (*own, *((schema.time,) if times else ()), *(schema.id if ids else ()), *fields)
    return tuple(dict.fromkeys(name for name in named if name is not None))


def text_layout(
    schema: Schema,
    head: Sequence[str],
    *,
    labelled: bool = True,
    times: bool = False,
    ids: bool = False,
    sure: bool = True,
) -> Layout:
    """The layout of the file whose first lines these are.

    Parameters
    ----------
    schema : Schema
    head : sequence of str
        At least one line.
    labelled, times, ids : bool
        Whether the file must have the label (with the weight), the column of times and the id columns.
    sure : bool
        Whether lines of another number of columns are bad rows, where the schema names columns and delimiter; else most
        of the lines must have that number.

    Raises
    ------
    InputError
        A column that the schema needs is not there; the sentence names it and how to say what the file has.

    Examples
    --------
    >>> schema = Schema.from_dict({"label": "click", "categorical": ["site"], "text": {"columns": ["click", "site"]}})
    >>> text_layout(schema, ["site;click", "a;1"])
    Layout(delimiter=';', columns=('site', 'click'), header=True, quote='"', missing=())
    >>> text_layout(schema, ["1\\ta", "0\\tb"])
    Layout(delimiter='\\t', columns=('click', 'site'), header=False, quote='"', missing=())
    """
    text, needed = schema.text, needed_columns(schema, labelled=labelled, times=times, ids=ids)
    tried = DELIMITERS if text.delimiter is None else (text.delimiter,)
    if text.header is not False:
        for delimiter in tried:
            names = cells(head[0], delimiter, text.quote)
            if set(needed) <= set(names):
                twice = [name for name in needed if names.count(name) > 1]
                if twice:
                    raise InputError(f"line 1: the header names column {twice[0]!r} twice; rename one of them")
                return Layout(delimiter, tuple(names), True, text.quote, text.missing)
    if text.header is True or not text.columns:
        raise _lacks(head[0], needed, tried, text.quote)
    lacks = [name for name in needed if name not in text.columns]
    if lacks:
        raise InputError(f"text.columns must name every column that the schema reads, it lacks {lacks[0]!r}")
    unlabelled = tuple(name for name in text.columns if name != schema.label)
    widths = [Counter(len(cells(line, delimiter, text.quote)) for line in head) for delimiter in tried]
    for columns in (text.columns,) if labelled else (text.columns, unlabelled):
        counts = [width[len(columns)] for width in widths]
        best = counts.index(max(counts))
        if 2 * counts[best] > len(head) or (len(tried) == 1 and labelled and sure):
            return Layout(tried[best], columns, False, text.quote, text.missing)
    found = [width.most_common(1)[0][0] for width in widths]
    width, delimiter = max(zip(found, tried, strict=True), key=lambda pair: pair[0])
    many = f"{width} column{'' if width == 1 else 's'} (delimiter: {NAMES.get(delimiter, delimiter)})"
    raise InputError(
        f"line 1: most lines have {many} where text.columns of the schema names {len(text.columns)}, and the first is "
        f"no header with the names that the schema needs, such as {needed[0]!r}; mend [text] in the schema"
    )


def _lacks(line: str, needed: Sequence[str], tried: Sequence[str], quote: str) -> InputError:
    """The sentence on a first line that is no header with the needed names."""
    lists = [cells(line, delimiter, quote) for delimiter in tried]
    names = max(lists, key=lambda names: (len(set(names) & set(needed)), len(names)))
    lacks = [name for name in needed if name not in names]
    shown = ", ".join(names[:8])[:200] + (", …" if len(names) > 8 else "")
    seen = "".join(character if character.isprintable() else "?" for character in shown)
    return InputError(
        f"line 1: the header lacks column{'' if len(lacks) == 1 else 's'} {listed(map(repr, lacks[:5]), 'and')}, it "
        f"has {seen}; mend the schema, or name the columns of a file without a header as columns = [...] under [text]"
    )

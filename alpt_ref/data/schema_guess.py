"""``alpt-ref data schema``: a schema guessed from the first rows of a log, as a TOML file whose comments say why.

A guess is a beginning: what it says is to be read and edited. Nothing is guessed where data are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from alpt_ref.data.schema import Schema, schema_of, shipped_schemas
from alpt_ref.data.schema_fields import FieldSpec
from alpt_ref.data.schema_head import Head, Sample, head_of
from alpt_ref.data.schema_rules import LABELS, Guess, guess_column, is_label, is_zero_one, missing_texts, plain_name
from alpt_ref.data.schema_toml import toml_key, toml_value
from alpt_ref.errors import InputError

_FILL = "the column of the label"


@dataclass(frozen=True)
class GuessedSchema:
    """What the first rows of a log say.

    Attributes
    ----------
    toml : str
        The schema's file, with comments.
    label : str or None
        Column of the label; None where it could not be guessed, so that `toml` has a line to fill in.
    """

    toml: str
    label: str | None

    def schema(self) -> Schema:
        """The schema itself.

        Raises
        ------
        InputError
            The label could not be guessed.
        """
        import tomllib

        if self.label is None:
            raise InputError('no column could be guessed to be the label; name it in the schema: label = "..."')
        return Schema.from_dict(tomllib.loads(self.toml))


def guess_schema(source: Any) -> GuessedSchema:
    """Guess a schema from the first 10,000 rows of a log.

    Parameters
    ----------
    source : path, sequence of paths, or table
        Text, Parquet or Arrow files (the first decides), a pandas or polars frame, an Arrow table.

    Returns
    -------
    GuessedSchema

    Raises
    ------
    InputError
        It cannot be read, has no rows, shows no delimiter, or has no column that could be a field.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "log.csv"
    >>> _ = file.write_text("click,site,price\\n1,a,1.5\\n0,b,2.25\\n0,a,0.99\\n")
    >>> guessed = guess_schema(file)
    >>> guessed.label, guessed.schema()
    ('click', Schema(label='click', fields: 1 categorical, 1 numeric))
    """
    head = head_of(source)
    label, why, more = _label([one for one in head.columns if one.kind != "unnamed"])
    guesses = {one.name: guess_column(one, head.rows) for one in head.columns if one.name != label}
    for use in ("time", "weight"):  # one of each; what follows it is left out
        for name in [name for name, guess in guesses.items() if guess.use == use][1:]:
            guesses[name] = Guess("out", f"a second column that looks like a {use}: {guesses[name].why}")
    for guess in guesses.values():
        more = {**more, **(guess.more if guess.use == "time" else {})}
    if not any(guess.use in ("categorical", "numeric", "multi") for guess in guesses.values()):
        listed = "; ".join(f"{name}: {guess.why}" for name, guess in list(guesses.items())[:5])
        raise InputError(f"{head.source} has no column that could be a field ({listed or 'one column'})")
    return GuessedSchema("\n".join(_text(head, label, why, more, guesses)), label)


def _label(columns: Sequence[Sample]) -> tuple[str | None, str, dict[str, Any]]:
    """The label's column, why, and the schema's settings that it needs."""
    named = {plain_name(one.name): one for one in reversed(columns)}
    for name in LABELS:
        settings = is_label(named[name].values) if name in named else None
        if settings is not None:
            return named[name].name, "by its name and values", settings
    able = [one.name for one in columns if is_zero_one(one.values)]
    if len(able) == 1:
        return able[0], "the only column of 0 and 1", {}
    why = f"columns of 0 and 1 are {', '.join(able[:10])}" if able else "no column holds 0 and 1 alone"
    return None, why, {}


def _text(head: Head, label: str | None, why: str, more: dict[str, Any], guesses: dict[str, Guess]) -> list[str]:
    rows = f"the first {head.rows:,} rows" if head.rows > 1 else "one row"
    lines = [f"# Guessed from {rows} of {_shown(head.source)}; read it through and edit it."]
    lines += [*_shape(head)]
    if label is None:
        lines += [f"# FILL IN {_FILL}: {_shown(why)}.", 'label = ""']
    else:
        lines.append(f"label = {toml_value(label)}  # {why}{_share(head, label, more)}")
    lines += [f"{key} = {toml_value(more[key])}" for key in ("positive", "negative") if key in more]
    for use in ("weight", "time"):
        for name, guess in guesses.items():
            if guess.use == use:
                what = "; orders the rows in --split time" if use == "time" else ""
                lines.append(f"{use} = {toml_value(name)}  # {_shown(guess.why)}{what}")
    if "time_format" in more:
        lines.append(f"time_format = {toml_value(more['time_format'])}")
    ids = [name for name, guess in guesses.items() if guess.use == "id"]
    if ids:
        lines.append(f"id = {toml_value(ids)}  # carried to the scores, no fields: {guesses[ids[0]].why}")
    lines += _categorical(guesses)
    out = [f"#   {_shown(name)}: {_shown(guess.why)}" for name, guess in guesses.items() if guess.use == "out"]
    lines += ["", "# Left out:", *out] if out else []
    for kind in ("numeric", "multi"):
        fields = {name: guess for name, guess in guesses.items() if guess.use == kind}
        if fields:
            lines += ["", f"[{kind}]", *(_setting(kind, name, guess) for name, guess in fields.items())]
    timed = [name for name, guess in guesses.items() if guess.use == "time"]
    if timed and any(f"{unit}seconds" in guesses[timed[0]].why for unit in ("milli", "micro", "nano")):
        lines += ["", "# Fields out of the time ([calendar]) need seconds since 1970 or dates."]
    elif timed:
        lines += ["", "# Fields out of the time, if it should tell hours and days apart:", "# [calendar]"]
        for part, name in (("hour", "hour_of_day"), ("weekday", "weekday")):
            lines.append(f"# {name} = {{column = {toml_value(timed[0])}, part = {toml_value(part)}}}")
    if head.text:
        missing = tuple(dict.fromkeys(text for one in head.columns for text in missing_texts(one)))
        lines += ["", "[text]"]
        for key, value in head.text.items():
            lines.append(f"{key} = {toml_value(value)}" + (f"  # {_shown(head.why[key])}" if key in head.why else ""))
        if missing:
            lines.append(f"missing = {toml_value(missing)}  # texts that were found; the empty text always is one")
    return [*lines, ""]


def _categorical(guesses: dict[str, Guess]) -> list[str]:
    fields = {name: guess for name, guess in guesses.items() if guess.use == "categorical"}
    if not fields:
        return []
    if any(guess.settings for guess in fields.values()):  # then as a table, which TOML wants after the plain keys
        inner = [_setting("categorical", name, guess) for name, guess in fields.items()]
        return ["", "[categorical]", *inner]
    rows = [f"    {toml_value(name)},  # {_shown(guess.why)}" for name, guess in fields.items()]
    return ["categorical = [", *rows, "]"]


def _setting(kind: str, name: str, guess: Guess) -> str:
    field = FieldSpec(name=name, kind=kind, **guess.settings)
    shown = {key: value for key, value in guess.settings.items() if key in ("binning", "separator")}
    return f"{toml_key(name)} = {toml_value({**shown, **field.changed()})}  # {_shown(guess.why)}"


def _share(head: Head, label: str, more: dict[str, Any]) -> str:
    values = next(one.values for one in head.columns if one.name == label)
    wanted = {text.casefold() for text in more.get("positive", ("1", "true"))}
    share = sum(value.casefold().removesuffix(".0").removeprefix("+") in wanted for value in values) / len(values)
    return f"; {100 * share:.1f} % positive"


def _shape(head: Head) -> list[str]:
    """A remark where the file looks like one that has a schema already."""
    names = {one.name for one in head.columns}
    for known in shipped_schemas():
        schema = schema_of(known)
        columns = schema.text.columns
        if set(columns) <= names or (head.text.get("header") is False and len(columns) == len(names)):
            return [f"# It has the columns of {known}: --schema {known} may be all you need."]
    return []


def _shown(text: str) -> str:
    """A text within a comment: one line, no control characters."""
    return "".join(one if one.isprintable() else " " for one in text)

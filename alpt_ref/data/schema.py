"""`Schema`: which columns of a click log are label, fields, weight, time and ids, whatever holds the rows.

Reading and writing of TOML is in `schema_toml`, guessing one from a file in `schema_guess`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec

from alpt_ref._util.settings import NAME, Rule, Settings, nearest, optional, whole
from alpt_ref.data.schema_fields import KINDS, FieldSpec, TextLayout
from alpt_ref.errors import InputError

_TEXTS = Rule("a list of at least one text", lambda value: len(value) > 0)
_NAMES = Rule("a list of column names", lambda value: True)
_FIELDS = Rule("a list of fields", lambda value: True)
_LAYOUT = Rule("a section [text]", lambda value: True)


def _is_time_format(pattern: str) -> bool:
    """Whether strptime knows every directive of the pattern, and none stands there twice."""
    try:
        datetime.datetime.strptime("", pattern)  # a pattern that is one does not match
    except (ValueError, re.error) as error:
        return "does not match" in str(error) and "%" in pattern and not set(pattern) & set("\r\n\0")
    return False


_TIME_FORMAT = Rule("a pattern of strptime such as %Y-%m-%d %H:%M:%S", _is_time_format)


class Schema(Settings, frozen=True):
    """Which columns of a log are what; the same one reads text, Parquet, Arrow and frames.

    Parameters
    ----------
    label : str
        Column of the label.
    fields : sequence of FieldSpec
        In the order that they have in a store.
    positive, negative : sequence of str
        Labels that mean 1 and 0, compared without regard to case, ``1.0`` like ``1``; a row with another one is bad.
    weight : str, optional
        Column of the rows' weights.
    time : str, optional
        Column that orders the rows in a split by time.
    time_format : str, optional
        How times are written in text; none: whole numbers, or dates as in ISO 8601.
    id : sequence of str
        Columns that `predict` carries to the scores.
    min_count : int
        Rarer categories share their field's out-of-vocabulary id, where the field has no least count of its own.
    text : TextLayout
        Layout of text files.

    Raises
    ------
    InputError
        A setting breaks its rule, there is no label or no field, or a column has two uses.

    Examples
    --------
    >>> schema = Schema.from_dict({
    ...     "label": "click", "categorical": ["site", "device"], "numeric": {"price": {"binning": "quantile"}},
    ... })
    >>> schema
    Schema(label='click', fields: 2 categorical, 1 numeric)
    >>> [(field.name, field.kind) for field in schema.fields]
    [('site', 'categorical'), ('device', 'categorical'), ('price', 'numeric')]
    >>> print(schema.to_toml(), end="")
    label = "click"
    categorical = ["site", "device"]
    <BLANKLINE>
    [numeric]
    price = {binning = "quantile"}
    """

    prefix: ClassVar[str] = "schema."

    label: Annotated[str, NAME, "Column of the label."] = ""
    positive: Annotated[tuple[str, ...], _TEXTS, "Labels that mean 1, compared without regard to case; 1.0 is 1."] = (
        "1",
        "true",
    )
    negative: Annotated[tuple[str, ...], _TEXTS, "Labels that mean 0; a row with any other label is bad."] = (
        "0",
        "false",
        "-1",
    )
    weight: Annotated[str | None, optional(NAME), "Column of the rows' weights, none of them negative."] = None
    time: Annotated[str | None, optional(NAME), "Column that orders the rows in a split by time."] = None
    time_format: Annotated[
        str | None,
        optional(_TIME_FORMAT),
        "How times are written in text (strptime); none: whole numbers, or dates as in ISO 8601.",
    ] = None
    id: Annotated[tuple[str, ...], _NAMES, "Columns that predict carries to the scores; no fields."] = ()
    min_count: Annotated[int, whole(1), "Rarer categories share their field's out-of-vocabulary id."] = 1
    fields: Annotated[tuple[FieldSpec, ...], _FIELDS, "The fields, in the order of a store."] = ()
    text: Annotated[TextLayout, _LAYOUT, "Layout of text files."] = TextLayout()

    def __post_init__(self) -> None:
        """Check every setting, and that no column has two uses."""
        fields, text = tuple(self.fields), self.text
        if any(not isinstance(field, FieldSpec) for field in fields) or not isinstance(text, TextLayout):
            raise InputError("fields must be FieldSpecs and text a TextLayout; Schema.from_dict takes plain values")
        super().__post_init__()
        if not self.label:
            raise InputError('a schema must name the column of the label, such as label = "click"')
        if not self.fields:
            raise InputError(
                f"a schema must have at least one field under {', '.join(KINDS[:3])} or {KINDS[3]}, got none"
            )
        names: dict[str, str] = {}
        columns: dict[tuple[str, ...], str] = {}
        for field in self.fields:
            if field.name in names:
                raise InputError(f"field {field.name!r} stands under {names[field.name]} and under {field.kind}")
            names[field.name] = field.kind
            use = (field.column, field.part) if field.kind == "calendar" else (field.column,)
            if use in columns:
                raise InputError(f"column {field.column!r} is used by two fields, {columns[use]} and {field.name}")
            columns[use] = field.name
        used = {field.column for field in self.fields}
        for what, column in (("label", self.label), ("weight", self.weight)):
            if column in used:
                raise InputError(f"column {column!r} is the {what} and a field too; leave it out of the fields")
        for what, others in (("weight", (self.weight,)), ("time", (self.time,)), ("id", self.id)):
            if self.label in others:
                raise InputError(f"column {self.label!r} is the label and {what} too; name another column as {what}")
        both = sorted({text.casefold() for text in self.positive} & {text.casefold() for text in self.negative})
        if both:
            raise InputError(f"label {both[0]!r} stands under positive and under negative; leave it out of one")
        if "" in (self.weight, self.time, *self.id):
            raise InputError("weight, time and id must name columns, got an empty text; leave out what there is not")
        if len(set(self.id)) < len(self.id):
            raise InputError(f"id must name each column once, got {list(self.id)}")

    def __repr__(self) -> str:
        """The label and how many fields of which kind."""
        counts = {kind: sum(field.kind == kind for field in self.fields) for kind in KINDS}
        listed = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        return f"Schema(label={self.label!r}, fields: {listed})"

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read, each once: label, weight, time, ids, then those of the fields."""
        named = (self.label, self.weight, self.time, *self.id, *(field.column for field in self.fields))
        return tuple(dict.fromkeys(name for name in named if name is not None))

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of the fields in the order of a store."""
        return tuple(field.name for field in self.fields)

    @property
    def single(self) -> bool:
        """Whether every field has exactly one value a row."""
        return all(field.kind != "multi" for field in self.fields)

    def least_count(self, field: FieldSpec) -> int:
        """The least count that earns a category of this field a row of its own."""
        return self.min_count if field.min_count is None else field.min_count

    def label_of(self, text: str) -> int:
        """1 or 0 for a label's text, -1 where it is neither.

        Examples
        --------
        >>> schema = Schema.from_dict({"label": "click", "categorical": ["site"]})
        >>> [schema.label_of(text) for text in ("1", "1.0", "True", "-1", "yes", "")]
        [1, 1, 1, 0, -1, -1]
        """
        from alpt_ref.data.formats.parse import plain_label

        plain = plain_label(text.strip()).casefold().removeprefix("+")
        if plain in {one.casefold() for one in self.positive}:
            return 1
        return 0 if plain in {one.casefold() for one in self.negative} else -1

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any], *, source: str = "the schema") -> Schema:
        """A schema from plain values: the keys of a TOML file, or what `to_dict` returned.

        Raises
        ------
        InputError
            A key is unknown or a value breaks its rule; `source` is named.
        """
        from alpt_ref.data.schema_toml import schema_of_dict

        return schema_of_dict(plain, source)

    def to_dict(self) -> dict[str, Any]:
        """JSON values that `from_dict` takes back; what is at its default is left out."""
        plain: dict[str, Any] = {}
        for key, default in zip(self.__struct_fields__, self.__struct_defaults__, strict=True):
            value = getattr(self, key)
            if key == "fields":
                plain[key] = [
                    {"name": one.name, "kind": one.kind, **msgspec.to_builtins(one.changed())} for one in value
                ]
            elif key == "text":
                settings = zip(value.__struct_fields__, value.__struct_defaults__, strict=True)
                changed = {name: getattr(value, name) for name, first in settings if getattr(value, name) != first}
                plain |= {"text": msgspec.to_builtins(changed)} if changed else {}
            elif value != default:
                plain[key] = msgspec.to_builtins(value)
        return plain

    @classmethod
    def read(cls, path: str | Path) -> Schema:
        """The schema of a TOML file.

        Raises
        ------
        InputError
            The file cannot be read or breaks a rule; the sentence names it.
        """
        from alpt_ref.data.schema_toml import read_schema

        return read_schema(path)

    def to_toml(self) -> str:
        """The text of a TOML file that `read` takes back."""
        from alpt_ref.data.schema_toml import schema_text

        return schema_text(self)


def schema_of(named: str | Path | Schema) -> Schema:
    """A schema as it is, a shipped one by its name, that of a TOML file, or the one that a store or a run was made by.

    Parameters
    ----------
    named : Schema, str or path
        ``"criteo"``, ``"avazu"``, a file, or the folder of a store or a run.

    Raises
    ------
    InputError
        It is none of these.

    Examples
    --------
    >>> schema_of("criteo")
    Schema(label='label', fields: 26 categorical, 13 numeric)
    """
    if isinstance(named, Schema):
        return named
    if not isinstance(named, (str, Path)):
        raise InputError(f"schema must be a Schema, a name, a TOML file or a run, got {named!r}")
    if str(named) in shipped_schemas():
        return Schema.read(_SHIPPED / f"{named}.toml")
    if Path(named).is_dir():
        from alpt_ref.data.schema_toml import schema_of_folder

        return schema_of_folder(Path(named))
    if not Path(named).exists() and Path(named).suffix != ".toml":
        raise InputError(
            f"schema must be {', '.join(shipped_schemas())}, a TOML file or a run, got {str(named)!r}, which does not "
            f"exist; {nearest(str(named), shipped_schemas())}"
        )
    return Schema.read(named)


_SHIPPED = Path(__file__).parent / "schemas"


def shipped_schemas() -> tuple[str, ...]:
    """Names of the schemas that come with the package."""
    return tuple(sorted(path.stem for path in _SHIPPED.glob("*.toml")))

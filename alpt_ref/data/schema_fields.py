"""One field of a schema, and the layout of text files: settings with their rules, nothing else."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from alpt_ref._util.settings import NAME, Rule, Settings, choice, optional, settings_of, whole
from alpt_ref.errors import InputError

KINDS = ("categorical", "numeric", "multi", "calendar")
"""How a column becomes a field; also the schema's sections."""
PARTS_OF_A_DAY = ("hour", "weekday", "weekend")

_CHARACTER = Rule(
    "one character that is no line end", lambda value: len(value) == 1 and value not in "\r\n\0" and value.isascii()
)
_QUOTE = Rule('one character such as ", or empty for none', lambda value: value == "" or _CHARACTER.test(value))
_SEPARATOR = Rule("at least one character, no line end", lambda value: value != "" and not set(value) & set("\r\n\0"))
_TEXTS = Rule("a list of texts", lambda value: True)


class FieldSpec(Settings, frozen=True):
    """One field: which column it comes from and how its values become categories.

    Raises
    ------
    InputError
        A setting breaks its rule, or belongs to another kind of field.

    Examples
    --------
    >>> FieldSpec(name="price", kind="numeric", binning="quantile", bins=10)
    FieldSpec(name='price', column='price', kind='numeric', type='number', binning='quantile', bins=10)
    """

    prefix: ClassVar[str] = "field."
    applies: ClassVar[dict[str, tuple[str, ...]]] = {
        "type": ("categorical", "multi"),
        "binning": ("numeric",),
        "bins": ("numeric",),
        "separator": ("multi",),
        "pooling": ("multi",),
        "max_values": ("multi",),
        "part": ("calendar",),
    }
    """Which kinds read a setting; those not named here are read by all."""

    name: Annotated[str, NAME, "The field's name in the store; in TOML the key."] = ""
    column: Annotated[str, NAME, "Its column; left out: the column of the field's name."] = ""
    kind: Annotated[str, choice(*KINDS), "The section that it stands in."] = "categorical"
    type: Annotated[
        str,
        choice("text", "number"),
        "text: values are categories as they stand; number: by value, so that 3, 3.0 and 03 are one.",
    ] = "text"
    binning: Annotated[
        str,
        choice("log", "quantile", "identity"),
        "log: x above 2 becomes floor(ln(x)²), any other its whole part (Criteo's convention); quantile: bins of equal "
        "counts in the rows that define the vocabulary; identity: each number is a category.",
    ] = "log"
    bins: Annotated[int, whole(2, 65_536), "With quantile: most bins."] = 32
    separator: Annotated[str, _SEPARATOR, "Between the values of one cell of a text column."] = "|"
    pooling: Annotated[str, choice("mean", "sum"), "How the rows of a cell's values become one vector."] = "mean"
    max_values: Annotated[int, whole(1, 65_535), "A row with more values is a bad row."] = 64
    part: Annotated[
        str, choice(*PARTS_OF_A_DAY), "Of a time: hour (0 to 23), weekday (Monday 0), weekend (0 or 1)."
    ] = "hour"
    min_count: Annotated[
        int | None,
        optional(whole(1)),
        "Rarer categories share the field's out-of-vocabulary id; none: the schema's min_count.",
    ] = None

    def __post_init__(self) -> None:
        """Check every setting, fill in the column, and refuse what another kind of field reads."""
        import msgspec

        super().__post_init__()
        if not self.name:
            raise InputError("a field must have a name, got an empty one")
        if not self.column:
            msgspec.structs.force_setattr(self, "column", self.name)
        if self.kind == "numeric" and self.type == "text":
            msgspec.structs.force_setattr(self, "type", "number")
        for key, default in self.defaults().items():
            if self.kind not in self.applies.get(key, KINDS) and getattr(self, key) != default:
                raise InputError(
                    f"{self.kind}.{self.name}.{key} is a setting of {' and '.join(self.applies[key])} fields; "
                    "leave it out"
                )
        if self.binning != "quantile" and self.bins != settings_of(FieldSpec)["bins"].default:
            raise InputError(
                f'{self.kind}.{self.name}.bins is read with binning = "quantile" only, got {self.bins} with '
                f"{self.binning!r}; leave it out"
            )

    def defaults(self) -> dict[str, Any]:
        """What each setting is where a schema does not name it."""
        found = {name: setting.default for name, setting in settings_of(FieldSpec).items()}
        return {**found, "column": self.name, "type": "number" if self.kind == "numeric" else "text"}

    def changed(self) -> dict[str, Any]:
        """The settings that differ from their defaults, without name and kind."""
        defaults = self.defaults()
        return {
            key: getattr(self, key)
            for key in self.__struct_fields__
            if key not in ("name", "kind") and getattr(self, key) != defaults[key]
        }


class TextLayout(Settings, frozen=True):
    """How text files are laid out; not looked at for Parquet, Arrow and frames.

    Examples
    --------
    >>> TextLayout(delimiter=";", header=True)
    TextLayout(delimiter=';', header=True)
    """

    prefix: ClassVar[str] = "text."

    delimiter: Annotated[
        str | None,
        optional(_CHARACTER),
        "Between columns; none: the tab, comma, semicolon or bar that the first lines show.",
    ] = None
    header: Annotated[
        bool | None,
        optional(Rule("true or false", lambda value: True)),
        "Whether the first line names the columns; none: it does if it holds the names that the schema needs.",
    ] = None
    columns: Annotated[tuple[str, ...], _TEXTS, "Names of all columns in file order, for files without a header."] = ()
    quote: Annotated[str, _QUOTE, "Around a value that holds a delimiter; empty: none."] = '"'
    missing: Annotated[
        tuple[str, ...], _TEXTS, "Texts that stand for a missing value, as the empty text always does."
    ] = ()

    def __post_init__(self) -> None:
        """Check every setting, and that they fit together."""
        super().__post_init__()
        twice = sorted({name for name in self.columns if self.columns.count(name) > 1})
        if twice:
            raise InputError(f"text.columns must name each column once, got {twice[0]!r} twice")
        if "" in self.columns:
            raise InputError("text.columns must not hold an empty name; give unused columns any name of their own")
        if self.header is False and not self.columns:
            raise InputError("text.columns must name the columns where text.header is false; list them in file order")
        if self.quote and self.quote == self.delimiter:
            raise InputError(f"text.quote must differ from text.delimiter, got {self.quote!r} for both")

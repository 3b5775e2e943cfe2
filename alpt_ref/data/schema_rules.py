"""What one column of a log most likely is, from its name and first values: rules in the order of their trial."""

from __future__ import annotations

import datetime
import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from alpt_ref.data.formats.moments import FROM_1990, SINCE_1970, TO_2040
from alpt_ref.data.schema_head import HEAD_ROWS, NUMBER, Sample

LABELS = (
    *(
        "label",
        "click",
        "clicked",
        "is_click",
        "is_clicked",
        "isclick",
        "clk",
        "target",
        "y",
        "converted",
        "conversion",
    ),
    *("is_conversion", "purchased", "purchase", "is_purchase", "bought", "installed", "response", "outcome", "class"),
)
"""Names of labels, the likeliest first."""
_WEIGHTS = ("sample_weight", "instance_weight", "importance_weight", "row_weight")
_TIMES = re.compile(r"(^|_)(ts|time|timestamp|datetime|date|day|hour|created|created_at|event_time)($|_)")
_IDS = re.compile(r"(^|_)(id|uuid|guid|key|index|row|rowid|hash)$|(^|_)row_?id$|^unnamed")
_CODES = re.compile(
    r"(^|_)(id|ids|code|type|category|cat|zip|postcode|class|group|flag|hash|hour|weekday|month|version)$"
)
MISSING = ("NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", r"\N", "<NA>", "#N/A")
_ALSO_MISSING = ("?", "-", "--", ".")
"""Where all other values are numbers."""
_WHOLE = re.compile(r"[+-]?[0-9]+\Z", re.ASCII)
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?\Z"
)
_PATTERNS = ("%Y%m%d%H%M%S", "%Y%m%d%H", "%y%m%d%H", "%Y%m%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d %H:%M:%S")
_SEPARATORS = ("|", ";", ",", "^", "~", "\x01", "\x02", " ")
FEW = 100
"""Whole numbers with up to this many distinct values, and four rows to each, are codes rather than amounts."""


@dataclass(frozen=True)
class Guess:
    """One column's use.

    Parameters
    ----------
    use : str
        categorical, numeric, multi, label, weight, time, id or out (left out).
    why : str
        For the comment.
    settings : dict
        Of the field.
    more : dict
        Settings of the schema itself.
    """

    use: str
    why: str
    settings: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)


def plain_name(name: str) -> str:
    """``adGroupID`` and ``ad group id`` -> ``ad_group_id``."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^0-9a-z]+", "_", apart.casefold()).strip("_")


def missing_texts(sample: Sample) -> tuple[str, ...]:
    """Texts of a text column that stand for a missing value."""
    if sample.typed or sample.kind != "text":
        return ()
    distinct = set(sample.values) - {""}
    found = tuple(text for text in MISSING if text in distinct)
    rest = distinct - set(found)
    numbers = {text for text in rest if NUMBER.match(text)}
    if numbers and rest - numbers <= set(_ALSO_MISSING):
        found += tuple(text for text in _ALSO_MISSING if text in rest - numbers)
    return found


def is_label(values: Sequence[str]) -> dict[str, Any] | None:
    """Settings of a schema under which these are labels of two classes; None where they are not."""
    distinct = {value.casefold().removesuffix(".0").removeprefix("+") for value in values}
    if "" in distinct or len(distinct) > 2:
        return None
    if distinct <= {"0", "1", "-1", "true", "false"} and len(distinct & {"0", "-1", "false"}) <= 1:
        return {}
    for positive, negative in (("yes", "no"), ("y", "n"), ("t", "f"), ("click", "noclick"), ("positive", "negative")):
        if distinct == {positive, negative}:
            return {"positive": [positive], "negative": [negative]}
    return None


def is_zero_one(values: Sequence[str]) -> bool:
    """Whether both 0 and 1 occur and nothing else."""
    return {value.casefold().removesuffix(".0") for value in values} in ({"0", "1"}, {"false", "true"})


def guess_column(sample: Sample, rows: int) -> Guess:
    """What a column that is not the label most likely is."""
    missing = {"", *missing_texts(sample)}
    values = [value for value in sample.values if value not in missing]
    distinct, name = set(values), plain_name(sample.name)
    typed = f"{sample.typed}, " if sample.typed else ""
    if sample.kind == "unnamed":
        return Guess("out", "the header leaves this name empty or has it twice; rename the column there to use it")
    if sample.kind == "other":
        return Guess("out", f"{sample.typed} values are no categories")
    if not distinct:
        return Guess("out", "every value is missing in these rows")
    many = f"{len(distinct):,} value{'' if len(distinct) == 1 else 's'} in {rows:,} rows"
    kind = sample.kind if sample.kind != "text" else _kind_of(distinct)
    timed = _time(sample, name, kind, distinct)
    if timed is not None:
        lost = len(sample.values) - len(values)
        why = f"{timed.why}; missing in {lost:,} of these rows, which --split time cannot place" if lost else timed.why
        return replace(timed, why=why)
    if len(distinct) == 1 and 1 < rows < HEAD_ROWS and len(values) == rows:
        return Guess("out", f"the same value in every row, {values[0][:40]!r}: the model could not learn from it")
    if name in _WEIGHTS and len(values) == rows and kind in ("int", "float") and min(map(float, distinct)) >= 0:
        return Guess("weight", "by its name")
    if kind == "list":
        most = max(value.count("\n") + 1 for value in values)
        return Guess("multi", f"{typed}up to {most} values a row", _most(most))
    if len(distinct) == rows and rows >= 20 and kind in ("text", "int"):
        if _IDS.search(name) or (kind == "int" and _rises(values)):
            return Guess("id", "no value comes twice in these rows: the model could not learn from it")
        if kind == "text":
            return Guess("out", "no value comes twice in these rows: the model could not learn from it")
    if kind == "bool":
        return Guess("categorical", f"{typed}true or false", {"type": "number"})
    if kind == "int":
        return _whole(name, distinct, rows, many, typed)
    if kind == "float":
        return _fraction(distinct, many, typed)
    parts = _parts(values)
    if parts is not None:
        return parts
    return Guess("categorical", f"{typed}{many}")


def _kind_of(distinct: set[str]) -> str:
    if all(_WHOLE.match(value) for value in distinct):
        return "int"
    return "float" if all(NUMBER.match(value) and math.isfinite(float(value)) for value in distinct) else "text"


def _whole(name: str, distinct: set[str], rows: int, many: str, typed: str) -> Guess:
    if _CODES.search(name):
        return Guess("categorical", f"{typed}whole numbers, by the name codes rather than amounts, {many}")
    if len(distinct) <= min(FEW, rows / 4):
        return Guess("categorical", f"{typed}whole numbers, {many}: codes rather than amounts?")
    low, high = min(map(int, distinct)), max(map(int, distinct))
    why = f"{typed}whole numbers from {low} to {high}, {many}: amounts? codes belong under categorical"
    return Guess("numeric", why, {"binning": "log"})


def _fraction(distinct: set[str], many: str, typed: str) -> Guess:
    numbers = sorted(map(float, distinct))
    if all(number == int(number) for number in numbers if abs(number) < 2**53) and len(distinct) <= FEW:
        why = f"{typed}whole numbers written as fractions, {many}"
        return Guess("categorical", why, {"type": "number"})
    why = f"{typed}numbers from {numbers[0]:g} to {numbers[-1]:g}, {many}"
    return Guess("numeric", why, {"binning": "quantile"})


def _rises(values: Sequence[str]) -> bool:
    numbers = list(map(int, values))
    return all(a < b for a, b in itertools.pairwise(numbers))


def _time(sample: Sample, name: str, kind: str, distinct: set[str]) -> Guess | None:
    """A time, if the type, the form of the values, or name and range say so."""
    if kind == "time":
        return Guess("time", f"{sample.typed}")
    named = _TIMES.search(name) is not None
    if kind == "text":
        if all(_ISO.match(value) for value in distinct):
            return Guess("time", "dates as in ISO 8601")
        return _dates("", distinct)
    if kind != "int" or not named:
        return None
    numbers = list(map(int, distinct))
    for unit, scale in SINCE_1970.items():
        if all(FROM_1990 * scale <= number <= TO_2040 * scale for number in numbers):
            return Guess("time", f"by its name and range {unit} since 1970")
    return _dates("by its name and form ", distinct)


def _dates(how: str, distinct: set[str]) -> Guess | None:
    """Dates of the first pattern that reads all of them, with a remark where another one does as well."""
    patterns = [one for one in _PATTERNS if all(_fits(value, one) for value in distinct)]
    if not patterns:
        return None
    other = f" (or {patterns[1]}, which reads them all too: say which)" if patterns[1:] else ""
    return Guess("time", f"{how}dates, {patterns[0]}{other}", more={"time_format": patterns[0]})


def _fits(text: str, pattern: str) -> bool:
    """Whether the text has exactly this form: strptime alone also takes fewer digits."""
    try:
        return datetime.datetime.strptime(text, pattern).strftime(pattern) == text
    except ValueError:
        return False


def _parts(values: Sequence[str]) -> Guess | None:
    """Several values in a cell: a separator in many cells, whose parts come again more often than the whole texts."""
    for separator in _SEPARATORS:
        holding = [value for value in values if separator in value]
        if len(holding) < 0.2 * len(values) or len(holding) < 5:
            continue
        cut = [value.split(separator) for value in values]
        parts = Counter(part for one in cut for part in one)
        widths = {len(one) for one in cut}
        if len(parts) >= len(set(values)) or sum(parts.values()) < 3 * len(parts) or len(widths) == 1:
            continue
        if separator == " " and not all(re.fullmatch(r"[0-9]+|[0-9a-f]{6,}", part) for part in parts):
            continue  # words of a sentence
        shown = {"\x01": "\\u0001", "\x02": "\\u0002", " ": "blank"}.get(separator, separator)
        why = f"up to {max(widths)} values a row, {shown} between them, {len(parts):,} in all"
        return Guess("multi", why, {"separator": separator, **_most(max(widths))})
    return None


def _most(width: int) -> dict[str, int]:
    """`max_values` where the default may not do: four times what the first rows hold, a power of two."""
    return {"max_values": 1 << (4 * width - 1).bit_length()} if width > 16 else {}

"""From a raw row (a dict) to ids, as the model was trained: `Encoder().ids(row)`; reads vocabulary.json beside it."""

import bisect
import datetime
import json
import math
import pathlib
import re
from typing import Any

HERE, UTC = pathlib.Path(__file__).parent, datetime.timezone.utc  # noqa: UP017 - older Pythons serve, too
NUMBER = re.compile(r"[+-]?([0-9]+|([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][+-]?[0-9]{1,9})?)", re.ASCII)
ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)? ?(Z|UTC|[+-][0-9]{2}:?[0-9]{2})?)?",
    re.ASCII,
)
WORDS = {"": "", "nan": "", "true": 1, "false": 0}


class Encoder:
    """Raises KeyError for a column that is not there (None is a missing value), ValueError for what cannot be read."""

    def __init__(self, file: Any = HERE / "vocabulary.json") -> None:
        content = file if isinstance(file, dict) else json.loads(pathlib.Path(file).read_text("utf-8"))
        self.missing, self.time_format, self.fields = {"", *content["missing"]}, content["time_format"], []
        for field in content["fields"]:
            index = {text: field["first_id"] + place for place, text in enumerate(field["categories"], 1)}
            edges = sorted((float(text), text) for text in index if text and field["binning"] == "quantile")
            self.fields.append((field, index, edges))

    def ids(self, row: Any) -> list[int]:
        """One id a field; a value without an id of its own has its field's first one."""
        return [index.get(self.category(f, edges, row[f["column"]]), f["first_id"]) for f, index, edges in self.fields]

    def category(self, field: Any, edges: Any, value: Any) -> str:
        """The text under which the vocabulary knows a value."""
        value = value.decode() if isinstance(value, bytes) else value
        if value is None or type(value).__name__ in ("NAType", "NaTType") or value != value or value in self.missing:
            return ""
        if field["kind"] == "calendar":
            day = self.moment(value)
            return str({"hour": day.hour, "weekday": day.weekday(), "weekend": int(day.weekday() > 4)}[field["part"]])
        if field["type"] == "text":
            if isinstance(value, (float, bool)) or not (
                isinstance(value, str) or type(value) is datetime.date or hasattr(value, "__index__")
            ):
                raise ValueError(f"{value!r} is neither a text nor a whole number")
            return str(value)
        number: Any = self.number(str(value).strip(" \t"))
        if number == "" or field["binning"] == "identity":
            return str(number)
        if field["binning"] == "log":
            return str(math.floor(math.log(number) ** 2) if number > 2 else int(number))
        fits = abs(number) < 2**1024  # beyond all float64: in no bin
        place = bisect.bisect_right(edges, (float(number), "\uffff")) if fits else 0  # lower edges up to it
        return str(edges[place - 1][1] if edges and fits else number)

    def number(self, text: str) -> Any:
        """3, 3.0, 03 and 3e0 are one number."""
        found = NUMBER.fullmatch(text)
        value: Any = WORDS.get(text.lower()) if found is None else float(text) if found[2] else int(text)
        if value is None or value in (math.inf, -math.inf):
            raise ValueError(f"{text!r} is no finite number")
        return value if value == "" or value != int(value) else int(value)

    def moment(self, value: Any) -> Any:
        """A time, in UTC: by the schema's format, else seconds since 1970 or ISO 8601."""
        float_like = hasattr(value, "as_integer_ratio") and not isinstance(value, int)  # whole ones beside missing ones
        text, epoch = str(self.number(str(value)) if float_like else value), datetime.datetime(1970, 1, 1)
        whole = not self.time_format and re.fullmatch(r"[+-]?[0-9]{1,19}", text, re.ASCII)
        if self.time_format and not isinstance(value, datetime.date):
            value = datetime.datetime.strptime(text, self.time_format)
        elif whole:
            value = epoch + datetime.timedelta(seconds=max(-(10**10), min(int(text), 10**10)))
        elif not ISO.fullmatch(text):
            raise ValueError(f"{text!r} is no time: seconds since 1970, or a date as in ISO 8601")
        else:
            value = datetime.datetime.fromisoformat(re.sub(" ?(UTC|Z)$", "+00:00", text))
        value = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        if abs((value - epoch).total_seconds()) >= (9e9 if whole else 2**63 / 10**9):
            raise ValueError(f"{text!r} is no time from 1677 to 2262")
        return value

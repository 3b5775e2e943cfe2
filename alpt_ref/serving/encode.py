"""From a raw row (a dict) to its ids, as the model was trained: `Encoder().ids(row)`; reads vocabulary.json beside it."""

import bisect
import datetime
import json
import math
import pathlib


class Encoder:  # a column that is not there is a KeyError (None is missing), what cannot be read a ValueError
    def __init__(self, file=pathlib.Path(__file__).with_name("vocabulary.json")):
        content = file if isinstance(file, dict) else json.loads(pathlib.Path(file).read_text("utf-8"))
        self.missing, self.time_format = {"", *content["missing"]}, content["time_format"]
        self.fields = [
            (f, {text: f["first_id"] + k for k, text in enumerate(f["categories"], 1)}) for f in content["fields"]
        ]
        self.edges = {
            f["name"]: sorted(float(text) for text in f["categories"] if text)
            for f, _ in self.fields
            if f["binning"] == "quantile"
        }

    def ids(self, row):
        return [index.get(self.category(f, row[f["column"]]), f["first_id"]) for f, index in self.fields]

    def category(self, field, value):
        if value is None or value != value or value in self.missing:
            return ""
        if field["kind"] == "calendar":
            day = value if hasattr(value, "hour") else datetime.datetime.strptime(str(value), self.time_format)
            return str({"hour": day.hour, "weekday": day.weekday(), "weekend": int(day.weekday() > 4)}[field["part"]])
        if field["type"] == "text":
            if type(value) not in (str, int):
                raise ValueError(f"column {field['column']}: {value!r} is neither a text nor a whole number")
            return str(value)
        number = self.number(value)
        if field["binning"] == "log":
            return str(math.floor(math.log(number) ** 2) if number > 2 else int(number))
        if field["binning"] == "quantile":
            edges = self.edges[field["name"]]
            number = edges[max(bisect.bisect_right(edges, number) - 1, 0)]
        return str(int(number) if number == int(number) else float(number))

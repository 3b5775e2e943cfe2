"""A small log with every kind of field, and the same rows as delimited text."""

from __future__ import annotations

import csv
import io
import tomllib

import numpy as np
import pyarrow as pa

from alpt_ref.data import Schema

ROWS = 240
SCHEMA = """
label = "click"
time = "seen"
weight = "paid"
min_count = 2
categorical = {site = {}, ad = {}, code = {type = "number"}}
numeric = {shows = {binning = "log"}, price = {binning = "quantile", bins = 7}, age = {binning = "identity"}}
multi = {tags = {separator = "|"}}
calendar = {hour = {column = "seen", part = "hour"}}
"""


def table() -> pa.Table:
    """Rows with every kind of field, and missing values in all that can miss them."""
    random = np.random.default_rng(7)
    tags = [["a", "b"], ["b"], [], ["c", "a", "d"]]
    numbers = random.integers(0, 50, ROWS)
    return pa.table(
        {
            "click": pa.array((random.random(ROWS) < 0.4).astype(np.int64)),
            "site": pa.array([None if one == 0 else f"site {one}" for one in random.integers(0, 9, ROWS).tolist()]),
            "ad": pa.array(random.integers(0, 30, ROWS)),
            "code": pa.array([None if one == 3 else float(one) / 2 for one in random.integers(0, 9, ROWS).tolist()]),
            "shows": pa.array([None if one == 5 else one for one in numbers.tolist()], pa.int64()),
            "price": pa.array(np.round(random.exponential(3, ROWS), 3)),
            "age": pa.array(random.integers(18, 24, ROWS)),
            "tags": pa.array([tags[one] for one in random.integers(0, 4, ROWS).tolist()]),
            "seen": pa.array((1_700_000_000 + random.permutation(ROWS) * 977).astype("M8[s]")),
            "paid": pa.array(random.integers(1, 4, ROWS)),
        }
    )


def text_of(rows: pa.Table, delimiter: str, header: bool = True) -> bytes:
    """As delimited text: missing values are empty, lists joined, texts with a delimiter in quotes."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    if header:
        writer.writerow(rows.column_names)
    for row in rows.to_pylist():
        shown = {**row, "tags": "|".join(row["tags"]), "seen": row["seen"].isoformat() + "Z"}
        writer.writerow(["" if value is None else value for value in shown.values()])
    return out.getvalue().encode()


def schema_with_layout(rows: pa.Table) -> Schema:
    """The schema; its columns are for the file without a header."""
    return Schema.from_dict({**tomllib.loads(SCHEMA), "text": {"columns": rows.column_names}})

"""Avazu-shaped days on the disk and as columns: 80 % of one field's categories are new on each of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.csv
from numpy.typing import NDArray

from alpt_ref.data.synthetic.days import RENEWED
from alpt_ref.data.synthetic.generate import write_raw_text

SHAPE, FIELD = "avazu", RENEWED["avazu"]
LEFT_OUT = ("id", "click", "hour")
"""Columns that are no categories of an estimator; the reader of the shape has its own rule for the hour."""


@dataclass(frozen=True)
class Days:
    """Raw files of days 1 to 3.

    Attributes
    ----------
    files : tuple of paths
    """

    files: tuple[Path, ...]

    @classmethod
    def write(cls, folder: Path, rows: int, seed: int) -> Days:
        """Draw three days of so many rows."""
        files = []
        for day in (1, 2, 3):
            path = folder / f"day-{day}-of-seed-{seed}.csv"
            with path.open("wb") as out:
                write_raw_text(out, SHAPE, rows, seed=seed, day=day)
            files.append(path)
        return cls(tuple(files))

    def columns(self, day: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        """Categories (rows, columns) and labels (rows,) of a day."""
        names = self.files[day - 1].open().readline().strip().split(",")
        texts = pyarrow.csv.ConvertOptions(column_types={name: pyarrow.string() for name in names})
        table = pyarrow.csv.read_csv(self.files[day - 1], convert_options=texts)
        kept = [name for name in names if name not in LEFT_OUT]
        X = np.column_stack([table[name].to_numpy(zero_copy_only=False) for name in kept])
        return X, table["click"].to_numpy().astype(np.int64)

    def new_share(self) -> float:
        """Share of day 2's categories of the renewed field that day 1 has not."""
        before, after = (
            set(pyarrow.csv.read_csv(self.files[day - 1], convert_options=_ONLY)[FIELD].to_pylist()) for day in (1, 2)
        )
        return len(after - before) / len(after)


_ONLY = pyarrow.csv.ConvertOptions(include_columns=[FIELD], column_types={FIELD: pyarrow.string()})

"""What the fields of a dataset are (names, sizes, offsets, plans) and the parts its rows are split into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError

Part = Literal["train", "valid", "test"]
PARTS: Mapping[str, int] = {"train": 0, "valid": 1, "test": 2}


@dataclass(frozen=True)
class FieldPlan:
    """What becomes of a field's coded values, whatever the reader.

    Parameters
    ----------
    name : str
    pooling : {"mean", "sum"}
        Of several values in a row: each counts its factor over the number of values, or its factor.
    bins : int
        Most quantile bins that the field's numbers are cut into when the vocabulary is built; 0: each value is a
        category.
    min_count : int, optional
        Least count of a category; None: that of the whole encoding. Bins have none.
    """

    name: str
    pooling: Literal["mean", "sum"] = "mean"
    bins: int = 0
    min_count: int | None = None

    @classmethod
    def of(cls, spec: Any) -> FieldPlan:
        """The plan of a schema's field (`alpt_ref.data.schema.FieldSpec`)."""
        bins = spec.bins if spec.kind == "numeric" and spec.binning == "quantile" else 0
        return cls(spec.name, spec.pooling, bins, spec.min_count)


def offsets_of(field_sizes: tuple[int, ...]) -> NDArray[np.int64]:
    """Running sum of the field sizes with a leading 0, int64 array (fields + 1,)."""
    return np.concatenate(([0], np.cumsum(field_sizes, dtype=np.int64))).astype(np.int64)


def check_fields(field_names: tuple[str, ...], field_sizes: tuple[int, ...]) -> None:
    """InputError unless names are distinct, sizes positive, and their sum fits a uint32 id."""
    if len(field_names) != len(field_sizes) or not field_sizes:
        raise InputError(
            f"field_names ({len(field_names)}) and field_sizes ({len(field_sizes)}) must agree, at least 1"
        )
    if len(set(field_names)) != len(field_names):
        raise InputError("field_names must be distinct")
    if min(field_sizes) < 1 or sum(field_sizes) > 2**32 - 1:
        raise InputError("field_sizes must be at least 1 each and below 2**32 together")

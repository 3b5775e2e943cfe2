"""Which part of which table a rank holds, and what may be spread at all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.distributed.group import Group
from alpt_ref.distributed.row_map import RowMap
from alpt_ref.errors import InputError
from alpt_ref.quantizer import QuantSpec
from alpt_ref.tables.base import TableSpec
from alpt_ref.tables.initial import initial_blocks
from alpt_ref.tables.lpt import initial_step
from alpt_ref.tables.options import AlptOptions, FullOptions, LptOptions

METHODS: dict[Any, str] = {FullOptions: "fp32", LptOptions: "lpt", AlptOptions: "alpt"}
"""Options of a spec -> method; only these can be spread."""


def method_of(spec: TableSpec) -> str:
    """The method that a spec is of."""
    return METHODS[type(spec.options)]


def checked_spec(spec: Any, capacity: Any, ranks: int) -> TableSpec:
    """The spec; InputError unless it is of a table that can be spread over `ranks` ranks."""
    if not isinstance(spec, TableSpec):
        raise InputError(f"spec must be a TableSpec, got {type(spec).__name__}")
    if type(spec.options) not in METHODS:
        given = "none" if spec.options is None else type(spec.options).__name__
        names = ", ".join(options.__name__ for options in METHODS)
        raise InputError(f"spec.options must be {names}: only fp32, lpt and alpt can be spread, got {given}")
    if spec.n < ranks:
        raise InputError(f"a table of {spec.n} rows can be spread over at most as many ranks, got {ranks}")
    if capacity is not None:
        _check.whole_number("capacity", capacity, 1)
    return spec


def fingerprint(spec: TableSpec, capacity: int | None) -> tuple[int, int]:
    """Two whole numbers that differ where spec or capacity do."""
    plain = replace(spec, weights=None, field_offsets=None)
    digest = hashlib.sha256(f"{plain!r} {capacity}".encode())
    for array in (spec.weights, spec.field_offsets):
        digest.update(b"none" if array is None else np.ascontiguousarray(array).tobytes())
    words = np.frombuffer(digest.digest()[:16], np.int64)
    return int(words[0]), int(words[1])


@dataclass(frozen=True)
class Shard:
    """Which part of which table a rank owns.

    Attributes
    ----------
    spec : TableSpec
        Of the whole table.
    group : Group
    rows : RowMap
    """

    spec: TableSpec
    group: Group
    rows: RowMap

    @property
    def count(self) -> int:
        """Rows of this rank."""
        return self.rows.count(self.group.rank)

    def part_spec(self) -> TableSpec:
        """Spec of the rank's own table, whose initial values are put in by `_fill`."""
        spec, options = self.spec, self.spec.options
        if hasattr(options, "init_step"):
            step = initial_step(spec, QuantSpec(options.bits, getattr(options, "rounding", "dr")))
            options = msgspec.structs.replace(options, init_step=step)
        std = 1.0 if spec.weights is not None else spec.init_std  # 0: nothing is put in
        return replace(spec, n=self.count, options=options, weights=None, init_std=std, field_offsets=None)

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]]:
        """(first row, block, places of this rank's rows, which of the block they are) of the initial weights."""
        spec = self.spec
        for first, block in initial_blocks(spec.n, spec.d, spec.init_std, spec.seed, spec.weights):
            owners, places = self.rows.find(np.arange(first, first + len(block), dtype=np.int64))
            mine = owners == self.group.rank
            yield first, block, places[mine], mine

"""Rows written down by hand as a reader would hand them over, and a slow encoder in plain Python without pieces."""

from __future__ import annotations

import bisect
import hashlib
import math
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alpt_ref.data.fields import FieldPlan
from alpt_ref.data.formats.coded import CodedField, CodedRows
from alpt_ref.data.formats.faulty import FaultyLines
from alpt_ref.data.formats.pieces import Job, PieceReader

Cell = list[tuple[str, float]]
"""Values of a field in a row, and the numbers beside them."""


@dataclass(frozen=True)
class Row:
    """A row of a source: cells of each field, label (None: a bad row), weight, time."""

    cells: tuple[Cell, ...]
    label: int | None = 0
    weight: float = 1.0
    time: int = 0


@dataclass(frozen=True)
class HandJob:
    """A few rows; `seen` counts who is parsed."""

    source: int
    first: int
    rows: tuple[Row, ...]
    shape: str
    seen: list[int]

    def identity(self) -> bytes:
        """Digest of all that is in the rows."""
        return hashlib.sha256(repr((self.first, self.rows, self.shape)).encode()).digest()

    def parse(self) -> tuple[CodedRows, FaultyLines]:
        """Columns of the good rows."""
        self.seen.append(self.first)
        faulty = FaultyLines(self.first, len(self.rows))
        faulty.add(np.array([k for k, row in enumerate(self.rows) if row.label is None], dtype=np.int64), "no label")
        good = [row for row in self.rows if row.label is not None]
        fields = []
        for number, kind in enumerate(self.shape):
            cells = [row.cells[number] for row in good]
            if kind == "1":
                fields.append(CodedField.of_texts([cell[0][0] for cell in cells]))
            else:
                beside = [[factor for _, factor in cell] for cell in cells] if kind == "f" else None
                fields.append(CodedField.of_lists([[text for text, _ in cell] for cell in cells], beside))
        return (
            CodedRows(
                np.array([row.label for row in good], dtype=np.uint8),
                tuple(fields),
                np.flatnonzero(~faulty.mask),
                np.array([row.weight for row in good], dtype=np.float32),
                np.array([row.time for row in good], dtype=np.int64),
            ),
            faulty,
        )


class HandReader(PieceReader):
    """Sources of rows, cut into pieces of `step` rows.

    `shape` has a letter a field: 1 for one text a row, m for several, f for several with numbers beside them.
    """

    unit = "row"
    kind = "by hand"

    def __init__(
        self, sources: Sequence[Sequence[Row]], plans: Sequence[FieldPlan], shape: str, step: int = 3, **options: Any
    ) -> None:
        super().__init__([f"/data/part-{k}" for k in range(len(sources))], **options)
        self.sources, self.plans, self.shape, self.step = sources, tuple(plans), shape, step
        self.parsed: list[int] = []

    @property
    def fields(self) -> tuple[FieldPlan, ...]:
        """As given."""
        return self.plans

    def describe(self) -> dict[str, Any]:
        """Nothing but a name."""
        return {"file": f"{self.step}"}

    def _jobs(self) -> Generator[Job, None, None]:
        for number, rows in enumerate(self.sources):
            for first in range(0, len(rows), self.step):
                yield HandJob(number, first + 1, tuple(rows[first : first + self.step]), self.shape, self.parsed)


def slow_vocabulary(rows: Sequence[Row], field: int, plan: FieldPlan, train: Sequence[bool], least: int) -> list[str]:
    """Texts of local ids 1, 2, … of a field."""
    least = plan.min_count or least
    used = [text for row, own in zip(rows, train, strict=True) if own for text, _ in row.cells[field]]
    counts = Counter(used)
    if not plan.bins:
        return [text for _, text in sorted((-n, text.encode()) for text, n in counts.items() if n >= least)]  # type: ignore[misc]
    numbers = sorted(float(text) for text in used if text)
    edges = {numbers[math.ceil((len(numbers) - 1) * k / plan.bins)] for k in range(1, plan.bins)} if numbers else set()
    texts = [f"{edge:.12g}" for edge in sorted(edges) if edge > numbers[0]]
    return [*(["-inf", *texts] if numbers else []), *([""] if counts[""] >= least else [])]


def slow_local(texts: list[str], plan: FieldPlan, text: str) -> int:
    """Local id of a text."""
    known = [one.decode() if isinstance(one, bytes) else one for one in texts]
    if not plan.bins or not text:
        return known.index(text) + 1 if text in known else 0
    lower = [float(one) for one in known if one]
    return bisect.bisect_right(lower, float(text))


def slow_encode(
    rows: Sequence[Row], plans: Sequence[FieldPlan], parts: Sequence[int], least: int
) -> tuple[list[int], list[list[list[tuple[int, float]]]]]:
    """Field sizes; and for every row and field its (global id, what it counts)."""
    train = [part == 0 and row.weight > 0 for part, row in zip(parts, rows, strict=True)]
    vocabularies = [slow_vocabulary(rows, number, plan, train, least) for number, plan in enumerate(plans)]
    sizes = [len(texts) + 1 for texts in vocabularies]
    out = []
    for row in rows:
        cells = []
        for number, (plan, cell) in enumerate(zip(plans, row.cells, strict=True)):
            share = np.float32(len(cell) if plan.pooling == "mean" else 1)
            cells.append(
                [
                    (sum(sizes[:number]) + slow_local(vocabularies[number], plan, text), float(np.float32(x) / share))
                    for text, x in cell
                ]
            )
        out.append(cells)
    return sizes, out

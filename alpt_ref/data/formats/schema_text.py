"""Delimited text by a schema: layout from the first lines, pieces of whole rows, and what each piece becomes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from alpt_ref.data.formats.coded import CodedRows
from alpt_ref.data.formats.delimited import Delimited, parse_lines, parse_records
from alpt_ref.data.formats.faulty import FaultyLines
from alpt_ref.data.formats.lines import BOM, Lines, LineSource
from alpt_ref.data.formats.schema_rows import RowPlan, code_rows
from alpt_ref.data.formats.text import HEAD_BYTES, HEAD_LINES, head_of
from alpt_ref.data.schema_layout import Layout, text_layout
from alpt_ref.errors import InputError


@dataclass(frozen=True)
class DelimitedJob:
    """Whole rows of a file, its layout and what the schema reads of them."""

    source: int
    name: str
    plan: RowPlan
    layout: Layout
    lines: Lines

    def identity(self) -> bytes:
        """Digest of plan, layout and text."""
        layout, lines = self.layout, self.lines
        what = [layout.delimiter, layout.columns, layout.quote, layout.missing, lines.first, lines.records is None]
        key = hashlib.blake2b(self.plan.key + json.dumps(what).encode(), digest_size=32).digest()
        return hashlib.blake2b(lines.data, digest_size=32, key=key).digest()

    def parse(self) -> tuple[CodedRows, FaultyLines]:
        """The good rows, and the others with their reasons."""
        data, records, needed = self.lines.data, self.lines.records, self.plan.needed
        layout = Delimited(self.layout.delimiter, self.layout.columns, self.layout.quote)
        if records is None:
            faulty = FaultyLines(self.lines.first, data.count(b"\n"))
            columns, rows = parse_lines(layout, data, faulty, needed)
        else:
            feeds = np.flatnonzero(np.frombuffer(data, np.uint8) == 10)
            starts = np.concatenate(([0], records.ends[:-1]))
            numbers = self.lines.first + np.searchsorted(feeds, starts)
            faulty = FaultyLines(self.lines.first, len(records.ends), numbers)
            columns, rows = parse_records(layout, data, records, faulty, needed)
        try:
            return code_rows(self.plan, columns, faulty, rows, self.layout.missing), faulty
        except InputError as error:
            raise InputError(f"{self.name}: {error}") from None


def text_jobs(
    number: int, source: LineSource, stream: Any, plans: Sequence[RowPlan]
) -> Generator[DelimitedJob, None, RowPlan]:
    """Pieces of a file, and the plan that fits it.

    Parameters
    ----------
    number : int
        Of the file, from 0.
    source : LineSource
    stream : binary stream
        Its text, as `LineSource.opened` gave it.
    plans : sequence of RowPlan
        Tried in this order: a file may lack the label.

    Raises
    ------
    InputError
        The file cannot be read, or lacks a column of every plan.
    """
    begun, broken, rest = _begin(source, stream)
    if not begun:
        if broken is not None:
            raise broken
        return plans[0]  # an empty file
    plan, layout = _layout(source, head_of(begun if begun.endswith(b"\n") else begun + b"\n"), plans)
    first = 1
    if layout.header:
        begun, first = begun[begun.find(b"\n") + 1 :] if b"\n" in begun else b"", 2

    def blocks() -> Iterator[bytes]:
        for start in range(0, len(begun), source.chunk_bytes):
            yield begun[start : start + source.chunk_bytes]
        if broken is None:
            yield from rest

    for lines in source.records(blocks(), first, layout.delimiter, layout.quote):
        yield DelimitedJob(number, str(source.path), plan, layout, lines)
    if broken is not None:  # a bad row before it comes first
        raise broken
    return plan


def _begin(source: LineSource, stream: Any) -> tuple[bytes, InputError | None, Iterator[bytes]]:
    """A file's beginning without a mark, as much of it as `head_of` needs, the fault behind it, and what follows."""
    blocks, begun, lines = source.blocks_of(stream), b"", 0
    try:
        for block in blocks:
            begun += block
            lines += block.count(b"\n")
            if lines >= HEAD_LINES or (len(begun) >= HEAD_BYTES and lines):
                break
            source.check_line(len(begun) if not lines else 0, 1)
    except InputError as error:
        return begun.removeprefix(BOM), error, blocks
    return begun.removeprefix(BOM), None, blocks


def _layout(source: LineSource, head: Sequence[str], plans: Sequence[RowPlan]) -> tuple[RowPlan, Layout]:
    first: InputError | None = None
    only = len(plans) == 1  # else a delimiter that the schema names decides nothing about the number of columns
    for plan, sure in [*((plan, only) for plan in plans), *(() if only else ((plans[0], True),))]:
        try:
            named = {"labelled": plan.labelled, "times": plan.times, "ids": plan.ids}
            return plan, text_layout(plan.schema, head, sure=sure, **named)
        except InputError as error:
            first = first or error
    raise InputError(f"{source.path}, {first}") from None

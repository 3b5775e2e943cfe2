"""Raw click text with the shape of a public set: its columns, numbers of categories, gaps, click rate, and a signal.

Row ``i`` is a function of (shape, seed, i) alone: rows are drawn in blocks from a counter-based generator, so that a
shorter file is the beginning of a longer one and blocks can be made by any number of threads. The contents are drawn;
what is taken from the real set are its published totals:

Criteo
    45,840,617 rows, 25.6 % clicks; categories of C1 … C26 as in the embedding sizes of DLRM's Kaggle benchmark
    (``--arch-embedding-size`` of github.com/facebookresearch/dlrm), distinct integers of I1 … I13 as in the table sizes
    of OneFlow's DCN.
Avazu
    40,428,967 rows, 17.0 % clicks; categories as in the Avazu sizes of hpcaitech's CachedEmbedding.
"""

from __future__ import annotations

import functools
import gzip
import io
import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.data.formats import avazu, criteo
from alpt_ref.data.splits import check_seed, keyed_generator
from alpt_ref.data.store.parallel import ordered_map, worker_count
from alpt_ref.errors import InputError

Shape = Literal["criteo", "avazu"]
BLOCK = 1 << 15
"""Rows drawn together."""
_STREAM = 0x524157  # second word of the Philox key
_LOGIT_STD = 1.0


@dataclass(frozen=True)
class Column:
    """A column of the text: `size` categories over all rows of the real set, a share `missing` of them empty."""

    name: str
    size: int
    text: Literal["hex", "number", "hour"] = "hex"
    missing: float = 0.0
    lowest: int = 0
    """The commonest number of a "number" column; its others follow by falling frequency."""


@dataclass(frozen=True)
class ClickShape:
    """Totals of a real set and the columns between which its text is laid out."""

    rows: int
    click_rate: float
    columns: tuple[Column, ...]
    delimiter: str
    header: str = ""


def _criteo() -> ClickShape:
    distinct = (649, 9364, 14746, 490, 476707, 11618, 4142, 1373, 7275, 13, 169, 407, 1376)
    gaps = (0.45, 0.0, 0.21, 0.22, 0.03, 0.22, 0.04, 0.0, 0.04, 0.45, 0.04, 0.77, 0.22)
    numbers = [
        Column(name, size, "number", gap, -2 if name == "I2" else 0)
        for name, size, gap in zip(criteo.INTEGERS, distinct, gaps, strict=True)
    ]
    sizes = (
        *(1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3, 93145, 5683, 8351593, 3194),
        *(27, 14992, 5461306, 10, 5652, 2173, 4, 7046547, 18, 15, 286181, 105, 142572),
    )
    often_empty = {"C6": 0.12, "C19": 0.44, "C20": 0.44, "C22": 0.76, "C25": 0.44, "C26": 0.44}
    categories = [
        Column(name, size, "hex", often_empty.get(name, 0.03 if size > 1e6 else 0.0))
        for name, size in zip(criteo.CATEGORIES, sizes, strict=True)
    ]
    return ClickShape(45_840_617, 0.256, (*numbers, *categories), "\t")


def _avazu() -> ClickShape:
    sizes = (
        *(7, 7, 4737, 7745, 26, 8552, 559, 36, 2686408, 6729486, 8251, 5, 4),
        *(2626, 8, 9, 435, 4, 68, 172, 60),
    )
    columns = [
        Column(name, size, "number" if name.startswith("C") or size < 8 else "hex")
        for name, size in zip(avazu.CATEGORIES, sizes, strict=True)
    ]
    return ClickShape(40_428_967, 0.17, (Column("hour", 240, "hour"), *columns), ",", ",".join(avazu.HEADER) + "\n")


SHAPES: Mapping[str, Callable[[], ClickShape]] = {"criteo": _criteo, "avazu": _avazu}


@functools.cache
def support(size: int, rows: int) -> int:
    """Categories to draw from so that `rows` draws show about `size` of them.

    Rank ``k`` of ``N`` is drawn with probability ``log(1 + 1/k) / log(N + 1)``, Zipf's law with exponent 1; the tail of
    a large field is then seen in part only, as it is in click logs.
    """

    def seen(total: float) -> float:
        edges = np.unique(np.floor(np.geomspace(1.0, total + 1.0, 4000)))
        share = np.diff(np.log(edges)) / math.log(total + 1.0)
        width = np.diff(edges)
        return float((width * -np.expm1(rows * np.log1p(-share / width))).sum())

    low, high = float(size), 64.0 * size
    if seen(low) > 0.999 * size:
        return size
    while high - low > 1.0:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if seen(middle) < size else (low, middle)
    return int(high)


def _mix(words: NDArray[np.uint32], salt: int) -> NDArray[np.uint32]:
    """A bijection of 32-bit words (MurmurHash3's finaliser), one for each salt: distinct ranks stay distinct."""
    words = words ^ np.uint32(salt & 0xFFFFFFFF)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        words = (words ^ (words >> np.uint32(shift))) * np.uint32(factor)
    return words


@dataclass(frozen=True, eq=False)
class RawText:
    """Draws the text of blocks of rows.

    Parameters
    ----------
    shape : {"criteo", "avazu"}
    seed : int
    """

    shape: str
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the arguments."""
        if self.shape not in SHAPES:
            raise InputError(f"shape must be one of {', '.join(SHAPES)}, got {self.shape!r}")
        object.__setattr__(self, "seed", check_seed(self.seed))

    @functools.cached_property
    def layout(self) -> ClickShape:
        """Columns and totals."""
        return SHAPES[self.shape]()

    def _ranks(self, block: int) -> NDArray[np.uint32]:
        """Rank of each row's category, 0 where the column is empty: (columns, BLOCK)."""
        uniform = keyed_generator(self.seed, _STREAM, block).random((len(self.layout.columns), BLOCK))
        ranks = np.empty(uniform.shape, dtype=np.uint32)
        for out, u, column in zip(ranks, uniform, self.layout.columns, strict=True):
            kept = 1.0 - column.missing
            total = support(column.size, int(self.layout.rows * kept))
            if column.text == "hour":
                out[:] = u * column.size + 1.0
                continue
            u -= column.missing
            present = u >= 0
            np.multiply(u, math.log(total + 1.0) / kept, out=u)
            np.exp(u, out=u)
            np.minimum(u, total, out=u)
            u[~present] = 0.0
            out[:] = u
        return ranks

    def _logits(self, ranks: NDArray[np.uint32]) -> NDArray[np.float32]:
        """Sum of one weight a category: uniform, centred, of variance ``_LOGIT_STD**2`` over all columns together."""
        scale = np.float32(_LOGIT_STD * math.sqrt(3.0 / len(ranks)) / 2**31)
        total = np.zeros(ranks.shape[1], dtype=np.float32)
        for number, column in enumerate(ranks):
            total += _mix(column, (number + 1) * 0x9E3779B9 + self.seed).view(np.int32) * scale
        return total

    @functools.cached_property
    def bias(self) -> float:
        """Gives the first block the real set's click rate in expectation."""
        logits = self._logits(self._ranks(0)).astype(np.float64)
        low, high = -30.0, 30.0
        for _ in range(60):
            middle = 0.5 * (low + high)
            rate = float((1.0 / (1.0 + np.exp(-(logits + middle)))).mean())
            low, high = (middle, high) if rate < self.layout.click_rate else (low, middle)
        return high

    def block(self, block: int, rows: int = BLOCK) -> bytes:
        """Text of the first `rows` rows of a block, without a header."""
        import pyarrow as pa
        from pyarrow import csv

        ranks = self._ranks(block)
        p = 1.0 / (1.0 + np.exp(-(self._logits(ranks) + np.float32(self.bias)), dtype=np.float32))
        uniform = keyed_generator(self.seed, _STREAM + 1, block).random(BLOCK, dtype=np.float32)
        label = (uniform < p)[:rows].view(np.uint8)
        columns = {"label": label}
        if self.shape == "avazu":
            numbers = np.arange(block * BLOCK, block * BLOCK + rows, dtype=np.uint64)
            columns = {"id": numbers * np.uint64(0x9E3779B97F4A7C15) >> np.uint64(1), "click": label}
        for number, (column, rank) in enumerate(zip(self.layout.columns, ranks, strict=True)):
            columns[column.name] = _text(column, number, rank[:rows])
        out = io.BytesIO()
        options = csv.WriteOptions(include_header=False, delimiter=self.layout.delimiter, quoting_style="none")
        csv.write_csv(pa.table(columns), out, options)
        return out.getvalue()


@functools.cache
def _hex_digits() -> NDArray[np.uint32]:
    """The four characters of each 16-bit number, as one word."""
    return np.frombuffer("".join(f"{value:04x}" for value in range(1 << 16)).encode(), dtype=np.uint32)


def _text(column: Column, number: int, ranks: NDArray[np.uint32]) -> Any:
    """An Arrow array that the CSV writer turns into the column's text."""
    import pyarrow as pa

    if column.text == "hour":
        hours = ranks.astype(np.int64) - 1
        return 14_102_100 + hours // 24 * 100 + hours % 24
    if column.text == "number":
        return pa.array(ranks.astype(np.int64) + (column.lowest - 1), mask=ranks == 0)
    present = ranks != 0
    words = _mix(ranks[present], number * 0x27D4EB2F)
    digits = np.empty((len(words), 2), dtype=np.uint32)
    digits[:, 0], digits[:, 1] = _hex_digits()[words >> np.uint32(16)], _hex_digits()[words & np.uint32(0xFFFF)]
    ends = np.zeros(len(ranks) + 1, dtype=np.int32)
    np.cumsum(present, out=ends[1:])
    return pa.StringArray.from_buffers(len(ranks), pa.py_buffer(ends * np.int32(8)), pa.py_buffer(digits))


def check_generate(shape: str, rows: int, seed: int, day: int | None = None) -> None:
    """InputError where an argument of `iter_raw_text` is outside its range."""
    from alpt_ref.data.synthetic.days import text_source

    text_source(shape, seed, day)
    _check.whole_number("rows", rows, 1, 2**40)


def iter_raw_text(
    shape: str, rows: int, *, seed: int = 0, day: int | None = None, compress: bool = False, workers: int | None = None
) -> Generator[tuple[int, bytes], None, None]:
    """(Rows so far, next piece of the file), memory bounded by a few blocks.

    Parameters
    ----------
    shape : {"criteo", "avazu"}
    rows : int
    seed : int
        Of all draws.
    day : int, optional
        Rows of this day, counted from 1; see `days`.
    compress : bool
        Pieces are members of a gzip file; the bytes do not depend on the time.
    workers : int, optional
        Threads, by default one a core; the text does not depend on them.

    Raises
    ------
    InputError
        An argument is outside its range.
    """
    from alpt_ref.data.synthetic.days import text_source

    check_generate(shape, rows, seed, day)
    source, count = text_source(shape, seed, day), worker_count(workers)
    _ = source.bias, _hex_digits()  # computed once, before there are threads

    def piece(number: int) -> tuple[int, bytes]:
        end = min((number + 1) * BLOCK, int(rows))
        text = source.block(number, end - number * BLOCK)
        if number == 0:
            text = source.layout.header.encode() + text
        return end, gzip.compress(text, 1, mtime=0) if compress else text

    yield from ordered_map(piece, range(-(-int(rows) // BLOCK)), count)


def write_raw_text(
    out: BinaryIO,
    shape: str,
    rows: int,
    *,
    seed: int = 0,
    day: int | None = None,
    compress: bool = False,
    workers: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write a raw click file to an open binary stream; `progress` is called with the rows of each piece."""
    done = 0
    for end, text in iter_raw_text(shape, rows, seed=seed, day=day, compress=compress, workers=workers):
        out.write(text)
        if progress is not None:
            progress(end - done)
        done = end

"""A table over ranks on the GPU: owners of rows, rows on their way, and sums of gradients that several ranks have.

The integers are those of `kernels.cpu.shard_sums`.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.optimizers import DECAY
from alpt_ref.kernels.cuda.sums import magnitude
from alpt_ref.kernels.cuda.target import cuda, kernel
from alpt_ref.kernels.cuda.team import Layout, Place, code_access, code_dtype, float_access, step_size_index, team_of
from alpt_ref.scalar.code_range import code_range
from alpt_ref.scalar.fixed_point import fixed_scale, fixed_unit
from alpt_ref.scalar.quantizer import grid_shift, moved_code
from alpt_ref.scalar.row_hash import hashed_row, row_of_hash

_ONE = np.float32(1.0)
_NO_WORD = np.uint32(0)


@kernel
def find_rows(rows: Any, size: int, n: Any, mask: Any, shift: Any, ranks: Any, owners: Any, places: Any) -> None:
    """Owner of each row and its place there (`kernels.cpu.row_hash.find_rows`)."""
    for i in range(cuda.grid(1), size, cuda.gridsize(1)):
        value = hashed_row(np.uint64(rows[i]), n, mask, shift)
        place = np.uint64(value // ranks)
        places[i] = np.int64(place)
        owners[i] = np.int64(value - np.uint64(place * ranks))


@kernel
def rows_at(places: Any, size: int, rank: Any, n: Any, mask: Any, shift: Any, ranks: Any, out: Any) -> None:
    """``out[i]`` = the row at place ``places[i]`` of a rank."""
    for i in range(cuda.grid(1), size, cuda.gridsize(1)):
        value = np.uint64(np.uint64(np.uint64(places[i]) * ranks) + rank)
        out[i] = np.int64(row_of_hash(value, n, mask, shift))


@kernel
def gather_words(flat: Any, stride: int, offset: int, words: int, places: Any, size: int, out: Any) -> None:
    """``out[i, w] = flat[places[i] * stride + offset + w]``; `size` = places * words."""
    for at in range(cuda.grid(1), size, cuda.gridsize(1)):
        i = np.int64(at // words)
        out[at] = flat[np.int64(places[i]) * stride + offset + np.int64(at - i * words)]


@kernel
def reduced_records(places: Any, rows: Any, size: int, records: Any, totals: Any) -> None:
    """Records of unique rows whose gradients have been added up: place, row, one position, that position."""
    if cuda.grid(1) == 0:
        totals[0] = np.int64(np.int64(size) << np.int64(32))
        totals[1] = np.int64(0)
    for u in range(cuda.grid(1), size, cuda.gridsize(1)):
        records[4 * u] = np.int32(np.uint32(places[u]))
        records[4 * u + 1] = np.int32(np.uint32(rows[u]))
        records[4 * u + 2] = np.int32(1)
        records[4 * u + 3] = np.int32(u)


@kernel
def row_peaks(grads: Any, d: int, positions: int, inverse: Any, slot: Any, peaks: Any) -> None:
    """``peaks[slot[r]]`` = largest magnitude bits of row r's gradients, where its slot is not below zero."""
    for p in range(cuda.grid(1), positions, cuda.gridsize(1)):
        s = slot[inverse[p]]
        if s >= 0:
            peak = np.int32(0)
            for j in range(d):
                peak = max(peak, magnitude(grads[np.int64(p) * d + j]))
            cuda.atomic.max(peaks, s, peak)


@kernel
def row_totals(grads: Any, d: int, size: int, inverse: Any, slot: Any, peaks: Any, times: Any, totals: Any) -> None:
    """``totals[slot[r] * d + j]`` += row r's gradients as integers; `size` = positions * d."""
    for at in range(cuda.grid(1), size, cuda.gridsize(1)):
        p = np.int64(at // d)
        s = np.int64(slot[inverse[p]])
        if s >= 0:
            more = np.int64(np.float64(grads[at]) * fixed_scale(peaks[s], times[s]))
            cuda.atomic.add(totals, s * d + np.int64(at - p * d), more)


@kernel
def join_parts(
    order: Any, starts: Any, size: int, d: int, whole: Any, place: Any, floats: Any, totals: Any, peaks: Any,
    times: Any, out: Any,
) -> None:  # fmt: skip
    """See `kernels.cpu.shard_sums.join_parts`; `size` = unique rows * d."""
    for at in range(cuda.grid(1), size, cuda.gridsize(1)):
        i = np.int64(at // d)
        j = np.int64(at - i * d)
        first, last = starts[i], starts[i + 1]
        e = order[first]
        if whole[e] != 0:
            value = np.float32(floats[place[e] * d + j])
            if last - first > 1:
                value = np.float32(value + np.float32(floats[place[order[first + 1]] * d + j]))
            out[at] = value
        else:
            total = np.int64(0)
            for k in range(first, last):
                total += totals[place[order[k]] * d + j]
            out[at] = np.float32(np.float64(total) * fixed_unit(peaks[i], times[i]))


def wire_layout(d: int, bits: int | None) -> Layout:
    """Where rows on their way lie: codes in whole words, or weights; step sizes have an array of their own."""
    if bits is None:
        return Layout(weights=Place(d, 0))
    per_word = 4 // np.dtype(code_dtype(bits)).itemsize
    return Layout(codes=Place(-(-d * bits // 32) * per_word, 0))


@functools.cache
def moved_codes(d: int, bits: int, layout: Layout) -> Any:
    """Kernel: ``out[i]`` = packed nearest-rounded codes of pending row ``which[i]``, and its step size."""
    team = team_of(d)
    size, lanes = team.size, team.lanes
    (load_codes, _), step_at = code_access(d, bits, layout.codes), step_size_index(layout)
    _, store_codes = code_access(d, bits, wire_layout(d, bits).codes)
    load, _ = float_access(d)
    low, high = (np.int32(code) for code in code_range(bits))
    per_row = layout.per_row

    @kernel
    def run(which, count, records, updates, items, step_size, offsets, units, rates, out, sizes):
        thread = cuda.grid(1)
        lane = thread % size
        if lane >= lanes:
            return
        decay = rates[DECAY]
        for i in range(thread // size, count, cuda.gridsize(1) // size):
            u = np.int64(which[i])
            row, number = np.uint32(records[4 * u]), np.uint32(records[4 * u + 1])
            delta = step_size[step_at(np.int64(row if per_row else number), offsets, units)]
            a, b, c, e = load_codes(items, row, lane)
            m0, m1, m2, m3 = load(updates, u * d, 4 * lane)
            s0, s1 = grid_shift(a, _ONE, m0, delta, decay), grid_shift(b, _ONE, m1, delta, decay)
            s2, s3 = grid_shift(c, _ONE, m2, delta, decay), grid_shift(e, _ONE, m3, delta, decay)
            a, b = moved_code(a, _ONE, s0, False, _NO_WORD), moved_code(b, _ONE, s1, False, _NO_WORD)
            c, e = moved_code(c, _ONE, s2, False, _NO_WORD), moved_code(e, _ONE, s3, False, _NO_WORD)
            a, b = np.int32(min(max(a, low), high)), np.int32(min(max(b, low), high))
            c, e = np.int32(min(max(c, low), high)), np.int32(min(max(e, low), high))
            store_codes(out, i, lane, a, b, c, e)
            if lane == 0:
                sizes[i] = delta

    return run

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
from alpt_ref.kernels.cuda.target import BLOCK, cuda, kernel
from alpt_ref.kernels.cuda.team import Layout, Place, code_access, code_dtype, float_access, step_size_index, team_of
from alpt_ref.scalar.code_range import code_range
from alpt_ref.scalar.fixed_point import fixed_scale, fixed_unit
from alpt_ref.scalar.quantizer import grid_shift, moved_code
from alpt_ref.scalar.row_hash import hashed_row, row_of_hash

MAX_OWNERS = 512
"""Most ranks whose rows are counted in shared memory."""
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
def add_times(times: Any, size: int, index: Any, out: Any) -> None:
    """``out[index[e]] += times[e]``."""
    for e in range(cuda.grid(1), size, cuda.gridsize(1)):
        cuda.atomic.add(out, index[e], times[e])


@kernel
def take_largest(peaks: Any, size: int, index: Any, out: Any) -> None:
    """``out[index[e]] = max(out[index[e]], peaks[e])``."""
    for e in range(cuda.grid(1), size, cuda.gridsize(1)):
        cuda.atomic.max(out, index[e], peaks[e])


@kernel
def list_floats(size: int, index: Any, whole: Any, place: Any, found: Any, pair: Any) -> None:
    """The one or two places of each unique row's float parts, in ``pair[2 u]`` and on, and in ``found[u]`` how many."""
    for e in range(cuda.grid(1), size, cuda.gridsize(1)):
        if whole[e] != 0:
            u = np.int64(index[e])
            pair[2 * u + np.int64(cuda.atomic.add(found, u, np.int32(1)))] = place[e]


@kernel
def add_totals(size: int, d: int, index: Any, whole: Any, place: Any, totals: Any, added: Any) -> None:
    """Integer parts of each unique row added up; `size` = parts * d."""
    for at in range(cuda.grid(1), size, cuda.gridsize(1)):
        e = np.int64(at // d)
        if whole[e] == 0:
            j = np.int64(at - e * d)
            cuda.atomic.add(added, np.int64(index[e]) * d + j, totals[place[e] * d + j])


@kernel
def finish_sums(
    size: int, d: int, found: Any, pair: Any, floats: Any, added: Any, peaks: Any, times: Any, out: Any
) -> None:
    """Sums of the unique rows, as `kernels.cpu.shard_sums.join_parts` makes them; `size` = unique rows * d.

    Two floats are added here, since an atomic addition takes subnormal numbers for zero.
    """
    for at in range(cuda.grid(1), size, cuda.gridsize(1)):
        u = np.int64(at // d)
        j = np.int64(at - u * d)
        if found[u] == 0:
            out[at] = np.float32(np.float64(added[at]) * fixed_unit(peaks[u], times[u]))
        elif found[u] == 1:
            out[at] = floats[pair[2 * u] * d + j]
        else:
            out[at] = np.float32(floats[pair[2 * u] * d + j] + floats[pair[2 * u + 1] * d + j])


@kernel
def count_owners(owners: Any, size: int, ranks: int, counts: Any) -> None:
    """``counts[r]`` += rows of owner r, at most `MAX_OWNERS`; `BLOCK` threads a block."""
    room = cuda.shared.array(MAX_OWNERS, np.int32)
    tid = cuda.threadIdx.x
    for r in range(tid, ranks, BLOCK):
        room[r] = np.int32(0)
    cuda.syncthreads()
    for i in range(cuda.grid(1), size, cuda.gridsize(1)):
        cuda.atomic.add(room, owners[i], np.int32(1))
    cuda.syncthreads()
    for r in range(tid, ranks, BLOCK):
        cuda.atomic.add(counts, r, np.int64(room[r]))


@kernel
def place_by_owner(owners: Any, size: int, ranks: int, cursor: Any, order: Any) -> None:
    """Numbers of the rows by owner; ``cursor[r]`` (int64) begins as the first place of owner r."""
    room = cuda.shared.array(MAX_OWNERS, np.int32)
    base = cuda.shared.array(MAX_OWNERS, np.int64)
    tid = np.int64(cuda.threadIdx.x)
    tile, stride = np.int64(cuda.blockIdx.x) * BLOCK, np.int64(cuda.gridDim.x) * BLOCK
    while tile < size:
        for r in range(tid, ranks, BLOCK):
            room[r] = np.int32(0)
        cuda.syncthreads()
        i, owner, before = tile + tid, np.int64(0), np.int32(0)
        if i < size:
            owner = np.int64(owners[i])
            before = cuda.atomic.add(room, owner, np.int32(1))
        cuda.syncthreads()
        for r in range(tid, ranks, BLOCK):
            base[r] = cuda.atomic.add(cursor, r, np.int64(room[r]))
        cuda.syncthreads()
        if i < size:
            order[base[owner] + np.int64(before)] = i
        cuda.syncthreads()
        tile += stride


@kernel
def pair_rows(rows: Any, times: Any, order: Any, size: int, out: Any) -> None:
    """``out[2 i], out[2 i + 1]`` = row ``order[i]`` and how often it occurs."""
    for i in range(cuda.grid(1), size, cuda.gridsize(1)):
        u = order[i]
        out[2 * i] = np.uint32(rows[u])
        out[2 * i + 1] = np.uint32(times[u])


@kernel
def unpair_rows(pairs: Any, size: int, rows: Any, times: Any) -> None:
    """Inverse of `pair_rows`."""
    for i in range(cuda.grid(1), size, cuda.gridsize(1)):
        rows[i] = pairs[2 * i]
        times[i] = np.int32(pairs[2 * i + 1])


def wire_layout(d: int, bits: int | None, *, together: bool = False) -> Layout:
    """Where rows on their way lie: whole words of codes, or weights; step sizes apart or, `together`, behind them."""
    if bits is None:
        return Layout(weights=Place(d, 0))
    per_word, words = 4 // np.dtype(code_dtype(bits)).itemsize, -(-d * bits // 32)
    if together:
        return Layout(codes=Place((words + 1) * per_word, 0), step_size=Place(words + 1, words))
    return Layout(codes=Place(words * per_word, 0))


@functools.cache
def moved_codes(d: int, bits: int, layout: Layout, wire: Layout) -> Any:
    """Kernel: ``out[i]`` = packed nearest-rounded codes of pending row ``which[i]``, and its step size.

    `wire` says where in `out` and `sizes`; a row below zero is left out.
    """
    team = team_of(d)
    size, lanes = team.size, team.lanes
    (load_codes, _), step_at = code_access(d, bits, layout.codes), step_size_index(layout)
    _, store_codes = code_access(d, bits, wire.codes)
    size_stride, size_offset = wire.step_size.stride, wire.step_size.offset
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
            if u < 0:
                continue
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
                sizes[np.int64(i) * size_stride + size_offset] = delta

    return run

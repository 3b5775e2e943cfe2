"""The batch's unique rows on the GPU: a hash table of the batch, not of the table, that empties itself.

A few launches, none of which waits for the host; how many unique rows there are stays on the device.

1. `insert_ids` finds or claims the slot of each id (linear probing) and counts: every position learns its slot and its
   rank among the equal ids;
2. `compact` walks the slots, gives each row in use an index and room for its positions, and clears the slot;
3. `scatter_positions` writes each position to its place: the positions of a row lie together.

Then the gradients: a row with one or two positions is added where it is updated; one with up to `HEAVY` (a *medium* row)
by one warp in `sum_medium`; a *heavy* one is cut into chunks that many blocks add (`heavy_peaks`, `heavy_sums`).

In which order rows and positions come out depends on timing. No result does: a row's gradient is a sum in integers
(see `alpt_ref.kernels.cpu.unique`), and every row is updated on its own.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ...scalar.fixed_point import fixed_scale, fixed_unit
from .target import SIMULATED, claim, cuda, device, kernel, load4, store4, warp_max, warp_sum_apart
from .team import float_access, team_of

EMPTY = np.int64(0)
"""A slot that holds no row; else row + 1 in the high and its number of positions in the low 32 bits."""
HASH = np.uint32(0x9E3779B1)  # nearest prime to 2**32 over the golden ratio (Knuth, TAOCP 3, 6.4)
HEAVY = 32
"""Most positions of a row that one warp adds by itself."""
CHUNK = 256
"""Positions of a heavy row that one block adds."""
SLOT_BLOCK = 32 if SIMULATED else 256
SLOTS_A_THREAD = 4
ROWS, MULTIPLE = range(2)
"""Places in `totals`: rows << 32 | positions; medium rows << 40 | heavy rows << 20 | chunks."""
MAX_POSITIONS = 1 << 23
"""Most ids of one batch: more would not fit the fields of `totals`."""
_MAGNITUDE = np.int32(0x7FFFFFFF)
_LOW_32 = np.int64(0xFFFFFFFF)
_LOW_20 = np.int64(0xFFFFF)
_32, _20, _40 = np.int64(32), np.int64(20), np.int64(40)


@device
def magnitude(x):  # type: ignore[no-untyped-def]
    """Bits of ``abs(x)``; for finite float32 they are ordered as the magnitudes are."""
    return np.int32(np.float32(x).view(np.int32) & _MAGNITUDE)


@device
def unique_rows(totals):  # type: ignore[no-untyped-def]
    """Number of unique rows of the batch."""
    return int(totals[ROWS] >> _32)


@kernel
def insert_ids(ids: Any, size: int, shift: Any, slots: Any, slot_of: Any, rank_of: Any, totals: Any) -> None:
    """Slot of each of the `size` ids and its rank among equal ones; `slots` begins all EMPTY. Clears `totals`.

    `shift` is 32 minus the binary logarithm of the number of slots.
    """
    first = cuda.grid(1)
    if first < totals.size:
        totals[first] = 0
    mask = np.uint32(slots.size - 1)
    for p in range(first, size, cuda.gridsize(1)):
        row = np.uint32(ids[p])
        key = np.int64(np.int64(row) + np.int64(1))
        slot = np.uint32(np.uint32(row * HASH) >> shift)
        rank = np.int32(-1)
        while rank < 0:
            found = slots[slot]
            if found == EMPTY:
                found = cuda.atomic.cas(slots, slot, EMPTY, np.int64((key << _32) + np.int64(1)))
            if found == EMPTY:
                rank = np.int32(0)
            elif (found >> _32) == key:
                rank = np.int32(np.int64(cuda.atomic.add(slots, slot, np.int64(1))) & _LOW_32)
            else:
                slot = np.uint32(np.uint32(slot + np.uint32(1)) & mask)
        slot_of[p] = slot
        rank_of[p] = rank


@kernel
def compact(
    slots: Any, placed: Any, records: Any, medium: Any, chunks: Any, totals: Any
) -> None:
    """A record (row, first place, positions, place among medium or heavy rows) for every row in use; clears `slots`.

    ``placed[slot]`` is the first place in the high and the index of the record in the low 32 bits. `medium` gets the
    first place and positions of a medium row, `chunks` (heavy row, first, last, positions) for each piece of a heavy one. `SLOT_BLOCK` threads a block.
    """
    room = cuda.shared.array(4, np.int64)
    tid = cuda.threadIdx.x
    tile_slots = SLOT_BLOCK * SLOTS_A_THREAD
    for tile in range(cuda.blockIdx.x * tile_slots, slots.size, cuda.gridDim.x * tile_slots):
        if tid < 2:
            room[tid] = 0
        slot = tile + SLOTS_A_THREAD * tid
        s0, s1, s2, s3 = EMPTY, EMPTY, EMPTY, EMPTY
        if slot < slots.size:
            s0, s1, s2, s3 = slots[slot], slots[slot + 1], slots[slot + 2], slots[slot + 3]
        cuda.syncthreads()
        offset = claim(room, 0, _room(s0) + _room(s1) + _room(s2) + _room(s3))
        more = claim(room, 1, _work(s0) + _work(s1) + _work(s2) + _work(s3))
        cuda.syncthreads()
        if tid < 2:
            room[2 + tid] = cuda.atomic.add(totals, tid, room[tid])
        cuda.syncthreads()
        place = np.int64(room[2] + offset)
        work = np.int64(room[3] + more)
        for k in range(SLOTS_A_THREAD):
            found = s0 if k == 0 else (s1 if k == 1 else (s2 if k == 2 else s3))
            if found != EMPTY:
                count = np.int32(found & _LOW_32)
                row = np.int32(np.uint32((found >> _32) - np.int64(1)))
                u, first = place >> _32, np.int32(place & _LOW_32)
                placed[slot + k] = np.int64((np.int64(first) << _32) + u)
                slots[slot + k] = EMPTY
                among = np.int32(-1)
                if count > HEAVY:
                    among = np.int32((work >> _20) & _LOW_20)
                    at = work & _LOW_20
                    last = np.int32(first + count)
                    for piece in range((count + CHUNK - 1) // CHUNK):
                        begin = np.int32(first + piece * CHUNK)
                        store4(chunks, 4 * (at + piece), among, begin, np.int32(min(begin + CHUNK, last)), count)
                elif count > 2:
                    among = np.int32(work >> _40)
                    medium[2 * among] = first
                    medium[2 * among + 1] = count
                store4(records, 4 * u, row, first, count, among)
                place += _room(found)
                work += _work(found)
        cuda.syncthreads()


@device
def _room(found):  # type: ignore[no-untyped-def]
    return np.int64((np.int64(1) << _32) + (found & _LOW_32)) if found != EMPTY else np.int64(0)


@device
def _work(found):  # type: ignore[no-untyped-def]
    count = found & _LOW_32
    if count > HEAVY:
        return np.int64((np.int64(1) << _20) + (count + CHUNK - 1) // CHUNK)
    return np.int64(np.int64(1) << _40) if count > 2 else np.int64(0)


@kernel
def scatter_positions(
    size: int, slot_of: Any, rank_of: Any, placed: Any, order: Any, inverse: Any, inverts: Any
) -> None:
    """``order[first place of the row + rank] = position``; with `inverts`, ``inverse[position]`` = the row's record."""
    for p in range(cuda.grid(1), size, cuda.gridsize(1)):
        place = placed[slot_of[p]]
        order[(place >> _32) + rank_of[p]] = np.int32(p)
        if inverts != 0:
            inverse[p] = np.int32(place & _LOW_32)


@functools.cache
def _group_max(size: int, block: int) -> Any:
    """Largest int32 among a warp, or among the `size` threads of a larger team; all threads call it together."""
    if size <= 32:
        return warp_max
    teams = block // size

    @device
    def largest(value):  # type: ignore[no-untyped-def]
        shared = cuda.shared.array(teams, np.int32)
        group = cuda.threadIdx.x // size
        if cuda.threadIdx.x % size == 0:
            shared[group] = np.int32(0)
        cuda.syncthreads()
        cuda.atomic.max(shared, group, value)
        cuda.syncthreads()
        value = shared[group]
        cuda.syncthreads()
        return value

    return largest


@functools.cache
def _sums_of(d: int) -> tuple[Any, Any]:
    """`peak` and `total` of one thread's columns over positions ``k, k + stride, ...`` below `last` of a row.

    Four gradients are asked for before the first is used, since each lies behind two memory accesses; the numbers of
    those beyond `last` are the last one's and count for nothing.
    """
    load, _ = float_access(d)

    @device
    def at(order, k, last):  # type: ignore[no-untyped-def]
        return np.int64(order[min(k, last - 1)]) * d

    @device
    def largest(a, b, c, e):  # type: ignore[no-untyped-def]
        return max(max(magnitude(a), magnitude(b)), max(magnitude(c), magnitude(e)))

    @device
    def peak(order, grads, k, last, stride, column):  # type: ignore[no-untyped-def]
        found = np.int32(0)
        while k < last:
            p0, p1 = at(order, k, last), at(order, k + stride, last)
            p2, p3 = at(order, k + 2 * stride, last), at(order, k + 3 * stride, last)
            a0, b0, c0, e0 = load(grads, p0, column)
            a1, b1, c1, e1 = load(grads, p1, column)
            a2, b2, c2, e2 = load(grads, p2, column)
            a3, b3, c3, e3 = load(grads, p3, column)
            found = max(found, max(largest(a0, b0, c0, e0), largest(a1, b1, c1, e1)))
            found = max(found, max(largest(a2, b2, c2, e2), largest(a3, b3, c3, e3)))
            k += 4 * stride
        return found

    @device
    def fixed(x, scale):  # type: ignore[no-untyped-def]
        return np.int64(np.float64(x) * scale)

    @device
    def total(order, grads, k, last, stride, column, scale):  # type: ignore[no-untyped-def]
        ta, tb, tc, te = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
        while k < last:
            p0, p1 = at(order, k, last), at(order, k + stride, last)
            p2, p3 = at(order, k + 2 * stride, last), at(order, k + 3 * stride, last)
            a0, b0, c0, e0 = load(grads, p0, column)
            a1, b1, c1, e1 = load(grads, p1, column)
            a2, b2, c2, e2 = load(grads, p2, column)
            a3, b3, c3, e3 = load(grads, p3, column)
            s1 = scale if k + stride < last else 0.0
            s2 = scale if k + 2 * stride < last else 0.0
            s3 = scale if k + 3 * stride < last else 0.0
            ta += (fixed(a0, scale) + fixed(a1, s1)) + (fixed(a2, s2) + fixed(a3, s3))
            tb += (fixed(b0, scale) + fixed(b1, s1)) + (fixed(b2, s2) + fixed(b3, s3))
            tc += (fixed(c0, scale) + fixed(c1, s1)) + (fixed(c2, s2) + fixed(c3, s3))
            te += (fixed(e0, scale) + fixed(e1, s1)) + (fixed(e2, s2) + fixed(e3, s3))
            k += 4 * stride
        return ta, tb, tc, te

    return peak, total


@functools.cache
def sum_medium(d: int) -> Any:
    """Kernel: ``summed[m]`` (medium rows * d) = sum of the gradients (len * d) of medium row m; a warp (or team) a row."""
    team = team_of(d)
    size, lanes, block = team.size, team.lanes, team.block
    group = max(size, 32)
    teams, groups = group // size, block // group
    _, store = float_access(d)
    largest, (peak_of, total_of) = _group_max(size, block), _sums_of(d)

    @kernel
    def run(totals, medium, order, grads, summed):  # type: ignore[no-untyped-def]
        tid = cuda.threadIdx.x
        inside = tid % group
        team_index, lane = inside // size, inside % size
        column = 4 * lane
        count = int(totals[MULTIPLE] >> _40)
        for tile in range(cuda.blockIdx.x * groups, count, cuda.gridDim.x * groups):
            m = tile + tid // group
            active = m < count and lane < lanes
            first, positions = np.int32(0), np.int32(0)
            peak = np.int32(0)
            if active:
                first, positions = medium[2 * m], medium[2 * m + 1]
                peak = peak_of(order, grads, first + team_index, first + positions, teams, column)
            peak = largest(peak)
            ta, tb, tc, te = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
            if active:
                scale = fixed_scale(peak, positions)
                ta, tb, tc, te = total_of(order, grads, first + team_index, first + positions, teams, column, scale)
            if teams > 1:
                ta, tb = warp_sum_apart(ta, size), warp_sum_apart(tb, size)
                tc, te = warp_sum_apart(tc, size), warp_sum_apart(te, size)
            if active and team_index == 0:
                unit = fixed_unit(peak, positions)
                a, b = np.float32(np.float64(ta) * unit), np.float32(np.float64(tb) * unit)
                c, e = np.float32(np.float64(tc) * unit), np.float32(np.float64(te) * unit)
                store(summed, np.int64(m) * d, column, a, b, c, e)

    return run


@kernel
def clear_heavy(totals: Any, d: int, peaks: Any, sums: Any) -> None:
    """Peaks and sums of the heavy rows become zero."""
    count = int((totals[MULTIPLE] >> _20) & _LOW_20)
    for i in range(cuda.grid(1), count * d, cuda.gridsize(1)):
        sums[i] = np.int64(0)
        if i < count:
            peaks[i] = np.int32(0)


@functools.cache
def heavy_peaks(d: int) -> Any:
    """Kernel: largest magnitude (as float32 bits) of the gradients (len * d) of each heavy row; a block a chunk."""
    team = team_of(d)
    size, lanes, block = team.size, team.lanes, team.block
    teams = block // size
    peak_of, _ = _sums_of(d)

    @kernel
    def run(totals, chunks, order, grads, peaks):  # type: ignore[no-untyped-def]
        largest = cuda.shared.array(1, np.int32)
        pieces = int(totals[MULTIPLE] & _LOW_20)
        tid = cuda.threadIdx.x
        lane = tid % size
        for chunk in range(cuda.blockIdx.x, pieces, cuda.gridDim.x):
            if tid == 0:
                largest[0] = np.int32(0)
            h, first, last, _ = load4(chunks, 4 * chunk)
            peak = np.int32(0)
            if lane < lanes:
                peak = peak_of(order, grads, first + tid // size, last, teams, 4 * lane)
            cuda.syncthreads()
            peak = warp_max(peak)
            if tid % 32 == 0:
                cuda.atomic.max(largest, 0, peak)
            cuda.syncthreads()
            if tid == 0:
                cuda.atomic.max(peaks, h, largest[0])

    return run


@functools.cache
def heavy_sums(d: int) -> Any:
    """Kernel: integer sums (heavy rows * d) relative to the peak of each heavy row; a block a chunk."""
    team = team_of(d)
    size, lanes, block = team.size, team.lanes, team.block
    teams = block // size
    wide = max(size, 32)
    folded = block // wide
    room = folded * 4 * size
    _, total_of = _sums_of(d)

    @kernel
    def run(totals, chunks, order, grads, peaks, sums):  # type: ignore[no-untyped-def]
        parts = cuda.shared.array(room, np.int64)
        pieces = int(totals[MULTIPLE] & _LOW_20)
        tid = cuda.threadIdx.x
        lane = tid % size
        for chunk in range(cuda.blockIdx.x, pieces, cuda.gridDim.x):
            h, first, last, positions = load4(chunks, 4 * chunk)
            scale = fixed_scale(peaks[h], positions)
            ta, tb, tc, te = np.int64(0), np.int64(0), np.int64(0), np.int64(0)
            if lane < lanes:
                ta, tb, tc, te = total_of(order, grads, first + tid // size, last, teams, 4 * lane, scale)
            if size < 32:
                ta, tb = warp_sum_apart(ta, size), warp_sum_apart(tb, size)
                tc, te = warp_sum_apart(tc, size), warp_sum_apart(te, size)
            if tid % wide < size:
                at = 4 * (size * (tid // wide) + lane)
                parts[at] = ta
                parts[at + 1] = tb
                parts[at + 2] = tc
                parts[at + 3] = te
            cuda.syncthreads()
            for j in range(tid, d, block):
                total = np.int64(0)
                for k in range(folded):
                    total += parts[4 * size * k + j]
                cuda.atomic.add(sums, np.int64(h) * d + j, total)
            cuda.syncthreads()

    return run

"""A table over ranks on the GPU with room of a fixed size for each pair of ranks: no launch waits for the host.

Rank r has `capacity` slots for each owner; slot ``owner * capacity + k`` travels to that owner and its answer comes
back to the same slot. An empty slot has the row `EMPTY`, which an owner takes for the place after its last. What does
not fit sets ``flags[OVERFLOW]``, and no rank updates then. The sums are those of `shard`.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.shard import MAX_OWNERS
from alpt_ref.kernels.cuda.sums import magnitude
from alpt_ref.kernels.cuda.target import BLOCK, cuda, kernel
from alpt_ref.kernels.cuda.unique import unique_rows
from alpt_ref.kernels.cuda.warp import claim_one
from alpt_ref.scalar.fixed_point import TOO_LARGE, fixed_scale, fixed_unit
from alpt_ref.scalar.row_hash import hashed_row, row_of_hash

EMPTY = np.uint32(0xFFFFFFFF)
OVERFLOW, NOT_FINITE, BAD_SUM = range(3)
"""Places in `flags` (int32, 3)."""
LOW_32 = np.int64(0xFFFFFFFF)


@kernel
def fill_slots(
    totals: Any, records: Any, n: Any, mask: Any, shift: Any, ranks: Any, capacity: int, cursor: Any, wire: Any,
    slot_of: Any, flags: Any,
) -> None:  # fmt: skip
    """Unique rows and how often they occur into slots of their owners; `wire` (slots * 2) begins all EMPTY."""
    room = cuda.shared.array(MAX_OWNERS, np.int32)
    base = cuda.shared.array(MAX_OWNERS, np.int32)
    tid, owners = np.int64(cuda.threadIdx.x), np.int64(ranks)
    unique = np.int64(unique_rows(totals))
    tile, stride = np.int64(cuda.blockIdx.x) * BLOCK, np.int64(cuda.gridDim.x) * BLOCK
    while tile < unique:
        for r in range(tid, owners, BLOCK):
            room[r] = np.int32(0)
        cuda.syncthreads()
        u, owner, before, row = tile + tid, np.int64(0), np.int32(0), np.uint32(0)
        if u < unique:
            row = np.uint32(records[4 * u])
            value = hashed_row(np.uint64(row), n, mask, shift)
            owner = np.int64(value - np.uint64(np.uint64(value // ranks) * ranks))
            before = cuda.atomic.add(room, owner, np.int32(1))
        cuda.syncthreads()
        for r in range(tid, owners, BLOCK):
            base[r] = cuda.atomic.add(cursor, r, room[r])
        cuda.syncthreads()
        if u < unique:
            k = np.int64(base[owner]) + np.int64(before)
            slot = owner * capacity + k
            if k < capacity:
                wire[2 * slot] = row
                wire[2 * slot + 1] = np.uint32(records[4 * u + 2])
                slot_of[u] = np.int32(slot)
            else:
                flags[OVERFLOW] = np.int32(1)
                slot_of[u] = np.int32(0)
        cuda.syncthreads()
        tile += stride


@kernel
def find_places(wire: Any, size: int, n: Any, mask: Any, shift: Any, ranks: Any, nowhere: Any, places: Any) -> None:
    """Place of each asked row; `nowhere` for an empty slot."""
    for e in range(cuda.grid(1), size, cuda.gridsize(1)):
        row = np.uint32(wire[2 * e])
        place = np.uint32(nowhere)
        if row != EMPTY:
            place = np.uint32(np.uint64(hashed_row(np.uint64(row), n, mask, shift) // ranks))
        places[e] = place


@kernel
def gather_rows(
    flat: Any, stride: int, offset: int, words: int, places: Any, nowhere: Any, size: int, out: Any
) -> None:
    """As `shard.gather_words`; nothing for an empty slot."""
    for at in range(cuda.grid(1), size, cuda.gridsize(1)):
        e = np.int64(at // words)
        place = places[e]
        if place != nowhere:
            out[at] = flat[np.int64(place) * stride + offset + np.int64(at - e * words)]


@kernel
def pick(values: Any, index: Any, size: int, out: Any) -> None:
    """``out[i] = values[index[i]]``."""
    for i in range(cuda.grid(1), size, cuda.gridsize(1)):
        out[i] = values[index[i]]


@kernel
def add_asked_times(wire: Any, size: int, index: Any, out: Any) -> None:
    """``out[index[e]]`` += how often slot e's row occurs on the rank that asked."""
    for e in range(cuda.grid(1), size, cuda.gridsize(1)):
        if np.uint32(wire[2 * e]) != EMPTY:
            cuda.atomic.add(out, index[e], np.int32(wire[2 * e + 1]))


@kernel
def mark_split(wire: Any, times: Any, size: int, split: Any) -> None:
    """``split[e]`` = 1 where a slot's gradients travel as integers, 0 as a float sum, 2 where the slot is empty."""
    for e in range(cuda.grid(1), size, cuda.gridsize(1)):
        if np.uint32(wire[2 * e]) == EMPTY:
            split[e] = np.uint8(2)
        else:
            whole = times[e] == np.int32(wire[2 * e + 1]) or times[e] == 2
            split[e] = np.uint8(0) if whole else np.uint8(1)


@kernel
def slot_peaks(grads: Any, d: int, positions: int, inverse: Any, slot_of: Any, split: Any, peaks: Any) -> None:
    """Largest magnitude bits of the gradients of each split slot; `peaks` (slots,) begin at zero."""
    for p in range(cuda.grid(1), positions, cuda.gridsize(1)):
        s = slot_of[inverse[p]]
        if split[s] == 1:
            peak = np.int32(0)
            for j in range(d):
                peak = max(peak, magnitude(grads[np.int64(p) * d + j]))
            cuda.atomic.max(peaks, s, peak)


@kernel
def largest_asked(peaks: Any, size: int, index: Any, out: Any) -> None:
    """``out[index[e]] = max(out[index[e]], peaks[e])``, `peaks` above zero only."""
    for e in range(cuda.grid(1), size, cuda.gridsize(1)):
        if peaks[e] > 0:
            cuda.atomic.max(out, index[e], peaks[e])


@kernel
def put_floats(totals: Any, d: int, sums: Any, slot_of: Any, split: Any, out: Any) -> None:
    """Float sums (unique rows * d) of the rows that travel whole, as bits in int64 slots."""
    unique = np.int64(unique_rows(totals))
    for at in range(cuda.grid(1), unique * d, cuda.gridsize(1)):
        u = np.int64(at // d)
        slot = np.int64(slot_of[u])
        if split[slot] == 0:
            out[slot * d + np.int64(at - u * d)] = np.int64(np.float32(sums[at]).view(np.int32))


@kernel
def put_totals(
    grads: Any, d: int, size: int, inverse: Any, slot_of: Any, split: Any, peaks: Any, times: Any, out: Any
) -> None:
    """Integer sums of the gradients of split slots; `size` = positions * d, `out` begins at zero."""
    for at in range(cuda.grid(1), size, cuda.gridsize(1)):
        p = np.int64(at // d)
        s = np.int64(slot_of[inverse[p]])
        if split[s] == 1:
            more = np.int64(np.float64(grads[at]) * fixed_scale(peaks[s], times[s]))
            cuda.atomic.add(out, s * d + np.int64(at - p * d), more)


@kernel
def list_parts(size: int, index: Any, split: Any, found: Any, pair: Any) -> None:
    """The one or two float parts of each owned row (`shard.list_floats`)."""
    for e in range(cuda.grid(1), size, cuda.gridsize(1)):
        if split[e] == 0:
            u = np.int64(index[e])
            pair[2 * u + np.int64(cuda.atomic.add(found, u, np.int32(1)))] = np.int32(e)


@kernel
def add_parts(size: int, d: int, index: Any, split: Any, parts: Any, added: Any) -> None:
    """Integer parts of each owned row added up; `size` = slots * d."""
    for at in range(cuda.grid(1), size, cuda.gridsize(1)):
        e = np.int64(at // d)
        if split[e] == 1:
            cuda.atomic.add(added, np.int64(index[e]) * d + np.int64(at - e * d), parts[at])


@kernel
def finish_parts(
    totals: Any, d: int, found: Any, pair: Any, parts: Any, added: Any, peaks: Any, times: Any, out: Any, flags: Any
) -> None:
    """Sums of the owned rows (`shard.finish_sums`); ``flags[BAD_SUM]`` where one is not finite or too large."""
    unique = np.int64(unique_rows(totals))
    for at in range(cuda.grid(1), unique * d, cuda.gridsize(1)):
        u = np.int64(at // d)
        j = np.int64(at - u * d)
        value = np.float32(0.0)
        if times[u] > 0:
            if found[u] == 0:
                value = np.float32(np.float64(added[at]) * fixed_unit(peaks[u], times[u]))
            else:
                value = np.int32(parts[np.int64(pair[2 * u]) * d + j]).view(np.float32)
                if found[u] == 2:
                    other = np.int32(parts[np.int64(pair[2 * u + 1]) * d + j]).view(np.float32)
                    value = np.float32(value + other)
            if magnitude(value) >= TOO_LARGE:
                flags[BAD_SUM] = np.int32(1)
        out[at] = value


@kernel
def own_records(
    totals: Any, records: Any, rank: Any, n: Any, mask: Any, shift: Any, ranks: Any, nowhere: Any, counter: Any,
    out: Any, record_at: Any,
) -> None:  # fmt: skip
    """Records (place, row, one position, its number) of the owned rows that were asked for; `counter` begins at zero.

    ``record_at[u]`` = the record of owned row u, below zero for the empty slots' one. `BLOCK` threads a block.
    """
    room = cuda.shared.array(2, np.int32)
    tid, unique = np.int64(cuda.threadIdx.x), np.int64(unique_rows(totals))
    tile, stride = np.int64(cuda.blockIdx.x) * BLOCK, np.int64(cuda.gridDim.x) * BLOCK
    while tile < unique:
        if tid == 0:
            room[0] = np.int32(0)
        cuda.syncthreads()
        u, place = tile + tid, np.uint32(nowhere)
        if u < unique:
            place = np.uint32(records[4 * u])
            record_at[u] = np.int32(-1)
        before = claim_one(room, 0, place != np.uint32(nowhere))
        cuda.syncthreads()
        if tid == 0:  # one atomic a block: all blocks want the same counter
            room[1] = np.int32(cuda.atomic.add(counter, 0, room[0]))
        cuda.syncthreads()
        if place != np.uint32(nowhere):
            k = np.int64(room[1]) + np.int64(before)
            value = np.uint64(np.uint64(np.uint64(place) * ranks) + rank)
            out[4 * k] = np.int32(place)
            out[4 * k + 1] = np.int32(np.uint32(row_of_hash(value, n, mask, shift)))
            out[4 * k + 2] = np.int32(1)
            out[4 * k + 3] = np.int32(u)
            record_at[u] = np.int32(k)
        cuda.syncthreads()
        tile += stride


@kernel
def open_update(counter: Any, totals: Any, flags: Any, guard: Any) -> None:
    """The number of records to where updates read it; nothing is updated where a flag is up."""
    if cuda.grid(1) == 0:
        totals[0] = np.int64(np.int64(counter[0]) << np.int64(32))
        totals[1] = np.int64(0)
        up = flags[OVERFLOW] != 0 or flags[NOT_FINITE] != 0 or flags[BAD_SUM] != 0
        guard[0] = np.int32(1) if up else np.int32(0)

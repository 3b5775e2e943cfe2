"""The batch's unique rows on the GPU: a hash table of the batch, not of the table, that empties itself.

A few launches, none of which waits for the host; how many unique rows there are stays on the device.

1. `insert_ids` finds or claims the slot of each id (linear probing) and counts: every position learns its slot and its
   rank among the equal ids;
2. `compact` walks the slots, gives each row in use an index and room for its positions, and clears the slot;
3. `scatter_positions` writes each position to its place: the positions of a row lie together.

In which order rows and positions come out depends on timing. No result does: a row's gradient is a sum in integers
(`sums`), and every row is updated on its own.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any

import numpy as np

from .target import SIMULATED, claim, cuda, device, kernel, store4

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
_LOW_32 = np.int64(0xFFFFFFFF)
_LOW_20 = np.int64(0xFFFFF)
_32, _20, _40 = np.int64(32), np.int64(20), np.int64(40)


@device
def unique_rows(totals):
    """Number of unique rows of the batch."""
    return int(totals[ROWS] >> _32)


@device
def medium_rows(totals):
    """Number of rows with 3 to `HEAVY` positions."""
    return int(totals[MULTIPLE] >> _40)


@device
def heavy_rows(totals):
    """Number of rows with more than `HEAVY` positions."""
    return int((totals[MULTIPLE] >> _20) & _LOW_20)


@device
def heavy_pieces(totals):
    """Number of chunks that the heavy rows are cut into."""
    return int(totals[MULTIPLE] & _LOW_20)


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
def compact(slots: Any, placed: Any, records: Any, medium: Any, chunks: Any, totals: Any) -> None:
    """A record (row, first place, positions, place among medium or heavy rows) for every row in use; clears `slots`.

    ``placed[slot]`` is the first place in the high and the index of the record in the low 32 bits. `medium` gets the
    first place and positions of a medium row, `chunks` (heavy row, first, last, positions) for each piece
    of a heavy one. `SLOT_BLOCK` threads a block.
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
def _room(found):
    return np.int64((np.int64(1) << _32) + (found & _LOW_32)) if found != EMPTY else np.int64(0)


@device
def _work(found):
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

"""The batch's unique rows on the GPU: a hash table of the batch, not of the table.

A few launches, none of which waits for the host; how many unique rows there are stays on the device.

1. `insert_ids` finds or claims the slot of each id and counts: every position learns its slot and its rank among the
   equal ids; whoever claims a slot begins the row's record;
2. `complete_records` gives each row room for its positions, and its slot the place of that room;
3. `scatter_positions` writes each further position to its place: the positions of a row lie together. First ones are
   in the record, so that only repeated ids cost random accesses here.

In which order rows and positions come out depends on timing. No result does: a row's gradient is a sum in integers
(`sums`), and every row is updated on its own.
"""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.target import BLOCK, cuda, device, kernel, load4, store4
from alpt_ref.kernels.cuda.warp import claim, claim_one

EMPTY = np.uint32(0)
"""Key of a slot that holds no row, else row + 1; after the key comes the number of further positions."""
HASH = np.uint32(0x9E3779B1)  # nearest prime to 2**32 over the golden ratio (Knuth, TAOCP 3, 6.4)
HEAVY = 32
"""Most positions of a row that one warp adds by itself."""
CHUNK = 256
"""Positions of a heavy row that one block adds."""
CHUNK_SHIFT = np.int64(CHUNK.bit_length() - 1)
PLACES = 2 * BLOCK
"""Places in shared memory for the rows of a block of `insert_ids`."""
OTHER_HALF = np.uint32(BLOCK)
PLACE_SHIFT = np.uint32(32 - (PLACES.bit_length() - 1))
ALONE, NOT_IN = np.uint32(0xFFFFFFFF), np.uint32(0xFFFFFFFE)
"""Instead of a rank in the block: the place there was another row's; nothing to do."""
ROWS, MULTIPLE = range(2)
"""Places in `totals`: rows << 32 | positions of repeated rows; medium rows << 40 | heavy rows << 20 | chunks."""
MAX_POSITIONS = 1 << 23
"""Most ids of one batch: more would not fit the fields of `totals`."""
_LOW_32 = np.int64(0xFFFFFFFF)
_LOW_20 = np.int64(0xFFFFF)
_1 = np.uint64(1)
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


EVERY, DIRECT, SUMMED = range(3)
"""Which rows an update is for: all, those with one or two positions, or those whose sums other kernels make."""


@device
def rows_of(totals, row_class):
    """Number of unique rows of that kind; as many of `EVERY` as of `DIRECT`, which skips the others."""
    return medium_rows(totals) + heavy_rows(totals) if row_class == SUMMED else unique_rows(totals)


@device
def record_of(records, u, rows, row_class, medium):
    """Record of the row at place `u` of `rows` of its kind; no positions where there is none or it is of another kind.

    The fifth number is its place among all unique rows. Of `SUMMED` rows, heavy ones begin at the end of `records`, and
    the last word is that place, since the one among their kind is known.
    """
    row, first, count, among, index = np.int32(0), np.int32(0), np.int32(0), np.int32(0), np.int32(u)
    if u < rows:
        place = np.int64(u)
        if row_class == SUMMED and u >= medium:
            place = records.size // 4 - 1 - (u - medium)
        row, first, count, among = load4(records, 4 * place)
        if row_class == SUMMED:
            index, among = among, np.int32(u - medium) if u >= medium else index
        elif row_class == DIRECT and count > 2:
            count = np.int32(0)
    return np.uint32(row), first, count, among, index


@kernel
def insert_ids(
    ids: Any, size: int, shift: Any, slots: Any, records: Any, slot_of: Any, rank_of: Any, claimed: Any, totals: Any
) -> None:
    """Slot of each of the `size` ids and its rank among equal ones; `slots` begins all EMPTY. Clears `totals`.

    `claimed` (1,) begins as 0 and counts the records; a record is the row, its slot, nothing yet, its first position.
    `shift` is 32 minus the binary logarithm of the number of slots. A block first brings its equal ids together in
    shared memory: however frequent a row is, its slot sees it once a block. Of two rows that want the same place there,
    the second goes to the slots by itself. `BLOCK` threads a block.
    """
    keys = cuda.shared.array(PLACES, np.uint32)
    more = cuda.shared.array(PLACES, np.uint32)
    room = cuda.shared.array(2, np.int32)
    tid = np.uint32(cuda.threadIdx.x)
    if cuda.grid(1) < totals.size:
        totals[cuda.grid(1)] = 0
    tile, stride = np.int64(cuda.blockIdx.x) * BLOCK, np.int64(cuda.gridDim.x) * BLOCK
    while tile < size:
        keys[tid], keys[tid + OTHER_HALF] = EMPTY, EMPTY
        more[tid], more[tid + OTHER_HALF] = np.uint32(0), np.uint32(0)
        if tid == 0:
            room[0] = np.int32(0)
        cuda.syncthreads()
        row, place, rank, p = np.uint32(0), np.uint32(0), NOT_IN, np.uint64(tile) + np.uint64(tid)
        if tile + np.int64(tid) < size:
            row = np.uint32(ids[p])
            key = np.uint32(row + np.uint32(1))
            place = np.uint32(np.uint32(row * HASH) >> PLACE_SHIFT)
            found = cuda.atomic.cas(keys, place, EMPTY, key)
            if found == EMPTY:
                rank = np.uint32(0)
            elif found == key:
                rank = np.uint32(cuda.atomic.add(more, place, np.uint32(1)) + np.uint32(1))
            else:
                rank = ALONE
        cuda.syncthreads()
        slot, is_new = np.uint32(0), False
        if rank == 0 or rank == ALONE:
            others = more[place] if rank == 0 else np.uint32(0)
            slot, base, is_new = _insert(row, others, shift, slots)
            if others > 0:
                keys[place] = slot
                more[place] = base
            slot_of[p] = slot
            rank_of[p] = np.int32(0) if is_new else np.int32(base)
            rank = NOT_IN
        first = claim_one(room, 0, is_new)
        cuda.syncthreads()
        if tid == 0:
            room[1] = np.int32(cuda.atomic.add(claimed, 0, room[0]))
        if rank != NOT_IN:
            slot_of[p] = keys[place]
            rank_of[p] = np.int32(np.uint32(more[place] + rank))
        cuda.syncthreads()
        if is_new:
            store4(records, 4 * np.int64(room[1] + first), np.int32(row), np.int32(slot), np.int32(0), np.int32(p))
        cuda.syncthreads()
        tile += stride


@device
def _insert(row, others, shift, slots):
    """Count a position of `row` and `others` more: its slot, the first one's rank if not new, whether the row is new.

    The others' ranks are that number and 1, 2, ...
    """
    mask = np.uint32(slots.size // 2 - 1)
    key = np.uint32(row + np.uint32(1))
    slot = np.uint32(np.uint32(row * HASH) >> shift)
    while True:
        at = np.uint64(slot) << _1
        found = slots[at]
        if found == EMPTY:
            found = cuda.atomic.cas(slots, at, EMPTY, key)
        if found == EMPTY:
            base = cuda.atomic.add(slots, at + _1, others) if others > 0 else np.uint32(0)
            return slot, np.uint32(base), True
        if found == key:
            base = cuda.atomic.add(slots, at + _1, np.uint32(others + np.uint32(1)))
            return slot, np.uint32(base + np.uint32(1)), False
        slot = np.uint32(np.uint32(slot + np.uint32(1)) & mask)


@kernel
def complete_records(
    claimed: Any, slots: Any, order: Any, records: Any, summed: Any, chunks: Any, totals: Any, every: Any
) -> None:
    """Records become the row, its first place, its positions and one number more.

    That number is the first position of a row with one or two, else the row's place among the medium or heavy ones.
    The slot of a row with several gets its first place as the second word, with `every` each slot the index of its
    record as the first. `summed` gets the records of medium rows, from its end those of heavy ones, with
    that index as the last word; `chunks` gets (heavy row, first, last, positions) for each piece of a heavy one.
    `BLOCK` threads a block.
    """
    room = cuda.shared.array(4, np.int64)
    tid = cuda.threadIdx.x
    unique = np.int64(claimed[0])
    if cuda.grid(1) == 0:
        cuda.atomic.add(totals, ROWS, np.int64(unique << _32))
    tile, stride = np.int64(cuda.blockIdx.x) * BLOCK, np.int64(cuda.gridDim.x) * BLOCK
    while tile < unique:
        if tid < 2:
            room[tid] = 0
        cuda.syncthreads()
        u = np.int64(tile + tid)
        row, slot, count, among = np.int32(0), np.uint64(0), np.int32(0), np.int32(0)
        if u < unique:
            row, found, count, among = load4(records, 4 * u)
            slot = np.uint64(np.uint32(found)) << _1
            count = np.int32(np.int32(slots[slot + _1]) + np.int32(1))
        place = claim(room, 0, np.int64(count) if count > 1 else np.int64(0))
        work = claim(room, 1, _work(count))
        cuda.syncthreads()
        if tid < 2:
            room[2 + tid] = cuda.atomic.add(totals, tid, room[tid]) if room[tid] != 0 else np.int64(0)
        cuda.syncthreads()
        if count > 0:
            first = np.int32((room[2] & _LOW_32) + place)
            if every != 0:
                slots[slot] = np.uint32(u)
            if count > 1:
                slots[slot + _1] = np.uint32(first)
            if count > 2:
                order[np.uint64(first)] = among
                work += room[3]
                among = np.int32(work >> _40)
                if count > HEAVY:
                    among = np.int32((work >> _20) & _LOW_20)
                    _cut(chunks, work & _LOW_20, among, first, count)
                at = np.int64(among) if count <= HEAVY else summed.size // 4 - 1 - np.int64(among)
                store4(summed, 4 * at, row, first, count, np.int32(u))
            store4(records, 4 * u, row, first, count, among)
        cuda.syncthreads()
        tile += stride


@device
def _cut(chunks, at, heavy, first, count):
    """Cut a heavy row's positions into chunks, listed from `at` on."""
    last = np.int32(first + count)
    begin = np.int32(first)
    while begin < last:
        end = np.int32(begin + CHUNK)
        store4(chunks, 4 * at, heavy, begin, np.int32(min(end, last)), count)
        begin = end
        at += 1


@device
def _work(count):
    """What a row with `count` positions adds to the second of `totals`."""
    if count > HEAVY:
        return np.int64((np.int64(1) << _20) + (np.int64(count + CHUNK - 1) >> CHUNK_SHIFT))
    return np.int64(np.int64(1) << _40) if count > 2 else np.int64(0)


@kernel
def scatter_positions(
    size: int, slot_of: Any, rank_of: Any, slots: Any, order: Any, inverse: Any, inverts: Any, claimed: Any
) -> None:
    """``order[first place of the row + rank] = position`` of all but first positions; `claimed` becomes 0 again.

    With `inverts`, ``inverse[position]`` = the row's record, for every position.
    """
    first, stride = cuda.grid(1), cuda.gridsize(1)
    if first == 0:
        claimed[0] = 0
    while first < size:
        p = np.uint64(first)
        rank = rank_of[p]
        if rank > 0 or inverts != 0:
            slot = np.uint64(slot_of[p]) << _1
            if rank > 0:
                order[np.uint64(slots[slot + _1]) + np.uint64(rank)] = np.int32(p)
            if inverts != 0:
                inverse[p] = np.int32(slots[slot])
        first += stride

"""The state of a table that is spread over ranks: gathered, cut into shards, put together again; its figures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref._util.exact import exact_sum, sums_by_exponent
from alpt_ref.errors import InputError
from alpt_ref.quantizer import check_grid
from alpt_ref.tables.state_keys import current_state

if TYPE_CHECKING:
    from alpt_ref.distributed.owned import OwnedRows

State = dict[str, NDArray[Any]]
BLOCK_BYTES = 1 << 26
"""About how much of an array is on its way at once."""
ROWS = "rows"


def shard_of(own: OwnedRows) -> State:
    """See `ShardedTable.state_shard`."""
    return {**own.state(), ROWS: own.whole_rows(np.arange(own.n, dtype=np.int64))}


def gathered(own: OwnedRows) -> State | None:
    """See `ShardedTable.gather_state`."""
    shard, per_row = own.shard, own.row_arrays()
    first = shard.group.rank == 0
    whole: State = {}
    for name, array in own._state_arrays().items():
        if name not in per_row:
            whole[name] = own.backend.to_host(array)
            continue
        if first:
            whole[name] = np.empty((shard.spec.n, *array.shape[1:]), array.dtype)
        _gather_rows(own, array, whole.get(name))
    whole["updates"] = np.array([own._updates], np.int64)
    return whole if first else None


def _gather_rows(own: OwnedRows, array: Any, whole: NDArray[Any] | None) -> None:
    """Put the array's rows of all ranks into `whole` on rank 0, block by block."""
    group, rows = own.shard.group, own.shard.rows
    row_bytes = max(1, int(np.prod(array.shape[1:], dtype=np.int64)) * array.dtype.itemsize)
    block = max(1, BLOCK_BYTES // row_bytes)
    for begin in range(0, rows.count(0), block):
        spans = [(min(begin, rows.count(rank)), min(begin + block, rows.count(rank))) for rank in range(group.ranks)]
        lo, hi = spans[group.rank]
        out, into = np.zeros(group.ranks, np.int64), np.zeros(group.ranks, np.int64)
        out[0] = hi - lo
        if whole is not None:
            into[:] = [end - start for start, end in spans]
        part = group.exchange(own.backend.to_host(array[lo:hi]), out, into)
        if whole is not None:
            places = [rows.rows(rank, np.arange(*span, dtype=np.int64)) for rank, span in enumerate(spans)]
            whole[np.concatenate(places)] = part


def own_part(own: OwnedRows, shards: Iterable[Mapping[str, NDArray[Any]]]) -> State:
    """This rank's part of what `shards` hold together, checked.

    A shard without ``rows`` is a whole state.

    Raises
    ------
    InputError
        A shard does not fit, or they do not hold every row once.
    """
    per_row, rows, rank = own.row_arrays(), own.shard.rows, own.shard.group.rank
    held = {name: (array.dtype, array.shape[1:]) for name, array in own._state_arrays().items()}
    part: State = {name: np.empty((own.n, *held[name][1]), held[name][0]) for name in per_row}
    seen, total = np.zeros(own.n, bool), 0
    shared: State = {}
    for number, given in enumerate(shards):
        shard = current_state(given)
        which = _checked_rows(shard.pop(ROWS, None), own.shard.spec.n, number)
        if set(shard) != {*held, "updates"}:
            raise InputError(
                f"shard {number} must hold exactly {sorted([*held, 'updates', ROWS])}, got {sorted(shard)}"
            )
        for name in per_row:
            dtype, rest = held[name]
            if shard[name].dtype != dtype or shard[name].shape != (len(which), *rest):
                raise InputError(
                    f"{name!r} of shard {number} must be {dtype} of shape {(len(which), *rest)}, got "
                    f"{shard[name].dtype} {shard[name].shape}"
                )
        owners, places = rows.find(which)
        mine = owners == rank
        if seen[places[mine]].any() or len(np.unique(which)) != len(which):
            raise InputError(f"shards must hold every row once, shard {number} has rows that were there before")
        seen[places[mine]] = True
        total += len(which)
        for name in per_row:
            part[name][places[mine]] = shard[name][mine]
        _check_shared(shared, {name: array for name, array in shard.items() if name not in per_row}, number)
    if total != own.shard.spec.n or not seen.all():
        raise InputError(f"shards must hold every row once, they hold {total} of {own.shard.spec.n}")
    state = {**part, **shared}
    for name, array in own._state_arrays().items():
        loose = name.removeprefix("optimizer.") in own._optimizer.any_length
        if not loose and (state[name].shape != array.shape or state[name].dtype != array.dtype):
            raise InputError(
                f"{name!r} must be {array.dtype} of shape {array.shape}, got {state[name].dtype} {state[name].shape}"
            )
    _check.whole_number("updates", state["updates"][0], 0)
    if own.bits is not None:
        check_grid("step_size", _check.step_sizes(state["step_size"], len(state["step_size"])), own.bits)
    return state


def _checked_rows(given: Any, n: int, number: int) -> NDArray[np.int64]:
    if given is None:
        return np.arange(n, dtype=np.int64)
    right = isinstance(given, np.ndarray) and given.dtype == np.int64 and given.ndim == 1
    if not right or (len(given) and (int(given.min()) < 0 or int(given.max()) >= n)):
        raise InputError(f"'rows' of shard {number} must be int64 (k,), each in [0, {n})")
    rows: NDArray[np.int64] = given
    return rows


def _check_shared(shared: State, given: State, number: int) -> None:
    """What does not belong to rows is the same in every shard."""
    for name, array in given.items():
        if name not in shared:
            shared[name] = array
        elif not np.array_equal(shared[name].view(np.uint8), array.view(np.uint8)):
            raise InputError(f"shards must be of one table at one update, {name!r} of shard {number} is another's")


def counts(own: OwnedRows) -> NDArray[np.int64]:
    """See `ShardedTable.counters`; every rank counts the floor hits of step sizes that rows share."""
    found = own.counters().copy()
    if own.shares_units and own.shard.group.rank > 0:
        found[4:] = 0
    own.shard.group.total(found)
    return found


def figures(own: OwnedRows) -> dict[str, float]:
    """See `ShardedTable.statistics`."""
    if own.bits is None:
        return {}
    elements, moved, stalled, clipped, *hits = (int(count) for count in counts(own))
    sizes = own.step_size
    assert sizes is not None
    group = own.shard.group
    bits = np.array([-int(sizes.view(np.int32).min()), int(sizes.view(np.int32).max())], np.int64)
    sums = sums_by_exponent(sizes)
    count = np.array([len(sizes)], np.int64)
    if not own.shares_units:  # else every rank has all of them
        group.largest(bits)
        group.total(sums)
        group.total(count)
    least, most = np.array([-bits[0], bits[1]], np.int32).view(np.float32)
    found = {
        "clipped_share": clipped / max(elements, 1),
        "stalled_share": stalled / max(moved, 1),
        "step_size_mean": float(exact_sum(sums) / int(count[0])),
        "step_size_min": float(least),
        "step_size_max": float(most),
    }
    return found | ({"step_floor_hits": float(hits[0])} if hits else {})

"""Lookups and updates of a table whose rows are spread over ranks: ids travel, rows come back, gradients follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from alpt_ref._util import check as _check
from alpt_ref.distributed.agreement import agree
from alpt_ref.distributed.group import Group
from alpt_ref.distributed.route import Route
from alpt_ref.distributed.row_map import RowMap
from alpt_ref.errors import InputError
from alpt_ref.tables import checks

Result = TypeVar("Result")


class ShardedIds:
    """Checked ids of one rank, and the ways of their rows once they have travelled (`ShardedTable.checked_ids`).

    `problem` is what is wrong with them, which all ranks hear of together.
    """

    def __init__(self, array: Any, n: int, problem: Exception | None = None) -> None:
        self.array, self.n, self.problem = array, n, problem
        self.route: Route | None = None


@dataclass(frozen=True)
class ShardedPending:
    """Rows that have moved but are not yet rounded, from `ShardedTable.begin_update` to `finish_update`.

    Attributes
    ----------
    positions : int
        Ids of this rank.
    everywhere : int
        Ids of all ranks.
    route : Route
    rows : object
        The owner's pending rows.
    """

    positions: int
    everywhere: int
    route: Route
    rows: Any


@dataclass(frozen=True)
class _Step:
    """What a rank was given for an update, checked."""

    ids: ShardedIds
    route: Route
    grads: Any
    rate: float
    batch: int


def _batch(batch_size: int | None) -> int:
    """The batch size as ranks tell it each other in 64 bits, -1 where it is the number of ids."""
    return -1 if batch_size is None else _check.whole_number("batch_size", batch_size, 1, 1 << 63)


def attempt(work: Callable[[], Result]) -> tuple[Result | None, Exception | None]:
    """What `work` gives, or what it raises, whatever it is: others would wait, and must hear of it first (`agree`)."""
    try:
        return work(), None
    except Exception as error:
        return None, error


class Steps:
    """What `ShardedTable` does to its rows; its class sets the attributes."""

    group: Group
    rank: int
    ranks: int
    row_map: RowMap
    n: int
    d: int
    method: str
    bits: int | None
    lr: float
    two_pass_capable: bool
    own: Any
    _kinds: Any
    _capacity: int | None
    _waiting: ShardedPending | None = None

    @property
    def updates(self) -> int:
        """Updates so far."""
        return int(self.own._updates)

    # --- a batch's ways -----------------------------------------------------------------------------------------------

    def checked_ids(self, ids: Any) -> ShardedIds:
        """Ids that `lookup` and the updates take in place of `ids`: looked up, then updated, they travel once.

        Not collective. If they are wrong on one of several ranks, the call that takes them raises on all.

        Raises
        ------
        InputError
            In a group of one rank, if they are wrong.
        """
        if isinstance(ids, ShardedIds):
            if ids.n == self.n:
                return ids
            ids = ids.array
        found, problem = attempt(lambda: self._kinds.batch.ids(ids, self.n))
        if problem is not None and self.ranks == 1:
            raise problem
        return ShardedIds(found, self.n, problem)

    def _ways(self, ids: Any) -> tuple[ShardedIds, Route]:
        given = self.checked_ids(ids)
        if given.problem is not None:
            raise given.problem
        if given.route is not None and given.route.group is self.group:  # else of another table
            return given, given.route
        return given, Route(self.group, self.row_map, self._kinds.batch(given.array, self.n, self.d), self._kinds)

    def _travel(
        self, call: str, ways: tuple[ShardedIds, Route] | None, problem: Exception | None, rate: float, batch: int
    ) -> tuple[Route, int]:
        """All ranks agree on going on, and their ids travel unless they have together; the way, and all ranks' ids."""
        numbers, counts = (0, 0), None
        if ways is not None:
            numbers, counts = (len(ways[0].array), ways[1].trip), ways[1].counts_out
        heard = agree(
            self.group, call, problem, rate=rate, batch=batch, updates=self.updates, numbers=numbers, counts=counts
        )
        assert ways is not None
        given, route = ways
        largest = int(heard.counts.max())
        if self._capacity is not None and largest > self._capacity:
            raise InputError(
                f"a rank may ask another for at most capacity={self._capacity} unique rows in one batch, got {largest} "
                "and nothing has changed: give a larger capacity or smaller batches"
            )
        trips = heard.numbers[:, 1]
        if not trips[0] or (trips != trips[0]).any():  # of different batches, where ranks look at several first
            if route.trip:  # an update may be under way on it
                route = Route(self.group, self.row_map, route.batch, self._kinds)
            route.connect(heard.counts.T[self.rank])
            given.route = route
        return route, int(heard.numbers[:, 0].sum())

    def lookup(self, ids: Any) -> Any:
        """Embeddings of this rank's `ids`; see `EmbeddingTable.lookup`.

        Parameters
        ----------
        ids : integer array (len,)
            Each in ``[0, n)``; any length, none too.

        Returns
        -------
        float32 array (len, d)
            On the table's device.

        Raises
        ------
        InputError
            On all ranks, if the ids of one are wrong.
        """
        ways, problem = attempt(lambda: self._ways(ids))
        route, _ = self._travel("lookup", ways, problem, 0.0, -1)
        return route.values(self.own.answer(route.asked.places), self.d, self.bits)

    def _step(
        self, call: str, ids: Any, grads: Any, lr: float | None, batch_size: int | None
    ) -> tuple[_Step, int, Any]:
        """The checked step, how many ids all ranks have, and the sums of the gradients of this rank's rows."""

        def check() -> _Step:
            given, route = self._ways(ids)
            values = self._kinds.batch.gradients(grads, (len(given.array), self.d))
            rate = self.lr if lr is None else _check.number("lr", lr)
            batch = _batch(batch_size)
            route.batch.require_finite(values, self.updates)
            return _Step(given, route, values, rate, batch)

        step, problem = attempt(check)
        ways = None if step is None else (step.ids, step.route)
        rate, batch = (0.0, -1) if step is None else (step.rate, step.batch)
        route, everywhere = self._travel(call, ways, problem, rate, batch)
        assert step is not None
        return replace(step, route=route), everywhere, self._sums(route, step.grads) if everywhere else None

    def _sums(self, route: Route, grads: Any) -> Any:
        """Sums of the gradients of this rank's rows; all ranks raise where one is not finite or too large."""
        sums = route.sums(grads)
        problem: Exception | None = None
        refused = route.asked.refused(sums)
        if len(refused):
            rows = self.own.whole_rows(route.asked.unique[refused])
            problem = checks.sum_error(self._kinds.host(rows), self._kinds.host(sums[refused]), self.updates)
        agree(self.group, "the rest of an update", problem)
        return sums

    # --- updates ------------------------------------------------------------------------------------------------------

    def apply_gradients(self, ids: Any, grads: Any, *, lr: float | None = None, batch_size: int | None = None) -> None:
        """One training step by the gradients of all ranks; see `EmbeddingTable.apply_gradients`.

        Parameters
        ----------
        ids : integer array (len,)
            This rank's part; any length, none too.
        grads : float32 array (len, d)
        lr : float, optional
            The same on all ranks.
        batch_size : int, optional
            Samples in the batch over all ranks, the same on all of them; default: the ids of all ranks.

        Raises
        ------
        InputError, TrainingError
            On all ranks, if one of them gave something wrong; nothing has changed on any.
        """
        step, everywhere, sums = self._step("apply_gradients", ids, grads, lr, batch_size)
        if everywhere:
            self.own.update(step.route.asked.unique, sums, step.rate, everywhere if step.batch < 0 else step.batch)
        self._count()

    def _count(self) -> None:
        self.own.count_update()
        self._waiting = None

    def begin_update(self, ids: Any, grads: Any, *, lr: float | None = None) -> ShardedPending:
        """First half of a two-pass ALPT step; see `AdaptiveTable.begin_update` and `apply_gradients`."""
        self._require_two_passes()
        step, everywhere, sums = self._step("begin_update", ids, grads, lr, None)
        rows = self.own.begin(step.route.asked.unique, sums, step.rate) if everywhere else None
        self._waiting = ShardedPending(len(step.ids.array), everywhere, step.route, rows)
        return self._waiting

    def _require_two_passes(self) -> None:
        if not self.two_pass_capable:
            raise InputError(f"two-pass updates need method 'alpt', this table is {self.method!r}")

    def _require_latest(self, pending: Any) -> ShardedPending:
        if self._waiting is None or pending is not self._waiting:
            raise InputError("pending must be the unfinished result of this table's latest begin_update")
        return self._waiting

    def lookup_pending(self, pending: ShardedPending) -> Any:
        """Nearest-rounded values of the moved rows, float32 (len, d), for this rank's ids of `begin_update`."""
        held, problem = attempt(lambda: self._require_latest(pending))
        agree(self.group, "lookup_pending", problem, updates=self.updates)
        assert held is not None
        if not held.everywhere:
            return self._kinds.xp.zeros((0, self.d), "float32")
        parts = self.own.answer_pending(held.rows, held.route.asked.index)
        return held.route.values(parts, self.d, self.bits)

    def finish_update(self, pending: ShardedPending, grads: Any, *, batch_size: int | None = None) -> None:
        """Second half of a two-pass ALPT step; see `AdaptiveTable.finish_update` and `apply_gradients`."""

        def check() -> tuple[ShardedPending, Any, int]:
            held = self._require_latest(pending)
            values = self._kinds.batch.gradients(grads, (held.positions, self.d))
            batch = _batch(batch_size)
            held.route.batch.require_finite(values, self.updates)
            return held, values, batch

        made, problem = attempt(check)
        agree(self.group, "finish_update", problem, batch=-1 if made is None else made[2], updates=self.updates)
        assert made is not None
        held, values, batch = made
        if held.everywhere:
            self.own.finish(held.rows, self._sums(held.route, values), held.everywhere if batch < 0 else batch)
        self._count()

    def settle(self) -> None:
        """See `EmbeddingTable.settle`; not collective, but all ranks must call it at the same update."""
        self.own.settle()

    def rest(self) -> None:
        """See `EmbeddingTable.rest`; not collective, but all ranks must call it at the same update."""
        self.own.rest()

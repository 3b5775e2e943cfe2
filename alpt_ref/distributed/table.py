"""`ShardedTable`: an embedding table whose rows are spread over the ranks of a process group.

Every method is collective unless it says otherwise: all ranks call it, each with its own part of the batch. What one
rank is given wrong makes all of them raise, before anything has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.distributed import states
from alpt_ref.distributed.agreement import agree
from alpt_ref.distributed.group import find_group
from alpt_ref.distributed.kinds import kinds_of, owned_class
from alpt_ref.distributed.shard import Shard, checked_spec, fingerprint, method_of
from alpt_ref.distributed.steps import Steps, attempt
from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import get_backend
from alpt_ref.tables.spec import TableSpec

State = dict[str, NDArray[Any]]


class ShardedTable(Steps):
    """An embedding table over the ranks of `group`, bit for bit the `EmbeddingTable` of one process.

    Parameters
    ----------
    spec : TableSpec
        Of the whole table. Its options say which method it is: `FullOptions` (fp32), `LptOptions` or `AlptOptions`.
        The same on all ranks.
    group : torch.distributed.ProcessGroup, optional
        Default: the default group where torch.distributed has one, else this process alone, without torch.
    capacity : int, optional
        Most unique rows that a rank may ask another for in one batch; more are refused on all ranks. Default: any.

    Attributes
    ----------
    n, d : int
        Rows and columns of the whole table.
    method : str
    bits, rounding, optimizer, lr
        As for `EmbeddingTable`.
    rank, ranks : int
    two_pass_capable, shares_rows : bool
    row_map : RowMap
        Which rank owns which row.
    updates : int
        Updates so far.
    sent : int
        Bytes that this rank has sent to others in exchanges of rows so far.

    Raises
    ------
    InputError
        On all ranks: the spec is wrong on one, differs between ranks, or is of a method that cannot be spread; there is
        no process group where a launcher has started several processes; torch is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from alpt_ref.distributed import ShardedTable
    >>> from alpt_ref.tables import TableSpec
    >>> from alpt_ref.tables.options import LptOptions
    >>> table = ShardedTable(TableSpec(100, 8, LptOptions(bits=4)))
    >>> table.apply_gradients([3, 7, 3], np.ones((3, 8), np.float32))
    >>> table.lookup([3, 7]).shape
    (2, 8)
    """

    def __init__(self, spec: TableSpec, group: Any = None, *, capacity: int | None = None) -> None:
        self.group = find_group(group, getattr(spec, "device", "cpu"))
        self.rank, self.ranks = self.group.rank, self.group.ranks
        marks, problem = attempt(lambda: fingerprint(checked_spec(spec, capacity, self.ranks), capacity))
        made = agree(self.group, "ShardedTable", problem, numbers=marks or (0, 0))
        if (made.numbers != made.numbers[0]).any():
            raise InputError("spec and capacity must be the same on all ranks, they are not")
        self.spec, self.n, self.d, self.method = spec, int(spec.n), int(spec.d), method_of(spec)
        self._capacity = capacity
        own, problem = attempt(self._made)
        agree(self.group, "ShardedTable", problem)
        assert own is not None
        self.own = own
        self.bits, self.rounding, self.optimizer, self.lr = own.bits, own.rounding, own.optimizer, own.lr
        self.two_pass_capable, self.shares_rows = own.two_pass_capable, own.shares_rows

    def _made(self) -> Any:
        """The rows of this rank; not collective."""
        spec = self.spec
        get_backend(spec.device)  # refuses, with the reason, a device that cannot be used
        self._kinds = kinds_of(spec.device)
        self.row_map = self._kinds.row_map(self.n, self.ranks)
        return owned_class(self.method, spec.device)(Shard(spec, self.group, self.row_map))

    @property
    def sent(self) -> int:
        """See the class."""
        return self.group.sent

    # --- state --------------------------------------------------------------------------------------------------------

    def gather_state(self) -> State | None:
        """On rank 0 the arrays of `EmbeddingTable.state` of the whole table, bit for bit; None on the others."""
        agree(self.group, "gather_state", updates=self.updates)
        return states.gathered(self.own)

    def state_shard(self) -> State:
        """This rank's part of the state, for a file of its own; not collective.

        Arrays by name as in `EmbeddingTable.state`, those with one entry a row for this rank's rows only, and
        ``rows`` (int64 (k,)), the rows of the whole table that they belong to.
        """
        return states.shard_of(self.own)

    def load_shards(self, shards: Iterable[Mapping[str, NDArray[Any]]]) -> None:
        """Take over the shards that any number of ranks wrote (`state_shard`), each of them given to every rank.

        An iterator is read once, shard by shard: a rank needs to hold one shard besides its own rows.

        Raises
        ------
        InputError
            On all ranks: a shard does not fit the table, or the shards do not hold every row once. Nothing has changed.
        """
        self._load("load_shards", shards)

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over a `gather_state` or an `EmbeddingTable.state`, given to every rank.

        Raises
        ------
        InputError
            On all ranks, if it does not fit; nothing has changed.
        """
        self._load("load_state", [state])

    def _load(self, call: str, shards: Iterable[Mapping[str, NDArray[Any]]]) -> None:
        state, problem = attempt(lambda: states.own_part(self.own, shards))
        agree(self.group, call, problem, batch=0 if state is None else int(state["updates"][0]))
        assert state is not None
        self.own.load_state(state)
        self._waiting = None

    def statistics(self, reset: bool = True) -> dict[str, float]:
        """Figures of the whole table since the last reset, the same on all ranks; see `EmbeddingTable.statistics`.

        ``step_size_mean`` is the exact mean rounded once, for every number of ranks.
        """
        agree(self.group, "statistics", updates=self.updates)
        figures = states.figures(self.own)
        if reset:
            self.own.statistics(reset=True)
        return figures

    def counters(self) -> NDArray[np.int64]:
        """Counts of the whole table, the same on all ranks; see `EmbeddingTable.counters`."""
        agree(self.group, "counters", updates=self.updates)
        return states.counts(self.own)

    def load_counters(self, counts: NDArray[np.int64]) -> None:
        """Put back what `counters` returned, given to every rank; not collective."""
        self.own.load_counters(counts if self.rank == 0 else np.zeros_like(counts))

    def nbytes(self, what: str = "training") -> int:
        """Bytes of this rank's part; not collective."""
        return int(self.own.nbytes(what))

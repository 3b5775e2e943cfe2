"""`ShardedTable`: an embedding table whose rows are spread over the ranks of a process group.

Every method is collective unless it says otherwise: all ranks call it, each with its own part of the batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.tables.spec import TableSpec

State = dict[str, NDArray[Any]]


class ShardedTable:
    """An embedding table over the ranks of `group`, bit for bit the `EmbeddingTable` of one process.

    Parameters
    ----------
    spec : TableSpec
        Of the whole table. Its options say which method it is: `FullOptions` (fp32), `LptOptions` or `AlptOptions`.
        The same on all ranks.
    group : torch.distributed.ProcessGroup, optional
        Default: the default group where torch.distributed has one, else this process alone, without torch.

    Attributes
    ----------
    n, d : int
        Rows and columns of the whole table.
    method : str
    bits, rounding, optimizer, lr
        As for `EmbeddingTable`.
    rank, ranks : int
    two_pass_capable : bool
    updates : int
        Updates so far.

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

    def __init__(self, spec: TableSpec, group: Any = None) -> None:
        raise NotImplementedError

    def checked_ids(self, ids: Any) -> Any:
        """Ids that `lookup` and the updates take in place of `ids`: looked up, then updated, they travel once.

        Not collective. What it returns is good until the table's next update of other ids.
        """
        raise NotImplementedError

    def lookup(self, ids: Any) -> NDArray[np.float32]:
        """Embeddings of this rank's `ids`, float32 (len, d); see `EmbeddingTable.lookup`.

        Raises
        ------
        InputError
            On all ranks, if the ids of one are wrong.
        """
        raise NotImplementedError

    def apply_gradients(
        self, ids: Any, grads: NDArray[np.float32], *, lr: float | None = None, batch_size: int | None = None
    ) -> None:
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
        raise NotImplementedError

    def begin_update(self, ids: Any, grads: NDArray[np.float32], *, lr: float | None = None) -> Any:
        """First half of a two-pass ALPT step; see `AdaptiveTable.begin_update`."""
        raise NotImplementedError

    def lookup_pending(self, pending: Any) -> NDArray[np.float32]:
        """Nearest-rounded values of the moved rows, float32 (len, d), for this rank's ids of `begin_update`."""
        raise NotImplementedError

    def finish_update(self, pending: Any, grads: NDArray[np.float32], *, batch_size: int | None = None) -> None:
        """Second half of a two-pass ALPT step; see `AdaptiveTable.finish_update`."""
        raise NotImplementedError

    def settle(self) -> None:
        """See `EmbeddingTable.settle`."""
        raise NotImplementedError

    def rest(self) -> None:
        """See `EmbeddingTable.rest`."""
        raise NotImplementedError

    def gather_state(self) -> State | None:
        """On rank 0 the arrays of `EmbeddingTable.state` of the whole table, bit for bit; None on the others."""
        raise NotImplementedError

    def state_shard(self) -> State:
        """This rank's part of the state, for a file of its own; not collective.

        Arrays by name as in `EmbeddingTable.state`, those with one entry a row for this rank's rows only, and
        ``rows`` (int64 (k,)), the rows of the whole table that they belong to.
        """
        raise NotImplementedError

    def load_shards(self, shards: Iterable[State]) -> None:
        """Take over the shards that any number of ranks wrote (`state_shard`), each of them given to every rank.

        An iterator is read once, shard by shard, so that no rank needs to hold more than one besides its own.

        Raises
        ------
        InputError
            A shard does not fit the table, or the shards do not hold every row once.
        """
        raise NotImplementedError

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over a `gather_state` or an `EmbeddingTable.state`, given to every rank."""
        raise NotImplementedError

    def statistics(self, reset: bool = True) -> dict[str, float]:
        """Figures of the whole table since the last reset, the same on all ranks; see `EmbeddingTable.statistics`."""
        raise NotImplementedError

    def counters(self) -> NDArray[np.int64]:
        """Counts of the whole table, the same on all ranks; see `EmbeddingTable.counters`."""
        raise NotImplementedError

    def load_counters(self, counts: NDArray[np.int64]) -> None:
        """Put back what `counters` returned."""
        raise NotImplementedError

    def nbytes(self, what: str = "training") -> int:
        """Bytes of this rank's part; not collective."""
        raise NotImplementedError

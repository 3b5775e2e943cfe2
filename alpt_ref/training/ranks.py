"""The processes that share a run: who they are, what they say to each other, and what each of them keeps.

`Alone` is one process. `alpt_ref.distributed` has those of a process group. A run's code calls the same methods on
every rank in the same order; what only one may do (files, locks) goes through `Ranks.once`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from numpy.typing import NDArray

from alpt_ref._util.exact import exact_sum, sums_by_exponent
from alpt_ref._util.folders import folder_lock
from alpt_ref.errors import InputError
from alpt_ref.models.slices import OneProcess, SliceSums
from alpt_ref.training import checkpoint
from alpt_ref.training.build import build
from alpt_ref.training.checkpoint import Checkpoint
from alpt_ref.training.config import RunConfig

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.models.base import Model
    from alpt_ref.models.ops_base import Ops
    from alpt_ref.tables.base import EmbeddingTable

T = TypeVar("T")


class Ranks(ABC):
    """The processes of a run. All methods are collective unless they say otherwise.

    Attributes
    ----------
    rank, size : int
        This process, from 0, and the number of processes.
    """

    rank: int
    size: int

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes and speaks; not collective."""
        return self.rank == 0

    @abstractmethod
    def sums(self, slices: int) -> SliceSums:
        """Who computes which of a batch's slices, and their sums; not collective."""

    @abstractmethod
    def build(self, config: RunConfig, dataset: ClickDataset, ops: Ops) -> tuple[EmbeddingTable, Model]:
        """Table and model at their initial values; the model computes with `ops`."""

    @abstractmethod
    def device_sums(self, slices: int) -> SliceSums:
        """`sums` of arrays on this process's GPU, which only queue; not collective."""

    @abstractmethod
    def table_steps(
        self,
        table: Any,
        sizes: Sequence[int],
        batches: Sequence[NDArray[Any]],
        room: int,
        guard: Any,
        *,
        ordered: bool,
    ) -> Any:
        """Queued steps of a table on GPUs (`training.steps_cuda`).

        Parameters
        ----------
        table
            Of `build`.
        sizes : sequence of int
            Ids of each rank in a batch.
        batches : sequence of integer arrays
            Ids of this rank in some batches, by which room is made for the exchange.
        room : int
            How many times as much is made.
        guard : int32 device array (2,)
        ordered : bool
            Whether the bits may not depend on the number of ranks.
        """

    @abstractmethod
    def stream(self, priority: int = 0) -> Any:
        """A stream of this process's GPU, on which the ranks' exchanges are queued too; not collective."""

    @abstractmethod
    def once(self, call: Callable[[], T]) -> T:
        """What `call` returns on rank 0, on every rank; what it raises there is raised on every rank."""

    @abstractmethod
    def each(self, call: Callable[[], T]) -> T:
        """What `call` returns on this rank; what it raises on any rank is raised on every rank."""

    @abstractmethod
    def joined(self, own: NDArray[Any]) -> NDArray[Any]:
        """The arrays of all ranks, one behind the other in the order of the ranks; lengths may differ."""

    @abstractmethod
    def alone_in(self, folder: Path) -> AbstractContextManager[None]:
        """Hold the lock of an output folder inside the block; raises `InputError` on every rank if it is taken."""

    @abstractmethod
    def table_bytes(self, table: EmbeddingTable) -> tuple[int, int]:
        """Bytes of all rows in training and in serving (`EmbeddingTable.nbytes`), the same for any number of ranks."""

    @abstractmethod
    def statistics(self, table: EmbeddingTable) -> dict[str, float]:
        """`EmbeddingTable.statistics` of all rows since the last call, the same bits for any number of ranks."""

    @abstractmethod
    def write_checkpoint(self, folder: Path, content: Checkpoint) -> Path:
        """See `checkpoint.write_checkpoint`; each rank gives what it holds of the table."""

    @abstractmethod
    def write_folder(self, path: Path, content: Checkpoint) -> None:
        """See `checkpoint.write_folder`; each rank gives what it holds of the table."""

    @abstractmethod
    def read_checkpoint(self, path: Path, table: EmbeddingTable) -> Checkpoint:
        """See `checkpoint.read_folder`; of the table's arrays the rows that belong to this rank, as it holds them."""


class Alone(Ranks):
    """One process: its part of everything is all of it.

    Examples
    --------
    >>> Alone().once(lambda: 3), Alone().first
    (3, True)
    """

    rank, size = 0, 1

    def sums(self, slices: int) -> SliceSums:
        """See `Ranks.sums`."""
        return OneProcess(slices)

    def build(self, config: RunConfig, dataset: ClickDataset, ops: Ops) -> tuple[EmbeddingTable, Model]:
        """See `Ranks.build`."""
        return build(config, dataset, device=config.train.device, ops=ops)

    def device_sums(self, slices: int) -> SliceSums:
        """See `Ranks.device_sums`."""
        return OneProcess(slices)

    def table_steps(
        self,
        table: Any,
        sizes: Sequence[int],
        batches: Sequence[NDArray[Any]],
        room: int,
        guard: Any,
        *,
        ordered: bool,
    ) -> Any:
        """See `Ranks.table_steps`."""
        from alpt_ref.training.steps_cuda import LocalSteps  # loads CUDA

        return LocalSteps(table, sizes[0], guard)

    def stream(self, priority: int = 0) -> Any:
        """See `Ranks.stream`."""
        from alpt_ref.kernels.cuda.streams import new_stream

        return new_stream(priority)

    def once(self, call: Callable[[], T]) -> T:
        """See `Ranks.once`."""
        return call()

    def each(self, call: Callable[[], T]) -> T:
        """See `Ranks.each`."""
        return call()

    def joined(self, own: NDArray[Any]) -> NDArray[Any]:
        """See `Ranks.joined`."""
        return own

    def alone_in(self, folder: Path) -> AbstractContextManager[None]:
        """See `Ranks.alone_in`."""
        return folder_lock(folder)

    def table_bytes(self, table: EmbeddingTable) -> tuple[int, int]:
        """See `Ranks.table_bytes`."""
        return int(table.nbytes("training")), int(table.nbytes("serving"))

    def statistics(self, table: EmbeddingTable) -> dict[str, float]:
        """See `Ranks.statistics`: a mean over rows is the exact one, rounded once."""
        figures = table.statistics(reset=True)
        sizes = table.step_size
        if "step_size_mean" in figures and sizes is not None:
            figures["step_size_mean"] = float(exact_sum(sums_by_exponent(sizes)) / len(sizes))
        return figures

    def write_checkpoint(self, folder: Path, content: Checkpoint) -> Path:
        """See `Ranks.write_checkpoint`."""
        return checkpoint.write_checkpoint(folder, content)

    def write_folder(self, path: Path, content: Checkpoint) -> None:
        """See `Ranks.write_folder`."""
        checkpoint.write_folder(path, content)

    def read_checkpoint(self, path: Path, table: EmbeddingTable) -> Checkpoint:
        """See `Ranks.read_checkpoint`."""
        return checkpoint.read_folder(path)


def require_ranks(ranks: Ranks | None, config: RunConfig) -> Ranks:
    """The ranks of a run; `InputError` where it cannot be shared by them."""
    if ranks is None:
        ranks = Alone()
        launched = os.environ.get("WORLD_SIZE", "1")
        if config.train.sharded and launched.isdigit() and int(launched) > 1:
            raise InputError(
                f"a launcher has started {launched} processes, each of which would train the whole run; call "
                "alpt_ref.distributed.train, which shares it"
            )
    if ranks.size > 1 and not config.train.sharded:
        raise InputError(f"a run on {ranks.size} ranks must have train.sharded; give --sharded")
    if config.train.sharded and config.train.reduce == "ordered":
        ranks.sums(config.train.slices)  # refuses a number of slices that the ranks cannot share
    return ranks


def require_beginning(ranks: Ranks, start: object | None, resumed: Checkpoint | None) -> None:
    """`InputError` where several ranks would begin with what another run has left."""
    if ranks.size > 1 and start is not None and resumed is None:
        raise InputError(
            f"a run that continues another (--init-from) is begun by one process, got {ranks.size}; start it "
            "without torchrun, then resume it with as many as you like"
        )

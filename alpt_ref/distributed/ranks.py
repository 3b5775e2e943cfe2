"""The ranks of a process group as a training run sees them (`alpt_ref.training.ranks`)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.folders import folder_lock
from alpt_ref.distributed import shard_files
from alpt_ref.distributed.group import TorchGroup, find_group, lost_rank
from alpt_ref.distributed.processes import Watch
from alpt_ref.distributed.shared_folder import require_shared
from alpt_ref.distributed.states import ROWS
from alpt_ref.distributed.table import ShardedTable
from alpt_ref.errors import AlptError, InputError, LostRankError, TrainingError
from alpt_ref.models.slices import SliceSums, added, owned_slices
from alpt_ref.tables.make import make_spec
from alpt_ref.training import checkpoint
from alpt_ref.training.build import State, build_model, table_arguments
from alpt_ref.training.checkpoint import Checkpoint, CheckpointError
from alpt_ref.training.config import RunConfig
from alpt_ref.training.ranks import Ranks

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.models.base import Model
    from alpt_ref.models.ops_base import Ops

T = TypeVar("T")
_KINDS: tuple[type[AlptError], ...] = (InputError, CheckpointError, LostRankError, TrainingError, AlptError)
SMALL = 1 << 16
"""Bytes of a sum that every rank adds by itself; each rank adds a part of a larger one."""


class RankTable(ShardedTable):
    """A `ShardedTable` whose `state` is this rank's part of it, as an engine keeps it."""

    def state(self) -> State:
        """This rank's `state_shard`; not collective."""
        return self.state_shard()

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Put a `state` back, which is not collective, or a whole state, which is."""
        own = dict(state)
        rows = own.pop("rows", None)
        if rows is None:
            super().load_state(state)
            return
        if not np.array_equal(rows, self.state_shard()["rows"]):
            raise InputError("state must hold the rows of this rank")
        self.own.load_state(own)
        self._waiting = None

    def own_bytes(self, what: str) -> int:
        """What this rank adds to the bytes of the whole table: arrays that every rank holds are rank 0's."""
        if self.spec.device == "cuda":
            return int(self.own.nbytes(what))
        held, rows = self.own._arrays() if what == "serving" else self.own._state_arrays(), self.own.row_arrays()
        return sum(array.nbytes for name, array in held.items() if name in rows or self.rank == 0)

    def moment(self, rows: NDArray[np.int64] | None = None, spare: Any = None) -> Any:
        """Of this rank's rows, on the device (`EmbeddingTable.moment`); not collective."""
        return RankMoment(self, spare)


class RankMoment:
    """A rank's part of a table at one moment of a run (`tables.moments.TableMoment`)."""

    def __init__(self, table: RankTable, spare: Any) -> None:
        self._table = table
        self._own = table.own.moment(None, None if spare is None else spare._own)

    def state(self) -> State:
        """As `RankTable.state`."""
        return {**self._own.state(), ROWS: self._table.own.whole_rows(np.arange(self._table.own.n, dtype=np.int64))}

    def restore(self) -> None:
        """Put it back."""
        self._own.restore()
        self._table._waiting = None


class TorchRanks(Ranks):
    """The processes of torch's default group.

    Parameters
    ----------
    watch : Watch, optional
        Of `processes.process_group`.
    device : str
        Where they compute, "cpu" or "cuda"; `InputError` where the group lacks a backend for it.
    """

    def __init__(self, watch: Watch | None = None, device: str = "cpu") -> None:
        import torch
        from torch import distributed

        TorchGroup(None, device).require_backends(device)

        self._torch, self._dist, self.watch = torch, distributed, watch
        self._row_arrays: frozenset[str] = frozenset()
        self._group: Any = None  # the default one
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()

    def call(self, collective: str, *arguments: Any, **keywords: Any) -> None:
        """One of torch's collectives; `LostRankError` where it fails."""
        try:
            getattr(self._dist, collective)(*arguments, **keywords)
        except Exception as error:  # RuntimeError or DistBackendError, by backend and version
            raise lost_rank(error) from None

    def gather(self, parts: NDArray[Any]) -> NDArray[Any]:
        """The arrays of all ranks, all of one shape (k, ...), one behind the other: (size * k, ...)."""
        out = np.empty((self.size * len(parts), *parts.shape[1:]), parts.dtype)
        into = self._torch.from_numpy(out.reshape(self.size, -1).view(np.uint8))
        own = self._torch.from_numpy(np.ascontiguousarray(parts).reshape(-1).view(np.uint8))
        self.call("all_gather", list(into), own)
        return out

    def total_of_slices(self, parts: NDArray[Any], slices: int) -> NDArray[Any]:
        """Sum in slice order of the slices' parts, (k, n) here: every rank adds a part of the n columns for all."""
        own, columns = parts.shape
        each = -(-columns // self.size)
        padded = np.zeros((self.size, own, each), parts.dtype)
        for rank in range(self.size):
            part = parts[:, rank * each : (rank + 1) * each]
            padded[rank, :, : part.shape[1]] = part
        mine = np.empty_like(padded)  # from every rank: its slices' part of the columns that this rank adds
        flat = (one.reshape(-1).view(np.uint8) for one in (mine, padded))
        self.call("all_to_all_single", *map(self._torch.from_numpy, flat))
        return self.gather(added(mine.reshape(slices, each))[None]).reshape(-1)[:columns].copy()

    def everyone(self, value: Any) -> list[Any]:
        """What each rank has given, which is pickled."""
        found: list[Any] = [None] * self.size
        self.call("all_gather_object", found, value)
        return found

    # --- see Ranks ---------------------------------------------------------------------------------------------------

    def sums(self, slices: int) -> SliceSums:
        """See `Ranks.sums`."""
        return RankSums(self, slices)

    def build(self, config: RunConfig, dataset: ClickDataset, ops: Ops) -> tuple[Any, Model]:
        """See `Ranks.build`."""
        device = config.train.device
        table = RankTable(
            make_spec(config.table.method, device=device, **table_arguments(config, dataset)), self._group
        )
        self._row_arrays = table.own.row_arrays()
        return table, build_model(config, dataset, ops)

    def device_sums(self, slices: int) -> SliceSums:
        """See `Ranks.device_sums`."""
        from alpt_ref.distributed.cuda_steps import DeviceSums  # loads CUDA

        if self.size == 1:
            raise InputError("one process trains on its GPU without a process group: start it without one")
        return DeviceSums(find_group(self._group, "cuda"), slices)

    def table_steps(
        self, table: Any, sizes: Sequence[int], batches: Sequence[Any], room: int, guard: Any, *, ordered: bool
    ) -> Any:
        """See `Ranks.table_steps`."""
        from alpt_ref.distributed.cuda_steps import FastSteps, RankSteps, table_capacity

        own = sizes[self.rank]
        most = max(1, min(max(sizes), -(-table.n // table.ranks)))
        needed = np.array([table_capacity(table, batches, most)], np.int64)
        capacity = min(most, room * int(self.joined(needed).max()))
        return (RankSteps if ordered else FastSteps)(table, own, capacity)

    def stream(self, priority: int = 0) -> Any:
        """See `Ranks.stream`."""
        from alpt_ref.distributed.graphs import shared_stream

        return shared_stream(priority)

    def once(self, call: Callable[[], T]) -> T:
        """See `Ranks.once`."""
        said: list[Any] = [None]
        problem: BaseException | None = None
        if self.first:
            try:
                said = [(None, call())]
            except Exception as error:  # whatever it is, the others must not wait
                problem, said = error, [(_plain(error), None)]
        self.call("broadcast_object_list", said, src=0)
        if problem is not None:
            raise problem
        failed, value = said[0]
        if failed is not None:
            raise _again(failed)
        return value  # type: ignore[no-any-return]

    def each(self, call: Callable[[], T]) -> T:
        """See `Ranks.each`."""
        problem: Exception | None = None
        value: Any = None
        try:
            value = call()
        except LostRankError:
            raise  # nobody will answer
        except Exception as error:  # whatever it is, the others must not wait
            problem = error
        found = self.everyone(None if problem is None else _plain(problem))
        if problem is not None:
            raise problem
        for rank, failed in enumerate(found):
            if failed is not None:
                raise _again((failed[0], f"rank {rank}: {failed[1]}"))
        return value  # type: ignore[no-any-return]

    def joined(self, own: NDArray[Any]) -> NDArray[Any]:
        """See `Ranks.joined`."""
        lengths = self.gather(np.array([len(own)], np.int64))
        padded = np.zeros((1, int(lengths.max()), *own.shape[1:]), own.dtype)
        padded[0, : len(own)] = own
        found = self.gather(padded)
        return np.concatenate([part[:length] for part, length in zip(found, lengths.tolist(), strict=True)])

    @contextlib.contextmanager
    def alone_in(self, folder: Path) -> Iterator[None]:
        """See `Ranks.alone_in`."""
        with contextlib.ExitStack() as stack:
            self.once(lambda: stack.enter_context(folder_lock(folder)))
            require_shared(self, folder)
            yield

    def table_bytes(self, table: Any) -> tuple[int, int]:
        """See `Ranks.table_bytes`."""
        own = np.array([[table.own_bytes(what) for what in ("training", "serving")]], np.int64)
        training, serving = self.joined(own).sum(axis=0).tolist()
        return training, serving

    def statistics(self, table: Any) -> dict[str, float]:
        """See `Ranks.statistics`."""
        figures: dict[str, float] = table.statistics(reset=True)
        return figures

    def write_checkpoint(self, folder: Path, content: Checkpoint) -> Path:
        """See `Ranks.write_checkpoint`."""
        path = checkpoint.checkpoint_path(folder, content.meta)
        self.write_folder(path, content)
        self.once(lambda: checkpoint.remove_older(path))
        return path

    def write_folder(self, path: Path, content: Checkpoint) -> None:
        """See `Ranks.write_folder`."""
        with self.watch.busy() if self.watch is not None else contextlib.nullcontext():
            shard_files.write(self, path, content, self._row_arrays)

    def read_checkpoint(self, path: Path, table: Any) -> Checkpoint:
        """See `Ranks.read_checkpoint`."""
        return shard_files.read(self, path, table)


class RankSums(SliceSums):
    """The slices of one of several ranks."""

    def __init__(self, ranks: TorchRanks, slices: int) -> None:
        super().__init__(slices, owned_slices(slices, ranks.rank, ranks.size))
        self.ranks = ranks

    def gather(self, parts: NDArray[Any]) -> NDArray[Any]:
        """See `SliceSums.gather`."""
        return self.ranks.gather(parts)

    def total(self, parts: NDArray[Any]) -> NDArray[Any]:
        """See `SliceSums.total`; the bits are the same whoever adds a column."""
        if parts.nbytes < SMALL:
            return super().total(parts)
        return self.ranks.total_of_slices(parts, self.slices)


def _plain(error: Exception) -> tuple[int, str]:
    """An exception as others can have it: its class, as a place in `_KINDS`, and its sentence."""
    kind = next((place for place, kind in enumerate(_KINDS) if isinstance(error, kind)), len(_KINDS) - 1)
    text = str(error) if isinstance(error, AlptError) else f"{type(error).__name__}: {error}"
    return kind, text


def _again(failed: tuple[int, str]) -> AlptError:
    return _KINDS[failed[0]](failed[1])

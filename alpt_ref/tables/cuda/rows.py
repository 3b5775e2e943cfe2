"""What all tables on the GPU share: records, the batch's unique rows, checked calls, and updates that can be queued.

There are two ways in. `lookup`, `apply_gradients` and ALPT's three calls check everything, wait for the device and
leave the table unchanged where they raise, as on the CPU. The ``queue_`` methods only launch on CuPy's current stream,
can be captured in a CUDA graph, and stop updating once ``guard[0]`` is not zero.
"""

from __future__ import annotations

from abc import abstractmethod
from contextlib import nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError, TrainingError
from alpt_ref.kernels.backend import device_memory
from alpt_ref.kernels.cuda import lookup, optimizers, pending, update
from alpt_ref.kernels.cuda.target import BLOCK, SIMULATED, blocks_for, launch
from alpt_ref.kernels.cuda.team import MAX_DIM, team_of
from alpt_ref.tables import checks
from alpt_ref.tables.base import EmbeddingTable, TableSpec
from alpt_ref.tables.cuda.moment import CudaMoment
from alpt_ref.tables.cuda.store import RecordStore
from alpt_ref.tables.cuda.unique_rows import CudaUniqueRows
from alpt_ref.tables.moments import TableMoment
from alpt_ref.tables.optimizers import LazyAdam, LazyMomentum, RowOptimizer, RowWiseAdagrad, make_row_optimizer

MAX_ROWS = (1 << 32) - 1


class CudaRows(EmbeddingTable):
    """What the tables on the GPU share; mixed in before the CPU's class."""

    def __init__(self, spec: TableSpec) -> None:
        if spec.d > MAX_DIM or spec.n > MAX_ROWS:
            raise InputError(
                f"on device 'cuda' d must be at most {MAX_DIM} and n at most {MAX_ROWS}, got d={spec.d}, n={spec.n}"
            )
        super().__init__(spec)
        zeros = self.backend.zeros
        self.guard: Any = zeros(2, np.int32)
        self.rates: Any = zeros(9, np.float32)
        self._control: Any = zeros(1, np.int64)
        self._corrections = self._adam_corrections()
        self._optimizer_arrays = self._state_views()
        self._team = team_of(self.d)
        self._unique: CudaUniqueRows | None = None
        self._uniquened = 0
        self.set_rates(self.lr)

    def _make_optimizer(self, rows: int, columns: int) -> RowOptimizer:
        return make_row_optimizer(self.spec.optimizer, self.backend, 0, columns)  # its arrays are fields of the store

    def _make_store(self, bits: int | None, *, per_row: bool = False, learned: bool = False) -> None:
        self._store = RecordStore(
            self.backend,
            self.n,
            self.d,
            bits,
            self.spec.optimizer,
            per_row=per_row,
            learned=learned,
        )
        self._hand_out("", self._optimizer, self.d)

    def _hand_out(self, prefix: str, optimizer: RowOptimizer, columns: int) -> None:
        """Let an optimiser's arrays be those of the store."""
        wide = columns if prefix == "" else None
        if isinstance(optimizer, LazyAdam):
            optimizer.first = self._state_field(f"{prefix}first", wide)
            optimizer.second = self._state_field(f"{prefix}second", wide)
            optimizer.count = self._store.field(f"{prefix}count", np.int32)
        elif isinstance(optimizer, LazyMomentum):
            optimizer.first = self._state_field(f"{prefix}first", wide)
        elif isinstance(optimizer, RowWiseAdagrad):
            optimizer.accumulator = self._store.field(f"{prefix}first", np.float32)

    def _state_field(self, name: str, columns: int | None) -> Any:
        array = self._store.field(name, np.float32, columns)
        return array if columns is not None else array[:, None]

    def _adam_corrections(self) -> Any:
        if isinstance(self._optimizer, LazyAdam):
            return self.backend.from_host(self._optimizer.corrections.reshape(-1))
        return self.backend.zeros(2, np.float32)

    def _state_views(self) -> tuple[Any, ...]:
        """What the kernels take as first, second, count and corrections; `Layout` says where in them."""
        flat = self._store.flat
        floats = flat[np.dtype(np.float32)]
        return floats, floats, flat[np.dtype(np.int32)], self._corrections

    def nbytes(self, what: str = "training") -> int:
        """See `EmbeddingTable.nbytes`; training counts the rows as they are held, with what aligns them."""
        if _check.choice("what", what, ("training", "serving")) == "serving":
            return int(sum(array.nbytes for array in self._arrays().values()))
        return int(self._store.array.nbytes) + sum(int(array.nbytes) for array in self._unit_arrays())

    def _unit_arrays(self) -> list[Any]:
        """Arrays of the training state that are not part of the store."""
        return []

    # --- what can be queued and captured ------------------------------------------------------------------------------

    def reserve(self, positions: int) -> None:
        """Make room for batches of up to `positions` ids; not inside a capture."""
        if self._unique is None or self._unique.positions < positions:
            with nullcontext() if SIMULATED else device_memory():
                inverts = self.two_pass_capable
                self._unique = CudaUniqueRows(self.backend, max(int(positions), 1), self.d, inverts=inverts)
                self._reserve(max(int(positions), 1))

    def _reserve(self, positions: int) -> None:
        """Room of one method."""

    def set_rates(self, lr: float) -> None:
        """Learning rate of the updates queued from now on; not inside a capture."""
        self.backend.assign(self.rates, self._rates(lr))

    def _rates(self, lr: float) -> NDArray[np.float32]:
        rates = np.zeros(9, np.float32)
        rates[optimizers.LR], rates[optimizers.DECAY] = lr, np.float32(lr * float(self.spec.weight_decay))
        if isinstance(self._optimizer, LazyAdam):
            rates[[optimizers.BETA1, optimizers.BETA2, optimizers.TAKE1, optimizers.TAKE2]] = self._optimizer.betas
        elif isinstance(self._optimizer, LazyMomentum):
            rates[[optimizers.BETA1, optimizers.TAKE1]] = self._optimizer.betas
        rates[optimizers.EPS] = getattr(self._optimizer, "eps", 0.0)
        return rates

    @abstractmethod
    def queue_lookup(self, ids: Any, out: Any) -> None:
        """``out`` float32 (len, d) = rows of `ids`, uint32 (len,)."""

    def queue_unique_rows(self, ids: Any) -> None:
        """Find the unique rows of `ids`, uint32 (len,); `reserve` must have made room."""
        self._queue_unique_rows(ids, inverts=False)

    def _queue_unique_rows(self, ids: Any, *, inverts: bool) -> None:
        assert self._unique is not None
        self._uniquened = int(ids.size)
        self._unique.queue(ids, inverts=inverts)

    def queue_update(self, grads: Any, batch_size: int) -> None:
        """One update of the batch's rows by the gradients, float32 (len, d); counts itself."""
        assert self._unique is not None
        self._queue_sums_and_update(grads.reshape(-1), batch_size)
        launch(update.advance, 1, 1, self.guard, self._control)

    def _queue_sums_and_update(self, grads: Any, batch_size: int) -> None:
        assert self._unique is not None
        self._unique.queue_sums(grads)
        self._queue_update(grads, batch_size)

    @abstractmethod
    def _queue_update(self, grads: Any, batch_size: int) -> None: ...

    def advance(self, steps: int) -> None:
        """Tell the host how many queued updates were made."""
        self._updates += steps

    def _launch_rows(self, kernel: Any, *arguments: Any) -> None:
        """Launch over the unique rows, a team each; their number is known on the device alone."""
        threads = self._uniquened * self._team.size
        launch(kernel, blocks_for(threads, self._team.block, update.BLOCKS), self._team.block, *arguments)

    def _launch_positions(self, kernel: Any, positions: int, *arguments: Any) -> None:
        launch(kernel, blocks_for(positions * self._team.size, self._team.block), self._team.block, *arguments)

    # --- checked calls ------------------------------------------------------------------------------------------------

    def _device_ids(self, ids: Any) -> Any:
        """Checked ids, uint32 on the device; a device array costs one wait."""
        xp = self.backend.xp
        if xp is np or not isinstance(ids, xp.ndarray):
            return self.backend.from_host(checks.id_array(ids, self.n).astype(np.uint32))
        if ids.dtype.kind not in "iu" or ids.ndim != 1:
            raise InputError(f"ids must be a one-dimensional integer array, got {ids.dtype} of shape {ids.shape}")
        if ids.size:
            low, high = int(ids.min()), int(ids.max())
            if low < 0 or high >= self.n:
                raise InputError(f"ids must be in [0, {self.n}), got {low if low < 0 else high}")
        return xp.ascontiguousarray(ids.astype(xp.uint32, copy=False))

    def _device_gradients(self, grads: Any, rows: int) -> Any:
        xp = self.backend.xp
        if xp is np or not isinstance(grads, xp.ndarray):
            return self.backend.from_host(_check.float32_matrix("grads", grads, (rows, self.d)))
        if grads.dtype != np.float32 or grads.shape != (rows, self.d):
            raise InputError(f"grads must be float32 of shape {(rows, self.d)}, got {grads.dtype} {grads.shape}")
        return xp.ascontiguousarray(grads)

    def lookup(self, ids: Any) -> Any:
        """See `EmbeddingTable.lookup`; the result is an array of the device (CuPy)."""
        device_ids = self._device_ids(ids)
        out = self.backend.zeros((device_ids.size, self.d), np.float32)
        if device_ids.size:
            self.queue_lookup(device_ids, out)
        return out

    def lookup_pooled(self, ids: Any, bags: Any, mode: str = "sum") -> Any:
        """See `EmbeddingTable.lookup_pooled`; the result is an array of the device (CuPy)."""
        device_ids = self._device_ids(ids)
        bounds = checks.bag_bounds(bags, device_ids.size)
        mean = _check.choice("mode", mode, ("sum", "mean")) == "mean"
        out = self.backend.zeros((len(bounds) - 1, self.d), np.float32)
        if len(out):
            self._queue_pool(device_ids, self.backend.from_host(bounds), mean, out)
        return out

    @abstractmethod
    def _queue_pool(self, ids: Any, bounds: Any, mean: bool, out: Any) -> None: ...

    def apply_gradients(self, ids: Any, grads: Any, *, lr: float | None = None, batch_size: int | None = None) -> None:
        """See `EmbeddingTable.apply_gradients`; takes host or device arrays."""
        flat, batch = self._begin_checked(ids, grads, lr, batch_size)
        if flat.size:
            self._queue_update(flat, batch)
        self._count_update()

    def _begin_checked(self, ids: Any, grads: Any, lr: float | None, batch_size: int | None) -> tuple[Any, int]:
        device_ids = self._device_ids(ids)
        values = self._device_gradients(grads, device_ids.size)
        rate = self.lr if lr is None else _check.number("lr", lr)
        batch = device_ids.size if batch_size is None else _check.whole_number("batch_size", batch_size, 1)
        self.set_rates(rate)
        if device_ids.size:
            self.reserve(device_ids.size)
            self._queue_unique_rows(device_ids, inverts=self.two_pass_capable)
        return self._checked_sums(values), batch

    def _checked_sums(self, values: Any) -> Any:
        """Add up the gradients; raise before anything changes if a gradient or a sum is not finite or too large."""
        flat = values.reshape(-1)
        if not flat.size:
            return flat
        assert self._unique is not None
        self.guard[...] = 0
        launch(lookup.check_finite, blocks_for(flat.size), BLOCK, flat, np.int64(flat.size), self.guard, np.int32(1))
        self._unique.queue_sums(flat)
        summed = self.backend.zeros((self._uniquened, self.d), np.float32).reshape(-1)
        found = self._unique.arguments()
        self._launch_rows(pending.sum_rows(self.d), self.guard, *found, flat, summed)
        first, second = self.backend.to_host(self.guard).tolist()
        self.guard[...] = 0
        if first:
            place = int(np.flatnonzero(~np.isfinite(self.backend.to_host(values)).all(axis=1))[0])
            raise TrainingError(
                f"grads must be finite, got NaN or infinity at position {place} of table update {self._updates}; "
                "the table has not changed: lower the learning rate or look for the cause before this step"
            )
        if second:
            rows = self.backend.to_host(self._unique.records[::4])[: self._unique.unique()].view(np.uint32)
            raise checks.sum_error(rows, self.backend.to_host(summed).reshape(-1, self.d)[: len(rows)], self._updates)
        return flat

    def _count_update(self) -> None:
        """After a checked update: did it end well? Count it."""
        if int(self.backend.to_host(self.guard)[1]):
            self.guard[...] = 0
            raise TrainingError(
                f"the step-size gradient must be finite, it overflowed in table update {self._updates}; lower the "
                "learning rate or scale the loss"
            )
        self._updates += 1
        self._control[...] = self._updates

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """See `EmbeddingTable.load_state`."""
        super().load_state(state)
        self.went_back(self._updates)

    def went_back(self, updates: int) -> None:
        """The arrays are now those after so many updates."""
        self._updates = updates
        self._control[...] = updates

    def moment(self, rows: NDArray[np.int64] | None = None, spare: TableMoment | None = None) -> TableMoment:
        """See `EmbeddingTable.moment`: in the device's memory, where there is room."""
        return CudaMoment(self, rows, spare)

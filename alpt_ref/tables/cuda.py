"""The tables on the GPU: the same state and the same bits as on the CPU, updated by one launch a step.

A class here is the CPU's with other arrays (CuPy's) and other loops: configuration, initial values, state, bytes and
checks are inherited. There are two ways in. `lookup`, `apply_gradients` and ALPT's three calls check everything, wait
for the device and leave the table unchanged where they raise, as on the CPU. The ``queue_`` methods only launch on
CuPy's current stream, can be captured in a CUDA graph, and stop updating once ``guard[0]`` is not zero.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _check
from .._types import Codes
from ..backend import device_memory
from ..errors import InputError, TrainingError
from ..kernels.cuda import learned, lookup, update
from ..kernels.cuda.team import MAX_DIM, code_dtype, team_of
from ..kernels.cuda.target import BLOCK, SIMULATED, blocks_for, launch
from ..quantizer import unpack, words_per_row
from .alpt import AdaptiveTable
from .base import TableSpec
from .cuda_plan import CudaPlan
from .cuda_store import Store
from .full import FullTable
from .lpt import LowPrecisionTable
from .optimizers import LazyAdam, RowOptimizer, RowWiseAdagrad, make_row_optimizer

MAX_ROWS = (1 << 32) - 1
_FILL_ROWS = 1 << 19


class CudaRows:
    """What the tables on the GPU share; mixed in before the CPU's class."""

    def __init__(self, spec: TableSpec) -> None:
        if spec.d > MAX_DIM or spec.n > MAX_ROWS:
            raise InputError(
                f"on device 'cuda' d must be at most {MAX_DIM} and n at most {MAX_ROWS}, got d={spec.d}, n={spec.n}"
            )
        super().__init__(spec)  # type: ignore[call-arg]
        zeros = self.backend.zeros
        self.guard: Any = zeros(2, np.int32)
        self.rates: Any = zeros(9, np.float32)
        self._control: Any = zeros(1, np.int64)
        self._corrections = self._adam_corrections()
        self._optimizer_arrays = self._state_views("", self._optimizer)
        self._team = team_of(self.d)
        self._plan: CudaPlan | None = None
        self._planned = 0
        self.set_rates(self.lr)

    def _make_optimizer(self, rows: int, columns: int) -> RowOptimizer:
        return make_row_optimizer(self.spec.optimizer, self.backend, 0, columns)  # its arrays are fields of the store

    def _make_store(self, bits: int | None, *, row_step: bool = False, learns_step: bool = False) -> None:
        self._store = Store(
            self.backend, self.n, self.d, bits, self.spec.optimizer, row_step=row_step, learns_step=learns_step
        )
        self._hand_out("", self._optimizer, self.d)

    def _hand_out(self, prefix: str, optimizer: RowOptimizer, columns: int) -> None:
        """Let an optimiser's arrays be those of the store."""
        wide = columns if prefix == "" else None
        if isinstance(optimizer, LazyAdam):
            optimizer.first = self._state_field(f"{prefix}first", wide)
            optimizer.second = self._state_field(f"{prefix}second", wide)
            optimizer.count = self._store.field(f"{prefix}count", np.int32)
        elif isinstance(optimizer, RowWiseAdagrad):
            optimizer.accumulator = self._store.field(f"{prefix}first", np.float32)

    def _state_field(self, name: str, columns: int | None) -> Any:
        array = self._store.field(name, np.float32, columns)
        return array if columns is not None else array[:, None]

    def _adam_corrections(self) -> Any:
        if isinstance(self._optimizer, LazyAdam):
            return self.backend.from_host(self._optimizer.corrections.reshape(-1))
        return self.backend.zeros(2, np.float32)

    def _state_views(self, prefix: str, optimizer: RowOptimizer) -> tuple[Any, ...]:
        """What the kernels take as first, second, count and corrections; `Layout` says where in them."""
        flat = self._store.flat
        floats = flat[np.dtype(np.float32)]
        return floats, floats, flat[np.dtype(np.int32)], self._corrections

    def nbytes(self, what: str = "training") -> int:
        """See `EmbeddingTable.nbytes`; training counts the rows as they are held, with what aligns them."""
        if _check.choice("what", what, ("training", "serving")) == "serving":
            return int(sum(array.nbytes for array in self._arrays().values()))
        return int(self._store.array.nbytes) + sum(array.nbytes for array in self._unit_arrays())

    def _unit_arrays(self) -> list[Any]:
        """Arrays of the training state that are not part of the store."""
        return []

    # --- what can be queued and captured ------------------------------------------------------------------------------

    def reserve(self, positions: int) -> None:
        """Make room for batches of up to `positions` ids; not inside a capture."""
        if self._plan is None or self._plan.positions < positions:
            with nullcontext() if SIMULATED else device_memory():
                self._plan = CudaPlan(self.backend, max(int(positions), 1), self.d, inverts=self.two_pass_capable)
                self._reserve(max(int(positions), 1))

    def _reserve(self, positions: int) -> None:
        """Room of one method."""

    def set_rates(self, lr: float) -> None:
        """Learning rate of the updates queued from now on; not inside a capture."""
        self.backend.assign(self.rates, self._rates(lr))

    def _rates(self, lr: float) -> NDArray[np.float32]:
        rates = np.zeros(9, np.float32)
        rates[update.LR], rates[update.DECAY] = lr, np.float32(lr * float(self.spec.weight_decay))
        if isinstance(self._optimizer, LazyAdam):
            rates[[update.BETA1, update.BETA2, update.TAKE1, update.TAKE2]] = self._optimizer.betas
        rates[update.EPS] = getattr(self._optimizer, "eps", 0.0)
        return rates

    def queue_lookup(self, ids: Any, out: Any) -> None:
        """``out`` float32 (len, d) = rows of `ids`, uint32 (len,)."""
        raise NotImplementedError

    def queue_plan(self, ids: Any) -> None:
        """Find the unique rows of `ids`, uint32 (len,); `reserve` must have made room."""
        assert self._plan is not None
        self._planned = int(ids.size)
        self._plan.queue(ids)

    def queue_update(self, grads: Any, batch_size: int) -> None:
        """One update of the planned rows by the gradients, float32 (len, d); counts itself."""
        assert self._plan is not None
        flat = grads.reshape(-1)
        self._plan.queue_sums(flat)
        self._queue_update(flat, batch_size)
        launch(update.advance, 1, 1, self.guard, self._control)

    def _queue_update(self, grads: Any, batch_size: int) -> None:
        raise NotImplementedError

    def advance(self, steps: int) -> None:
        """Tell the host how many queued updates were made."""
        self._updates += steps

    def _launch_rows(self, kernel: Any, *arguments: Any) -> None:
        """Launch over the unique rows, a team each; their number is known on the device alone."""
        threads = self._planned * self._team.size
        launch(kernel, blocks_for(threads, self._team.block, 8), self._team.block, *arguments)

    def _launch_positions(self, kernel: Any, positions: int, *arguments: Any) -> None:
        launch(kernel, blocks_for(positions * self._team.size, self._team.block), self._team.block, *arguments)

    # --- checked calls ------------------------------------------------------------------------------------------------

    def _device_ids(self, ids: Any) -> Any:
        """Checked ids, uint32 on the device; a device array costs one wait."""
        xp = self.backend.xp
        if xp is np or not isinstance(ids, xp.ndarray):
            return self.backend.from_host(_check.id_array(ids, self.n).astype(np.uint32))
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
        bounds = _check.bag_bounds(bags, device_ids.size)
        mean = _check.choice("mode", mode, ("sum", "mean")) == "mean"
        out = self.backend.zeros((len(bounds) - 1, self.d), np.float32)
        if len(out):
            self._queue_pool(device_ids, self.backend.from_host(bounds), mean, out)
        return out

    def _queue_pool(self, ids: Any, bounds: Any, mean: bool, out: Any) -> None:
        raise NotImplementedError

    def apply_gradients(
        self, ids: Any, grads: Any, *, lr: float | None = None, batch_size: int | None = None
    ) -> None:
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
            self.queue_plan(device_ids)
        return self._checked_sums(values), batch

    def _checked_sums(self, values: Any) -> Any:
        """Add up the gradients; raise before anything changes if a gradient or a sum is not finite."""
        flat = values.reshape(-1)
        if not flat.size:
            return flat
        assert self._plan is not None
        self.guard[...] = 0
        launch(lookup.check_finite, blocks_for(flat.size), BLOCK, flat, np.int64(flat.size), self.guard, np.int32(1))
        self._plan.queue_sums(flat)
        summed = self.backend.zeros((self._planned, self.d), np.float32).reshape(-1)
        found = self._plan.arguments
        self._launch_rows(learned.sum_rows(self.d), self.guard, *found, flat, summed)
        first, second = self.backend.to_host(self.guard).tolist()
        self.guard[...] = 0
        if first:
            place = int(np.flatnonzero(~np.isfinite(self.backend.to_host(values)).all(axis=1))[0])
            raise TrainingError(
                f"grads must be finite, got NaN or infinity at position {place} of table update {self._updates}; "
                "the table has not changed: lower the learning rate or look for the cause before this step"
            )
        if second:
            rows = self.backend.to_host(self._plan.records[::4])[: self._plan.unique()].view(np.uint32)
            bad = ~np.isfinite(self.backend.to_host(summed).reshape(-1, self.d)[: len(rows)]).all(axis=1)
            raise TrainingError(
                f"the sum of a row's gradients must be finite, it overflowed for row {int(rows[bad].min())} in table "
                f"update {self._updates}; the table has not changed: lower the learning rate or scale the loss"
            )
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
        super().load_state(state)  # type: ignore[misc]
        self._control[...] = self._updates


class CudaFullTable(CudaRows, FullTable):
    """`FullTable` on the GPU."""

    def _allocate(self) -> None:
        self._make_store(None)
        self.weights = self._store.field("weights", np.float32, self.d)
        self._flat_weights = self._store.flat[np.dtype(np.float32)]

    def _queue_pool(self, ids: Any, bounds: Any, mean: bool, out: Any) -> None:
        count = np.int64(len(out))
        pool = lookup.pool_weights(self.d, mean, self._store.layout)
        self._launch_positions(pool, len(out), ids, bounds, count, self._flat_weights, out.reshape(-1))

    def queue_lookup(self, ids: Any, out: Any) -> None:
        """See `CudaRows.queue_lookup`."""
        arguments = (ids, np.int64(ids.size), self._flat_weights, out.reshape(-1))
        self._launch_positions(lookup.lookup_weights(self.d, self._store.layout), ids.size, *arguments)

    def _queue_update(self, grads: Any, batch_size: int) -> None:
        assert self._plan is not None
        kernel = update.update_weights(self.d, self.optimizer, self._store.layout)
        arguments = (self._flat_weights, *self._optimizer_arrays, self.rates)
        self._launch_rows(kernel, self.guard, *self._plan.arguments, grads, *arguments)


class CudaLowPrecisionTable(CudaRows, LowPrecisionTable):
    """`LowPrecisionTable` on the GPU."""

    def _allocate(self) -> None:
        bits, per_row = self.quantizer.bits, self._units < 0
        self._make_store(bits, row_step=per_row, learns_step=self.two_pass_capable)
        self._layout = self._store.layout
        self.words = self._store.field("codes", np.uint32, words_per_row(bits, self.d))
        own = self._store.field("step", np.float32) if per_row else self.backend.zeros(self._units, np.float32)
        self._step = own
        steps = self._store.flat[np.dtype(np.float32)] if per_row else own
        self._items = self._store.flat[np.dtype(code_dtype(bits))]
        self._device_offsets = self.backend.from_host(self._offsets)
        self._stats = self.backend.zeros(5, np.int64)
        self._where = (self._items, steps, self._device_offsets, np.int64(self._units))
        self._stochastic = self.quantizer.rounding == "sr"

    def _fill(self) -> None:
        gathered: list[NDArray[np.uint32]] = []
        first = rows = 0
        for start, words in self._initial_words():
            gathered.append(words)
            rows += len(words)
            if rows >= _FILL_ROWS or start + len(words) == self.n:
                self.backend.assign(self.words[first : first + rows], np.concatenate(gathered))
                first, rows, gathered = first + rows, 0, []

    def queue_lookup(self, ids: Any, out: Any) -> None:
        """See `CudaRows.queue_lookup`."""
        kernel = lookup.lookup_codes(self.d, self.quantizer.bits, self._layout)
        self._launch_positions(kernel, ids.size, ids, np.int64(ids.size), *self._where, out.reshape(-1))

    def _queue_pool(self, ids: Any, bounds: Any, mean: bool, out: Any) -> None:
        kernel = lookup.pool_codes(self.d, self.quantizer.bits, mean, self._layout)
        arguments = (ids, bounds, np.int64(len(out)), *self._where, out.reshape(-1))
        self._launch_positions(kernel, len(out), *arguments)

    def _queue_update(self, grads: Any, batch_size: int) -> None:
        assert self._plan is not None
        kernel = update.update_codes(self.d, self.quantizer.bits, self.optimizer, self._stochastic, self._layout)
        state = (*self._optimizer_arrays, self.rates, self._control, *self._key, self._stats)
        self._launch_rows(kernel, self.guard, *self._plan.arguments, grads, *self._where, *state)

    def _unit_arrays(self) -> list[Any]:
        return [] if self._units < 0 else [self._step]

    def codes(self) -> Codes:
        """See `LowPrecisionTable.codes`: a NumPy array."""
        return unpack(self.backend.to_host(self.words), self.quantizer.bits, self.d)

    @property
    def step_size(self) -> NDArray[np.float32]:
        """See `LowPrecisionTable.step_size`: a NumPy array."""
        host = self.backend.to_host(self._step)
        host.flags.writeable = False
        return host

    def statistics(self, reset: bool = True) -> dict[str, float]:
        """See `LowPrecisionTable.statistics`; waits for the device."""
        counted = self.backend.to_host(self._stats)
        if reset:
            self._stats[...] = 0
        return self._figures(counted[:4], self.step_size)

    def counters(self) -> NDArray[np.int64]:
        """See `EmbeddingTable.counters`."""
        return self.backend.to_host(self._stats)[:4]

    def _load_counters(self, counts: NDArray[np.int64]) -> None:
        self._stats[: len(counts)] = self.backend.from_host(counts)


@dataclass
class CudaPending:
    """Rows that have moved but are not yet rounded: between `begin_update` and `finish_update`."""

    positions: int
    update: int


class CudaAdaptiveTable(CudaLowPrecisionTable, AdaptiveTable):
    """`AdaptiveTable` on the GPU."""

    def __init__(self, spec: TableSpec) -> None:
        super().__init__(spec)
        zeros = self.backend.zeros
        if self._units < 0:
            self._hand_out("step_", self._step_optimizer, 1)
            self._step_arrays = self._state_views("step_", self._step_optimizer)
        else:
            self._step_arrays = self._unit_views()
        units = max(self._units, 1)
        self._old_step = zeros(units, np.float32)
        self._unit_peak, self._unit_count = zeros(units, np.int32), zeros(units, np.int64)
        self._unit_total = zeros(units, np.int64)
        self._learns = np.int32(self.step_lr > 0)
        self._log_domain = spec.step_domain == "log"
        self._waiting: CudaPending | None = None

    def _unit_views(self) -> tuple[Any, ...]:
        """State of the step sizes' optimiser where they belong to units: arrays of its own."""
        none, nothing = self.backend.zeros(1, np.float32), self.backend.zeros(1, np.int32)
        own = make_row_optimizer(self.spec.optimizer, self.backend, self._units, 1)
        self._step_optimizer = own
        if isinstance(own, LazyAdam):
            return own.first.reshape(-1), own.second.reshape(-1), own.count, self._corrections
        if isinstance(own, RowWiseAdagrad):
            return own.accumulator, none, nothing, self._corrections
        return none, none, nothing, self._corrections

    def _unit_arrays(self) -> list[Any]:
        own = [] if self._units < 0 else list(self._step_optimizer.state().values())
        return [*super()._unit_arrays(), *own]

    def _reserve(self, positions: int) -> None:
        self._moves = self.backend.zeros(positions * self.d, np.float32)
        self._summed = self.backend.zeros(1, np.float32)  # grows when a one-pass update needs it
        self._row_gradient = self.backend.zeros(positions if self._units > 0 else 1, np.float32)

    def _rates(self, lr: float) -> NDArray[np.float32]:
        rates = super()._rates(lr)
        if hasattr(self, "step_lr"):
            rates[update.STEP_LR] = self.step_lr * (lr / self.lr if self.lr > 0 else 1.0)
            rates[update.FLOOR] = self.min_step
        return rates

    def reserve_one_pass(self, positions: int) -> None:
        """As `reserve`, for one-pass updates, which keep the summed gradients too."""
        self.reserve(positions)
        if self._summed.size < self._moves.size:
            self._summed = self.backend.zeros(self._moves.size, np.float32)

    def queue_begin(self, grads: Any, *, keep_sums: bool = False) -> None:
        """Advance the optimiser of the planned rows and hold their moves; codes and step sizes stay."""
        assert self._plan is not None
        flat = grads.reshape(-1)
        self._plan.queue_sums(flat)
        self._queue_begin(flat, keep_sums)

    def _queue_begin(self, grads: Any, keep_sums: bool) -> None:
        assert self._plan is not None
        kernel = learned.begin(self.d, self.optimizer, keep_sums, self._layout)
        arguments = (*self._optimizer_arrays, self.rates, self._moves, self._summed)
        self._launch_rows(kernel, self.guard, *self._plan.arguments, grads, *arguments)

    def queue_pending(self, out: Any) -> None:
        """``out`` float32 (len, d) = nearest-rounded values of the moved rows, for the planned ids."""
        assert self._plan is not None
        kernel = learned.pending(self.d, self.quantizer.bits, self._layout)
        found = (self._plan.inverse, self._plan.records, self._moves)
        arguments = (np.int64(self._planned), *found, *self._where, self.rates, out.reshape(-1))
        self._launch_positions(kernel, self._planned, self.guard, *arguments)

    def queue_finish(self, grads: Any, batch_size: int) -> None:
        """Move the step sizes by the second gradient (len, d) and round the moved rows; counts itself."""
        assert self._plan is not None
        flat = grads.reshape(-1)
        self._plan.queue_sums(flat)
        self._queue_finish(flat, batch_size, one_pass=False)
        launch(update.advance, 1, 1, self.guard, self._control)

    def _queue_update(self, grads: Any, batch_size: int) -> None:
        assert self._plan is not None
        if self._summed.size < self._moves.size:
            self._summed = self.backend.zeros(self._moves.size, np.float32)
        self._queue_begin(grads, True)
        self._queue_finish(self._summed, batch_size, one_pass=True)

    def _queue_finish(self, grads: Any, batch_size: int, *, one_pass: bool) -> None:
        assert self._plan is not None
        d, bits, plan = self.d, self.quantizer.bits, self._plan
        scale = np.float32(self._gradient_scale(batch_size))
        random = (self._control, *self._key, self._stats)
        if self._units < 0:
            how = (self.optimizer, self._stochastic, self._log_domain, one_pass, self._layout)
            kernel = learned.finish_rows(d, bits, *how)
            arguments = (self._moves, *self._where[:2], *self._step_arrays, self.rates, self._learns, scale)
            self._launch_rows(kernel, self.guard, *plan.arguments, grads, *arguments, *random)
            return
        units = (self._device_offsets, np.int64(self._units))
        sums = (self._unit_peak, self._unit_count)
        arguments = (self._moves, *self._where, self.rates, scale, self._row_gradient, *sums)
        self._launch_rows(learned.step_gradients(d, bits, one_pass, self._layout), self.guard, *plan.arguments, grads, *arguments)
        gradient = (plan.totals, plan.records, self._row_gradient, *units, *sums, self._unit_total)
        launch(learned.sum_units, blocks_for(self._planned), BLOCK, self.guard, *gradient)
        state = (self._step, self._old_step, *self._step_arrays, self.rates, self._learns, self._stats)
        kernel = learned.move_units(self.optimizer, self._log_domain)
        launch(kernel, blocks_for(self._units), BLOCK, self.guard, units[1], *sums, self._unit_total, *state)
        where = (self._moves, self._items, self._step, self._old_step, *units, self.rates)
        kernel = learned.round_pending(d, bits, self._stochastic, self._layout)
        self._launch_rows(kernel, self.guard, plan.totals, plan.records, *where, *random)

    # --- checked calls ------------------------------------------------------------------------------------------------

    def begin_update(self, ids: Any, grads: Any, *, lr: float | None = None) -> Any:
        """See `AdaptiveTable.begin_update`; takes host or device arrays."""
        flat, _ = self._begin_checked(ids, grads, lr, None)
        if flat.size:
            self._queue_begin(flat, False)
        self._waiting = CudaPending(flat.size // self.d, self._updates)
        return self._waiting

    def _check_waiting(self, pending: Any) -> None:
        waiting = isinstance(pending, CudaPending) and pending is self._waiting and pending.update == self._updates
        if not waiting:
            raise InputError("pending must be the unfinished result of this table's latest begin_update")

    def lookup_pending(self, pending: Any) -> Any:
        """See `AdaptiveTable.lookup_pending`; the result is an array of the device (CuPy)."""
        self._check_waiting(pending)
        out = self.backend.zeros((pending.positions, self.d), np.float32)
        if pending.positions:
            self.queue_pending(out)
        return out

    def finish_update(self, pending: Any, grads: Any, *, batch_size: int | None = None) -> None:
        """See `AdaptiveTable.finish_update`; takes host or device arrays."""
        self._check_waiting(pending)
        values = self._device_gradients(grads, pending.positions)
        batch = pending.positions if batch_size is None else _check.whole_number("batch_size", batch_size, 1)
        flat = self._checked_sums(values)
        if flat.size:
            self._queue_finish(flat, batch, one_pass=False)
        self._count_update()
        self._waiting = None

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """See `AdaptiveTable.load_state`."""
        super().load_state(state)
        self._waiting = None

    def counters(self) -> NDArray[np.int64]:
        """See `EmbeddingTable.counters`."""
        return self.backend.to_host(self._stats)

    def statistics(self, reset: bool = True) -> dict[str, float]:
        """See `AdaptiveTable.statistics`; waits for the device."""
        held = int(self.backend.to_host(self._stats)[update.FLOOR_HITS])
        return {**CudaLowPrecisionTable.statistics(self, reset), "step_floor_hits": float(held)}

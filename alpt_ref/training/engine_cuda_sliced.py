"""The engine of a sharded run on GPUs: the step of `engine_cuda` on batches that are cut into slices.

Everything of a step is queued, the exchanges between ranks included, recorded as a CUDA graph and replayed. The rows of
the table travel in room of a fixed size for each pair of ranks (`Ranks.table_steps`).

What a rank finds wrong in a step all ranks know before anything of that step is updated. So they stop at the same one,
and agree about it whenever they look. A step that needs more room is such a step: the engine makes twice as much and
goes on with it. What the step has changed by then is put back (`BeforeStep`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.store.gather import gather_rows
from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import get_backend
from alpt_ref.kernels.cuda import slices as kernels
from alpt_ref.kernels.cuda import steps
from alpt_ref.kernels.cuda.bf16 import require_bfloat16
from alpt_ref.kernels.cuda.reduce import THREADS
from alpt_ref.kernels.cuda.streams import new_event
from alpt_ref.kernels.cuda.target import blocks_for, launch
from alpt_ref.models.ops_cuda_fast import CudaFastOps
from alpt_ref.models.ops_cuda_sliced import CudaSlicedOps
from alpt_ref.models.optim_cuda import CudaDense
from alpt_ref.models.slices import slice_bounds
from alpt_ref.training import watch_cuda
from alpt_ref.training.batch_range import BatchRange
from alpt_ref.training.batch_source_cuda import make_batch_source
from alpt_ref.training.batches import batch_rows, require_cpu
from alpt_ref.training.before_cuda import BeforeStep
from alpt_ref.training.config import RunConfig
from alpt_ref.training.engine import OnBatches
from alpt_ref.training.engine_cuda import CudaEngine
from alpt_ref.training.engine_sliced import SlicedEngine
from alpt_ref.training.moments import Moment, moment_of
from alpt_ref.training.ranks import Alone, Ranks
from alpt_ref.training.watch_cuda import Seen, Watch

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset

TRIED = 2  # batches by which room for the exchange is made


class SlicedCudaEngine(CudaEngine, SlicedEngine):
    """`CudaEngine` on slices; parameters and attributes as of `SlicedEngine`."""

    def __init__(
        self,
        config: RunConfig,
        dataset: ClickDataset,
        ranks: Ranks | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        require_cpu(config, dataset, "cuda")
        self.config, self.dataset = config, dataset
        self.ranks = ranks or Alone()
        self._asked, self.stopping = stop, False
        self.backend = get_backend("cuda")
        self.stream, self._side, self._sums_side, self._asking = map(self.ranks.stream, (-1, 0, 0, 0))
        self._fork, self._join, self._weighed, self._asked_for = (new_event() for _ in range(4))
        self._room = 1
        self._forget_steps()
        with self.stream:
            self._build()
        self.stream.synchronize()

    def _forget_steps(self) -> None:
        self._graphs, self._ran = {}, set()
        self._steps_of: dict[int, Any] = {}

    def _build(self) -> None:
        config, dataset, zeros = self.config, self.dataset, self.backend.zeros
        half, fast = config.model.precision == "bf16", config.train.reduce == "fast"
        if half:
            require_bfloat16()
        self.sums = self.ranks.device_sums(self.ranks.size if fast else config.train.slices)
        self.ops: Any = (CudaFastOps if fast else CudaSlicedOps)(np.dtype(np.float32), self.backend, self.sums)
        self.ops.precision = config.model.precision
        self.table, self.model = self.ranks.build(config, dataset, self.ops)
        self._table: Any = getattr(self.table, "own", self.table)  # this process's rows, with queue_ methods
        if self.ranks.size > 1 and self._table.shares_units:
            raise InputError("on several GPUs every row must have a step size of its own; set table.granularity=row")
        self._is_two_pass = self.table.two_pass_capable and config.table.two_pass
        self.watch = Watch(self.backend)
        self.guard, self.counters, self.totals = self.watch.guard, self.watch.counters, self.watch.totals
        self.ops.guard, self.rates = self.guard, zeros(1, np.float64)
        self.dense: Any = CudaDense(
            config.model.optimizer, self.model, self.backend, weight_decay=config.model.weight_decay,
            counters=self.counters, guard=self.guard, rates=self.rates, half=half,
        )  # fmt: skip
        self._before = BeforeStep(self.model, self.backend, self.totals)
        self.ops.hold_gradients(self.dense.grads, self._before.now)
        matrices = [array for name, array in self.model.params.items() if name.endswith("linear.weight")]
        self._weights = matrices if config.model.precision == "tf32" else []
        if half:
            self.ops.half_params = self.dense.params, self.dense.half_params
        own = self.sums.cut(config.train.batch_size)
        self._labels = zeros(max(1, own.last - own.first), np.uint8)
        if self.ranks.size == 1:
            positions = config.train.batch_size * dataset.fields
            self._table.reserve(positions)
            if self.table.two_pass_capable and not self._is_two_pass:
                self._table.reserve_one_pass(positions)
        self.source = make_batch_source(self.backend, dataset, config.train.batch_size, config.train.seed)
        self.source.ahead = min(4, self.ranks.size)  # an order is of the rows of all ranks

    # --- one step ----------------------------------------------------------------------------------------------------

    def _begin_steps(self, span: BatchRange) -> None:
        """Make room for the batches of a range, before the first of each size runs; all ranks do so together."""
        settings, fields = self.config.train, self.dataset.fields
        size, last = settings.batch_size, span.last - 1
        lengths = {min(size, len(span.rows) - batch * size) for batch in (span.first, last)}
        for rows in sorted(lengths - set(self._steps_of), reverse=True):
            sizes = (fields * np.diff(slice_bounds(rows, self.ranks.size))).tolist()
            tried = []
            if self.ranks.size > 1:
                first, given = span.first if rows == size else last, {"seed": settings.seed, "epoch": span.epoch}
                parts = batch_rows(span.rows, size, first=first, last=min(span.last, first + TRIED), **given)
                cut = self.sums.cut(rows)
                own = [np.sort(part)[cut.first : cut.last] for part in parts if len(part) == rows]
                tried = [self.dataset.ids[one].reshape(-1) for one in own]
            asked = (self.table, sizes, tried, self._room, self.guard)
            at = self._steps_of[rows] = self.ranks.table_steps(*asked, ordered=self.ops.ordered)
            at.values = at.values.astype(self.model.input_dtype)

    def _queue_step(self, rows: int) -> None:
        source, at, ops, fields = self.source, self._steps_of[rows], self.ops, self.dataset.fields
        cut = ops.begin(rows)
        own = cut.last - cut.first
        labels, size = self._labels[:own], own * fields
        self._before.queue(self.guard)
        if size:
            order = source.order[cut.first :]
            gathered = (source.ids, source.labels, order, self.counters, fields, size, at.ids, labels)
            launch(steps.gather_batch, blocks_for(size, THREADS), THREADS, *gathered)
        self._go_beside()
        with self._side:
            across = ops.queue_across(self._weights)
            self._weighed.record(self._side)
        at.queue_lookup(lambda: self._ask(at))
        self.stream.wait_event(self._weighed)
        ops.across = across
        ops.sides = (self._side, self._sums_side) if self.beside else None
        self._queue_pass(at, labels, second=False)
        self._join.record(self._sums_side)
        self._side.wait_event(self._join)
        self._go_beside()
        with self._side:
            ops.finish()
        self.stream.wait_event(self._asked_for)
        at.queue_sums(self.guard)
        self._go_beside()
        with self._side:  # beside the rows of the table
            self.dense.queue()
            if self._is_two_pass:
                ops.queue_across(self._weights)
            self._join.record(self._side)
        if self._is_two_pass:
            at.queue_moved()
            self.stream.wait_event(self._join)
            at.queue_pending()
            self._queue_pass(at, labels, second=True)
            at.queue_sums(self.guard)
            at.queue_rounded(rows)
        else:
            at.queue_rows(rows)
            self.stream.wait_event(self._join)
        at.queue_end(self.guard)
        self._fork.record(self._sums_side)
        self.stream.wait_event(self._fork)
        ops.sides, ops.across = None, {}
        launch(steps.finish_step, 1, 1, rows, source.period, self.counters, self.guard)

    def _ask(self, at: Any) -> None:
        """Queue what depends on the batch's ids alone beside all that follows."""
        self._fork.record(self.stream)
        self._asking.wait_event(self._fork)
        with self._asking:
            at.queue_asked()
            self._asked_for.record(self._asking)

    def _go_beside(self) -> None:
        """What is queued beside waits for what the main stream has queued."""
        self._fork.record(self.stream)
        self._side.wait_event(self._fork)
        self._sums_side.wait_event(self._fork)

    def _queue_pass(self, at: Any, labels: Any, *, second: bool) -> None:
        """Queue forward, loss and backward; leaves the gradient of the rows in `at`."""
        model, ops, fields = self.model, self.ops, self.dataset.fields
        values = at.values.reshape(len(labels), -1) if len(labels) else at.values[:0].reshape(0, fields * model.width)
        logits = model.forward(ops.placed(values, "placed"), training=True, update_stats=not second)
        dlogits = ops.loss(logits, labels, self.totals, add=not second)
        grads = model.backward(dlogits, params=not second)
        ops.check_finite(grads)
        out = values if ops.layout.compact else ops.scratch.take("collected", values.shape)
        at.grads, at.checked = ops.collected(grads, out).reshape(-1, model.width), ops.saw_gradient

    # --- a range of batches ---------------------------------------------------------------------------------------

    def train(self, span: BatchRange, on_batches: OnBatches) -> tuple[float, int]:
        """See `Engine.train`; ranks agree every `LOOK` steps on whether to go on."""
        size, rows, batch = self.config.train.batch_size, len(span.rows), span.first
        fresh = 0
        with self.stream:
            self._begin_steps(span)
            self._begin(span)
            while batch < span.last:
                self.source.before(batch)
                if span.ramp is not None:
                    self._set_rates(span.rates_at(span.steps_before + batch - span.first + 1))
                b = min(size, rows - batch * size)
                self._run_step(b)
                self.source.after(batch)
                batch, fresh = batch + 1, fresh + b
                if (batch - span.first) % watch_cuda.LOOK and batch < span.last:
                    continue
                seen = self.watch.look() if batch < span.last else self.watch.last()
                wrong = self._agreed(seen)
                if wrong:
                    batch = self._again(span, self.watch.last())
                    fresh = 0
                    continue
                stop = on_batches(fresh, None if seen is None else seen.loss)
                fresh = 0
                if stop and batch < span.last:
                    last = self.watch.last()
                    if self._agreed(last):
                        batch = self._again(span, last)
                    break
            last = self.watch.last()
            self._table.advance(batch - span.first)
        return last.total, batch - span.first

    def _agreed(self, seen: Seen | None) -> bool:
        """Whether any rank has seen that a step went wrong; and whether any is asked to stop, in `stopping`."""
        mine = np.array([[seen is not None and seen.reason != 0, self._asked()]], np.int64)
        every = self.ranks.joined(mine).max(axis=0)
        self.stopping = self.stopping or bool(every[1])
        return bool(every[0])

    def _again(self, span: BatchRange, last: Seen) -> int:
        """The batch to go on with after a step that needed more room; else what went wrong is raised.

        All steps that were queued are over, on every rank, and those from that one on have changed nothing.
        """
        if last.reason != kernels.NO_ROOM:
            self._checked(span, last)
        done = last.steps - span.steps_before
        total = self._before.back()
        self._room *= 2
        self._forget_steps()
        begun = BatchRange(
            span.epoch, span.rows, span.rates, span.first + done, span.last, last.steps, total,
            span.ramp, span.classes,
        )  # fmt: skip
        self._begin_steps(begun)
        self._begin(begun)
        return span.first + done

    def _begin(self, span: BatchRange) -> None:
        for at in self._steps_of.values():
            at.reset()
        super()._begin(span)

    # --- evaluation and state ----------------------------------------------------------------------------------------
    evaluate = SlicedEngine.evaluate  # by `predict`

    def predict(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `SlicedEngine.predict`."""
        size, fields, ops = self.config.train.eval_batch_size, self.dataset.fields, self.ops
        own, places = [np.empty(0, np.float32)], [np.empty(0, np.int64)]
        with self.stream:
            self.dense.queue_copy()
            for start in range(0, len(rows), size):
                batch = rows[start : start + size]
                cut = ops.begin(len(batch))
                count = cut.last - cut.first
                found = gather_rows(self.dataset, batch[cut.first : cut.last])
                ids = self.backend.from_host(np.ascontiguousarray(found.ids.reshape(-1), np.uint32))
                values = self.table.lookup(ids).reshape(count, fields * self.model.width)
                logits = self.model.forward(ops.placed(values, "scored"), training=False)
                own.append(self.backend.to_host(ops.collected(logits, self.backend.zeros(count, np.float32))))
                places.append(np.arange(start + cut.first, start + cut.last))
        logits_of = np.empty(len(rows), np.float32)
        logits_of[self.ranks.joined(np.concatenate(places))] = self.ranks.joined(np.concatenate(own))
        return logits_of

    def moment(self, spare: Moment | None = None) -> Moment:
        """See `Engine.moment`: the table's part stays on the device, where there is room."""
        with self.stream:
            return moment_of(self.table, self.model, self.dense, None if self.ranks.size > 1 else self._changing, spare)

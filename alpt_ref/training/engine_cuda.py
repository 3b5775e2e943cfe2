"""The engine on the GPU: a step is queued once, recorded as a CUDA graph, and replayed.

One graph per batch size: gather the batch, look up, forward, loss, backward, table and dense update, and for two-pass
ALPT the second forward and backward. Finding the batch's unique rows depends on the ids alone and runs on a branch of
its own beside the forward pass. Whatever changes from step to step lives in device memory (`kernels.cuda.steps`), so
nothing is recorded again; the host looks at guard and loss while the steps go on (`watch_cuda`).

The first step of a batch size runs as it is, which allocates and compiles; the second is recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from alpt_ref.kernels.backend import Backend, get_backend
from alpt_ref.kernels.cuda import steps as kernels
from alpt_ref.kernels.cuda.bf16 import require_bfloat16
from alpt_ref.kernels.cuda.reduce import THREADS
from alpt_ref.kernels.cuda.streams import new_event, new_stream
from alpt_ref.kernels.cuda.target import SIMULATED, blocks_for, launch
from alpt_ref.models.optim_cuda import CudaDense
from alpt_ref.training import compile_ahead, watch_cuda
from alpt_ref.training.batch_range import BatchRange
from alpt_ref.training.batch_source_cuda import make_batch_source
from alpt_ref.training.build import State, build
from alpt_ref.training.config import RunConfig
from alpt_ref.training.engine import CpuEngine, DivergedError, OnBatches
from alpt_ref.training.evaluation import scored
from alpt_ref.training.moments import Moment
from alpt_ref.training.watch_cuda import Seen, Watch

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.quality import Quality

REASONS = {
    kernels.BAD_LOSS: "the loss is NaN or infinite",
    kernels.BAD_GRADIENT: "a gradient of the embeddings is NaN or infinite",
    kernels.IN_TABLE + 1: "the sum of a row's gradients overflowed",
    kernels.IN_TABLE + 2: "the step-size gradient overflowed",
}


class CudaEngine(CpuEngine):
    """See `Engine`. Table and model hold CuPy arrays; states are NumPy arrays.

    Attributes
    ----------
    record : bool
        Replay recorded steps; without it every step is queued anew (for tests and for taking a step apart).
    beside : bool
        Queue the gradients of parameters beside the rest of the backward pass; the bits are the same without it.
    """

    device = "cuda"
    record = not SIMULATED
    beside = True

    def __init__(self, config: RunConfig, dataset: ClickDataset) -> None:
        self.config, self.dataset = config, dataset
        self.backend: Backend = get_backend("cuda")
        self.stream, self._side, self._sums = new_stream(-1), new_stream(), new_stream()
        self._fork, self._join, self._weighed = new_event(), new_event(), new_event()
        self._graphs: dict[int, Any] = {}
        self._ran: set[int] = set()
        with self.stream:
            self._build()
        self.stream.synchronize()

    def _build(self) -> None:
        config, dataset, zeros = self.config, self.dataset, self.backend.zeros
        if config.model.precision == "bf16":
            require_bfloat16()
        table, model = build(config, dataset, device="cuda")
        self.table, self.model = table, model
        self._table = cast(Any, table)  # with its queue_ methods
        self._ops = cast(Any, model.ops)
        self._ops.precision = config.model.precision
        self._is_two_pass = table.two_pass_capable and config.table.two_pass
        self.watch = Watch(self.backend)
        self.guard, self.counters, self.totals = self.watch.guard, self.watch.counters, self.watch.totals
        self.rates = zeros(1, np.float64)
        self._table.guard = self._ops.guard = self.guard
        self.dense: Any = CudaDense(
            config.model.optimizer, model, self.backend, weight_decay=config.model.weight_decay,
            counters=self.counters, guard=self.guard, rates=self.rates, half=config.model.precision == "bf16",
        )  # fmt: skip
        matrices = [array for name, array in model.params.items() if name.endswith("linear.weight")]
        self._weights = matrices if config.model.precision == "tf32" else []  # whose transposes serve the forward pass
        if self.dense.half_params is not None:
            self._ops.half_params = self.dense.params, self.dense.half_params
        self._rows = max(config.train.batch_size, config.train.eval_batch_size)
        self._ids = zeros(self._rows * dataset.fields, np.uint32)
        self._labels = zeros(self._rows, np.uint8)
        self._emb = zeros((self._rows * dataset.fields, table.d), model.input_dtype)
        positions = config.train.batch_size * dataset.fields
        self._moved = zeros((positions if self._is_two_pass else 0, table.d), model.input_dtype)
        self._table.reserve(positions)
        if table.two_pass_capable and not self._is_two_pass:
            self._table.reserve_one_pass(positions)
        self.source = make_batch_source(self.backend, dataset, config.train.batch_size, config.train.seed)

    # --- one step ----------------------------------------------------------------------------------------------------

    def _gather(self, source: Any, first: Any, rows: int) -> tuple[Any, Any, Any]:
        """Queue the batch; returns ids, labels and room for the embeddings."""
        fields = self.dataset.fields
        size = rows * fields
        ids, labels = self._ids[:size], self._labels[:rows]
        blocks = blocks_for(size, THREADS)
        launch(kernels.gather_batch, blocks, THREADS, *source, first, fields, size, ids, labels)
        return ids, labels, self._emb[:size]

    def _queue_step(self, rows: int) -> None:
        """Queue a step on the batch that ``counters[1]`` names."""
        table, source = self._table, self.source
        ids, labels, emb = self._gather((source.ids, source.labels, source.order), self.counters, rows)
        self._fork.record(self.stream)
        self._side.wait_event(self._fork)
        self._sums.wait_event(self._fork)
        with self._side:
            across = self._ops.queue_across(self._weights)
            self._weighed.record(self._side)
            table.queue_unique_rows(ids)
            self._join.record(self._side)
        table.queue_lookup(ids, emb)
        self.stream.wait_event(self._weighed)
        self._ops.across = across
        self._ops.sides = (self._side, self._sums) if self.beside else None
        grads = self._queue_pass(emb, labels, second=False)
        self.stream.wait_event(self._join)
        for stream in (self._sums, self.stream):
            self._fork.record(stream)
            self._side.wait_event(self._fork)
        with self._side:
            self.dense.queue()
            if self._is_two_pass:
                self._ops.queue_across(self._weights)
            self._join.record(self._side)
        if self._is_two_pass:
            moved = self._moved[: len(emb)]  # the first pass may still read `emb`
            table.queue_begin(grads, moved)
            self.stream.wait_event(self._join)
            table.queue_finish(self._queue_pass(moved, labels, second=True), rows)
        else:
            table.queue_update(grads, rows)
            self.stream.wait_event(self._join)
        self._ops.sides, self._ops.across = None, {}  # whoever queues a pass alone has nothing to join
        launch(kernels.finish_step, 1, 1, rows, source.period, self.counters, self.guard)

    def _queue_pass(self, emb: Any, labels: Any, *, second: bool) -> Any:
        """Queue forward, loss and backward; returns the gradient of `emb`."""
        model, ops = self.model, self._ops
        logits = model.forward(emb.reshape(len(labels), -1), training=True, update_stats=not second)
        dlogits = ops.loss(logits, labels, self.totals, add=not second)
        grads = model.backward(dlogits, params=not second)
        ops.check_finite(grads)
        return grads.reshape(emb.shape)

    def _run_step(self, rows: int) -> None:
        """Run a step: as it is the first time, recorded the second, replayed from then on."""
        graph = self._graphs.get(rows)
        if not self._ran:
            compile_ahead.wait()
        if graph is None and (rows not in self._ran or not self.record):
            self._queue_step(rows)
            self._ran.add(rows)
            return
        if graph is None:
            self.stream.begin_capture()
            try:
                self._queue_step(rows)
            finally:
                graph = self.stream.end_capture()
            self._graphs[rows] = graph
        graph.launch(self.stream)

    # --- a range of batches ---------------------------------------------------------------------------------------

    def train(self, span: BatchRange, on_batches: OnBatches) -> tuple[float, int]:
        """See `Engine.train`; `on_batches` is called every `LOOK` steps with a loss of a few steps ago."""
        size, rows = self.config.train.batch_size, len(span.rows)
        done = fresh = 0
        with self.stream:
            self._begin(span)
            for batch in range(span.first, span.last):
                b = min(size, rows - batch * size)
                self.source.before(batch)
                if span.ramp is not None:
                    self._set_rates(span.rates_at(span.steps_before + done + 1))
                self._run_step(b)
                self.source.after(batch)
                done, fresh = done + 1, fresh + b
                if done % watch_cuda.LOOK == 0 and batch + 1 < span.last:
                    stop = on_batches(fresh, self._checked(span, self.watch.look()))
                    fresh = 0
                    if stop:
                        break
            last = self.watch.last()
            loss = self._checked(span, last)
            if fresh:
                on_batches(fresh, loss)
            self._table.advance(done)
        return last.total, done

    def _begin(self, span: BatchRange) -> None:
        """Put what the steps read into device memory."""
        assign = self.backend.assign
        first = self.source.begin(span)
        counters = self.backend.to_host(self.counters)
        counters[1:] = first, span.steps_before
        assign(self.counters, counters)
        assign(self.guard, np.zeros(2, np.int32))
        assign(self.totals, np.array([span.loss_sum, 0.0]))
        self._set_rates(span.rates)
        self.dense.queue_copy()  # of parameters that were set
        self.watch.begin()

    def _set_rates(self, rates: dict[str, float]) -> None:
        """Put the learning rates where the queued steps read them, in the stream's order."""
        self.backend.assign(self.rates, np.array([rates["dense"]]))
        self._table.set_rates(rates["table"])

    @staticmethod
    def _checked(span: BatchRange, seen: Seen | None) -> float | None:
        """The loss that was seen, if any was, or `DivergedError`."""
        if seen is not None and seen.reason:
            reason = REASONS.get(seen.reason, "the table's update failed")
            raise DivergedError(reason, epoch=span.epoch, step=seen.steps + 1)
        return None if seen is None else seen.loss

    # --- evaluation and state ----------------------------------------------------------------------------------------

    def evaluate(self, part: Literal["train", "valid", "test"]) -> Quality:
        """See `Engine.evaluate`."""
        rows, size = self.dataset.rows_of(part), self.config.train.eval_batch_size
        logits = np.empty(len(rows), np.float32)
        with self.stream:
            everything = self.backend.zeros(len(rows), np.float32)
            nothing = self.backend.zeros(3, np.int64)
            self.dense.queue_copy()
            for start in range(0, len(rows), size):
                end = min(start + size, len(rows))
                source = self.source.part(rows[start:end])
                ids, _, emb = self._gather(source, nothing, end - start)
                self._table.queue_lookup(ids, emb)
                everything[start:end] = self.model.forward(emb.reshape(end - start, -1), training=False)
            logits[...] = self.backend.to_host(everything)
        return scored(self.dataset, rows, logits, self.config.train.group)

    def statistics(self) -> dict[str, float]:
        """See `Engine.statistics`."""
        with self.stream:
            return super().statistics()

    def snapshot(self) -> State:
        """See `Engine.snapshot`."""
        with self.stream:
            return super().snapshot()

    def moment(self, spare: Moment | None = None) -> Moment:
        """See `Engine.moment`."""
        with self.stream:
            return super().moment(spare)

    def back_to(self, moment: Moment) -> None:
        """See `Engine.back_to`."""
        with self.stream:
            super().back_to(moment)
        self.stream.synchronize()

    def restore(self, state: State) -> None:
        """See `Engine.restore`."""
        with self.stream:
            super().restore(state)
        self.stream.synchronize()

    def state(self) -> State:
        """See `Engine.state`."""
        with self.stream:
            return super().state()

    def load_state(self, state: State) -> None:
        """See `Engine.load_state`."""
        with self.stream:
            super().load_state(state)
        self.stream.synchronize()

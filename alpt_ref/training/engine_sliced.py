"""The engine of a sharded run: the step of `engine` on batches that are cut into slices, which ranks may share.

Each rank looks up, computes and sends back the rows of its slices. What is a sum over rows is added in slice order
(`alpt_ref.models.slices`): batch norm's moments and the two sums of its backward, gradients of the dense parameters,
the loss, the weights of a batch. The table adds the gradients of its rows exactly, so slices do not matter to it. So
every array of the run is the same for any number of ranks, one included.

Every rank applies the same step to its copy of the dense parameters.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.store.gather import gather_rows
from alpt_ref.errors import LostRankError, TrainingError
from alpt_ref.kernels.cpu import dense as kernels
from alpt_ref.kernels.jit import run_rows
from alpt_ref.models.ops_sliced import SlicedOps
from alpt_ref.models.optim import make_dense_optimizer
from alpt_ref.models.slices import Cut
from alpt_ref.training.batch_range import BatchRange
from alpt_ref.training.batches_sliced import OwnBatch, sliced_batches
from alpt_ref.training.config import RunConfig
from alpt_ref.training.engine import CpuEngine, DivergedError, OnBatches, require_finite
from alpt_ref.training.evaluation import scored
from alpt_ref.training.pooling import Positions, positions
from alpt_ref.training.quality import Quality
from alpt_ref.training.ranks import Alone, Ranks
from alpt_ref.training.weights import counted_rows


class SlicedEngine(CpuEngine):
    """`CpuEngine` on slices.

    Parameters
    ----------
    config, dataset
    ranks : Ranks, optional
        Who shares the slices; default this process alone.
    stop : callable, optional
        Asked on every rank once a step; a True on any is known to all after the step (`stopping`).
    """

    def __init__(
        self,
        config: RunConfig,
        dataset: ClickDataset,
        ranks: Ranks | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self.config, self.dataset = config, dataset
        self.ranks = ranks or Alone()
        settings, own = config.train, config.model
        slices = self.ranks.size if settings.reduce == "fast" else settings.slices
        self.sums = self.ranks.sums(slices)
        self.ops = SlicedOps(np.dtype(np.float32), self.sums)
        self.table, self.model = self.ranks.build(config, dataset, self.ops)
        self.dense = make_dense_optimizer(own.optimizer, lr=own.lr, weight_decay=own.weight_decay)
        self._two_pass: Any = self.table if self.table.two_pass_capable and self._twice(config) else None
        self._asked, self.stopping = stop, False

    @staticmethod
    def _twice(config: RunConfig) -> bool:
        return bool(config.table.two_pass or "two_pass" not in config.table.entry.settings)

    # --- a step ------------------------------------------------------------------------------------------------------

    def train(self, span: BatchRange, on_batches: OnBatches) -> tuple[float, int]:
        """See `Engine.train`."""
        settings, total, done = self.config.train, span.loss_sum, 0
        parts = sliced_batches(
            self.dataset, span.rows, settings.batch_size, self.sums, seed=settings.seed, epoch=span.epoch,
            first=span.first, last=span.last, classes=span.classes,
        )  # fmt: skip
        with contextlib.closing(parts):
            for batch in parts:
                step = span.steps_before + done + 1
                try:
                    loss, weight = self._sliced_step(batch, span.rates_at(step))
                except LostRankError:
                    raise
                except TrainingError as error:
                    raise DivergedError(str(error), epoch=span.epoch, step=step) from error
                total += loss * weight
                done += 1
                if on_batches(batch.rows, loss):
                    break
        return total, done

    def _sliced_step(self, batch: OwnBatch, rates: dict[str, float]) -> tuple[float, float]:
        """The loss and the weight of the whole batch."""
        table, model, cut = self.table, self.model, self.ops.begin(batch.rows)
        at = positions(batch.own.ids, batch.own.values, self.dataset.slots)
        ids = table.checked_ids(at.ids)
        weight = self._weight(batch, cut)
        loss, grads = self._sliced_pass(table.lookup(ids), batch, at, cut, weight)
        if self._two_pass is None:
            table.apply_gradients(ids, grads, lr=rates["table"], batch_size=batch.rows)
            self.dense.step(model.params, model.grads, lr=rates["dense"])
            return loss, weight
        pending = self._two_pass.begin_update(ids, grads, lr=rates["table"])
        self.dense.step(model.params, model.grads, lr=rates["dense"])
        _, grads = self._sliced_pass(self._two_pass.lookup_pending(pending), batch, at, cut, weight, second=True)
        self._two_pass.finish_update(pending, grads, batch_size=batch.rows)
        return loss, weight

    def _weight(self, batch: OwnBatch, cut: Cut) -> float:
        """Sum of the weights of all rows of the batch: that of its slices, in slice order, in float64."""
        weights = batch.own.weights
        if weights is None:
            return float(batch.rows)
        parts = np.zeros((len(cut.own), 1))
        for i, lo, hi in cut.local:
            parts[i] = weights[lo:hi].sum(dtype=np.float64)
        total = float(self.sums.total(parts)[0])
        if total == 0:
            raise TrainingError("the weights of a batch are all 0, a mean needs at least one row that counts")
        return total

    def _sliced_pass(
        self, emb: NDArray[np.float32], batch: OwnBatch, at: Positions, cut: Cut, weight: float, *, second: bool = False
    ) -> tuple[float, NDArray[np.float32]]:
        """Forward and backward; the loss of the whole batch and the gradient of `emb`."""
        width = emb.shape[1]
        with np.errstate(over="ignore", invalid="ignore"):
            pooled = at.pooled(emb).reshape(at.rows, self.dataset.fields * width)
            logits = self.model.forward(pooled, training=True, update_stats=not second)
            loss, dlogits = self._loss(logits, batch, cut, weight, ask=not second)
            require_finite("loss", loss)
            grads = at.spread(self.model.backward(dlogits, params=not second), width)
            if not second:
                self.ops.finish()
        return loss, grads

    def _loss(
        self, logits: NDArray[Any], batch: OwnBatch, cut: Cut, weight: float, *, ask: bool
    ) -> tuple[float, NDArray[np.float32]]:
        """Mean logloss of the whole batch and its gradient at the own logits (`models.loss`, slice by slice)."""
        labels, weights = batch.own.labels, batch.own.weights
        dlogits = np.empty_like(logits)
        parts = np.zeros((len(cut.own), 2))
        for i, lo, hi in cut.local:
            losses = np.empty(kernels.block_count(hi - lo))
            one = slice(lo, hi)
            if weights is None:
                run_rows(
                    kernels.bce_with_logits, len(losses), logits[one], labels[one], 1.0 / weight, losses, dlogits[one],
                    grain=8,
                )  # fmt: skip
            else:
                run_rows(
                    kernels.weighted_bce_with_logits, len(losses), logits[one], labels[one], weights[one], 1.0 / weight,
                    losses, dlogits[one], grain=8,
                )  # fmt: skip
            parts[i, 0] = losses.sum()
        parts[:, 1] = ask and self._asked()
        total, stop = self.sums.total(parts)
        self.stopping = self.stopping or stop > 0
        return float(total / weight), dlogits

    # --- evaluation --------------------------------------------------------------------------------------------------

    def evaluate(self, part: Literal["train", "valid", "test"]) -> Quality:
        """See `Engine.evaluate`: each rank scores the rows of its slices; the metrics are computed once."""
        rows = counted_rows(self.dataset, part)
        logits = self.predict(rows)
        return Quality(*self.ranks.once(lambda: scored(self.dataset, rows, logits, self.config.train.group)))

    def predict(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits of some rows, float32 (len(rows),), in their order, on every rank."""
        size = self.config.train.eval_batch_size
        own, places = [np.empty(0, np.float32)], [np.empty(0, np.int64)]
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            cut = self.ops.begin(len(batch))
            found = gather_rows(self.dataset, batch[cut.first : cut.last])
            at = positions(found.ids, found.values, self.dataset.slots)
            emb = self.table.lookup(at.ids)
            pooled = at.pooled(emb).reshape(at.rows, self.dataset.fields * emb.shape[1])
            with np.errstate(over="ignore", invalid="ignore"):  # whoever asks looks at the loss
                own.append(self.model.forward(pooled, training=False).copy())
            places.append(np.arange(start + cut.first, start + cut.last))
        logits = np.empty(len(rows), np.float32)
        logits[self.ranks.joined(np.concatenate(places))] = self.ranks.joined(np.concatenate(own))
        return logits

    def statistics(self) -> dict[str, float]:
        """See `Engine.statistics`."""
        return self.ranks.statistics(self.table)

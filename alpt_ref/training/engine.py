"""The training engine: Algorithm 1 on batches of an epoch, on one device, behind a small interface.

One step on a batch with ids (b, fields):

1. look the ids up (the rows of a multi-valued field are summed: `pooling`), forward, logloss (its weighted mean where
   the rows have weights), backward: gradients of the dense parameters and of the embeddings;
2. update table and dense parameters; a two-pass ALPT table instead holds its new rows back in fp32,
3. runs forward and backward a second time through their deterministic rounding (batch norm's running statistics do not
   change), updates the step sizes by that gradient, and only then rounds the rows.

The trainer uses `Engine`; `CpuEngine` computes in this process. An engine takes a range of batches at once, so
that one on an accelerator may run many steps before it reads a loss back.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError, TrainingError
from alpt_ref.kernels.backend import get_backend
from alpt_ref.models.loss import bce_with_logits
from alpt_ref.models.optim import make_dense_optimizer
from alpt_ref.tables.base import EmbeddingTable
from alpt_ref.training import batches
from alpt_ref.training.batch_range import BatchRange
from alpt_ref.training.build import State, build, restore, served, snapshot, split_state
from alpt_ref.training.config import RunConfig
from alpt_ref.training.evaluation import evaluate
from alpt_ref.training.gradient_norm import limit_gradients
from alpt_ref.training.moments import Moment, changing_rows, moment_of
from alpt_ref.training.pooling import Positions, positions

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.models.base import Model
    from alpt_ref.training.quality import Quality
    from alpt_ref.training.results import EpochRecord

OnBatches = Callable[[int, float | None], bool]
"""``on_batches(rows, loss)`` after one or more batches: rows since the last call, the latest loss if it is known.
True asks the engine to stop as soon as it can."""


class DivergedError(TrainingError):
    """A loss or gradient became NaN or infinite; `state` and `history` are those of the last good epoch."""

    def __init__(self, reason: str, *, epoch: int, step: int) -> None:
        """`reason` in words; `epoch` and `step` counted from 1. `state` and `history` are filled in by `train`."""
        kept = "the initial state" if epoch == 1 else f"the state after epoch {epoch - 1}"
        super().__init__(
            f"training diverged at step {step} (epoch {epoch}): {reason}; {kept} is kept; lower table.lr or model.lr"
        )
        self.epoch = epoch
        self.step = step
        self.state: State = {}
        self.history: tuple[EpochRecord, ...] = ()


class Engine(ABC):
    """Table, model and dense optimiser of one run on one device.

    Attributes
    ----------
    device : str
        Its name on the command line; a checkpoint can be resumed on the same device only.
    table, model
        Host objects that hold the current state after `restore` and in `RunResult`; an engine that computes elsewhere
        brings them up to date there.
    """

    device: ClassVar[str]
    table: EmbeddingTable
    model: Model

    @abstractmethod
    def train(self, span: BatchRange, on_batches: OnBatches) -> tuple[float, int]:
        """Run a range of an epoch's batches.

        Returns
        -------
        (float, int)
            `span.loss_sum` plus loss times rows (or weight) of every batch run, added in order in float64; number of
            batches run, fewer than asked for only where `on_batches` returned True.

        Raises
        ------
        DivergedError
            Names the step; the engine's state is void then.
        """

    def settle(self) -> None:
        """Bring all rows of the table up to date (`EmbeddingTable.settle`): after an epoch, before it is measured."""
        self.table.settle()

    @abstractmethod
    def evaluate(self, part: Literal["train", "valid", "test"]) -> Quality:
        """Metrics of one part of the dataset in the current state."""

    @abstractmethod
    def statistics(self) -> dict[str, float]:
        """The table's figures since the last call; the call resets them."""

    @abstractmethod
    def snapshot(self) -> State:
        """Copies of what the table and the model hold: ``table/...``, ``model/...``."""

    @abstractmethod
    def restore(self, state: State) -> None:
        """Put a `snapshot` back, here and in `table` and `model`."""

    @abstractmethod
    def state(self) -> State:
        """`snapshot` and all else that training resumes from: ``optimizer/...``, ``statistics/counts``."""

    def moment(self, spare: Moment | None = None) -> Moment:
        """What table, model and dense optimiser hold now, for later; the memory of `spare` may be used for it."""
        return Moment({name: array for name, array in self.state().items() if not name.startswith("statistics/")})

    def back_to(self, moment: Moment) -> None:
        """Put table and model back, here and in `table` and `model`."""
        self.restore(served(moment.arrays()))

    @abstractmethod
    def load_state(self, state: State) -> None:
        """Take over a `state` of an engine of the same kind and configuration.

        Raises
        ------
        InputError
            It does not fit; what the engine holds is void then.
        """


class CpuEngine(Engine):
    """NumPy arrays and compiled loops in this process."""

    device = "cpu"

    def __init__(self, config: RunConfig, dataset: ClickDataset) -> None:
        self.config, self.dataset = config, dataset
        self.table, self.model = build(config, dataset)
        own = config.model
        self.dense = make_dense_optimizer(own.optimizer, lr=own.lr, weight_decay=own.weight_decay)
        twice = config.table.two_pass or "two_pass" not in config.table.entry.settings
        self._two_pass: Any = self.table if self.table.two_pass_capable and twice else None

    def train(self, span: BatchRange, on_batches: OnBatches) -> tuple[float, int]:
        """See `Engine.train`."""
        settings, total, done = self.config.train, span.loss_sum, 0
        parts = batches.training_batches(
            self.dataset, span.rows, settings.batch_size, seed=settings.seed, epoch=span.epoch,
            first=span.first, last=span.last, classes=span.classes,
        )  # fmt: skip
        with contextlib.closing(parts):  # the reader of a store ends here, also where a traceback outlives the error
            for batch in parts:
                try:
                    loss = self._step(batch, span.rates_at(span.steps_before + done + 1))
                except TrainingError as error:  # found here or by the table, which does not know the step
                    step = span.steps_before + done + 1
                    raise DivergedError(str(error), epoch=span.epoch, step=step) from error
                total += loss * batch.total_weight
                done += 1
                if on_batches(len(batch.labels), loss):
                    break
        return total, done

    def _step(self, batch: batches.Batch, rates: dict[str, float]) -> float:
        table, model, b = self.table, self.model, len(batch.labels)
        at = positions(batch.ids, batch.values, self.dataset.slots)
        ids = table.checked_ids(at.ids)
        loss, grads = self._pass(table.lookup(ids), batch, at)
        scale = limit_gradients(self.config.train.max_gradient_norm, ids, grads, model.grads)
        if self._two_pass is None:
            table.apply_gradients(ids, grads, lr=rates["table"], batch_size=b)
            self.dense.step(model.params, model.grads, lr=rates["dense"])
            return loss
        pending = self._two_pass.begin_update(ids, grads, lr=rates["table"])
        self.dense.step(model.params, model.grads, lr=rates["dense"])
        _, grads = self._pass(self._two_pass.lookup_pending(pending), batch, at, second=True)
        self._two_pass.finish_update(pending, grads * scale if scale != 1.0 else grads, batch_size=b)
        return loss

    def _pass(
        self, emb: NDArray[np.float32], batch: batches.Batch, at: Positions, *, second: bool = False
    ) -> tuple[float, NDArray[np.float32]]:
        """Forward and backward; returns the loss and the gradient of `emb`, (ids, d)."""
        with np.errstate(over="ignore", invalid="ignore"):
            logits = self.model.forward(at.pooled(emb), training=True, update_stats=not second)
            loss, dlogits = bce_with_logits(logits, batch.labels, batch.weights)
            require_finite("loss", loss)
            grads = at.spread(self.model.backward(dlogits, params=not second), emb.shape[1])
        return float(loss), grads  # whose numbers the table looks at, once, while it sums them

    def evaluate(self, part: Literal["train", "valid", "test"]) -> Quality:
        """See `Engine.evaluate`."""
        settings = self.config.train
        size, group = settings.eval_batch_size, settings.group
        return evaluate(self.table, self.model, self.dataset, part, batch_size=size, group=group)

    def statistics(self) -> dict[str, float]:
        """See `Engine.statistics`."""
        return self.table.statistics(reset=True)

    def snapshot(self) -> State:
        """See `Engine.snapshot`."""
        return snapshot(self.table, self.model)

    def restore(self, state: State) -> None:
        """See `Engine.restore`."""
        restore(state, self.table, self.model)

    def state(self) -> State:
        """See `Engine.state`."""
        optimizer = {f"optimizer/{name}": array for name, array in self.dense.state().items()}
        return self.snapshot() | optimizer | {"statistics/counts": self.table.counters()}

    def moment(self, spare: Moment | None = None) -> Moment:
        """See `Engine.moment`."""
        if type(self.table).state is not EmbeddingTable.state:  # it knows better
            return super().moment(spare)
        return moment_of(self.table, self.model, self.dense, self._changing, spare)

    @functools.cached_property
    def _changing(self) -> NDArray[np.int64] | None:
        return changing_rows(self.dataset, self.table)

    def back_to(self, moment: Moment) -> None:
        """See `Engine.back_to`."""
        if not moment.put_back(self.model):
            super().back_to(moment)

    def load_state(self, state: State) -> None:
        """See `Engine.load_state`."""
        parts = split_state(state, ("table", "model", "optimizer", "statistics"))
        self._check_optimizer(parts["optimizer"])
        if set(parts["statistics"]) != {"counts"}:
            raise InputError(f"state must hold statistics/counts alone, got {sorted(parts['statistics'])}")
        self.table.load_state(parts["table"])
        self.model.load_state(parts["model"])
        self.dense.load_state(parts["optimizer"])
        self.table.load_counters(parts["statistics"]["counts"])

    def _check_optimizer(self, given: State) -> None:
        """The dense optimiser takes any names; those of another model would start from zero in silence."""
        steps, params = given.get("steps"), self.model.params
        if steps is None or steps.shape != () or steps.dtype != np.int64 or steps < 0:
            raise InputError(f"the dense optimizer's state must hold steps, an int64 of at least 0, got {steps!r}")
        moments = {name.partition("/")[2]: array for name, array in given.items() if name != "steps"}
        fits = moments.keys() == params.keys() and all(
            moments[name].dtype == params[name].dtype and moments[name].size == params[name].size for name in params
        )
        if moments and not fits:
            raise InputError(f"the dense optimizer's state must hold moments of {sorted(params)} alone")


def require_finite(what: str, value: float) -> None:
    """`TrainingError` if `value` is NaN or infinite."""
    if not np.isfinite(value):
        raise TrainingError(f"the {what} is {value}")


ENGINES: dict[str, str] = {"cpu": "engine:CpuEngine", "cuda": "engine_cuda:CudaEngine"}
"""Device -> ``"module:Class"`` beside this module, called with (config, dataset)."""


def make_engine(config: RunConfig, dataset: ClickDataset, device: str = "cpu") -> Engine:
    """The engine of a device, its table and model at their initial values."""
    module, name = ENGINES[_check.choice("device", device, tuple(ENGINES))].split(":")
    batches.require_cpu(config, dataset, device)
    get_backend(device)  # refuses, with the reason, a device that cannot be used
    engine: Engine = getattr(importlib.import_module(f".{module}", __package__), name)(config, dataset)
    return engine

"""A model of categorical rows in memory: vocabulary, table and backbone, trained pass by pass; pickles as arrays."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.check import number
from alpt_ref._util.progress import Progress
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.fields import Part, offsets_of
from alpt_ref.data.formats.columns import Column, ColumnCoder
from alpt_ref.data.formats.unseen import UnseenValues
from alpt_ref.data.growth import Growth
from alpt_ref.errors import InputError
from alpt_ref.kernels.linalg import single_threaded_blas
from alpt_ref.models import Model, make_model
from alpt_ref.tables.growth import grown_state
from alpt_ref.training.batch_range import BatchRange
from alpt_ref.training.batches import warn_of_single_row
from alpt_ref.training.build import rates
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.engine import make_engine
from alpt_ref.training.fit_epochs import is_auto, settled
from alpt_ref.training.init_from import check_continuable
from alpt_ref.training.quality import Quality
from alpt_ref.training.weights import counted_rows, total_weight

_SECTIONS = re.compile(r"\b(model|table|train)\.(?=\w)")
PREDICT_ROWS = 4096
"""Most rows of a batch in prediction."""


class Learner:
    """Vocabulary and engine of a fitted estimator, and how far it has trained; pickles as plain arrays."""

    def __init__(self, config: RunConfig, coders: list[ColumnCoder]) -> None:
        self.config, self.coders = config, coders
        self.sizes = tuple(coder.size for coder in coders)
        self.offsets = offsets_of(self.sizes)[:-1].astype(np.uint32)
        self.blank = self.dataset(self.offsets[None])  # one row that stands for any data of this vocabulary
        self.engine: Any = make_engine(config, self.blank)
        self.epoch = self.steps = 0
        self.fitted = False  # by a whole `fit`; what follows updates it
        self.model: Model | None = None  # of float64, for predictions
        self.unseen: list[float] | None = None  # per column, the share of unknown values in the first rows encoded
        self.lock = threading.Lock()  # a model's buffers serve one caller at a time

    def continued_config(self, settings: Mapping[str, Any]) -> RunConfig:
        """The configuration of more training with an estimator's present settings; `InputError` for another model."""
        config = config_of(settled(dict(settings), None), self.config.train.seed)
        if is_auto(settings["batch_norm"]):
            config = config.replace("model", batch_norm=self.config.model.batch_norm)
        try:
            check_continuable(self.config, config)
        except InputError as error:
            said = str(error).partition(" as in the run")[0]
            raise InputError(
                f"{_SECTIONS.sub('', said)} as in the former fit; make a new estimator for another"
            ) from None
        return config

    def grown(self, columns: list[Column], min_count: int, config: RunConfig | None = None) -> Learner:
        """This model with rows for the new categories of these rows, to be trained on; itself where there are none.

        What this one holds stays as it is. A table that takes no new rows keeps its vocabulary: new categories share
        the column's out-of-vocabulary row there. With `config` the settings of the training are others.

        Warns
        -----
        CategoryWarning
            Far more values are new than among the first rows, and they are spelled in another way.
        """
        coders, new = self.coders, self._unknown(columns, self._ids(columns))
        if odd := new.misspelled(self._known):
            new.warn(self._known, stacklevel=4, fields=odd)
        if not self.engine.table.cannot_grow:
            pairs = enumerate(zip(coders, columns, strict=True))
            coders = [one.extended(column, min_count=min_count, warn=at not in odd) for at, (one, column) in pairs]
        more = [now.size - old.size for now, old in zip(coders, self.coders, strict=True)]
        if not any(more) and config in (None, self.config):
            return self
        grown = Learner(config or self.config, coders)
        state = self.engine.state()
        table = {name.removeprefix("table/"): state.pop(name) for name in [*state] if name.startswith("table/")}
        table = grown_state(grown.engine.table, table, Growth.of(self.sizes, more))
        grown.engine.load_state(state | {f"table/{name}": array for name, array in table.items()})
        grown.epoch, grown.steps, grown.fitted = self.epoch, self.steps, self.fitted
        if self.unseen is not None:  # so many new values are usual from now on
            grown.unseen = np.maximum(self.unseen, new.shares()).tolist()
        return grown

    def afresh(self) -> Learner:
        """Another model at the initial values, with the same settings and vocabulary."""
        return Learner(self.config, self.coders)

    def dataset(
        self,
        ids: NDArray[np.uint32],
        labels: NDArray[np.uint8] | None = None,
        weights: NDArray[np.float32] | None = None,
    ) -> ClickDataset:
        """Encoded rows, all of them for training."""
        blank = np.zeros(len(ids), np.uint8)
        names = tuple(str(place) for place in range(len(self.sizes)))
        labels = blank if labels is None else labels
        return ClickDataset("X", ids, labels, blank, names, self.sizes, weights=weights)

    def encode(self, columns: list[Column]) -> NDArray[np.uint32]:
        """Global ids of rows, (rows, columns); a warning where far more values are unknown than in the first rows."""
        ids = self._ids(columns)
        values = self._unknown(columns, ids)
        if self.unseen is None:  # these are the first rows
            self.unseen = values.shares().tolist()
        else:
            values.warn(self._known, stacklevel=5)
        return ids

    def _ids(self, columns: list[Column]) -> NDArray[np.uint32]:
        ids = np.empty((len(columns[0]), len(columns)), np.uint32)
        for place, (coder, column) in enumerate(zip(self.coders, columns, strict=True)):
            ids[:, place] = self.offsets[place] + coder.encode(column)
        return ids

    def _known(self, place: int) -> list[Any]:
        return self.coders[place].examples()

    def _unknown(self, columns: list[Column], ids: NDArray[np.uint32]) -> UnseenValues:
        """What of these rows has no row of the table, with examples where it is far more than usual."""
        names = [coder.name for coder in self.coders]
        values = UnseenValues(names, self.offsets, self.unseen, "those it was fitted on")
        values.add(ids)
        for place in values.suspects():
            values.remember({place: columns[place][ids[:, place] == self.offsets[place]][:100].tolist()})
        return values

    def update_factor(self, rows: int, update_rate: float) -> float:
        """Factor on all learning rates in a call with so many rows: 1 before the model is fitted.

        Afterwards steps of the full rate lose what was learned: many of them on the few rows of a small call, or in
        several passes over one day's rows (``analysis/results/day-2.md``). A call of fewer rows than a batch takes a
        step in proportion.
        """
        number("update_rate", update_rate)
        return update_rate * min(1.0, rows / self.config.train.batch_size) if self.fitted else 1.0

    def train(self, dataset: ClickDataset, epochs: int, progress: Progress, factor: float = 1.0) -> list[float]:
        """Pass over the rows `epochs` times at `factor` times the learning rates; the mean logloss of each."""
        rows, losses = counted_rows(dataset, "train"), []
        weight = total_weight(dataset, rows, None)
        warn_of_single_row(self.config, len(rows))
        batches = -(-len(rows) // self.config.train.batch_size)
        self.model = None
        progress.begin(epochs * len(rows), "training", unit="samples")

        def advance(done: int, loss: float | None) -> bool:
            progress.advance(done, "" if loss is None else f"loss {loss:.4f}")
            return False

        self.engine.dataset = dataset
        with single_threaded_blas(), progress:
            for _ in range(epochs):
                self.epoch += 1
                at = {name: rate * factor for name, rate in rates(self.config, self.epoch).items()}
                span = BatchRange(
                    epoch=self.epoch, rows=rows, rates=at, first=0, last=batches,
                    steps_before=self.steps, loss_sum=0.0,
                )  # fmt: skip
                total, done = self.engine.train(span, advance)
                self.engine.settle()
                self.steps += done
                losses.append(total / weight)
        self.engine.dataset = self.blank  # the rows need not live as long as the model
        return losses

    def measured(self, dataset: ClickDataset, part: Part) -> Quality:
        """Metrics of a part of encoded rows."""
        self.engine.dataset = dataset
        with single_threaded_blas():
            found: Quality = self.engine.evaluate(part)
        self.engine.dataset = self.blank
        return found

    def logits(self, columns: list[Column]) -> NDArray[np.float64]:
        """Logits of rows, computed in float64 from the float32 weights.

        BLAS rounds a row differently at different places of a batch. In float32 that shows in the seventh digit, and
        what is predicted for a row should not depend on its neighbours.
        """
        ids = self.encode(columns)
        logits = np.empty(len(ids))
        with self.lock, single_threaded_blas():
            if self.model is None:
                self.model = self._exact_model()
            for start in range(0, len(ids), PREDICT_ROWS):
                part = ids[start : start + PREDICT_ROWS]
                emb = self.engine.table.lookup(part.reshape(-1)).astype(np.float64).reshape(len(part), -1)
                logits[start : start + len(part)] = self.model.forward(emb, training=False)
        return logits

    def _exact_model(self) -> Model:
        settings = self.config.model
        model = make_model(settings.kind, len(self.sizes), settings.dim, dtype=np.float64, **settings.own())
        model.load_state({name: array.astype(np.float64) for name, array in self.engine.model.state().items()})
        return model

    def __getstate__(self) -> dict[str, Any]:
        """Settings, vocabulary and the engine's arrays."""
        return {
            "config": self.config, "coders": self.coders, "epoch": self.epoch, "steps": self.steps,
            "unseen": self.unseen, "fitted": self.fitted, "state": self.engine.state(),
        }  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Build the engine anew and put its arrays back."""
        self.__init__(state["config"], state["coders"])  # type: ignore[misc]
        self.engine.load_state(state["state"])
        self.epoch, self.steps, self.unseen = state["epoch"], state["steps"], state.get("unseen")
        self.fitted = state.get("fitted", False)


def config_of(settings: Mapping[str, Any], seed: int) -> RunConfig:
    """The configuration of an estimator's settings, which have no sections; `InputError` names them without."""
    given = {name: _plain(value) for name, value in settings.items()}
    dim = 1 if given["model"] == "logistic" else given["dim"]

    def section(type_: Any, *names: str, **others: Any) -> Any:
        return type_(**{name: given[name] for name in names}, **others)

    try:
        return RunConfig(
            model=section(
                ModelConfig, "hidden", "cross_layers", "batch_norm", "lr", "weight_decay", kind=given["model"], dim=dim
            ),
            table=section(
                TableConfig, "method", "bits", "rounding", "lr", "weight_decay", "init_std", "init_step", "step_lr"
            ),
            train=section(TrainConfig, "batch_size", "epochs", milestones=(), seed=seed),
        )
    except InputError as error:
        sections = r"\b(model)\.kind\b|\b(?:model|table|train)\.(?=\w)"
        raise InputError(re.sub(sections, lambda found: found[1] or "", str(error))) from None


def _plain(value: Any) -> Any:
    """NumPy scalars, which searches over settings draw, as Python's own; sequences of them too."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value

"""The training loop: epochs with validation, checkpoints, and the test of the selected state.

An epoch is computed by the `engine`; the loop keeps the position in the run, the measurements, and the earlier states
that may still be needed: the last good epoch's and the best one's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from alpt_ref._util.progress import Progress
from alpt_ref.data.formats.unseen import test_shares
from alpt_ref.errors import AlptError, InputError
from alpt_ref.training import batches
from alpt_ref.training.batch_range import BatchRange
from alpt_ref.training.build import State
from alpt_ref.training.build import rates as rates_of
from alpt_ref.training.callbacks import Listeners
from alpt_ref.training.checkpoint import Checkpoint
from alpt_ref.training.config import RunConfig, config_hash
from alpt_ref.training.engine import DivergedError, Engine
from alpt_ref.training.facts import facts
from alpt_ref.training.moments import Moment
from alpt_ref.training.quality import FURTHER, Quality
from alpt_ref.training.results import EpochRecord, RunResult, samples_per_second, write_history
from alpt_ref.training.schedule import best_epoch, ramp_of
from alpt_ref.training.weights import class_weights, counted_rows, total_weight

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.init_from import Start


class StoppedError(AlptError, RuntimeError):
    """Training stopped on request; where the run has a folder, the state is kept in a checkpoint."""

    def __init__(self, epoch: int, step: int, kept: Path | None) -> None:
        """In which epoch and after which step, counted from 1, and the checkpoint."""
        how = "nothing is kept"
        if kept is not None:
            how = f"{kept} holds its state; run the same command with --resume to continue"
        super().__init__(f"stopped after step {step} (epoch {epoch}); {how}")
        self.epoch, self.step, self.kept = epoch, step, kept


class Trainer:
    """One run: engine, position, history.

    Parameters
    ----------
    config, dataset, engine
    progress : Progress
    save : callable, optional
        Keeps a checkpoint and returns its folder.
    every : int, optional
        Steps between two checkpoints; default: one after every epoch.
    history_file : path, optional
        Rewritten after every epoch.
    stop : callable, optional
        Asked after every batch whether to stop.
    start : Start, optional
        What the engine's state goes on from, for the record.
    listeners : Listeners, optional
        Told of the beginning and of every epoch; of the end whoever stores the result.
    """

    def __init__(
        self,
        config: RunConfig,
        dataset: ClickDataset,
        engine: Engine,
        progress: Progress,
        *,
        save: Callable[[Checkpoint], Path] | None = None,
        every: int | None = None,
        history_file: Path | None = None,
        stop: Callable[[], bool] = lambda: False,
        start: Start | None = None,
        listeners: Listeners | None = None,
    ) -> None:
        self.config, self.dataset, self.engine, self.progress = config, dataset, engine, progress
        self.save, self.every, self.history_file, self.stop = save, every, history_file, stop
        self.start, self.listeners = start, listeners or Listeners()
        self.rows = counted_rows(dataset, "train")
        self.classes = class_weights(config.train.class_weight, dataset, self.rows)
        self.weight = total_weight(dataset, self.rows, self.classes)
        self.ramp = ramp_of(config.train, batches.batch_count(len(self.rows), config.train.batch_size))
        self.history: list[EpochRecord] = []
        self.step = 0  # of the run
        self.batch, self.loss_sum, self.seconds = 0, 0.0, 0.0  # of the epoch under way
        self.last_good = self.best = engine.moment()

    # --- the loop ----------------------------------------------------------------------------------------------------

    def run(self) -> RunResult:
        """Train to the end, restore the state that the configuration chooses, and test it."""
        epochs = self.config.train.epochs
        size = self.config.train.batch_size
        self.progress.begin(epochs * len(self.rows), "training", unit="samples")
        self.progress.advance(len(self.history) * len(self.rows) + self.batch * size)
        self.listeners.start(self.config, self.dataset, self.history)
        while not self._finished():
            self._epoch(len(self.history) + 1)
        self.progress.close()
        self.engine.back_to(self.best)
        return self._result()

    def _finished(self) -> bool:
        settings, done = self.config.train, len(self.history)
        if done == 0 or settings.patience is None:
            return done >= settings.epochs
        return done >= settings.epochs or done - self._best_epoch() >= settings.patience

    def _best_epoch(self) -> int:
        return best_epoch(self.config.train, self.history)

    def _epoch(self, epoch: int) -> None:
        rates = rates_of(self.config, epoch, self.history)
        self._train(epoch, rates)
        self.engine.settle()
        started = time.perf_counter()
        valid = self._evaluate("valid")
        record = EpochRecord(
            epoch=epoch,
            lr=self._last_rates(rates),
            train_loss=self.loss_sum / self.weight,
            valid_auc=valid.auc,
            valid_logloss=valid.logloss,
            table={name: float(value) for name, value in self.engine.statistics().items()},
            timing={
                "seconds": self.seconds,
                "evaluation_seconds": time.perf_counter() - started,
                "samples_per_s": len(self.rows) / self.seconds,
            },
            **{f"valid_{name}": getattr(valid, name) for name in FURTHER},
        )
        self.history.append(record)
        self.batch, self.loss_sum, self.seconds = 0, 0.0, 0.0
        best = self.config.train.test_epoch == "last" or self._best_epoch() == epoch
        spare = self.last_good if best or self.last_good is not self.best else None  # nobody will ask for it again
        if best:
            self.best = self.last_good
        self.last_good = self.engine.moment(spare)
        if best:
            self.best = self.last_good
        if self.history_file is not None:
            write_history(self.history_file, self.history)
        kept = self._keep() if self.every is None or self.step % self.every == 0 else None
        self.listeners.epoch(record)
        if self.stop() and not self._finished():
            raise StoppedError(epoch, self.step, kept or self._keep())

    def _last_rates(self, rates: dict[str, float]) -> dict[str, float]:
        """The rates of the step just done."""
        return rates if self.ramp is None else {name: rate * self.ramp(self.step) for name, rate in rates.items()}

    def _train(self, epoch: int, rates: dict[str, float]) -> None:
        """The epoch's batches from where it stands, with checkpoints between them."""
        note = f"epoch {epoch}/{self.config.train.epochs}"

        def on_batches(rows: int, loss: float | None) -> bool:
            self.progress.advance(rows, note if loss is None else f"{note} · loss {loss:.4f}")
            return self.stop()

        total = batches.batch_count(len(self.rows), self.config.train.batch_size)
        if self.batch == 0:
            self.engine.statistics()  # begin counting
        while self.batch < total:
            last = total if self.every is None else min(total, self.batch + self.every - self.step % self.every)
            span = BatchRange(
                epoch, self.rows, rates, self.batch, last, self.step, self.loss_sum, self.ramp, self.classes
            )
            started = time.perf_counter()
            self.loss_sum, done = self.engine.train(span, on_batches)
            self.seconds += time.perf_counter() - started
            self.batch += done
            self.step += done
            if self.batch < total:  # after the last batch the epoch's validation comes first
                kept = self._keep()
                if self.stop():
                    raise StoppedError(epoch, self.step, kept)

    def _evaluate(self, part: Any) -> Quality:
        result = Quality(*self.engine.evaluate(part))
        if not np.isfinite(result.logloss):
            name = {"valid": "validation"}.get(part, part)
            raise DivergedError(f"the {name} logloss is {result.logloss}", epoch=len(self.history) + 1, step=self.step)
        return result

    def _result(self) -> RunResult:
        config, dataset, table = self.config, self.dataset, self.engine.table
        tested = self.tested_epoch()
        test = self._evaluate("test")
        return RunResult(
            label=config.table.label,
            bits=config.table.code_bits,
            seed=config.train.seed,
            config_hash=config_hash(config),
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            tested_epoch=tested,
            valid_auc=self.history[tested - 1].valid_auc,
            valid_logloss=self.history[tested - 1].valid_logloss,
            test_auc=test.auc,
            test_logloss=test.logloss,
            **{f"test_{name}": value for name, value in test.further().items()},
            training_bytes=int(table.nbytes("training")),
            serving_bytes=int(table.nbytes("serving")),
            samples_per_s=samples_per_second(self.history),
            history=tuple(self.history),
            table=table,
            model=self.engine.model,
        )

    def tested_epoch(self) -> int:
        """The epoch whose state is tested if training ends now."""
        return len(self.history) if self.config.train.test_epoch == "last" else self._best_epoch()

    # --- checkpoints -------------------------------------------------------------------------------------------------

    def _keep(self) -> Path | None:
        return None if self.save is None else self.save(self.checkpoint())

    def checkpoint(self) -> Checkpoint:
        """The run as it stands between two batches."""
        arrays = self.engine.state()
        if self.history and self.batch > 0:
            arrays |= {f"last_good/{name}": array for name, array in self.last_good.arrays().items()}
        if self.history and self.best is not self.last_good:
            arrays |= {f"best/{name}": array for name, array in self.best.arrays().items()}
        timing = {"epochs": [record.timing for record in self.history], "seconds": self.seconds}
        return self._content(arrays, len(self.history), self.step, timing)

    def final(self, state: State, epoch: int, *, finished: bool) -> Checkpoint:
        """Table, model and, of a finished run, dense optimiser after an epoch: what is kept in the end."""
        arrays = dict(state)
        vocabulary = self.dataset.vocabulary
        if finished and vocabulary is not None:
            arrays["vocabulary/category_bytes"] = np.asarray(vocabulary.category_bytes)
            arrays["vocabulary/category_offsets"] = np.asarray(vocabulary.category_offsets)
            arrays |= {} if self.start is None else self.start.for_the_next()
        steps = epoch * batches.batch_count(len(self.rows), self.config.train.batch_size)
        content = self._content(arrays, epoch, steps, {})
        unseen = test_shares(self.dataset)  # what is usual, for those who score new rows
        return replace(
            content, meta=content.meta | {"finished": finished, "batch": 0, "loss_sum": 0.0, "unseen": unseen}
        )

    def _content(self, arrays: State, epoch: int, step: int, timing: dict[str, Any]) -> Checkpoint:
        meta = {
            "step": step,
            "epoch": epoch,
            "batch": self.batch,
            "loss_sum": self.loss_sum,
            "finished": False,
            "history": [record.reproducible() for record in self.history],
            **facts(self.config, self.dataset, self.engine, self.start),
        }
        settings = self.config.replace("train", threads=None)  # results and checkpoints do not depend on them
        return Checkpoint(settings, arrays, meta, timing)

    def resume(self, content: Checkpoint) -> None:
        """Go back to a `checkpoint` of the same run; `InputError` if it is none."""
        meta, timing = content.meta, content.timing
        initial = self.last_good
        try:
            records = zip(meta["history"], timing["epochs"], strict=True)
            history = [msgspec.convert({**plain, "timing": times}, EpochRecord) for plain, times in records]
            batch, loss_sum, seconds = int(meta["batch"]), float(meta["loss_sum"]), float(timing["seconds"])
            total = batches.batch_count(len(self.rows), self.config.train.batch_size)
            if not 0 <= batch < total or meta["step"] != len(history) * total + batch or meta["epoch"] != len(history):
                raise ValueError("its step, epoch and batch do not belong together")
            if history and batch > 0 and not content.part("last_good"):
                raise ValueError("it lacks the last good epoch's state")
            earlier = {"last_good", "best"}
            self.engine.load_state({k: v for k, v in content.arrays.items() if k.partition("/")[0] not in earlier})
        except (KeyError, TypeError, ValueError, msgspec.ValidationError) as error:
            raise InputError(f"the checkpoint after step {meta['step']} does not fit this run: {error}") from None
        self.history, self.step = history, int(meta["step"])
        self.batch, self.loss_sum, self.seconds = batch, loss_sum, seconds
        if history:
            self.last_good = Moment(content.part("last_good")) if batch > 0 else self.engine.moment()
            best = content.part("best")
            self.best = Moment(best) if best else self.last_good
        else:
            self.last_good = self.best = initial

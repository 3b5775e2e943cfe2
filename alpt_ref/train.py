"""The training loop: Algorithm 1 around any table, epochs with validation, and the test of the chosen state.

One step on a batch with ids (b, fields):

1. look the ids up, forward, logloss, backward: gradients of the dense parameters and of the embeddings;
2. update table and dense parameters; a two-pass ALPT table instead holds its new rows back in fp32,
3. runs forward and backward a second time through their deterministic rounding (batch norm's running statistics stay
   put), moves the step sizes by that gradient, and only then rounds the rows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from . import _jit, batches
from .assemble import State, build, restore, snapshot
from .assemble import rates as rates_of
from .config import RunConfig, config_hash
from .config_io import dump_toml, load_toml
from .errors import InputError, TrainingError
from .evaluation import evaluate
from .history import EpochRecord, RunResult, samples_per_second, write_history
from .linalg import single_threaded_blas
from .models.loss import bce_with_logits
from .optim import make_dense_optimizer
from .output import claim_folder, read_json, write_arrays, write_json, write_text
from .progress import Progress
from .tables.alpt import AdaptiveTable

if TYPE_CHECKING:
    from .data.dataset import ClickDataset

FILES = ("config.toml", "history.jsonl", "result.json", "state.npz")


class DivergedError(TrainingError):
    """A loss or gradient became NaN or infinite; `state` and `history` are those of the last good epoch."""

    def __init__(self, message: str, *, epoch: int, step: int) -> None:
        """Both counted from 1; state and history are filled in by `train`."""
        super().__init__(message)
        self.epoch = epoch
        self.step = step
        self.state: State = {}
        self.history: tuple[EpochRecord, ...] = ()


def train(
    config: RunConfig, dataset: ClickDataset, *, output: str | Path | None = None, progress: Progress | None = None
) -> RunResult:
    """Train one table and model, and test the state of the best (or last) epoch.

    Parameters
    ----------
    config : RunConfig
        Everything but the data; ``config.data`` is not read here.
    dataset : ClickDataset
        ids (rows, fields) uint32, labels (rows,) uint8 and the split into train, valid and test rows.
    output : folder, optional
        Receives config.toml, history.jsonl (after every epoch), state.npz and result.json (last). A folder that holds
        this run's complete result is read instead of training again.
    progress : Progress, optional
        Shows samples and samples a second; default none.

    Returns
    -------
    RunResult
        A function of configuration and data alone, bit for bit, but for times.

    Raises
    ------
    InputError
        The folder holds another run or cannot be written, or a part of the split is empty.
    DivergedError
        A loss or gradient is NaN or infinite; names the step and carries the last good epoch's state, which is
        written to ``last_good.npz`` where `output` is given.
    """
    require_usable(dataset)
    folder = None if output is None else _claim(Path(output), config, dataset)
    if folder is not None and (folder / "result.json").exists():
        return _restored(folder, config, dataset)
    with _threads(config.train.threads), single_threaded_blas():
        trainer = _Trainer(config, dataset, progress or Progress(enabled=False))
        if folder is not None:  # only now: a setting that table or model refuse must not claim the folder
            write_text(folder / "config.toml", dump_toml(config))
        try:
            result = trainer.run(folder)
        except DivergedError as error:
            error.state, error.history = trainer.last_good, tuple(trainer.history)
            if folder is not None:
                write_arrays(folder / "last_good.npz", error.state)
            raise
    if folder is not None:
        write_arrays(folder / "state.npz", snapshot(result.table, result.model))
        write_json(folder / "result.json", result.as_dict())
    return result


def require_usable(dataset: ClickDataset) -> None:
    """`InputError` unless every part has rows, and those that an AUC is computed on have both labels."""
    for part in ("train", "valid", "test"):
        labels = dataset.labels[dataset.split == ("train", "valid", "test").index(part)]
        if not len(labels):
            raise InputError(f"dataset {dataset.name!r} has no rows in its {part} part; give it more rows")
        if part != "train" and labels.min() == labels.max():
            raise InputError(
                f"dataset {dataset.name!r} has only the label {labels[0]} in its {part} part, which has no AUC; "
                "give it more rows or another split seed"
            )


class _Trainer:
    """Table, model and optimiser of one run, and what has been measured so far."""

    def __init__(self, config: RunConfig, dataset: ClickDataset, progress: Progress) -> None:
        self.config, self.dataset, self.progress = config, dataset, progress
        self.table, self.model = build(config, dataset)
        self.dense = make_dense_optimizer(
            config.model.optimizer, lr=config.model.lr, weight_decay=config.model.weight_decay
        )
        self.two_pass = self.table if isinstance(self.table, AdaptiveTable) and config.table.two_pass else None
        self.history: list[EpochRecord] = []
        self.step_number = 0
        self.last_good = snapshot(self.table, self.model)

    def run(self, folder: Path | None) -> RunResult:
        settings = self.config.train
        rows = self.dataset.rows_of("train")
        self.progress.begin(settings.epochs * len(rows), "training", unit="samples")
        best = self.last_good
        for epoch in range(1, settings.epochs + 1):
            self.history.append(self._epoch(epoch, rows))
            self.last_good = snapshot(self.table, self.model)
            if folder is not None:
                write_history(folder / "history.jsonl", self.history)
            if settings.test_epoch == "last" or _best_epoch(self.history) == epoch:
                best = self.last_good
            if settings.patience is not None and epoch - _best_epoch(self.history) >= settings.patience:
                break
        self.progress.close()
        restore(best, self.table, self.model)
        return self._result()

    def _epoch(self, epoch: int, rows: NDArray[np.int64]) -> EpochRecord:
        settings = self.config.train
        rates = rates_of(self.config, epoch)
        self.table.statistics(reset=True)
        started, total = time.perf_counter(), 0.0
        note = f"epoch {epoch}/{settings.epochs}"
        for batch in batches.training_batches(self.dataset, rows, settings.batch_size, seed=settings.seed, epoch=epoch):
            self.step_number += 1
            try:
                loss = self._step(batch, rates)
            except DivergedError:
                raise
            except TrainingError as error:  # the table found it: name the step here
                raise self._diverged(str(error)) from error
            total += loss * len(batch.labels)
            self.progress.advance(len(batch.labels), f"{note} · loss {loss:.4f}")
        seconds = time.perf_counter() - started
        started = time.perf_counter()
        valid = evaluate(self.table, self.model, self.dataset, "valid", batch_size=settings.eval_batch_size)
        self._require_finite("validation logloss", valid[1])
        return EpochRecord(
            epoch=epoch,
            lr=rates,
            train_loss=total / len(rows),
            valid_auc=valid[0],
            valid_logloss=valid[1],
            table={name: float(value) for name, value in self.table.statistics(reset=True).items()},
            timing={
                "seconds": seconds,
                "evaluation_seconds": time.perf_counter() - started,
                "samples_per_s": len(rows) / seconds,
            },
        )

    def _step(self, batch: batches.Batch, rates: dict[str, float]) -> float:
        table, model, b = self.table, self.model, len(batch.labels)
        ids = batch.ids.reshape(-1)
        loss, grads = self._pass(table.lookup(ids), batch.labels)
        if self.two_pass is None:
            table.apply_gradients(ids, grads, lr=rates["table"], batch_size=b)
            self.dense.step(model.params, model.grads, lr=rates["dense"])
            return loss
        pending = self.two_pass.begin_update(ids, grads, lr=rates["table"])
        self.dense.step(model.params, model.grads, lr=rates["dense"])
        _, grads = self._pass(self.two_pass.lookup_pending(pending), batch.labels, second=True)
        self.two_pass.finish_update(pending, grads, batch_size=b)
        return loss

    def _pass(
        self, emb: NDArray[np.float32], labels: NDArray[np.uint8], *, second: bool = False
    ) -> tuple[float, NDArray[np.float32]]:
        """Forward and backward; returns the loss and the gradient of `emb`, (b * fields, d)."""
        with np.errstate(over="ignore", invalid="ignore"):
            logits = self.model.forward(emb.reshape(len(labels), -1), training=True, update_stats=not second)
            loss, dlogits = bce_with_logits(logits, labels)
            self._require_finite("loss", loss)
            grads = self.model.backward(dlogits, params=not second).reshape(emb.shape)
            flat = grads.reshape(-1)
            self._require_finite("embedding gradient's squared norm", float(np.dot(flat, flat)))
        return float(loss), grads

    def _require_finite(self, what: str, value: float) -> None:
        if not np.isfinite(value):
            raise self._diverged(f"the {what} is {value}")

    def _diverged(self, reason: str) -> DivergedError:
        epoch = len(self.history) + 1
        kept = "the initial state" if epoch == 1 else f"the state after epoch {epoch - 1}"
        return DivergedError(
            f"training diverged at step {self.step_number} (epoch {epoch}): {reason}; {kept} is kept; "
            "lower table.lr or model.lr",
            epoch=epoch,
            step=self.step_number,
        )

    def _result(self) -> RunResult:
        config, dataset, table = self.config, self.dataset, self.table
        last = config.train.test_epoch == "last"
        tested = len(self.history) if last else _best_epoch(self.history)
        test = evaluate(table, self.model, dataset, "test", batch_size=config.train.eval_batch_size)
        self._require_finite("test logloss", test[1])
        return RunResult(
            label=config.table.label,
            bits=None if config.table.method == "fp32" else config.table.bits,
            seed=config.train.seed,
            config_hash=config_hash(config),
            dataset=dataset.name,
            fingerprint=dataset.fingerprint,
            tested_epoch=tested,
            valid_auc=self.history[tested - 1].valid_auc,
            valid_logloss=self.history[tested - 1].valid_logloss,
            test_auc=test[0],
            test_logloss=test[1],
            training_bytes=int(table.nbytes("training")),
            serving_bytes=int(table.nbytes("serving")),
            samples_per_s=samples_per_second(self.history),
            history=tuple(self.history),
            table=table,
            model=self.model,
        )


def _best_epoch(history: list[EpochRecord]) -> int:
    """The first epoch with the highest validation AUC, counted from 1."""
    return 1 + int(np.argmax([record.valid_auc for record in history]))


@contextmanager
def _threads(threads: int | None) -> Iterator[None]:
    """Use this many threads inside the block (None: as it is)."""
    before = _jit.num_threads()
    _jit.set_num_threads(before if threads is None else threads)
    try:
        yield
    finally:
        _jit.set_num_threads(before)


def _claim(folder: Path, config: RunConfig, dataset: ClickDataset) -> Path:
    """Take the output folder, or raise `InputError` if it belongs to another run."""

    def difference(marker: Path) -> str | None:
        if config_hash(load_toml(marker)) != config_hash(config):
            return f"another configuration ({marker.name} differs)"
        stored = read_json(folder / "result.json")
        if stored is not None and RunResult.from_dict(stored).fingerprint != dataset.fingerprint:
            return "the same configuration on other data"
        return None

    return claim_folder(folder, "config.toml", difference, FILES)


def _restored(folder: Path, config: RunConfig, dataset: ClickDataset) -> RunResult:
    """A finished run, read from its folder."""
    result = RunResult.from_dict(read_json(folder / "result.json") or {})
    table, model = build(config, dataset)
    try:
        with (folder / "state.npz").open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            restore(dict(stored), table, model)
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise InputError(f"{folder / 'state.npz'} is damaged ({error}); delete {folder} to train again") from None
    return replace(result, table=table, model=model)

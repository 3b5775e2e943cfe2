"""Histories for other tools: a CSV file, TensorBoard, MLflow, Weights & Biases (extra `tracking`), as callbacks.

Every tracker gets the same numbers under the same names: `flat` of each epoch at the step that is the epoch's number,
and at the end `outcome`. A run that is resumed tells its earlier epochs again, so that each place has all of them.
"""

from __future__ import annotations

import importlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from alpt_ref._util.files import write_text
from alpt_ref._util.text import csv_lines
from alpt_ref._version import install_hint
from alpt_ref.errors import InputError
from alpt_ref.training.callbacks import Callback
from alpt_ref.training.config import config_hash

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.config import RunConfig
    from alpt_ref.training.results import EpochRecord, RunResult

NAME = "alpt-ref"
"""Of the MLflow experiment and the W&B project, where none is named."""


def flat(record: EpochRecord) -> dict[str, float]:
    """An epoch's numbers by name: ``train_loss``, ``valid_auc``, ``lr/table``, ``table/...``, ``timing/...``."""
    plain: dict[str, Any] = msgspec.to_builtins(record)
    numbers: dict[str, float] = {}
    for name, value in plain.items():
        if isinstance(value, Mapping):
            numbers |= {f"{name}/{key}": float(number) for key, number in value.items()}
        elif value is not None and name != "epoch":
            numbers[name] = float(value)
    return numbers


def outcome(result: RunResult) -> dict[str, float]:
    """What the test measured, by name: ``test_auc``, ``test_logloss``, …, ``training_bytes``, ``tested_epoch``."""
    quality = result.quality._asdict()
    numbers = {f"test_{name}": value for name, value in quality.items() if value is not None}
    more = ("training_bytes", "serving_bytes", "samples_per_s", "tested_epoch")
    return {name: float(value) for name, value in (numbers | {name: getattr(result, name) for name in more}).items()}


def settings(config: RunConfig) -> dict[str, Any]:
    """The configuration as ``{"table.bits": 8, ...}``, with the run's hash."""
    plain: dict[str, dict[str, Any]] = msgspec.to_builtins(config)
    named = {f"{section}.{key}": value for section, values in plain.items() for key, value in values.items()}
    return {**named, "config_hash": config_hash(config)}


class CsvHistory(Callback):
    """A CSV file with one line per epoch, rewritten whole after each; columns as in `flat`, numbers in full.

    Parameters
    ----------
    path : path
        The file; its folder must exist. One that is there must be such a history: it is written over.

    Raises
    ------
    InputError
        There is no such folder, or the file holds something else.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.absolute().parent.is_dir() or self.path.is_dir():
            raise InputError(f"--track csv:{path} needs a file in a folder that exists; make the folder first")
        if self.path.exists() and not _is_history(self.path):
            raise InputError(f"--track csv:{path} is a file that holds no history of a run; choose another name")
        self.records: list[EpochRecord] = []

    def on_start(self, config: RunConfig, dataset: ClickDataset, history: Sequence[EpochRecord]) -> None:
        """Begin with the epochs of before."""
        self.records = list(history)
        if self.records:
            self._write()

    def on_epoch(self, record: EpochRecord) -> None:
        """One more line."""
        self.records.append(record)
        self._write()

    def _write(self) -> None:
        lines = [{"epoch": one.epoch, **flat(one)} for one in self.records]
        columns = list(dict.fromkeys(name for line in lines for name in line))
        write_text(self.path, csv_lines([columns, *([line.get(name) for name in columns] for line in lines)]))


def _is_history(path: Path) -> bool:
    """Whether a file is empty or begins as `CsvHistory` writes: perhaps it is the log that the run reads."""
    with path.open("rb") as file:
        head = file.read(9)
    return head in (b"", b"epoch,lr/")


class Tracker(Callback, ABC):
    """What the trackers of other packages share: every epoch once, then the test."""

    def on_start(self, config: RunConfig, dataset: ClickDataset, history: Sequence[EpochRecord]) -> None:
        """Open, tell the settings, and the epochs of before."""
        about = {**settings(config), "dataset": dataset.name, "fingerprint": dataset.fingerprint}
        label = f"{config.table.label} {config.model.kind} seed {config.train.seed}"
        self._open(label, about)
        for record in history:
            self.on_epoch(record)

    def on_epoch(self, record: EpochRecord) -> None:
        """The epoch's finite numbers, at the step that is its number."""
        self._log({name: value for name, value in flat(record).items() if math.isfinite(value)}, record.epoch)

    def on_end(self, result: RunResult | None) -> None:
        """The test, and that the run is over."""
        if result is not None:
            self._log(outcome(result), len(result.history))
        self._close(result is not None)

    @abstractmethod
    def _open(self, label: str, about: Mapping[str, Any]) -> None:
        """Begin a run of this name, with its settings."""

    @abstractmethod
    def _log(self, numbers: Mapping[str, float], step: int) -> None:
        """Take numbers at an epoch."""

    @abstractmethod
    def _close(self, finished: bool) -> None:
        """End the run: as finished, or as stopped."""


class TensorBoard(Tracker):
    """Event files for TensorBoard, which needs neither TensorFlow nor PyTorch for it; `folder` is made."""

    def __init__(self, folder: str = "tensorboard") -> None:
        self.folder = folder
        self._module = _needed("tensorboard.summary", "tensorboard")

    def _open(self, label: str, about: Mapping[str, Any]) -> None:
        self._writer = self._module.Writer(self.folder)

    def _log(self, numbers: Mapping[str, float], step: int) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def _close(self, finished: bool) -> None:
        self._writer.close()


class MLflow(Tracker):
    """A run in an MLflow experiment; `uri` of the tracking server or store, "" for MLflow's own default."""

    def __init__(self, uri: str = "") -> None:
        self.uri = uri
        self._module = _needed("mlflow", "mlflow-skinny")

    def _open(self, label: str, about: Mapping[str, Any]) -> None:
        client = self._client = self._module.MlflowClient(tracking_uri=self.uri or None)
        known = client.get_experiment_by_name(NAME)
        experiment = known.experiment_id if known is not None else client.create_experiment(NAME)
        self._run = client.create_run(experiment, run_name=label).info.run_id
        for name, value in about.items():
            client.log_param(self._run, name, f"{value}"[:500])

    def _log(self, numbers: Mapping[str, float], step: int) -> None:
        for name, value in numbers.items():
            self._client.log_metric(self._run, name, value, step=step)

    def _close(self, finished: bool) -> None:
        self._client.set_terminated(self._run, "FINISHED" if finished else "KILLED")


class WandB(Tracker):
    """A run of a Weights & Biases project; what WANDB_MODE and the like say holds."""

    def __init__(self, project: str = "") -> None:
        self.project = project or NAME
        self._module = _needed("wandb", "wandb")

    def _open(self, label: str, about: Mapping[str, Any]) -> None:
        self._run = self._module.init(project=self.project, name=label, config=dict(about))

    def _log(self, numbers: Mapping[str, float], step: int) -> None:
        self._run.log(dict(numbers), step=step)

    def _close(self, finished: bool) -> None:
        self._run.finish(exit_code=0 if finished else 1)


TRACKERS: dict[str, Callable[..., Callback]] = {
    "csv": CsvHistory,
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WandB,
}
"""By the name that ``--track`` takes; what follows its colon is the one argument."""


def tracker(text: str) -> Callback:
    """The callback that ``csv:FILE``, ``tensorboard[:FOLDER]``, ``mlflow[:URI]`` or ``wandb[:PROJECT]`` names.

    Raises
    ------
    InputError
        No tracker has this name, or its package is not installed.

    Examples
    --------
    >>> tracker("csv:history.csv").path.name
    'history.csv'
    """
    name, _, target = text.partition(":")
    if name not in TRACKERS:
        raise InputError(f"--track must be one of {', '.join(TRACKERS)}, with a colon and where to, got {text!r}")
    if name == "csv" and not target:
        raise InputError(f"--track csv needs a file: --track csv:history.csv, got {text!r}")
    return TRACKERS[name](target) if target else TRACKERS[name]()


def _needed(module: str, package: str) -> Any:
    """A module of the extra `tracking`; `InputError` where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"tracking with {module.partition('.')[0]} needs the package {package} ({error}): "
            f"{install_hint('tracking')}"
        ) from None

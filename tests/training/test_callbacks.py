"""Callbacks and trackers: what they hear, that a broken one loses nothing, files and fakes of other packages."""

from __future__ import annotations

import csv
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref import Callback
from alpt_ref._util.progress import Progress
from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.errors import AlptWarning, InputError
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.results import RunResult
from alpt_ref.training.tracking import CsvHistory, flat, outcome, tracker
from alpt_ref.training.train import DivergedError, StoppedError, train


@pytest.fixture(scope="module")
def dataset() -> ClickDataset:
    return synthetic_clicks(rows=2000, fields=4, features=150, seed=1)


CONFIG = RunConfig(
    model=ModelConfig(dim=4, hidden=(8,), cross_layers=1),
    table=TableConfig(lr=0.05),
    train=TrainConfig(batch_size=280, epochs=3, threads=1),
)


class Diary(Callback):
    """Writes down what it hears, and what lies in the folder at that moment."""

    def __init__(self, folder: Path | None = None) -> None:
        self.heard: list[Any] = []
        self.folder = folder

    def files(self) -> list[str]:
        return [] if self.folder is None else sorted(path.name for path in self.folder.iterdir())

    def on_start(self, config: RunConfig, dataset: ClickDataset, history: Any) -> None:
        self.heard.append(("start", len(history)))

    def on_epoch(self, record: Any) -> None:
        self.heard.append(("epoch", record.epoch, "checkpoints" in self.files()))

    def on_end(self, result: RunResult | None) -> None:
        self.heard.append(("end", result is not None, "result.json" in self.files()))


class Broken(Diary):
    """Raises where it is told to."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def _fail(self, where: str) -> None:
        self.heard.append(where)
        if where == self.where:
            raise RuntimeError("the server\nis away")

    def on_start(self, config: RunConfig, dataset: ClickDataset, history: Any) -> None:
        self._fail("on_start")

    def on_epoch(self, record: Any) -> None:
        self._fail("on_epoch")

    def on_end(self, result: RunResult | None) -> None:
        self._fail("on_end")


def test_it_hears_of_everything_once_it_is_on_disk(dataset: ClickDataset, tmp_path: Path) -> None:
    diary = Diary(tmp_path / "run")
    plain = train(CONFIG, dataset)
    result = train(CONFIG, dataset, output=tmp_path / "run", callbacks=[diary])
    epochs = [("epoch", epoch, True) for epoch in (1, 2, 3)]
    assert diary.heard == [("start", 0), *epochs, ("end", True, True)]
    assert (result.test_auc, result.test_logloss) == (plain.test_auc, plain.test_logloss)
    again = Diary()
    train(CONFIG, dataset, output=tmp_path / "run", callbacks=[again])  # read from its folder: nothing is trained
    assert again.heard == []


class Counter(Progress):
    """Counts the batches of this process."""

    batches = 0

    def advance(self, amount: int, note: str = "") -> None:
        self.batches += note != ""


def test_a_resumed_run_tells_what_was_done_before(dataset: ClickDataset, tmp_path: Path) -> None:
    counter, first, second = Counter(enabled=False), Diary(), Diary()
    table = tmp_path / "history.csv"
    with pytest.raises(StoppedError):
        train(CONFIG, dataset, output=tmp_path / "run", progress=counter, stop=lambda: counter.batches >= 8,
              callbacks=[first, CsvHistory(table)])  # fmt: skip
    assert first.heard == [("start", 0), ("epoch", 1, False), ("end", False, False)]
    result = train(CONFIG, dataset, output=tmp_path / "run", resume=True, callbacks=[second, CsvHistory(table)])
    assert second.heard == [("start", 1), ("epoch", 2, False), ("epoch", 3, False), ("end", True, False)]
    with table.open() as stream:
        rows = list(csv.DictReader(stream))
    for row, record in zip(rows, result.history, strict=True):
        expected = {"epoch": float(record.epoch), **flat(record)}
        assert {name: float(value) for name, value in row.items()} == expected
    assert {"train_loss", "valid_auc", "valid_ne", "valid_ece", "lr/table", "timing/seconds"} <= rows[0].keys()


@pytest.mark.parametrize("where", ["on_start", "on_epoch", "on_end"])
def test_one_that_raises_is_switched_off_and_the_run_goes_on(where: str, dataset: ClickDataset, tmp_path: Path) -> None:
    broken, well = Broken(where), Diary()
    with pytest.warns(AlptWarning, match=rf"callback Broken failed in {where} \(RuntimeError: the server is away\)"):
        result = train(CONFIG, dataset, output=tmp_path / "run", callbacks=[broken, well])
    assert result.test_auc == train(CONFIG, dataset).test_auc
    assert (tmp_path / "run" / "result.json").exists()
    assert broken.heard[-1] == where
    assert broken.heard.count(where) == 1
    assert well.heard[-1] == ("end", True, False)


def test_a_diverged_run_ends_without_a_result(dataset: ClickDataset) -> None:
    diary = Diary()
    wild = CONFIG.replace("model", lr=1e30).replace("table", method="fp32", lr=1e30)
    with pytest.raises(DivergedError):
        train(wild, dataset, callbacks=[diary])
    assert diary.heard[-1] == ("end", False, False)


@pytest.mark.parametrize(
    ("given", "message"),
    [(Diary, "which is a class"), (object(), "which has no on_start"), (print, "which has no on_start")],
)
def test_what_is_no_callback_is_refused_before_training(given: Any, message: str, dataset: ClickDataset) -> None:
    with pytest.raises(InputError, match=f"callbacks must be objects with on_start, on_epoch, on_end, got .*{message}"):
        train(CONFIG, dataset, callbacks=[given])


# --- trackers of other packages, as fakes -----------------------------------------------------------------------------


class Writer:
    """As `tensorboard.summary.Writer`."""

    def __init__(self, folder: str) -> None:
        self.folder, self.points, self.open = folder, [], True  # type: ignore[var-annotated]

    def add_scalar(self, tag: str, data: float, step: int) -> None:
        self.points.append((tag, data, step))

    def flush(self) -> None: ...

    def close(self) -> None:
        self.open = False


class Client:
    """As `mlflow.MlflowClient`."""

    def __init__(self, tracking_uri: str | None) -> None:
        self.uri, self.params, self.points, self.status = tracking_uri, {}, [], ""  # type: ignore[var-annotated]

    def get_experiment_by_name(self, name: str) -> None: ...

    def create_experiment(self, name: str) -> str:
        return f"id of {name}"

    def create_run(self, experiment: str, run_name: str) -> Any:
        self.name = (experiment, run_name)
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id="7"))

    def log_param(self, run: str, name: str, value: str) -> None:
        self.params[name] = value

    def log_metric(self, run: str, name: str, value: float, step: int) -> None:
        self.points.append((name, value, step))

    def set_terminated(self, run: str, status: str) -> None:
        self.status = status


class Run:
    """As what `wandb.init` returns."""

    def __init__(self, project: str, name: str, config: dict[str, Any]) -> None:
        json.dumps(config)
        self.project, self.params, self.points, self.code = project, config, [], -1  # type: ignore[var-annotated]

    def log(self, numbers: dict[str, float], step: int) -> None:
        self.points += [(name, value, step) for name, value in numbers.items()]

    def finish(self, exit_code: int) -> None:
        self.code = exit_code


def test_every_tracker_gets_the_same_numbers(
    dataset: ClickDataset, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made: dict[str, Any] = {}

    def module(name: str, **members: Any) -> None:
        fake = types.ModuleType(name)
        for key, value in members.items():
            setattr(fake, key, value)
        monkeypatch.setitem(sys.modules, name, fake)

    def keep(name: str, kind: Any) -> Any:
        return lambda *values, **named: made.setdefault(name, kind(*values, **named))

    module("tensorboard")
    module("tensorboard.summary", Writer=keep("tensorboard", Writer))
    module("mlflow", MlflowClient=keep("mlflow", Client))
    module("wandb", init=keep("wandb", Run))
    names = ("tensorboard:logs", "mlflow:http://server", "wandb:clicks")
    result = train(CONFIG, dataset, callbacks=[tracker(name) for name in names])
    expected = [(name, value, one.epoch) for one in result.history for name, value in flat(one).items()]
    expected += [(name, value, 3) for name, value in outcome(result).items()]
    assert made["tensorboard"].points == made["mlflow"].points == made["wandb"].points == expected
    assert ("test_auc", result.test_auc, 3) in expected
    assert ("valid_ne", result.history[0].valid_ne, 1) in expected
    assert (made["tensorboard"].folder, made["tensorboard"].open) == ("logs", False)
    assert (made["mlflow"].uri, made["mlflow"].status) == ("http://server", "FINISHED")
    assert (made["wandb"].project, made["wandb"].code) == ("clicks", 0)
    assert made["mlflow"].params["table.bits"] == "8"
    assert made["wandb"].params["config_hash"] == result.config_hash


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("excel:a.xls", "--track must be one of csv, tensorboard, mlflow, wandb, with a colon and where to"),
        ("csv", "--track csv needs a file: --track csv:history.csv, got 'csv'"),
        ("csv:absent/history.csv", "needs a file in a folder that exists"),
    ],
)
def test_a_tracker_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        tracker(text)


def test_a_csv_that_is_no_history_is_not_written_over(tmp_path: Path) -> None:
    """It may be the log that the run reads."""
    (tmp_path / "log.csv").write_text("click,site\n1,a\n")
    with pytest.raises(InputError, match=r"log.csv is a file that holds no history of a run; choose another name"):
        tracker(f"csv:{tmp_path / 'log.csv'}")
    (tmp_path / "history.csv").write_text("epoch,lr/table\n1,0.001\n")
    assert isinstance(tracker(f"csv:{tmp_path / 'history.csv'}"), CsvHistory)


@pytest.mark.parametrize("name", ["tensorboard", "mlflow", "wandb"])
def test_a_package_that_is_not_installed_is_named_in_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, f"{name}.summary", None)
    with pytest.raises(InputError, match=rf"tracking with {name} needs the package {name}.*pip install 'tensorboard"):
        tracker(name)


def test_the_real_tensorboard_reads_what_is_written(dataset: ClickDataset, tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    result = train(CONFIG, dataset, callbacks=[tracker(f"tensorboard:{tmp_path}")])
    events = reader.EventAccumulator(str(tmp_path))
    events.Reload()
    points = events.Tensors("valid_auc")
    assert [point.step for point in points] == [1, 2, 3]
    values = [float(np.frombuffer(p.tensor_proto.tensor_content, np.float32)[0]) if p.tensor_proto.tensor_content
              else p.tensor_proto.float_val[0] for p in points]  # fmt: skip
    assert values == pytest.approx([record.valid_auc for record in result.history], rel=1e-6)


def test_the_real_mlflow_keeps_what_is_logged(
    dataset: ClickDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = (tmp_path / "runs").as_uri()
    result = train(CONFIG, dataset, callbacks=[tracker(f"mlflow:{uri}")])
    client = mlflow.MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("alpt-ref").experiment_id])
    assert run.data.metrics["test_auc"] == pytest.approx(result.test_auc)
    assert len(client.get_metric_history(run.info.run_id, "valid_logloss")) == 3
    assert run.data.params["table.method"] == "alpt"

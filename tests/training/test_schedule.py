"""Learning-rate schedules: the rates of every step against formulas, in the updates, and across interruptions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref._util.progress import Progress
from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.errors import InputError
from alpt_ref.training.build import rates
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig, canonical, config_hash
from alpt_ref.training.engine import CpuEngine
from alpt_ref.training.results import EpochRecord
from alpt_ref.training.schedule import Ramp, best_epoch, decays, in_words
from alpt_ref.training.train import StoppedError, train
from tests.tolerances import FLOAT64


@pytest.fixture(scope="module")
def dataset() -> ClickDataset:
    return synthetic_clicks(rows=2000, fields=4, features=150, seed=1)


def tiny(**training: Any) -> RunConfig:
    """Six steps an epoch of 1,600 training rows."""
    return RunConfig(
        model=ModelConfig(dim=4, hidden=(8,), cross_layers=1, lr=0.02),
        table=TableConfig(lr=0.05, step_lr=1e-3),
        train=TrainConfig(**({"batch_size": 280, "epochs": 3, "threads": 1} | training)),
    )


def past(*scores: float, losses: tuple[float, ...] = ()) -> list[EpochRecord]:
    """A history with these validation metrics."""
    given = losses or tuple(0.5 for _ in scores)
    return [
        EpochRecord(place + 1, {}, 0.5, value, loss, {}, {})
        for place, (value, loss) in enumerate(zip(scores, given, strict=True))
    ]


def test_milestones_count_the_epochs_passed() -> None:
    train_ = TrainConfig(milestones=(6, 9))
    assert [decays(train_, epoch) for epoch in range(1, 12)] == [0] * 6 + [1] * 3 + [2] * 2
    assert decays(TrainConfig(schedule="constant", milestones=(1,)), 9) == 0


@pytest.mark.parametrize(
    ("patience", "scores", "expected"),
    [
        (1, (0.6, 0.7, 0.7, 0.6, 0.8, 0.75), [0, 0, 0, 1, 2, 2, 3]),  # an equal value is no improvement
        (2, (0.6, 0.5, 0.5, 0.5, 0.5), [0, 0, 0, 1, 1, 2]),  # the count begins anew after a decay
        (2, (0.6, 0.5, 0.7, 0.6, 0.8), [0, 0, 0, 0, 0, 0]),  # and after an improvement
    ],
)
def test_a_plateau_is_so_many_epochs_in_a_row_without_a_better_value(
    patience: int, scores: tuple[float, ...], expected: list[int]
) -> None:
    history = past(*scores)
    train_ = TrainConfig(schedule="plateau", plateau_patience=patience)
    assert [decays(train_, done + 1, history[:done]) for done in range(len(scores) + 1)] == expected
    config = tiny(schedule="plateau", plateau_patience=patience, decay_factor=0.5)
    last = rates(config, len(scores) + 1, history)
    assert last == {name: base * 0.5 ** expected[-1] for name, base in rates(config, 1).items()}
    assert set(last) == {"table", "dense", "step"}


def test_the_monitor_chooses_the_metric_of_plateau_and_best_epoch() -> None:
    history = past(0.6, 0.7, 0.8, losses=(0.4, 0.3, 0.5))
    auc, logloss = (TrainConfig(schedule="plateau", monitor=name) for name in ("auc", "logloss"))
    assert (decays(auc, 4, history), best_epoch(auc, history)) == (0, 3)
    assert (decays(logloss, 4, history), best_epoch(logloss, history)) == (1, 2)


@pytest.mark.parametrize("warmup", [0, 1, 4])
@pytest.mark.parametrize("schedule", ["constant", "cosine", "milestones"])
def test_every_update_of_a_run_gets_the_rate_of_the_formula(
    schedule: str, warmup: int, dataset: ClickDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, float]] = []
    original = CpuEngine._step

    def noting(self: CpuEngine, batch: Any, rates: dict[str, float]) -> float:
        seen.append(rates)
        return original(self, batch, rates)

    monkeypatch.setattr(CpuEngine, "_step", noting)
    config = tiny(schedule=schedule, warmup=warmup, milestones=(2,), epochs=3)
    result = train(config, dataset)
    expected = []
    for step in range(1, 19):  # by hand: the later steps of warm-up and what follows it
        factor = min(1.0, step / warmup) if warmup else 1.0
        if schedule == "cosine" and step > warmup:
            factor = math.cos(math.pi / 2 * (step - warmup - 1) / (18 - warmup)) ** 2  # (1 + cos x) / 2
        if schedule == "milestones" and step > 12:
            factor *= 0.1
        expected.append({"table": 0.05 * factor, "dense": 0.02 * factor, "step": 1e-3 * factor})
    for found, wanted in zip(seen, expected, strict=True):
        assert found == pytest.approx(wanted, rel=FLOAT64)
    assert [record.lr for record in result.history] == [seen[5], seen[11], seen[17]]


def test_a_cosine_ends_at_zero_and_stays_there() -> None:
    ramp = Ramp(warmup=0, cosine=True, total=1000)
    assert ramp(1) == 1.0
    assert 0 < ramp(1000) < 1e-5
    assert ramp(1001) == 0.0


def test_early_stopping_can_watch_the_logloss(dataset: ClickDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([(0.6, 0.5), (0.7, 0.4), (0.8, 0.45), (0.9, 0.41), (0.95, 0.3)])
    original = CpuEngine.evaluate

    def scripted(self: CpuEngine, part: Any) -> Any:
        return next(scores) if part == "valid" else original(self, part)

    monkeypatch.setattr(CpuEngine, "evaluate", scripted)
    result = train(tiny(epochs=5, patience=2, monitor="logloss"), dataset)
    assert (len(result.history), result.tested_epoch) == (4, 2)


class Counter(Progress):
    """Counts the batches of this process up to a limit."""

    batches = limit = 0

    def advance(self, amount: int, note: str = "") -> None:
        self.batches += note != ""

    def is_reached(self) -> bool:
        return self.batches >= self.limit


@pytest.mark.parametrize("schedule", ["plateau", "cosine"])
def test_a_stopped_run_goes_on_with_the_same_bits(schedule: str, dataset: ClickDataset, tmp_path: Path) -> None:
    config = tiny(schedule=schedule, warmup=8, epochs=5, decay_factor=0.3).replace("table", lr=0.3)
    whole = train(config, dataset)
    fell = [record.lr["table"] < 0.3 for record in whole.history]
    assert fell[-1], "the plateau was never reached; choose rates that overshoot"
    for steps in (3, 14, 25, 29):
        counter = Counter(enabled=False)
        counter.limit = steps
        with pytest.raises(StoppedError):
            train(config, dataset, output=tmp_path / str(steps), progress=counter, stop=counter.is_reached)
        again = train(config, dataset, output=tmp_path / str(steps), resume=True)
        assert [one.reproducible() for one in again.history] == [one.reproducible() for one in whole.history]
        assert again.test_logloss == whole.test_logloss
        assert np.array_equal(again.table.codes(), whole.table.codes())


def test_the_hash_of_a_run_at_the_defaults_knows_nothing_of_schedules() -> None:
    plain = canonical(RunConfig())["train"]
    assert not plain.keys() & {"schedule", "warmup", "monitor", "plateau_patience"}
    # of release 0.2.0, where these settings did not exist
    assert config_hash(RunConfig()) == HASH


HASH = "a9b16e50694e60628c4814830dec4aa44b2e71ad44648d40779c634ec0e2aa78"


def test_the_hash_sees_what_the_schedule_reads_and_no_more() -> None:
    base = RunConfig().train
    changes = {"milestones": (3,), "decay_factor": 0.5, "plateau_patience": 3}
    read = {
        "milestones": {"milestones", "decay_factor"},
        "plateau": {"decay_factor", "plateau_patience"},
        "constant": set(),
        "cosine": set(),
    }
    hashes = set()
    for schedule, names in read.items():
        config = RunConfig().replace("train", schedule=schedule)
        hashes.add(config_hash(config))
        for name, value in changes.items():
            assert getattr(base, name) != value
            assert (config_hash(config.replace("train", **{name: value})) != config_hash(config)) == (name in names)
        for name, value in {"warmup": 5, "monitor": "logloss"}.items():
            assert config_hash(config.replace("train", **{name: value})) != config_hash(config)
    assert len(hashes) == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"schedule": "step"}, "train.schedule must be milestones, constant, cosine or plateau, got 'step'"),
        ({"warmup": -1}, "train.warmup must be a whole number of at least 0, got -1"),
        ({"monitor": "loss"}, "train.monitor must be auc or logloss, got 'loss'"),
        ({"plateau_patience": 0}, "train.plateau_patience must be a whole number of at least 1, got 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TrainConfig(**settings)


def test_a_warm_up_longer_than_the_run_is_refused(dataset: ClickDataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.warmup must be below the run's 18 steps \(3 epochs of 6\), got 18"):
        train(tiny(warmup=18), dataset, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_schedules_in_words() -> None:
    assert in_words(TrainConfig(milestones=())) == "rates × 0.1 after epochs none"
    assert in_words(TrainConfig(schedule="cosine", warmup=1000)) == (
        "rates that fall as a cosine to 0, 1,000 steps of warm-up"
    )
    words = in_words(TrainConfig(schedule="plateau", monitor="logloss", decay_factor=0.2))
    assert words == "rates × 0.2 after 1 epoch without a better validation logloss"

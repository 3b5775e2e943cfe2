"""Resuming: the interrupted run and the one that nothing happened to end in the same bytes, or it is refused in one
sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.catalog import TABLES
from alpt_ref.data import ClickDataset, synthetic_clicks
from alpt_ref.errors import InputError
from alpt_ref.training import checkpoint
from alpt_ref.training.batch_range import BatchRange
from alpt_ref.training.checkpoint import read_checkpoint
from alpt_ref.training.engine import CpuEngine
from alpt_ref.training.train import DivergedError, train
from alpt_ref.training.versions import versions
from tests.training.stopped_runs import reproducible, stopped, tiny

STEPS = 18  # 1,600 training rows in batches of 280: six an epoch, the last one smaller; three epochs


@pytest.fixture(scope="module")
def dataset() -> ClickDataset:
    return synthetic_clicks(rows=2000, fields=4, features=150, seed=1)


CONFIGS = {
    "alpt": tiny(),
    "alpt one pass, sgd": tiny({"two_pass": False, "optimizer": "sgd", "granularity": "field", "bits": 2}),
    "alpt-dr, adagrad, log": tiny({"rounding": "dr", "optimizer": "adagrad", "step_domain": "log", "bits": 4}),
    "lpt": tiny({"method": "lpt", "bits": 4, "granularity": "table"}, test_epoch="last"),
    "fp32, dense sgd": tiny({"method": "fp32"}, patience=1).replace("model", optimizer="sgd"),
}
OTHERS = {name: tiny({"method": name}) for name in TABLES if name not in ("fp32", "lpt", "alpt")}
"""Every other method of the catalogue, as it comes."""


@pytest.mark.parametrize("name", [*CONFIGS, *OTHERS])
def test_resumed_at_random_steps_with_other_threads_every_byte_is_the_same(
    name: str, dataset: ClickDataset, tmp_path: Path
) -> None:
    """Four steps of every setting, more than twenty in all; some of them fall on the end of an epoch."""
    config = (CONFIGS | OTHERS)[name]
    train(config, dataset, output=tmp_path / "whole")
    expected = reproducible(tmp_path / "whole")
    last = len(expected["history.jsonl"]) * 6
    generator = np.random.default_rng(list(CONFIGS | OTHERS).index(name))
    for steps in generator.choice(np.arange(1, last), 4, replace=False).tolist():
        output = tmp_path / str(steps)
        error = stopped(config, dataset, output, steps)
        assert (error.step, error.kept) == (steps, output / "checkpoints" / f"step-{steps:09d}")
        train(config.replace("train", threads=2), dataset, output=output, resume=True)
        found = reproducible(output)
        if steps > last - 6:  # its own checkpoint is one of the last two then, the other's before it is not
            assert f"checkpoints/step-{steps:09d}/checkpoint.json" in found
            found = {file: content for file, content in found.items() if f"-{steps:09d}/" not in file}
            assert len([file for file in found if file.endswith("checkpoint.json")]) == 2
        assert {file: expected[file] for file in found} == found
        assert found.keys() >= {"state/state.safetensors", "state/checkpoint.json", "result.json"}


def test_resumed_with_threads_that_really_share_the_work(tmp_path: Path) -> None:
    """The other sets here are so small that one thread does all."""
    dataset = synthetic_clicks(rows=8000, fields=4, features=3000, seed=1)
    config = tiny(batch_size=1600, epochs=2).replace("model", hidden=(64, 32))
    train(config, dataset, output=tmp_path / "whole")
    stopped(config, dataset, tmp_path / "run", 3)
    train(config.replace("train", threads=3), dataset, output=tmp_path / "run", resume=True)
    expected, found = reproducible(tmp_path / "whole"), reproducible(tmp_path / "run")
    assert found == expected


def test_the_settings_above_test_a_best_epoch_that_is_not_the_last(dataset: ClickDataset) -> None:
    """Otherwise nobody would notice if the best state were lost."""
    tested = {name: train(config, dataset) for name, config in CONFIGS.items() if config.train.test_epoch == "best"}
    assert any(result.tested_epoch < len(result.history) for result in tested.values())


def test_checkpoints_of_a_run_that_is_stopped_again_and_again_are_the_same_bytes(
    dataset: ClickDataset, tmp_path: Path
) -> None:
    config = tiny()
    seen: dict[str, dict[int, dict[str, bytes]]] = {"whole": {}, "parts": {}}

    def remembering(folder: Path, content: Any, *, keep: int = 2, original: Any = checkpoint.write_checkpoint) -> Path:
        path: Path = original(folder, content, keep=keep)
        files = {file.name: file.read_bytes() for file in path.iterdir() if file.name != "timing.json"}
        seen[folder.parent.name][content.meta["step"]] = files
        return path

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "write_checkpoint", remembering)
        train(config, dataset, output=tmp_path / "whole", checkpoint_every=1)
        for _ in range(STEPS - 1):  # one step at a time
            stopped(config, dataset, tmp_path / "parts", 1, resume=True)
        train(config, dataset, output=tmp_path / "parts", resume=True)
    assert sorted(seen["whole"]) == list(range(1, STEPS + 1))
    assert seen["parts"] == seen["whole"]
    assert any("best.safetensors" in files for files in seen["whole"].values())
    assert any("last_good.safetensors" in files for files in seen["whole"].values())


def test_checkpoints_come_every_so_many_steps_and_two_are_kept(dataset: ClickDataset, tmp_path: Path) -> None:
    def names() -> list[str]:
        return sorted(path.name for path in (tmp_path / "checkpoints").iterdir())

    stopped(tiny(), dataset, tmp_path, 11, checkpoint_every=4)
    assert names() == ["step-000000008", "step-000000011"]
    assert read_checkpoint(tmp_path).meta["batch"] == 5
    train(tiny(), dataset, output=tmp_path, resume=True, checkpoint_every=4)
    assert names() == ["step-000000012", "step-000000016"]  # 12 is the end of epoch 2, after its validation
    content = read_checkpoint(tmp_path / "checkpoints" / "step-000000012")
    assert (content.meta["epoch"], content.meta["batch"], len(content.meta["history"])) == (2, 0, 2)


def test_a_checkpoint_says_what_it_is(dataset: ClickDataset, tmp_path: Path) -> None:
    config = tiny({"bits": 4})
    stopped(config, dataset, tmp_path, 8)
    content = read_checkpoint(tmp_path)
    meta = content.meta
    assert (meta["step"], meta["epoch"], meta["batch"], meta["finished"]) == (8, 1, 2, False)
    assert (meta["n"], meta["d"], meta["fields"]) == (dataset.n, 4, 4)
    assert (meta["dataset"], meta["fingerprint"], meta["encoder"]) == ("synthetic", dataset.fingerprint, None)
    assert (meta["versions"], meta["device"]) == (versions(), "cpu")
    assert content.config == config.replace("train", threads=None)
    groups = {name.partition("/")[0] for name in content.arrays}
    assert groups == {"table", "model", "optimizer", "statistics", "last_good"}
    result = train(config, dataset, output=tmp_path, resume=True)
    final = read_checkpoint(tmp_path)
    assert (final.meta["finished"], final.meta["epoch"]) == (True, result.tested_epoch)
    assert final.meta["step"] == 6 * result.tested_epoch
    np.testing.assert_array_equal(final.arrays["table/step_size"], result.table.step_size)
    assert {name.partition("/")[0] for name in final.arrays} == {"table", "model", "optimizer"}


def test_a_finished_run_is_read_whether_or_not_it_is_resumed(dataset: ClickDataset, tmp_path: Path) -> None:
    result = train(tiny(), dataset, output=tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CpuEngine, "train", lambda *_: pytest.fail("trained again"))
        assert train(tiny(), dataset, output=tmp_path) == result
        assert train(tiny(), dataset, output=tmp_path, resume=True) == result


def test_killed_between_the_last_checkpoint_and_the_result(dataset: ClickDataset, tmp_path: Path) -> None:
    train(tiny(), dataset, output=tmp_path)
    expected = reproducible(tmp_path)
    (tmp_path / "result.json").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CpuEngine, "train", lambda *_: pytest.fail("trained again"))
        train(tiny(), dataset, output=tmp_path, resume=True)
    assert reproducible(tmp_path) == expected


def test_unfinished_and_not_to_be_resumed(dataset: ClickDataset, tmp_path: Path) -> None:
    stopped(tiny(), dataset, tmp_path, 5)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    message = "holds an unfinished run, its newest checkpoint step-000000005; continue from it with --resume"
    with pytest.raises(InputError, match=message):
        train(tiny(), dataset, output=tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_resuming_where_nothing_is_begins(dataset: ClickDataset, tmp_path: Path) -> None:
    said: list[str] = []
    result = train(tiny(epochs=1), dataset, output=tmp_path / "new", resume=True, log=said.append)
    assert result == dataclasses.replace(
        train(tiny(epochs=1), dataset), samples_per_s=result.samples_per_s, history=result.history
    )
    assert said == [f"{tmp_path / 'new'} holds no checkpoint: training starts at the beginning"]
    former: Any = {"say": said.append}
    with pytest.warns(DeprecationWarning, match="train: say is now log"):
        train(tiny(epochs=1), dataset, output=tmp_path / "former", resume=True, **former)
    assert said[1:] == [f"{tmp_path / 'former'} holds no checkpoint: training starts at the beginning"]
    for options in ({"resume": True}, {"checkpoint_every": 5}):
        with pytest.raises(InputError, match="needs an output folder; name it with --output"):
            train(tiny(), dataset, **options)
    with pytest.raises(InputError, match="checkpoint_every must be a whole number of at least 1, got 0"):
        train(tiny(), dataset, output=tmp_path / "new", checkpoint_every=0)


def test_training_goes_on_the_same_beyond_2_to_the_32_steps(dataset: ClickDataset, tmp_path: Path) -> None:
    """The counter of the rounding's random words and the dense optimiser's, through a file and back."""
    config, rows = tiny(), dataset.rows_of("train")
    rates = {"table": 0.05, "dense": 0.02, "step": 1e-3}

    def run(engine: CpuEngine, first: int, last: int) -> float:
        return engine.train(BatchRange(1, rows, rates, first, last, 2**32 - 3, 0.0), lambda *_: False)[0]

    state = CpuEngine(config, dataset).state()
    state["table/updates"][0] = state["optimizer/steps"][...] = 2**32 - 3
    engines = [CpuEngine(config, dataset) for _ in range(3)]
    engines[0].load_state(state)
    run(engines[0], 0, 6)
    engines[1].load_state(state)
    run(engines[1], 0, 4)
    meta = {"step": 2**32 + 1, "epoch": 0, "n": 1, "d": 1, "fields": 1, "dataset": "", "fingerprint": ""}
    path = checkpoint.write_checkpoint(tmp_path, checkpoint.Checkpoint(config, engines[1].state(), meta))
    assert path.name == "step-4294967297"
    engines[2].load_state(read_checkpoint(path).arrays)
    run(engines[2], 4, 6)
    one, other = engines[0].state(), engines[2].state()
    assert one["table/updates"] == one["optimizer/steps"] == 2**32 + 3
    assert {name: array.tobytes() for name, array in one.items()} == {k: a.tobytes() for k, a in other.items()}
    plain = CpuEngine(config, dataset)
    run(plain, 0, 6)
    assert plain.state()["table/packed"].tobytes() != one["table/packed"].tobytes()  # the counter's high word counts


def test_a_run_that_diverges_after_resuming_keeps_the_same_last_good_state(
    dataset: ClickDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = CpuEngine._step

    def poisoned(self: CpuEngine, batch: Any, rates: Any) -> float:
        loss = original(self, batch, rates)
        if int(self.table.state()["updates"][0]) == 11:
            next(iter(self.model.params.values())).fill(np.nan)
        return loss

    monkeypatch.setattr(CpuEngine, "_step", poisoned)
    with pytest.raises(DivergedError, match=r"at step 12 \(epoch 2\).*the state after epoch 1 is kept") as whole:
        train(tiny(), dataset, output=tmp_path / "whole")
    stopped(tiny(), dataset, tmp_path / "run", 9)
    with pytest.raises(DivergedError, match=r"at step 12 \(epoch 2\)") as resumed:
        train(tiny(), dataset, output=tmp_path / "run", resume=True)
    one, other = ({k: a.tobytes() for k, a in error.value.state.items()} for error in (whole, resumed))
    assert one == other
    files = [(tmp_path / name / "last_good" / "state.safetensors").read_bytes() for name in ("whole", "run")]
    assert files[0] == files[1]

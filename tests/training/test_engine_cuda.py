"""Training on the GPU: in Numba's simulator a few steps, on a device (``pytest -m gpu``) recorded ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.synthetic.clicks import synthetic_clicks
from alpt_ref.errors import InputError
from alpt_ref.training.batch_range import BatchRange
from alpt_ref.training.build import rates
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig, config_hash
from alpt_ref.training.engine import DivergedError, make_engine
from tests.tolerances import BF16_METRIC, GPU_METRIC

ROOT = Path(__file__).parents[2]
TABLES = {
    "fp32": TableConfig(method="fp32"),
    "lpt": TableConfig(method="lpt"),
    "alpt": TableConfig(method="alpt"),
    "alpt-one-pass": TableConfig(method="alpt", two_pass=False),
}


@pytest.mark.simulator
def test_a_simulated_epoch_follows_the_cpu() -> None:
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1", "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.training.cuda_parity"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "SAME\n"), done.stderr[-2000:]


def test_a_device_and_precision_of_the_gpu_are_part_of_the_hash_and_those_of_the_cpu_are_not() -> None:
    cpu = RunConfig()
    gpu = cpu.replace("train", device="cuda")
    assert config_hash(cpu) == config_hash(cpu.replace("model", precision="tf32"))
    assert len({config_hash(one) for one in (cpu, gpu, gpu.replace("model", precision="tf32"))}) == 3


def test_bfloat16_is_refused_on_the_cpu_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^model\.precision = bf16 runs on --device cuda only; leave it out on cpu$"):
        RunConfig(model=ModelConfig(precision="bf16"))
    output = tmp_path / "run"
    command = [sys.executable, "-m", "alpt_ref", "train", "--set", "model.precision=bf16", "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "model.precision = bf16 runs on --device cuda only" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not output.exists()


def test_a_device_may_be_named_beside_a_precision() -> None:
    from alpt_ref.cli.options import make_config

    options: dict[str, Any] = dict.fromkeys(("config_file", "preset", "threads"))
    options |= {"overrides": ("model.precision=bf16",), "device": "cuda"}
    found = make_config(options)
    assert (found.model.precision, found.train.device) == ("bf16", "cuda")


def test_a_method_without_a_twin_says_where_it_runs() -> None:
    with pytest.raises(InputError, match=r"table\.method 'hashing' runs on --device cpu; on cuda there are fp32, lpt"):
        RunConfig(table=TableConfig(method="hashing"), train=TrainConfig(device="cuda"))


# --- on a device -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dataset() -> ClickDataset:
    return synthetic_clicks(rows=30_000, fields=8, features=300, seed=1)


def config(name: str, **train: Any) -> RunConfig:
    model = ModelConfig(dim=8, hidden=(64, 32))
    settings = {"batch_size": 700, "eval_batch_size": 900, "epochs": 2, "device": "cuda"}
    return RunConfig(model=model, table=TABLES[name], train=TrainConfig(**(settings | train)))


def span(settings: RunConfig, dataset: ClickDataset, epoch: int, first: int, last: int, before: Any) -> BatchRange:
    rows = dataset.rows_of("train")
    batches = -(-len(rows) // settings.train.batch_size)
    steps = (epoch - 1) * batches + first
    return BatchRange(epoch, rows, rates(settings, epoch), first, min(last, batches), steps, before)


def trained(settings: RunConfig, dataset: ClickDataset, *, record: bool = True, cuts: tuple[int, ...] = ()) -> Any:
    """Two epochs, each in ranges that end at `cuts`; the engine, and loss sums of the epochs."""
    engine: Any = make_engine(settings, dataset, "cuda")
    engine.record = record
    sums = []
    for epoch in (1, 2):
        total, first = 0.0, 0
        for last in (*cuts, 10**6):
            total, done = engine.train(span(settings, dataset, epoch, first, last, total), lambda rows, loss: False)
            first += done
        sums.append(total)
    return engine, sums


def assert_same(one: Any, other: Any) -> None:
    assert one[1] == other[1]
    a, b = one[0].state(), other[0].state()
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[name], b[name]) for name in a)


@pytest.mark.gpu
@pytest.mark.parametrize("name", TABLES)
def test_recorded_steps_are_the_bits_of_queued_ones_and_of_another_run(name: str, dataset: ClickDataset) -> None:
    recorded = trained(config(name), dataset)
    assert len(recorded[0]._graphs) == 2  # the whole batches, and the last one
    assert_same(recorded, trained(config(name), dataset, record=False))
    assert_same(recorded, trained(config(name), dataset))


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("dcn", name) for name in TABLES),
        ("deepfm", "alpt"),
        *(pytest.param("deepfm", name, marks=pytest.mark.nightly) for name in TABLES if name != "alpt"),
    ],
)
def test_bfloat16_runs_are_the_same_bits_and_near_tf32(name: str, kind: str, dataset: ClickDataset) -> None:
    settings = config(name).replace("model", kind=kind, precision="bf16")
    recorded = trained(settings, dataset)
    assert_same(recorded, trained(settings, dataset, record=False))
    assert_same(recorded, trained(settings, dataset))
    other, sums = trained(settings.replace("model", precision="tf32"), dataset)
    rows = len(dataset.rows_of("train"))
    np.testing.assert_allclose(np.divide(recorded[1], rows), np.divide(sums, rows), rtol=0, atol=BF16_METRIC)
    found, expected = (one.evaluate("valid")[:2] for one in (recorded[0], other))
    np.testing.assert_allclose(found, expected, rtol=0, atol=BF16_METRIC)
    assert recorded[1] != sums


@pytest.mark.gpu
def test_a_bfloat16_state_goes_on_with_the_same_bits_and_is_evaluated_alike(dataset: ClickDataset) -> None:
    settings = config("alpt").replace("model", precision="bf16")
    whole, _ = trained(settings, dataset)
    first: Any = make_engine(settings, dataset, "cuda")
    first.train(span(settings, dataset, 1, 0, 10**6, 0.0), lambda rows, loss: False)
    second: Any = make_engine(settings, dataset, "cuda")
    second.load_state(first.state())
    assert second.evaluate("valid")[:5] == first.evaluate("valid")[:5]
    second.train(span(settings, dataset, 2, 0, 10**6, 0.0), lambda rows, loss: False)
    a, b = whole.snapshot(), second.snapshot()
    assert all(np.array_equal(a[key], b[key]) for key in a)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["lpt", "alpt"])
def test_stretches_and_a_dataset_in_host_memory_change_no_bit(
    name: str, dataset: ClickDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(config(name), dataset)
    assert_same(whole, trained(config(name), dataset, cuts=(3, 20)))
    monkeypatch.setattr("alpt_ref.training.batch_source_cuda.SHARE", 0.0)
    assert_same(whole, trained(config(name), dataset, cuts=(5,)))


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["lpt", "alpt"])
def test_a_state_goes_on_with_the_same_bits(name: str, dataset: ClickDataset) -> None:
    settings = config(name)
    whole, _ = trained(settings, dataset)
    first: Any = make_engine(settings, dataset, "cuda")
    first.train(span(settings, dataset, 1, 0, 10**6, 0.0), lambda rows, loss: False)
    second: Any = make_engine(settings, dataset, "cuda")
    second.load_state(first.state())
    second.train(span(settings, dataset, 2, 0, 10**6, 0.0), lambda rows, loss: False)
    a, b = whole.snapshot(), second.snapshot()
    assert all(np.array_equal(a[key], b[key]) for key in a)


@pytest.mark.gpu
@pytest.mark.parametrize("name", TABLES)
def test_figures_are_those_of_the_cpu(name: str, dataset: ClickDataset) -> None:
    settings = config(name)
    gpu, sums = trained(settings, dataset)
    cpu = make_engine(settings.replace("train", device="cpu"), dataset)
    for epoch in (1, 2):
        total, _ = cpu.train(span(settings, dataset, epoch, 0, 10**6, 0.0), lambda rows, loss: False)
        assert abs(total - sums[epoch - 1]) / len(dataset.rows_of("train")) < GPU_METRIC
    np.testing.assert_allclose(gpu.evaluate("valid")[:2], cpu.evaluate("valid")[:2], rtol=0, atol=GPU_METRIC)
    assert {key: (value.shape, value.dtype) for key, value in gpu.state().items()} == {
        key: (value.shape, value.dtype) for key, value in cpu.state().items()
    }


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["fp32", "lpt", "alpt"])
def test_divergence_names_the_step_and_is_seen_within_ten(
    name: str, dataset: ClickDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(name).replace("model", optimizer="sgd", lr=1e30)
    engine: Any = make_engine(settings, dataset, "cuda")
    queued: list[int] = []
    run_step = engine._run_step

    def counted(rows: int) -> None:
        queued.append(rows)
        run_step(rows)

    monkeypatch.setattr(engine, "_run_step", counted)
    with pytest.raises(DivergedError, match=r"training diverged at step \d+ \(epoch 1\)") as caught:
        engine.train(span(settings, dataset, 1, 0, 10**6, 0.0), lambda rows, loss: False)
    assert 1 <= caught.value.step <= 5
    assert len(queued) - caught.value.step < 10


@pytest.mark.gpu
def test_training_stops_where_it_is_asked_to(dataset: ClickDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alpt_ref.training.watch_cuda.LOOK", 10)
    settings = config("lpt")
    engine = make_engine(settings, dataset, "cuda")
    _, done = engine.train(span(settings, dataset, 1, 0, 10**6, 0.0), lambda rows, loss: rows == 7000)
    assert done == 10

"""A few steps of the GPU's engine against the CPU's, in the simulator: ``python -m tests.training.cuda_parity``."""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.data.dataset import ClickDataset
from alpt_ref.training import batch_source_cuda
from alpt_ref.training.batch_range import BatchRange
from alpt_ref.training.build import rates
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.engine import DivergedError, make_engine
from tests import simulator
from tests.tolerances import FLOAT32


def clicks() -> ClickDataset:
    """16 rows to train on, three each to validate and test."""
    rng = np.random.default_rng(0)
    ids = np.stack([rng.integers(0, 5, 22), 5 + rng.integers(0, 4, 22)], axis=1).astype(np.uint32)
    labels = np.resize([0, 1, 1], 22).astype(np.uint8)
    split = np.repeat([0, 1, 2], [16, 3, 3]).astype(np.uint8)
    return ClickDataset("tiny", ids, labels, split, ("a", "b"), (5, 4))


def run(config: RunConfig, device: str) -> tuple[Any, ...]:
    """An epoch of three batches, the last one smaller, in two ranges, and what is known then."""
    dataset = clicks()
    engine = make_engine(config.replace("train", device=device), dataset, device)
    rows, rate = dataset.rows_of("train"), rates(config, 1)
    first = engine.train(BatchRange(1, rows, rate, 0, 2, 0, 0.0), lambda done, loss: False)
    second = engine.train(BatchRange(1, rows, rate, 2, 3, 2, first[0]), lambda done, loss: False)
    return second, engine.evaluate("valid")[:5], engine.state(), engine.statistics()


def diverged() -> tuple[int, int]:
    """The step at which a run of 16 diverged, and how many were queued before that was seen."""
    train = TrainConfig(batch_size=1, eval_batch_size=4, device="cuda")
    table = TableConfig(method="fp32", optimizer="sgd", lr=1e30)
    config = RunConfig(model=ModelConfig(kind="fm", dim=3), train=train, table=table)
    engine: Any = make_engine(config, clicks(), "cuda")
    queued: list[int] = []
    run_step = engine._run_step

    def counted(rows: int) -> None:
        queued.append(rows)
        run_step(rows)

    engine._run_step = counted
    try:
        engine.train(
            BatchRange(1, clicks().rows_of("train"), rates(config, 1), 0, 16, 0, 0.0), lambda rows, loss: False
        )
    except DivergedError as error:
        return error.step, len(queued)
    raise AssertionError("a learning rate of 1e30 must diverge")


def main() -> None:
    """Compare two-pass runs with the data on the device and a one-pass run with the data on the host."""
    model, train = ModelConfig(kind="fm", dim=3), TrainConfig(batch_size=6, eval_batch_size=4)
    dcn = ModelConfig(kind="dcn", dim=4, hidden=(8, 5), precision="tf32")  # which the simulator does not round
    cases = [
        (0.5, RunConfig(model=model, train=train, table=TableConfig(lr=0.05))),
        (0.5, RunConfig(model=dcn, train=train, table=TableConfig(lr=0.05))),
        (0.0, RunConfig(model=model, train=train, table=TableConfig(method="lpt", optimizer="sgd", lr=0.05))),
    ]
    for share, config in cases:
        batch_source_cuda.SHARE = share
        cpu, gpu = run(config, "cpu"), run(config, "cuda")
        np.testing.assert_allclose(gpu[0], cpu[0], rtol=FLOAT32)
        np.testing.assert_allclose(gpu[1], cpu[1], rtol=FLOAT32)
        assert gpu[2].keys() == cpu[2].keys()
        for name, array in cpu[2].items():
            assert (gpu[2][name].dtype, gpu[2][name].shape) == (array.dtype, array.shape), name
            np.testing.assert_allclose(gpu[2][name], array, rtol=0, atol=FLOAT32, err_msg=name)
        assert gpu[3] == cpu[3]
    step, queued = diverged()
    assert step <= 5, step
    assert queued - step < 10, (step, queued)
    print("SAME")


if __name__ == "__main__":
    simulator.install()
    main()

"""Training on slices in Numba's simulator of GPUs, with threads as ranks: a program for `test_cuda_training`."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.data.dataset import ClickDataset
from alpt_ref.distributed.ranks import TorchRanks
from alpt_ref.training.batch_range import BatchRange
from alpt_ref.training.build import rates, served
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.engine import DivergedError
from alpt_ref.training.ranks import Alone
from tests.distributed.threads import ThreadGroup, run_threads
from tests.tolerances import FLOAT32

SLICES = 2


class ThreadRanks(TorchRanks):
    """Threads as the ranks of a run."""

    def __init__(self, group: ThreadGroup) -> None:
        self._group: Any = group
        self.rank, self.size, self.watch, self._row_arrays = group.rank, group.ranks, None, frozenset()

    def gather(self, parts: NDArray[Any]) -> NDArray[Any]:
        """See `TorchRanks.gather`."""
        return np.concatenate(self.everyone(parts.copy()))

    def everyone(self, value: Any) -> list[Any]:
        """See `TorchRanks.everyone`."""
        found: list[Any] = self._group._meet(value)
        return found

    def once(self, call: Callable[[], Any]) -> Any:
        """See `Ranks.once`."""
        return self.everyone(call() if self.first else None)[0]


def clicks() -> ClickDataset:
    """17 rows to train on, three each to validate and test."""
    rng = np.random.default_rng(0)
    ids = np.stack([rng.integers(0, 9, 23), 9 + rng.integers(0, 6, 23)], axis=1).astype(np.uint32)
    labels = np.resize([0, 1, 1], 23).astype(np.uint8)
    return ClickDataset("tiny", ids, labels, np.repeat([0, 1, 2], [17, 3, 3]).astype(np.uint8), ("a", "b"), (9, 6))


def config(method: str, kind: str = "dcn", **train: Any) -> RunConfig:
    """Batches of 8 rows, the last of one row, so that one slice is empty."""
    model = {"dcn": ModelConfig(kind="dcn", dim=4, hidden=(5, 3)), "fm": ModelConfig(kind="fm", dim=3)}[kind]
    table = TableConfig(method=method, lr=0.05, optimizer="sgd" if method == "fp32" else "adam")
    given = {"batch_size": 8, "eval_batch_size": 4, "slices": SLICES, "sharded": True, "device": "cuda", **train}
    return RunConfig(model=model, table=table, train=TrainConfig(**given))


def engine_of(given: RunConfig, ranks: Any = None) -> Any:
    """The engine of a run."""
    from alpt_ref.training.engine_cuda_sliced import SlicedCudaEngine
    from alpt_ref.training.engine_sliced import SlicedEngine

    kind = SlicedCudaEngine if given.train.device == "cuda" else SlicedEngine
    return kind(given, clicks(), ranks or Alone())


def digest(state: dict[str, Any]) -> str:
    """Of all arrays."""
    found = hashlib.sha256()
    for name in sorted(state):
        found.update(name.encode() + np.ascontiguousarray(state[name]).tobytes())
    return found.hexdigest()[:16]


def whole(engine: Any, state: dict[str, Any]) -> dict[str, Any]:
    """A state with all rows of the table on rank 0, without the table elsewhere; the engine holds it afterwards."""
    with engine.stream if hasattr(engine, "stream") else contextlib.nullcontext():
        engine.restore(served(state))
        table = engine.table.gather_state() if engine.ranks.size > 1 else engine.table.state()
    others = {name: array for name, array in state.items() if not name.startswith("table/")}
    return others if table is None else {f"table/{name}": array for name, array in table.items()} | others


def step(engine: Any) -> Any:
    """One step of an epoch; loss and state, on rank 0."""
    span = BatchRange(1, clicks().rows_of("train"), rates(engine.config, 1), 0, 1, 0, 0.0)
    return engine.train(span, lambda done, loss: False), digest(whole(engine, engine.snapshot()))


def step_on_rank(group: Any, rank: int, size: int) -> Any:
    """`step` on a rank."""
    return step(engine_of(config("lpt", "fm"), ThreadRanks(group)))


def run(engine: Any) -> Any:
    """An epoch of three batches in two ranges; everything that is known then, on rank 0."""
    rows, rate = clicks().rows_of("train"), rates(engine.config, 1)
    first = engine.train(BatchRange(1, rows, rate, 0, 2, 0, 0.0), lambda done, loss: False)
    spare = engine.moment()
    second = engine.train(BatchRange(1, rows, rate, 2, 3, 2, first[0]), lambda done, loss: False)
    quality, statistics = engine.evaluate("valid")[:5], engine.statistics()
    state = whole(engine, engine.state())
    engine.back_to(spare)
    earlier = whole(engine, engine.snapshot())
    state = {name: array for name, array in state.items() if name != "statistics/counts"}
    return second, quality, statistics, digest(state), digest(earlier)


def on_rank(group: Any, rank: int, size: int, given: RunConfig) -> Any:
    """`run` on a rank."""
    engine = engine_of(given, ThreadRanks(group))
    return (*run(engine), engine._room)


def diverged(group: Any, rank: int, size: int) -> int:
    """The step at which a run of two ranks diverged."""
    given = config("fp32", "fm", batch_size=2).replace("table", lr=1e30)
    engine = engine_of(given, ThreadRanks(group))
    rows = clicks().rows_of("train")
    try:
        engine.train(BatchRange(1, rows, rates(given, 1), 0, 8, 0, 0.0), lambda rows, loss: False)
    except DivergedError as error:
        return error.step
    raise AssertionError("a learning rate of 1e30 must diverge")


def compared(method: str, kind: str, **train: Any) -> str:
    """Whether two ranks end as one process does: loss, metrics, statistics, state, an earlier state."""
    given = config(method, kind, **train)
    alone = run(engine_of(given))
    first, second = run_threads(on_rank, 2, given)
    assert second[:3] == first[:3], (first, second)
    assert first[:5] == alone, (first, alone)
    return f"{method} {kind}: as one process, room {first[5]}"


def close(method: str, kind: str) -> str:
    """Whether one process on the GPU ends as one on the CPU but for rounding."""
    given = config(method, kind)
    gpu, cpu = (run(engine_of(given.replace("train", device=device))) for device in ("cuda", "cpu"))
    np.testing.assert_allclose(gpu[0], cpu[0], rtol=FLOAT32)
    np.testing.assert_allclose(gpu[1], cpu[1], rtol=FLOAT32)
    return f"{method} {kind}: as on the CPU"


def first_step(group: Any, rank: int, size: int, given: RunConfig) -> None:
    """One step of an epoch."""
    engine = engine_of(given, None if group is None else ThreadRanks(group))
    rows = clicks().rows_of("train")
    engine.train(BatchRange(1, rows, rates(given, 1), 0, 1, 0, 0.0), lambda done, loss: False)


def alike(group: Any, rank: int, size: int) -> dict[str, Any] | None:
    """Three epochs of one batch whose second half repeats the first, `fast`: what is known of the model then."""
    half = clicks()
    ids, labels = np.concatenate([half.ids[:8], half.ids[:8]]), np.concatenate([half.labels[:8], half.labels[:8]])
    data = ClickDataset("alike", ids, labels, np.zeros(16, np.uint8), ("a", "b"), (9, 6))
    given = config("lpt", "dcn", batch_size=16, reduce="fast")
    from alpt_ref.training.engine_cuda_sliced import SlicedCudaEngine

    engine = SlicedCudaEngine(given, data, Alone() if group is None else ThreadRanks(group))
    for epoch in (1, 2, 3):
        span = BatchRange(epoch, np.arange(16), rates(given, 1), 0, 1, epoch - 1, 0.0)
        engine.train(span, lambda done, loss: False)
    return {name: array.copy() for name, array in engine.snapshot().items() if name.startswith("model/")}


def alike_on_two() -> bool:
    """Batch norm over the own rows is that over all rows where each rank has the same."""
    one, two = alike(None, 0, 1), run_threads(alike, 2)
    for name, array in one.items():
        wanted = array
        if name.endswith("running_var"):  # of 8 rows, not of 16
            wanted = 0.9**3 + (array - 0.9**3) * np.float32((8 / 7) / (16 / 15))
        for found in two:
            np.testing.assert_allclose(found[name], wanted, rtol=FLOAT32, atol=FLOAT32, err_msg=name)
    return True


@contextlib.contextmanager
def not_run() -> Iterator[list[int]]:
    """Launches are bound to the parameters of their kernels, but nothing runs; the arguments of each so far."""
    from alpt_ref.kernels.cuda import target

    found: list[int] = []

    def bind(function: Any, arguments: tuple[Any, ...]) -> None:
        inspect.signature(function.fn).bind(*arguments)  # TypeError
        found.append(len(arguments))

    target.instead = bind
    try:
        yield found
    finally:
        target.instead = None


def bound(method: str, kind: str, *more: str) -> str:
    """A step by one process, and by two ranks."""
    given = config(method, kind)
    if "fast" in more:
        given = given.replace("train", reduce="fast")
    if "once" in more:
        given = given.replace("table", two_pass=False)
    with not_run() as found:
        first_step(None, 0, 1, given)
        alone = len(found)
        run_threads(first_step, 2, given)
    return f"{' '.join([method, kind, *more])}: {'bound' if 20 < alone < len(found) else (alone, len(found))}"


class CountedGroup(ThreadGroup):
    """Counts the bytes that a rank hands to others in a queued step."""

    def swap(self, array: Any, into: Any) -> None:
        """See `Group.swap`."""
        self.sent += array.nbytes * (self.ranks - 1) // self.ranks
        super().swap(array, into)

    def gathered(self, array: Any, into: Any) -> None:
        """See `Group.gathered`."""
        self.sent += array.nbytes * (self.ranks - 1)
        super().gathered(array, into)

    def summed(self, floats: Any) -> None:
        """See `Group.summed`: as a ring does it."""
        self.sent += 2 * floats.nbytes * (self.ranks - 1) // self.ranks
        super().summed(floats)


def counted(group: Any, rank: int, size: int, given: RunConfig) -> tuple[int, int]:
    """Bytes that a rank has sent in a step, and those of docs/distributed.md."""
    counting = CountedGroup(group._meeting, rank, size)
    engine, fast = engine_of(given, ThreadRanks(counting)), given.train.reduce == "fast"
    counting.sent = 0
    engine.train(BatchRange(1, clicks().rows_of("train"), rates(given, 1), 0, 1, 0, 0.0), lambda done, loss: False)
    d, bits, own = engine.table.d, engine.table.bits, len(engine.sums.own)
    columns, params = sum(given.model.hidden), engine.ops._parts_of.shape[1]
    row = 8 + 4 * -(-d * bits // 32) + 4 + (4 * d if fast else 12 + 8 * d)
    dense = 2 * 4 * params // size if fast else own * 4 * params
    moments = 0 if fast else own * 32 * columns
    return counting.sent, (size - 1) * (engine._steps_of[8].capacity * row + moments + 8 * own + dense)


def main() -> None:
    """The cases that the words name; "tight" has room for one row at first."""
    from alpt_ref.distributed import cuda_steps

    for word in sys.argv[1:]:
        if word == "tight":
            cuda_steps.table_capacity = lambda table, batches, most: 1
        elif word == "step":
            print(run_threads(step_on_rank, 2)[0] == step(engine_of(config("lpt", "fm"))))
        elif word == "alike":
            print(alike_on_two())
        elif word == "diverged":
            print(run_threads(diverged, 2))
        elif word.startswith("bound-"):
            print(bound(*word.split("-")[1:]))
        elif word.startswith("bytes-"):
            given = config("lpt", "dcn", reduce=word.removeprefix("bytes-"))
            with not_run():
                print(word, *(sent == by_hand for sent, by_hand in run_threads(counted, 2, given)))
        elif word.startswith("cpu-"):
            print(close(*word.split("-")[1:]))
        elif word.startswith("fast-"):  # whose slices are as many as the ranks in the ordered run
            given = config(*word.split("-")[1:])
            first, again = (run_threads(on_rank, 2, given.replace("train", reduce="fast"))[0] for _ in range(2))
            np.testing.assert_allclose(first[0], run(engine_of(given))[0], rtol=FLOAT32)
            print(word, first == again)
        else:
            print(compared(*word.split("-")))
        sys.stdout.flush()


if __name__ == "__main__":
    from tests import simulator

    simulator.install()
    main()

"""Tables, batches and what comes out of them, for the comparison of the GPU's tables with the CPU's, bit by bit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref import make_table
from tests import simulator

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Case:
    """One table and how it is trained."""

    method: str
    d: int
    bits: int | None
    rounding: str | None
    optimizer: str
    two_pass: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    queued: bool = False
    """On the GPU by the calls that only launch, as training does."""
    sizes: tuple[int, ...] = ()
    """Of its batches, where they are not those of all cases."""

    @property
    def name(self) -> str:
        parts = [self.method, self.rounding, f"{self.bits}bit" if self.bits else None, self.optimizer, f"d{self.d}"]
        more = [f"{key}={value}" for key, value in self.options.items() if key in ("granularity", "step_domain")]
        more += [word for word, said in (("two-pass", self.two_pass), ("queued", self.queued)) if said]
        return "-".join([part for part in parts if part] + more)


LEARNING = {"step_lr": 1e-3}
SMALL = [
    Case("lpt", 4, 8, "sr", "adam"),
    Case("lpt", 5, 4, "dr", "adagrad", options={"weight_decay": 0.1}),
    Case("lpt", 3, 2, "sr", "sgd", options={"lr": 0.5}),
    Case("lpt", 6, 16, "sr", "adam"),
    Case("fp32", 5, None, None, "adam", options={"weight_decay": 0.1}),
    Case("alpt", 4, 8, "sr", "adam", True, LEARNING),
    Case("alpt", 5, 4, "sr", "adagrad", True, {**LEARNING, "step_domain": "log"}),
    Case("alpt", 4, 2, "dr", "sgd", options={"step_lr": 0.1, "lr": 0.5}),
    Case("alpt", 4, 8, "sr", "adam", True, {**LEARNING, "granularity": "table"}),
    Case("alpt", 6, 8, "sr", "adagrad", options={**LEARNING, "granularity": "field"}),
    Case("lpt", 4, 8, "sr", "adam", queued=True),
    Case("lpt", 5, 4, "sr", "momentum"),
    Case("alpt", 4, 8, "sr", "momentum", True, LEARNING),
    Case("fp32", 3, None, None, "sgd", queued=True, sizes=(3, 700)),
    Case("alpt", 4, 4, "dr", "adam", options=LEARNING, queued=True),
    Case("alpt", 4, 8, "sr", "adam", True, LEARNING, queued=True, sizes=(7, 150)),
]
"""Every kernel once, for the simulator."""


def batches(case: Case, n: int, sizes: list[int]) -> list[tuple[NDArray[np.int64], Any, Any]]:
    """(ids, gradients, second gradients); the ids are so skewed that some rows are named very often."""
    rng = np.random.default_rng(5)
    made = []
    for size in sizes:
        ids = np.minimum(rng.zipf(1.3, size) - 1, n - 1).astype(np.int64)
        first, second = (
            (rng.standard_normal((size, case.d)) * rng.choice([1e-6, 1e-2, 10.0], (size, 1))).astype(np.float32)
            for _ in range(2)
        )
        made.append((ids, first, second))
    return made


def train(case: Case, device: str, n: int, sizes: list[int]) -> Arrays:
    """State, values and counts of the case's table after one update for each size of `sizes`."""
    options = dict(case.options)
    sizes = list(case.sizes) or sizes
    if options.get("granularity") == "field":
        options["field_offsets"] = np.array([0, n // 4, n // 2, n], np.int64)
    table: Any = make_table(
        case.method, n, case.d, bits=case.bits, rounding=case.rounding, optimizer=case.optimizer, seed=3,
        device=device, **options,
    )  # fmt: skip
    host = table.backend.to_host
    found: Arrays = {}
    made = batches(case, n, sizes)
    if n == SMALL_ROWS:
        check_moments(table, *made[0][:2])
    for ids, first, second in made:
        if case.two_pass and case.queued and device == "cuda":
            found["pending"] = queued_two_pass(table, ids, first, second, max(sizes))
        elif case.two_pass:
            pending = table.begin_update(ids, first)
            found["pending"] = host(table.lookup_pending(pending))
            table.finish_update(pending, second)
        elif case.queued and device == "cuda":
            table.reserve(max(sizes))
            table.queue_unique_rows(table.backend.from_host(ids.astype(np.uint32)))
            table.queue_update(table.backend.from_host(first), len(ids))
            table.advance(1)
        else:
            table.apply_gradients(ids, first)
    ids = made[0][0]
    bags = np.array([0, 2, 2, len(ids)], np.int64)
    found |= {f"state/{name}": array for name, array in table.state().items()}
    found |= {"lookup": host(table.lookup(ids)), "mean": host(table.lookup_pooled(ids, bags, "mean"))}
    found["sum"] = host(table.lookup_pooled(ids, bags))
    return found | {f"statistics/{name}": np.array(value) for name, value in table.statistics().items()}


def queued_two_pass(table: Any, ids: NDArray[Any], first: Any, second: Any, room: int) -> NDArray[Any]:
    """A two-pass update by the calls that only launch; what was looked up between its passes."""
    put, out = table.backend.from_host, table.backend.zeros(first.shape, np.float32)
    table.reserve(room)
    table.queue_unique_rows(put(ids.astype(np.uint32)))
    table.queue_begin(put(first), out)
    table.queue_finish(put(second), len(ids))
    table.advance(1)
    found: NDArray[Any] = table.backend.to_host(out)
    return found


def check_moments(table: Any, ids: NDArray[np.int64], grads: NDArray[np.float32]) -> None:
    """Moments, of the whole table and of the rows that an update names, outlast it and lead back, bit for bit."""
    spare, begin = None, table.state()
    for rows in (None, np.unique(ids)):
        for _ in range(2):  # the second in the memory of the first
            kept = table.moment(rows, spare)
            table.apply_gradients(ids, grads)
            assert differences(begin, table.state()), "the update must change something"
            assert differences(begin, kept.state()) == []
            kept.restore()
            assert differences(begin, table.state()) == []
            spare = kept
    assert spare.nbytes < table.moment().nbytes


def differences(expected: Arrays, found: Arrays) -> list[str]:
    """Names of the arrays that differ in a bit, a shape or a dtype."""
    return [
        name
        for name in sorted(expected.keys() | found.keys())
        if name not in expected
        or name not in found
        or expected[name].dtype != found[name].dtype
        or expected[name].shape != found[name].shape
        or np.ascontiguousarray(expected[name]).tobytes() != np.ascontiguousarray(found[name]).tobytes()
    ]


SMALL_ROWS, SMALL_SIZES = 12, [7, 45]

if __name__ == "__main__":  # in a process with Numba's simulator: `python -m tests.tables.cuda_cases FILE.npz`
    import sys

    simulator.install()
    np.seterr(over="ignore")  # unsigned integers wrap on purpose
    everything = {
        f"{case.name}:{name}": array
        for case in SMALL
        for name, array in train(case, "cuda", SMALL_ROWS, SMALL_SIZES).items()
    }
    np.savez(sys.argv[1], **everything)  # type: ignore[arg-type]

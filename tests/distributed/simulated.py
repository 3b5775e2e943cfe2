"""GPU kernels of sharded tables in Numba's simulator: a program that prints what `test_cuda` compares with the CPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from alpt_ref.distributed import ShardedTable
from alpt_ref.errors import AlptError
from tests.distributed import static_driver
from tests.distributed.driver import Case, digest, joined, spread
from tests.distributed.threads import run_threads

SIMULATED = [
    Case("fp32", "adam", d=5, steps=2),
    Case("lpt", "adam", 16, "field", d=3, steps=2),
    Case("alpt", "adam", 4, two_pass=True, d=4, steps=2),
    Case("alpt", "adagrad", 8, "table", d=4, steps=2, rounding="dr"),
]
"""What an update of summed gradients launches, random words by the row's number, moved codes."""
STATIC = [
    Case("fp32", "adam", d=3, steps=2),
    Case("lpt", "sgd", 8, d=4, steps=2),
    Case("alpt", "adam", 4, two_pass=True, d=4, steps=2),
]
"""By steps of a fixed size."""
RANKS = 2


REFUSED = {
    "capacity": "capacity=3 unique rows in one batch, more were asked in table update 1",
    "nan": "gradients must be finite and their sums below 2**48, they are not in table update 1",
    "sum": "gradients must be finite and their sums below 2**48, they are not in table update 1",
}


def refused(group: Any, rank: int, size: int, wrong: str) -> str:
    """What steps of a fixed size say where one rank was given something wrong, and whether the table stayed."""
    from alpt_ref.distributed.static import StaticSteps

    table = ShardedTable(replace(Case("lpt", "sgd", 8).table().spec, device="cuda"), group)
    steps = StaticSteps(table, 8, 3)
    steps.grads[...] = 1.0
    steps.queue_lookup()
    steps.queue_update(16)
    steps.check(1)
    before = digest(table.state_shard())
    if rank == 1:
        steps.ids[...] = np.arange(8) if wrong == "capacity" else 5
        steps.grads[3, 2] = {"nan": np.nan, "sum": 2.0**48, "capacity": 1.0}[wrong]
    for _ in range(2):
        steps.queue_lookup()
        steps.queue_update(16)
    try:
        steps.check(2)
    except AlptError as error:
        said = REFUSED[wrong] if REFUSED[wrong] in str(error) else str(error)
        return said if digest(table.state_shard()) == before else "the table has changed"
    return "nothing was raised"


if __name__ == "__main__":
    from tests import simulator

    simulator.install()
    for case in SIMULATED:
        print(joined(run_threads(spread, RANKS, case, "cuda"))[:3])
    for case in STATIC:
        print(static_driver.joined(run_threads(static_driver.spread, RANKS, case)))
    for kind in REFUSED:
        first, second = run_threads(refused, RANKS, kind)
        print(first if first == second else (first, second))

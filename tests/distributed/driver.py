"""The same updates of a table in one process and over ranks, and what is left of them as bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref import make_table

N, D, FIELDS = 97, 6, np.array([0, 40, 97])


@dataclass(frozen=True)
class Case:
    """A table and the updates that it gets."""

    method: str
    optimizer: str = "sgd"
    bits: int | None = None
    granularity: str = "row"
    two_pass: bool = False
    rounding: str = "sr"
    d: int = D
    steps: int = 12
    seed: int = 0
    step_domain: str = "linear"
    split: str = "ragged"
    weights: bool = False

    def table(self, device: str = "cpu") -> Any:
        """The table of one process."""
        options: dict[str, Any] = {}
        if self.method != "fp32":
            options = {"bits": self.bits, "granularity": self.granularity, "rounding": self.rounding}
        if self.method == "alpt":
            options |= {"step_domain": self.step_domain, "step_lr": 1e-3}
        if self.weights:
            options["weights"] = np.random.default_rng(5).normal(0, 0.01, (N, self.d)).astype(np.float32)
        return make_table(
            self.method, N, self.d, optimizer=self.optimizer, lr=0.02, weight_decay=0.05, seed=self.seed,
            field_offsets=FIELDS, device=device, **options,
        )  # fmt: skip

    def batches(self) -> list[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32], list[float]]]:
        """Ids, two gradients and where ranks cut each batch; few rows are hot, the last batch is short."""
        rng = np.random.default_rng([7, self.seed])
        found = []
        for step in range(self.steps):
            size = 5 if step == self.steps - 1 else int(rng.integers(20, 60))
            ids = (rng.random(size) ** 3 * N).astype(np.int64)
            if step == 1:
                ids[:] = 11  # one row, many times
            scale = np.float32(10.0) ** rng.integers(-3, 2, (size, 1)).astype(np.float32)
            grads = rng.standard_normal((size, self.d)).astype(np.float32) * scale
            again = rng.standard_normal((size, self.d)).astype(np.float32) * scale
            cuts = np.sort(rng.random(8)).tolist()
            found.append((ids, grads.astype(np.float32), again.astype(np.float32), cuts))
        return found

    def part(self, step: int, positions: int, cuts: list[float], rank: int, size: int) -> slice:
        """Which positions of a batch are a rank's: ragged, all on one rank, or one rank without any."""
        if self.split == "one":
            return slice(0, positions) if rank == step % size else slice(0, 0)
        bounds = [0, *(int(cut * positions) for cut in cuts[: size - 1]), positions]
        if self.split == "empty" and size > 1:
            bounds[1] = 0
        return slice(bounds[rank], bounds[rank + 1])


def digest(state: dict[str, NDArray[Any]]) -> str:
    """Of all bits of a state, in its order."""
    found = hashlib.sha256()
    for name, array in state.items():
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


def alone(case: Case, device: str = "cpu") -> tuple[str, str, list[int], dict[str, float]]:
    """Digests of the state and of everything looked up in one process, its counters and its statistics."""
    table, seen = case.table(device), hashlib.sha256()
    host = table.backend.to_host
    for ids, grads, again, _ in case.batches():
        seen.update(host(table.lookup(ids)).tobytes())
        if case.two_pass:
            pending = table.begin_update(ids, grads)
            seen.update(host(table.lookup_pending(pending)).tobytes())
            table.finish_update(pending, again)
        else:
            table.apply_gradients(ids, grads)
    seen.update(host(table.lookup(np.arange(N))).tobytes())
    return digest(table.state()), seen.hexdigest(), table.counters().tolist(), table.statistics(False)


def spread(group: Any, rank: int, size: int, case: Case, device: str = "cpu") -> Any:
    """The same over ranks: on rank 0 what `alone` gives but for lookups, which all ranks give as bytes by step."""
    from alpt_ref.distributed import ShardedTable

    table = ShardedTable(replace(case.table().spec, device=device), group)
    host = table.own.backend.to_host
    seen = []
    for step, (ids, grads, again, cuts) in enumerate(case.batches()):
        mine = case.part(step, len(ids), cuts, rank, size)
        held = table.checked_ids(ids[mine]) if step % 2 else ids[mine]
        values = [host(table.lookup(held)).tobytes()]
        if case.two_pass:
            pending = table.begin_update(held, grads[mine])
            values.append(host(table.lookup_pending(pending)).tobytes())
            table.finish_update(pending, again[mine])
        else:
            table.apply_gradients(held, grads[mine])
        seen.append(values)
    seen.append([host(table.lookup(np.arange(N) if rank == 0 else np.zeros(0, np.int64))).tobytes()])
    figures, counters = table.statistics(False), table.counters().tolist()
    state = table.gather_state()
    return (None if state is None else digest(state)), seen, counters, figures


def joined(answers: list[Any]) -> tuple[str, str, list[int], dict[str, float]]:
    """The ranks' answers of `spread` as `alone` gives them."""
    seen = hashlib.sha256()
    for parts in zip(*(answer[1] for answer in answers), strict=True):
        for k in range(len(parts[0])):
            for part in parts:
                seen.update(part[k])
    return answers[0][0], seen.hexdigest(), answers[0][2], answers[0][3]

"""What one training step looks at, and how often: ids once, each gradient once, while it is summed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from alpt_ref import InputError, RunConfig, synthetic_clicks
from alpt_ref.kernels.cpu import unique
from alpt_ref.tables import checks, make_table
from alpt_ref.training import batches
from alpt_ref.training.engine import CpuEngine


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often ids were checked, and gradients summed."""
    calls: Counter[str] = Counter()

    def counted(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def count(*args: Any) -> Any:
            calls[name] += 1
            return real(*args)

        monkeypatch.setattr(owner, name, count)

    counted(checks, "id_range")
    counted(unique, "sum_duplicates")
    counted(unique, "any_not_finite")
    return calls


@pytest.mark.parametrize(("two_pass", "gradients"), [(True, 2), (False, 1)])
def test_a_step_checks_ids_once_and_every_gradient_once(two_pass: bool, gradients: int, seen: Counter[str]) -> None:
    config = RunConfig().replace("model", hidden=(4,), dim=4).replace("train", batch_size=50)
    config = config.replace("table", method="alpt", bits=8, two_pass=two_pass)
    engine = CpuEngine(config, synthetic_clicks(rows=500, fields=3, features=40, seed=1))
    batch = next(
        batches.training_batches(engine.dataset, engine.dataset.rows_of("train"), 50, seed=0, epoch=1, first=0, last=1)
    )
    seen.clear()
    engine._step(batch, {"table": 1e-3, "dense": 1e-3, "step": 1e-3})
    assert seen == {"id_range": 1, "sum_duplicates": gradients}  # in one part: so small a batch is one thread's


def test_ids_checked_for_another_table_are_checked_again() -> None:
    small, large = make_table("fp32", 5, 4), make_table("fp32", 50, 4)
    ids = large.checked_ids([0, 49])
    assert np.array_equal(large.lookup(ids), large.lookup([0, 49]))
    with pytest.raises(InputError, match=r"ids must be in \[0, 5\), got 49"):
        small.lookup(ids)

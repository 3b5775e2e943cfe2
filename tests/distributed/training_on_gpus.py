"""Whole training on GPUs under NCCL: the same bits for one GPU and for all of them, what is lost, resumed, refused.

``torchrun --nproc-per-node 2 -m tests.distributed.training_on_gpus [WORD ...]`` runs the cases whose names hold one of
the words. Every case is a run of small synthetic clicks by all ranks; rank 0 repeats it alone on its GPU where the sums
are in slice order, and all ranks repeat it where they are not. Rank 0 prints a line a case; ends with 1 where bits
differ. A case that takes more than `PATIENCE` seconds, the first twice as many, ends the program with all stacks.
"""

from __future__ import annotations

import faulthandler
import itertools
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from alpt_ref import RunConfig
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.distributed import joined, train
from alpt_ref.training.config import ModelConfig, TableConfig, TrainConfig
from alpt_ref.training.engine import DivergedError
from alpt_ref.training.ranks import Alone
from alpt_ref.training.sources import load_dataset
from alpt_ref.training.train import StoppedError
from tests.distributed.runs import bits_of

PATIENCE = 60.0
ROWS, BATCH = 9000, 700
"""7,200 rows to train on: ten batches and a last one of 200."""

STOP_AT = 4
"""How often the last rank is asked before it stops a run: every five batches, and after the last of an epoch."""


def config(method: str = "lpt", precision: str = "float32", **changes: Any) -> RunConfig:
    """A DCN of two hidden layers; slices of 87 and 88 rows."""
    table: dict[str, Any] = {"optimizer": "sgd"} if method == "fp32" else {}
    if method == "one-pass":
        method, table = "alpt", {"two_pass": False}
    train_: dict[str, Any] = {"batch_size": BATCH, "epochs": 2, "eval_batch_size": 500, "device": "cuda"}
    model: dict[str, Any] = {"dim": 16, "hidden": (64, 32), "precision": precision, "kind": changes.pop("kind", "dcn")}
    rate = changes.pop("lr", 1e-2)
    return RunConfig(
        model=ModelConfig(**model), table=TableConfig(method=method, lr=rate, **table),
        train=TrainConfig(**{**train_, "sharded": True, "milestones": (), **changes}),
    )  # fmt: skip


def clicks() -> ClickDataset:
    """Six fields of 300 categories."""
    data = {"source": "synthetic", "rows": ROWS, "fields": 6, "features": 1800, "rank": 2}
    return load_dataset(RunConfig().replace("data", **data).data)


def bits(given: RunConfig, data: ClickDataset, ranks: Any, folder: Path, **options: Any) -> Any:
    """What a finished run leaves, on rank 0."""
    train(given, data, ranks=ranks, output=folder, **options)
    return bits_of(folder) if ranks.first else None


def same_as_alone(given: RunConfig, data: ClickDataset, ranks: Any, folder: Path) -> Any:
    """All ranks, then rank 0 alone."""
    together = bits(given, data, ranks, folder / "all")
    return together == bits(given, data, Alone(), folder / "one") if ranks.first else True


def twice(given: RunConfig, data: ClickDataset, ranks: Any, folder: Path) -> Any:
    """All ranks two times."""
    return bits(given, data, ranks, folder / "first") == bits(given, data, ranks, folder / "second")


def stopped(given: RunConfig, data: ClickDataset, ranks: Any, folder: Path) -> Any:
    """A run that the last rank stops, resumed by all; and by one, the whole of which is compared."""
    asked = iter(range(1000))
    try:
        stop = (lambda: next(asked) >= STOP_AT) if ranks.rank == ranks.size - 1 else None
        train(given, data, ranks=ranks, output=folder / "parts", stop=stop)
        return "it was not stopped"
    except StoppedError:
        pass
    if ranks.first:
        shutil.copytree(folder / "parts", folder / "copy")
    whole = bits(given, data, ranks, folder / "whole")
    again = bits(given, data, ranks, folder / "parts", resume=True)
    alone = bits(given, data, Alone(), folder / "copy", resume=True) if ranks.first else None
    return whole == again == alone


def diverged(given: RunConfig, data: ClickDataset, ranks: Any, folder: Path) -> Any:
    """The step is the same on all ranks."""
    try:
        train(given, data, ranks=ranks)
    except DivergedError as error:
        steps = ranks.everyone(error.step) if ranks.size > 1 else [error.step]
        return len(set(steps)) == 1
    return "it did not diverge"


def tight(given: RunConfig, data: ClickDataset, ranks: Any, folder: Path) -> Any:
    """Room for 16 rows at first, which is made larger as the run goes on."""
    from alpt_ref.distributed import cuda_steps

    before = cuda_steps.table_capacity
    cuda_steps.table_capacity = lambda table, batches, most: 16
    try:
        return same_as_alone(given, data, ranks, folder)
    finally:
        cuda_steps.table_capacity = before


def cases() -> dict[str, tuple[Any, RunConfig]]:
    """Name -> what is done, with which run; the most telling first."""
    found: dict[str, tuple[Any, RunConfig]] = {}
    for method in ("lpt", "alpt", "fp32"):
        found[f"ordered {method}"] = (same_as_alone, config(method))
    found["fast alpt bf16"] = (twice, config("alpt", "bf16", reduce="fast"))
    found["tight lpt"] = (tight, config("lpt"))
    found["stopped alpt"] = (stopped, config("alpt"))
    found["diverged fp32"] = (diverged, config("fp32", lr=1e30))
    found["fast lpt"] = (twice, config("lpt", reduce="fast"))
    for method, precision in itertools.product(("lpt", "alpt"), ("bf16", "tf32")):
        found[f"ordered {method} {precision}"] = (same_as_alone, config(method, precision))
    found["ordered one-pass"] = (same_as_alone, config("one-pass"))
    for kind in ("deepfm", "fm", "dnn"):
        found[f"ordered lpt {kind}"] = (same_as_alone, config("lpt", kind=kind))
    return found


def run_cases(ranks: Any, place: Path, words: list[str]) -> tuple[int, int]:
    """Cases that are not as they should be, and all of them; they write below `place`."""
    wrong, done, data = 0, 0, clicks()
    for name, (run, given) in cases().items():
        if words and not any(word in name for word in words):
            continue
        faulthandler.dump_traceback_later(PATIENCE if done else 2 * PATIENCE, exit=True)
        begun, answer = time.time(), ""
        try:
            found = run(given, data, ranks, place / name.replace(" ", "-"))
        except Exception:
            found = answer = traceback.format_exc()
            print(f"{name}, rank {ranks.rank}: {answer}", flush=True)
        if ranks.size > 1 and any(ranks.everyone(answer)):  # where the others hang, the program ends
            found = "failed"
        done += 1
        wrong += found is not True
        if ranks.first:
            print(f"{'as it should' if found is True else found} {name} {time.time() - begun:.1f} s", flush=True)
        faulthandler.cancel_dump_traceback_later()
    return wrong, done


def main() -> int:
    """Run all cases."""
    faulthandler.enable()
    with joined("cuda") as ranks, tempfile.TemporaryDirectory() as scratch:
        wrong, done = run_cases(ranks, Path(ranks.once(lambda: scratch)), sys.argv[1:])
        if ranks.first:
            print(f"{ranks.size} processes: {done - wrong} of {done} cases as they should", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

"""GPUs under NCCL against one process on the CPU, bit by bit.

``torchrun --nproc-per-node 2 -m tests.distributed.on_gpus [calls] [static] [0/1] [steps=1000] [output=FILE]``; with 1
process it is one GPU. ``calls`` are those of `ShardedTable`, ``static`` steps of a fixed size as launches and as CUDA
graphs; default both. ``1/3`` is the second of three parts, ``steps`` the updates of a case in place of its own number,
and the file, JSON, is written anew after each case. Rank 0 prints a line a case; ends with 1 where bits differ.
"""

from __future__ import annotations

import datetime
import itertools
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from alpt_ref.kernels.cuda.available import use_device
from tests.distributed import static_driver
from tests.distributed.driver import Case, alone, joined, spread

CASES = [
    Case("lpt", "sgd", 8, d=16),
    Case("lpt", "adam", 8, d=16, split="empty"),
    Case("fp32", "adam", d=16),
    Case("alpt", "adam", 8, d=16, two_pass=True),
    Case("alpt", "adam", 8, d=16, two_pass=True, split="one"),
    Case("alpt", "sgd", 4, d=16),
    Case("alpt", "adagrad", 4, "field", d=16, two_pass=True),
    Case("alpt", "momentum", 2, "table", d=16, step_domain="log"),
    Case("lpt", "adagrad", 16, "row", d=16, rounding="dr", weights=True),
    Case("lpt", "momentum", 2, "field", d=7),
    Case("fp32", "adagrad", d=6),
    Case("fp32", "momentum", d=16),
    Case("alpt", "adam", 16, d=5, two_pass=True, rounding="dr"),
    *(
        Case("alpt", optimizer, bits, d=16, two_pass=two_pass, steps=60)
        for two_pass, bits, optimizer in itertools.product((True, False), (8, 2), ("sgd", "adam"))
    ),
]


STATIC = [
    Case("lpt", "sgd", 8, d=16),
    Case("fp32", "adam", d=16),
    Case("alpt", "adam", 8, d=16, two_pass=True, steps=30),
    Case("alpt", "adagrad", 4, d=16),
    Case("lpt", "momentum", 2, d=7),
]
"""By steps of a fixed size, launched and as replayed CUDA graphs."""


def run_cases(
    wanted: list[str], group: Any = None, graphs: tuple[bool, ...] = (False, True), part: slice = slice(None),
    steps: int | None = None, keep: Callable[[list[dict[str, Any]]], None] = lambda results: None,
) -> tuple[int, int]:  # fmt: skip
    """Cases that are wrong on rank 0, and all of a part; `group` is torch's default one where it is None.

    `steps` takes the place of each case's own; `keep` is called with all results so far.
    """
    from torch import distributed

    rank, size, wrong = distributed.get_rank(), distributed.get_world_size(), 0
    results: list[dict[str, Any]] = []
    calls, static = ([replace(one, steps=steps or one.steps) for one in cases] for cases in (CASES, STATIC))
    jobs: list[tuple[Any, Any, Any, Any, str]] = [
        (case, lambda case=case: spread(group, rank, size, case, "cuda"), lambda case=case: alone(case), joined, "")
        for case in calls
        if "calls" in wanted
    ]
    if size > 1 and "static" in wanted:
        jobs += [
            (
                case,
                lambda case=case, graph=graph: static_driver.spread(group, rank, size, case, graph),
                lambda case=case: static_driver.alone(case, size),
                static_driver.joined,
                "graphs " if graph else "launches ",
            )
            for case, graph in itertools.product(static, graphs)
        ]
    jobs = jobs[part]
    for case, run, reference, join, kind in jobs:
        begun, found, error = time.time(), None, ""
        try:
            found = run()
        except Exception:
            error = traceback.format_exc()
        answers: list[Any] = [None] * size
        distributed.all_gather_object(answers, (found, error))
        if rank == 0:
            errors = [error for _, error in answers if error]
            same = [False]
            if errors:
                print(f"{kind}{case}: {errors[0]}", flush=True)
            else:
                same = [a == b for a, b in zip(reference(), join([found for found, _ in answers]), strict=True)]
                print(f"{'same bits' if all(same) else same} {kind}{case} {time.time() - begun:.1f} s", flush=True)
            wrong += not all(same)
            seconds = round(time.time() - begun, 1)
            results.append({"how": kind.strip() or "calls", **asdict(case), "same_bits": all(same), "seconds": seconds})
            keep(results)
    return wrong, len(jobs)


def main() -> int:
    """Run all cases."""
    import torch
    from torch import distributed

    use_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl", timeout=datetime.timedelta(seconds=60))
    options = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    words = [word for word in sys.argv[1:] if "=" not in word]
    wanted, part = [word for word in words if "/" not in word], slice(None)
    for word in set(words) - set(wanted):
        first, parts = word.split("/")
        part = slice(int(first), None, int(parts))
    name, size = torch.cuda.get_device_name(), distributed.get_world_size()
    about = {
        "command": f"torchrun --nproc-per-node {size} -m tests.distributed.on_gpus {' '.join(sys.argv[1:])}",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(), "gpus": f"{size} {name}",
        "torch": torch.__version__,
    }  # fmt: skip

    def keep(results: list[dict[str, Any]]) -> None:
        if "output" in options:
            Path(options["output"]).write_text(json.dumps({**about, "cases": results}, indent=1) + "\n")

    steps = int(options["steps"]) if "steps" in options else None
    wrong, cases = run_cases(wanted or ["calls", "static"], part=part, steps=steps, keep=keep)
    if distributed.get_rank() == 0:
        print(f"{size} GPUs ({name}): {cases - wrong} of {cases} cases have the CPU's bits")
    distributed.destroy_process_group()
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

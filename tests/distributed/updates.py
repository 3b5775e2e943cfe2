"""1,000 updates of a table on 1 to 4 ranks against one process: every method, optimiser and width, bit by bit.

    python -m tests.distributed.updates [--groups 1] [--steps 1000] [--only WORD] [--output FILE.json]

`groups` sets of four gloo processes work at once. A case draws ragged batches in which few rows are hot, so that ranks
share rows; of every three cases one leaves a rank without ids and one gives all ids to one rank in turn. The last batch
is short. Prints a line a case; ends with 1 where bits differ. The file is written after every case; what it holds is
not computed again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import sys
import tempfile
import threading
import time
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from tests.distributed.driver import Case, alone, joined, spread
from tests.distributed.ranks import Ranks

OPTIMIZERS = ("sgd", "adagrad", "momentum", "adam", "dense_adam")
WIDTHS = (2, 4, 8, 16)
SIZES = (1, 2, 3, 4)


def cases(steps: int = 1000) -> list[Case]:
    """fp32, LPT, ALPT in one pass and in two; the ways of cutting a batch take turns."""
    kinds = [
        *(("fp32", optimizer, None, False) for optimizer in OPTIMIZERS),
        *(("lpt", optimizer, bits, False) for optimizer, bits in itertools.product(OPTIMIZERS, WIDTHS)),
        *(("alpt", optimizer, bits, twice) for optimizer, bits, twice in itertools.product(OPTIMIZERS, WIDTHS, (0, 1))),
    ]
    splits = itertools.cycle(("ragged", "one", "empty"))
    return [
        Case(method, optimizer, bits, two_pass=bool(twice), steps=steps, split=split, d=6 if bits != 2 else 5)
        for (method, optimizer, bits, twice), split in zip(kinds, splits, strict=False)
    ]


def name_of(case: Case) -> str:
    """In words."""
    passes = "" if case.method != "alpt" else " in two passes" if case.two_pass else " in one pass"
    width = "" if case.bits is None else f" {case.bits} bits"
    return f"{case.method}{width}{passes}, {case.optimizer}, {case.split}, {case.steps} updates"


def checked(ranks: Ranks, case: Case) -> dict[str, Any]:
    """Whether 1 to 4 ranks end as one process does."""
    begun, wanted = time.time(), alone(case)
    same = [joined(ranks.run(spread, case, size=size)) == wanted for size in SIZES]
    return {"ranks": list(SIZES), "same_bits": same, "state": wanted[0], "seconds": round(time.time() - begun, 1)}


def main() -> int:
    """Run."""
    import torch

    parser = argparse.ArgumentParser()
    parser.add_argument("--groups", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--only", default="")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    if options.output is not None and options.output.exists():
        results = json.loads(options.output.read_text())["cases"]
    made = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "backend": "gloo",
        "machine": platform.machine(),
    }
    waiting: SimpleQueue[Case] = SimpleQueue()
    for case in cases(options.steps):
        if options.only in name_of(case) and name_of(case) not in results:
            waiting.put(case)
    lock = threading.Lock()

    def work(ranks: Ranks) -> None:
        while True:
            try:
                case = waiting.get_nowait()
            except Empty:
                return
            found = checked(ranks, case)
            with lock:
                results[name_of(case)] = found
                print(
                    f"{'same bits' if all(found['same_bits']) else found} {name_of(case)} {found['seconds']} s",
                    flush=True,
                )
                if options.output is not None:
                    ordered = {
                        name_of(one): results[name_of(one)] for one in cases(options.steps) if name_of(one) in results
                    }
                    options.output.write_text(json.dumps({"made_with": made, "cases": ordered}, indent=1) + "\n")

    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder) / str(number) for number in range(options.groups)]
        for place in places:
            place.mkdir()
        groups = [Ranks(max(SIZES), place) for place in places]
        threads = [threading.Thread(target=lambda ranks=ranks: serve(ranks, work)) for ranks in groups]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    wrong = sum(not all(one["same_bits"]) for one in results.values())
    print(f"{len(results) - wrong} of {len(results)} cases have the bits of one process on 1, 2, 3 and 4 ranks")
    return int(wrong > 0)


def serve(ranks: Ranks, work: Any) -> None:
    """A thread's group of processes."""
    with ranks:
        work(ranks)


if __name__ == "__main__":
    sys.exit(main())

"""1,000 updates of a table on 1 to 4 ranks against one process: every method, optimiser and width, bit by bit.

    python -m tests.distributed.updates [--groups 1] [--steps 1000] [--only WORD] [--output FILE.json] [--merge OTHER]

`groups` sets of four gloo processes work at once. A case draws ragged batches in which few rows are hot, so that ranks
share rows; of every three cases one leaves a rank without ids and one gives all ids to one rank in turn. The last batch
is short. Prints a line a case; ends with 1 where bits differ. The file is written after every case; what it holds is
not computed again. ``--merge`` adds the cases of files of other machines, then goes on; with ``--only nothing`` it ends
there. Each case says what it was made with.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from alpt_ref import __version__
from tests.distributed.driver import Case, alone, joined, spread
from tests.distributed.ranks import Ranks

OPTIMIZERS = ("sgd", "adagrad", "momentum", "adam", "dense_adam")
WIDTHS = (2, 4, 8, 16)
SIZES = (1, 2, 3, 4)
PATIENCE = 3600.0
"""Seconds for the updates of one case on one number of ranks."""


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


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The cases of a file, each with what it was made with; older files say that once for all."""
    found = json.loads(path.read_text())
    return {name: {"made_with": found.get("made_with", {}), **one} for name, one in found["cases"].items()}


def write(path: Path, results: Mapping[str, Mapping[str, Any]], steps: int) -> None:
    """A case a line, in the order of `cases`; the file is whole at any moment."""
    names = [name_of(one) for one in cases(steps)]
    names = [name for name in names if name in results] + [name for name in results if name not in names]
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(results[name])}" for name in names)
    fresh = path.with_suffix(".part")
    fresh.write_text(f'{{"cases": {{\n{lines}\n}}}}\n')
    fresh.replace(path)


def merge(results: dict[str, dict[str, Any]], others: Mapping[str, dict[str, Any]]) -> list[str]:
    """Add the cases of `others` that `results` does not hold; names of those which both hold with other bits."""
    wrong = []
    for name, one in others.items():
        if results.setdefault(name, one)["state"] != one["state"] or not all(one["same_bits"]):
            wrong.append(name)
    return wrong


def made_with() -> dict[str, str]:
    """This machine, versions and day."""
    import torch

    from analysis.benchmarks.timing import machine

    here = machine()
    versions = {"python": here["python"], "torch": torch.__version__, "numpy": here["versions"]["numpy"]}
    versions["alpt_ref"] = __version__
    return {"date": here["date"], "processor": here["processor"], **versions, "backend": "gloo"}


def main() -> int:
    """Run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--groups", type=int, default=1)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--only", default="")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--merge", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    if options.output is not None and options.output.exists():
        results = read(options.output)
    others = [name for path in options.merge for name in merge(results, read(path))]
    for name in others:
        print(f"{name}: not the same bits in a file that was merged")
    if options.output is not None and options.merge:
        write(options.output, results, options.steps)
    made = made_with()
    waiting: SimpleQueue[Case] = SimpleQueue()
    asked: list[str] = []
    for case in cases(options.steps):
        words = name_of(case).replace(",", "").split()
        if (not options.only or options.only in words) and name_of(case) not in results:
            waiting.put(case)
            asked.append(name_of(case))
    lock = threading.Lock()

    def work(ranks: Ranks) -> None:
        while True:
            try:
                case = waiting.get_nowait()
            except Empty:
                return
            found = {**checked(ranks, case), "made_with": made}
            with lock:
                results[name_of(case)] = found
                print(
                    f"{'same bits' if all(found['same_bits']) else found} {name_of(case)} {found['seconds']} s",
                    flush=True,
                )
                if options.output is not None:
                    write(options.output, results, options.steps)

    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder) / str(number) for number in range(options.groups)]
        for place in places:
            place.mkdir()
        groups = [Ranks(max(SIZES), place, PATIENCE) for place in places] if waiting.qsize() else []
        threads = [threading.Thread(target=lambda ranks=ranks: serve(ranks, work)) for ranks in groups]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    wrong = sum(not all(one["same_bits"]) for one in results.values())
    undone = [name for name in asked if name not in results]
    if undone:
        print(f"not done: {'; '.join(undone)}")
    print(
        f"{len(results) - wrong} of {len(results)} cases have the bits of one process on 1, 2, 3 and 4 ranks; "
        f"{len(cases(options.steps))} in all"
    )
    return int(wrong > 0 or bool(others) or bool(undone))


def serve(ranks: Ranks, work: Any) -> None:
    """A thread's group of processes."""
    with ranks:
        work(ranks)


if __name__ == "__main__":
    sys.exit(main())

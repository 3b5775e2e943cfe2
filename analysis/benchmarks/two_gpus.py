"""Everything about a table over two GPUs of one host in one command: bits, weak scaling, bytes, a table of 136 GB.

    python -m analysis.benchmarks.two_gpus [--folder two_gpus] [--ranks 2] [--only WORD ...]

Starts `torchrun` for each part, one after another, each with its own limit of time; what one part prints is a file of
the folder, and a part that fails or hangs does not keep the others from running. At the end a line for each number
that was asked for says whether it was reached. The limits add up to twenty minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .timing import arguments

WANTED = {65536: 1.7, 10000: 1.4}
"""Samples a second of two GPUs over those of one, by samples a rank."""
BIG = 2_000_000_000

SPEED = "analysis.benchmarks.sharded_train"
PARTS: dict[str, tuple[list[str], int, str]] = {
    "tables": (["tests.distributed.on_gpus"], 180, ""),
    "training": (["tests.distributed.training_on_gpus"], 240, ""),
    "speed": ([SPEED, "--cases", "one", "fast", "ordered", "alpt", "parts"], 300, "speed.json"),
    "torch": ([SPEED, "--cases", "torch"], 200, "torch.json"),
    "table": (["analysis.benchmarks.sharded", "--samples", "10000", "--big", str(BIG)], 200, "table.json"),
}
"""Name -> module and options, seconds, and the file that it writes."""


def run(name: str, ranks: int, folder: Path) -> int:
    """One part; its status, that of `timeout` where it took too long."""
    words, limit, output = PARTS[name]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(ranks), "-m", *words]
    command += ["--output", str(folder / output)] if output else []
    environment = {"NCCL_NVLS_ENABLE": "0", "OMP_NUM_THREADS": "1", **os.environ}
    begun = time.time()
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.terminate()  # torchrun ends its processes
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
            status = 124
    print(f"{name}: status {status}, {time.time() - begun:.0f} s", flush=True)
    return status


def read(file: Path) -> dict[str, Any]:
    """What a part has written; nothing where it did not."""
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


def verdicts(speed: dict[str, Any], torch: dict[str, Any], table: dict[str, Any]) -> Iterator[str]:
    """What was measured against what was asked for."""
    for samples, wanted in WANTED.items():
        ours, theirs = (found.get("samples", {}).get(str(samples), {}) for found in (speed, torch))
        for method, cases in ours.get("weak scaling", {}).items():
            for case, ratio in cases.items():
                what = f"{samples:,} samples a rank, {method}, {case}: {ratio:.2f} of one GPU"
                yield f"{what}, {wanted} wanted: {'reached' if ratio >= wanted else 'MISSED'}"
        for name, found in ours.items():
            if "counted_as_by_hand" in found:
                same = "as computed by hand" if found["counted_as_by_hand"] else "NOT as computed by hand"
                yield f"{samples:,} samples a rank, {name}: {found['bytes_a_sample']:.0f} bytes a sample, {same}"
        for method, cases in theirs.get("weak scaling", {}).items():
            for ratio in cases.values():
                yield f"{samples:,} samples a rank, {method}: {ratio:.2f} of one GPU"
    for rank, found in enumerate(table.get("big", [])):
        used = f"{found['table_bytes_a_gpu'] / 1e9:.1f} GB of table, {found['used_bytes_a_gpu'] / 1e9:.1f} GB in use"
        yield f"{found['rows']:,} rows on GPU {rank}: {used}, {'moved' if found['moved'] else 'NOT moved'}"


def main() -> int:
    """Run all parts."""
    options = arguments(__doc__, folder="two_gpus", ranks=2, only=[""])
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [name for name in PARTS if not any(options.only) or name in options.only]
    statuses = [run(name, options.ranks, folder) for name in wanted]
    for line in verdicts(*(read(folder / file) for file in ("speed.json", "torch.json", "table.json"))):
        print(line)
    return int(any(statuses))


if __name__ == "__main__":
    sys.exit(main())

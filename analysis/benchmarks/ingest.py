"""Time and memory of encoding Criteo-shaped text, and whether a run that is killed twice gives the same store.

    python -m analysis.benchmarks.ingest --folder SCRATCH [--rows 4000000] [--workers 2] [--min-count 10]
        [--kill] [--output FILE.json]

Text of the shape of Criteo is generated into the scratch folder (250 bytes a row) and encoded in a process of its own;
the figures are rows a second from start to finished store, seconds of each step, processor time (which says what an
idle machine would take), and the process's peak resident memory. With ``--kill`` the same file is encoded once more by
a process that kills itself when it has read 30 % and another that does so at 70 %; a third then finishes, and every
file of both stores is compared. Several ``--rows`` are measured one after the other.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .timing import arguments, write


def child(text: Path, store: Path, workers: int, min_count: int, die_at: float) -> None:
    """Encode; print seconds and memory as JSON, or die when this share of the text has been read."""
    from alpt_ref.data import encode_file
    from alpt_ref.data.store.ingest import Step

    begin = time.perf_counter()
    ends: dict[str, float] = {}

    def tell(step: Step) -> None:
        if step.unit == "bytes" and step.done > die_at * step.total:
            os.kill(os.getpid(), signal.SIGKILL)
        ends[step.unit] = time.perf_counter()

    dataset = encode_file("criteo", text, store, workers=workers, min_count=min_count, name="criteo", progress=tell)
    end = time.perf_counter()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    result = {
        "rows": dataset.rows,
        "ids": dataset.n,
        "categories_seen": sum(dataset.info["encoding"]["categories_seen"]),
        "seconds": end - begin,
        "seconds_reading": ends["bytes"] - begin,
        "seconds_joining": ends["categories"] - ends["bytes"],
        "seconds_writing": end - ends["categories"],
        "rows_per_s": dataset.rows / (end - begin),
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_memory_bytes": peak,
        "text_bytes": text.stat().st_size,
        "store_bytes": sum(file.stat().st_size for file in store.iterdir()),
        "fingerprint": dataset.fingerprint,
    }
    print(json.dumps(result))


def run(text: Path, store: Path, options: argparse.Namespace, die_at: float = 2.0) -> dict[str, Any] | None:
    """A child's figures, or None where it was told to die."""
    command = [sys.executable, "-m", options.module, "--child", str(die_at), "--folder", str(text)]
    command += ["--child-store", str(store), "--workers", str(options.workers), "--min-count", str(options.min_count)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if die_at <= 1.0:
        if done.returncode != -signal.SIGKILL:
            raise RuntimeError(f"the run that was to be killed ended with status {done.returncode}")
        return None
    done.check_returncode()
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def measure(rows: int, options: argparse.Namespace) -> dict[str, Any]:
    from alpt_ref.data.synthetic.generate import write_raw_text

    text, store = options.folder / f"criteo-{rows}.txt", options.folder / f"store-{rows}"
    begin = time.perf_counter()
    if not text.exists():
        with text.with_suffix(".part").open("wb") as out:
            write_raw_text(out, "criteo", rows, seed=1)
        text.with_suffix(".part").rename(text)
        print(f"{rows:,} rows generated in {time.perf_counter() - begin:.1f} s")
    shutil.rmtree(store, ignore_errors=True)
    figures = run(text, store, options)
    assert figures is not None
    print(
        f"{rows:,} rows encoded in {figures['seconds']:.1f} s ({figures['cpu_seconds']:.1f} s of processor time), "
        f"{figures['rows_per_s']:,.0f} rows/s, "
        f"peak memory {figures['peak_memory_bytes'] / 1e9:.2f} GB for {figures['text_bytes'] / 1e9:.2f} GB of text; "
        f"reading {figures['seconds_reading']:.1f} s, joining {figures['seconds_joining']:.1f} s, "
        f"writing {figures['seconds_writing']:.1f} s"
    )
    if options.kill:
        again = store.with_name(f"{store.name}-killed")
        shutil.rmtree(again, ignore_errors=True)
        for share in (0.3, 0.7):
            run(text, again, options, share)
        last = run(text, again, options)
        assert last is not None
        names = sorted(path.name for path in store.iterdir())
        same, different, odd = filecmp.cmpfiles(store, again, names, shallow=False)
        figures["killed_twice_identical"] = len(same) == len(names) == len(list(again.iterdir()))
        figures["seconds_after_second_kill"] = last["seconds"]
        print(
            f"killed at 30 % and 70 %: finished in {last['seconds']:.1f} s, {len(same)} of {len(names)} files are "
            f"identical{'' if not different + odd else ', NOT ' + ', '.join(different + odd)}"
        )
        shutil.rmtree(again)
    if not options.keep:
        shutil.rmtree(store)
        text.unlink()
    return figures


def main() -> None:
    options = arguments(
        __doc__,
        folder=Path,
        rows=[4_000_000],
        workers=2,
        min_count=10,
        kill=False,
        keep=False,
        child="",
        child_store="",
    )
    if options.child:
        child(options.folder, Path(options.child_store), options.workers, options.min_count, float(options.child))
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    kill, cases = options.kill, {}
    for number, rows in enumerate(options.rows):
        options.kill = kill and number == 0
        cases[str(rows)] = measure(rows, options)
    write(options, {"cases": cases})


if __name__ == "__main__":
    main()

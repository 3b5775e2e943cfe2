"""Rows a second from each container into a store, by number of cores; the text format of Criteo in the same run.

    python -m analysis.benchmarks.containers --folder SCRATCH [--rows 1000000] [--cores 1 2] [--rounds 3]
        [--only text parquet …] [--output FILE.json]

Text of the shape of Criteo is generated into the scratch folder and written as every container. Each is encoded into a
store by a process of its own that is bound to so many cores, one after the other in every round, so that a change of
the machine's speed meets all of them. Printed and written are medians of rows a second and of processor time, peak
memory, and, paired within a round, the gain over the fewest cores and the ratio to ``--criteo``'s own text format. All
stores have one fingerprint, or the run ends with an error.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from .timing import arguments, write

CONTAINERS = ("criteo text format", "text", "quoted text", "gzip", "zstd", "parquet", "arrow")
"""The first one is the built-in text format, the others are read by the shipped schema."""
FILES = dict(zip(CONTAINERS, ("txt", "txt", "csv", "txt.gz", "txt.zst", "parquet", "arrow"), strict=True))


def make_files(folder: Path, rows: int) -> Path:
    """The rows in every container, written once; without its ending."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    from alpt_ref.data.schema import schema_of
    from alpt_ref.data.synthetic.generate import write_raw_text

    stem = folder / f"criteo-{rows}"
    if stem.with_suffix(".done").exists():
        return stem
    text = stem.with_suffix(".txt")
    with text.open("wb") as out:
        write_raw_text(out, "criteo", rows, seed=1)
    names = schema_of("criteo").text.columns
    types = {name: pa.int64() if name == "label" or name.startswith("I") else pa.string() for name in names}
    stream = csv.open_csv(
        text,
        csv.ReadOptions(column_names=list(names), block_size=32 << 20),
        csv.ParseOptions(delimiter="\t", quote_char=False),
        csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True),
    )
    quoting = csv.WriteOptions(include_header=True, quoting_style="all_valid")
    with (
        parquet.ParquetWriter(stem.with_suffix(".parquet"), stream.schema) as columnar,
        pa.ipc.new_file(stem.with_suffix(".arrow"), stream.schema) as arrow,
        csv.CSVWriter(stem.with_suffix(".csv"), stream.schema, write_options=quoting) as quoted,
    ):
        group: list[Any] = []
        for batch in stream:
            arrow.write_batch(batch)
            quoted.write_batch(batch)
            group.append(batch)
            if sum(one.num_rows for one in group) >= 1 << 20:  # row groups as long as most writers make them
                columnar.write_table(pa.Table.from_batches(group))
                group = []
        if group:
            columnar.write_table(pa.Table.from_batches(group))
    for codec, ending in (("gzip", ".txt.gz"), ("zstd", ".txt.zst")):
        with text.open("rb") as plain, pa.output_stream(f"{stem}{ending}", compression=codec) as out:
            shutil.copyfileobj(plain, out, 1 << 20)
    stem.with_suffix(".done").touch()
    return stem


def child(container: str, path: Path, store: Path, cores: int) -> None:
    """Encode on so many cores; print the figures as JSON."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    import pyarrow as pa

    from alpt_ref.data.formats.readers import reader_of
    from alpt_ref.data.store.ingest import encode_reader

    pa.set_cpu_count(cores)
    begin, used = time.perf_counter(), time.process_time()
    named: dict[str, Any] = {"kind": "criteo"} if container == CONTAINERS[0] else {"schema": "criteo"}
    ends: dict[str, float] = {}
    dataset = encode_reader(
        reader_of(path, workers=cores, **named), store, min_count=10, name="criteo",
        progress=lambda step: ends.__setitem__(step.label.split()[0], time.perf_counter()),
    )  # fmt: skip
    end, used = time.perf_counter(), time.process_time() - used
    usage = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "rows_per_s": dataset.rows / (end - begin),
        "rows_per_s_reading": dataset.rows / (ends["reading"] - begin),
        "rows_per_cpu_s": dataset.rows / used,
        "peak_memory_bytes": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        "ids": [dataset.n, int(dataset.ids[:1000].sum()), int(dataset.ids[-1000:].sum())],
        "fingerprint": dataset.fingerprint,
    }
    print(json.dumps(figures))


def run(container: str, stem: Path, cores: int, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one process."""
    store = options.folder / "store"
    shutil.rmtree(store, ignore_errors=True)
    command = [sys.executable, "-m", options.module, "--child", container, "--child-cores", str(cores)]
    command += ["--folder", f"{stem}.{FILES[container]}", "--child-store", str(store)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    shutil.rmtree(store)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Medians over the rounds, and ratios paired within them."""
    stem = make_files(options.folder, options.rows)
    chosen = [name for name in CONTAINERS if name in options.only or options.only == ["all"]]
    rounds: list[dict[tuple[str, int], dict[str, Any]]] = []
    for _ in range(options.rounds):
        rounds.append({(name, cores): run(name, stem, cores, options) for cores in options.cores for name in chosen})
    first = rounds[0]
    prints = {found["fingerprint"] for one in rounds for (name, _), found in one.items() if name != CONTAINERS[0]}
    sums = {json.dumps(found["ids"]) for one in rounds for found in one.values()}
    if len(prints) > 1 or len(sums) > 1:
        raise RuntimeError(f"one set of rows gave {len(prints)} stores and {len(sums)} sets of ids")
    cases: dict[str, dict[str, Any]] = {}
    for name, cores in first:
        figures: dict[str, Any] = {
            key: statistics.median(one[name, cores][key] for one in rounds)
            for key in ("rows_per_s", "rows_per_s_reading", "rows_per_cpu_s", "peak_memory_bytes")
        }
        for key, other in (
            ("times_fewest_cores", (name, min(options.cores))),
            ("times_text_format", (CONTAINERS[0], cores)),
        ):
            if other in first:
                figures[key] = statistics.median(
                    one[name, cores]["rows_per_s"] / one[other]["rows_per_s"] for one in rounds
                )
        cases.setdefault(name, {})[str(cores)] = figures
        print(
            f"{name:20s} {cores:3d} cores {figures['rows_per_s']:12,.0f} rows/s (reading "
            f"{figures['rows_per_s_reading']:,.0f}), {figures['rows_per_cpu_s']:,.0f} a second of processor time, "
            f"{figures['peak_memory_bytes'] / 1e9:.2f} GB, {figures.get('times_fewest_cores', float('nan')):.2f} times "
            f"the fewest cores, {figures.get('times_text_format', float('nan')):.2f} times the text format"
        )
    load = os.getloadavg()
    sizes = {name: Path(f"{stem}.{FILES[name]}").stat().st_size for name in chosen}
    return {"rows": options.rows, "rounds": options.rounds, "load_average": load, "file_bytes": sizes, "cases": cases}


def main() -> None:
    options = arguments(
        __doc__,
        folder=Path,
        rows=1_000_000,
        cores=[1, 2],
        rounds=3,
        only=["all"],
        child="",
        child_store="",
        child_cores=1,
    )
    if options.child:
        child(options.child, options.folder, Path(options.child_store), options.child_cores)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    write(options, measure(options))


if __name__ == "__main__":
    main()

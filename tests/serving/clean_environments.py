"""Exports scored where this package is not: from raw rows to probabilities, in environments made for it.

    python -m tests.serving.clean_environments --output FOLDER
    python -m tests.serving.clean_environments --output FOLDER --use torch=/path/to/venv --use fbgemm=/path/to/venv
    python -m tests.serving.clean_environments --output FOLDER --index https://download.pytorch.org/whl/cpu

Each environment is a fresh virtual one with what its exports name and nothing else; `--use` takes one that is there,
`--index` is one more index of packages, such as that of PyTorch's builds without CUDA.
The table's values are compared bit for bit (FBGEMM's inference operator has float16 step sizes: there within one
rounding of the weight that brings them back), probabilities with those of `predict` within 1e-6.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import random
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alpt_ref.data import ClickDataset, encode_file
from alpt_ref.data.formats.readers import reader_of
from alpt_ref.data.schema import Schema
from alpt_ref.data.store.ingest import encode_reader
from alpt_ref.serving import export
from alpt_ref.serving.predict import predict
from alpt_ref.serving.source import load
from alpt_ref.training.config import DataConfig, ModelConfig, RunConfig, TableConfig, TrainConfig
from alpt_ref.training.train import train
from tests.data.files import random_criteo, write

ENVIRONMENTS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "onnxruntime": (("onnxruntime",), ("onnx",)),
    "torch": (("torch", "safetensors"), ("torch",)),
    "fbgemm": (("torch==2.13.0", "fbgemm-gpu-cpu==1.8.0", "safetensors", "numpy"), ("fbgemm", "tbe")),
}
"""Name -> (what is installed, exports scored there)."""
PROBABILITY = 1e-6
"""Most that a probability may be off."""
WEIGHTED = 2.0**-22
"""Most that a value of FBGEMM's inference operator may be off, relatively."""
SCRIPT = Path(__file__).with_name("score_export.py")
COLUMNS = ("label", *(f"I{k}" for k in range(1, 14)), *(f"C{k}" for k in range(1, 27)))


class Difference(NamedTuple):
    """How far an export is from the run: rows whose ids differ, values whose bits do, and the largest differences."""

    ids: int
    bits: int
    relative: float
    probability: float

    def fits(self, to: str) -> bool:
        """Whether that is what is promised."""
        table = self.relative <= WEIGHTED if to == "tbe" else self.bits == 0
        return self.ids == 0 and table and self.probability <= PROBABILITY


def make(folder: Path, *, kind: str = "dcn", rows: int = 300, mixed: bool = False) -> None:
    """A run, its scores, the rows as dicts (``run``, ``p.csv``, ``rows.jsonl``), of Criteo's shape or mixed fields."""
    if mixed:
        dicts, schema = mixed_rows(rows), MIXED
        with (folder / "clicks.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, dicts[0])
            writer.writeheader()
            writer.writerows(dicts)
        file, scored = folder / "clicks.csv", {}
        dataset = encode_reader(reader_of(file, schema=schema), folder / "store", min_count=2)
    else:
        lines = random_criteo(rows, seed=9)
        file, scored = write(folder / "clicks.txt", "\n".join(lines) + "\n"), {"kind": "criteo"}
        dataset = encode_file("criteo", file, folder / "store", min_count=2)
        dicts = [dict(zip(COLUMNS[1:], line.split("\t")[1:], strict=True)) for line in lines]
    config = RunConfig(
        data=DataConfig(source="store", path=str(folder / "store")),
        model=ModelConfig(kind=kind, dim=1 if kind == "logistic" else 5, hidden=(16, 8), cross_layers=2),
        table=TableConfig(init_std=0.1),
        train=TrainConfig(batch_size=50, epochs=1),
    )
    train(config, dataset, output=folder / "run")
    predict(folder / "run", folder / "p.csv", file=file, **scored)
    write(folder / "rows.jsonl", "\n".join(map(json.dumps, dicts)) + "\n")


MIXED = Schema.from_dict(
    {
        "label": "click",
        "categorical": {"site": {}, "code": {"type": "number"}},
        "numeric": {"price": {"binning": "quantile", "bins": 6}, "age": {}, "size": {"binning": "identity"}},
        "multi": {"tags": {"separator": ";"}, "seen": {"separator": " ", "pooling": "sum", "type": "number"}},
        "calendar": {"hour": {"column": "when", "part": "hour"}, "day": {"column": "when", "part": "weekday"}},
        "text": {"missing": ["NA"]},
    }
)
"""A field of every kind."""


def mixed_rows(count: int) -> list[dict[str, Any]]:
    """Rows of `MIXED` as a CSV file holds them: values in several spellings, quoted ones, missing ones."""
    rng = random.Random(4)

    def some(texts: Sequence[str], most: int, separator: str) -> str:
        return separator.join(rng.sample(list(texts), rng.randrange(most + 1)))

    return [
        {
            "click": int(rng.random() < 0.3),
            "site": rng.choice(["a", 'b,"quoted"', "é", "", " x", "NA", "7"]),
            "code": rng.choice(["1", "01", "2.0", "3", ""]),
            "price": rng.choice(["", "NA", f"{rng.random() * 100}", f"{rng.randrange(50)}"]),
            "age": rng.choice(["", f"{rng.randrange(90)}"]),
            "size": rng.choice(["0.5", ".50", "5e-1", "7", ""]),
            "tags": some("pqrstuv", 4, ";"),
            "seen": some(["1", "2", "03", "4.0"], 3, " "),
            "when": f"2014-10-{rng.randrange(10, 31)} {rng.randrange(24):02d}:30:00",
        }
        for _ in range(count)
    ]


def score(python: Path | str, folder: Path, to: str) -> Difference:
    """Export the run of `make` to `to`, let that Python score the rows, and compare."""
    export(folder / "run", to, folder / to)
    answer = folder / f"{to}.json"
    call = [str(python), "-I", str(SCRIPT), str(folder / to), str(folder / "rows.jsonl"), str(answer)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{to}: {done.stderr.strip().splitlines()[-1]}")
    return compare(json.loads(answer.read_text()), folder)


def compare(answer: Mapping[str, Any], folder: Path) -> Difference:
    """What an answer of ``score_export.py`` differs in from the run and from what `predict` wrote."""
    source = load(folder / "run")
    with (folder / "p.csv").open() as stream:
        predicted = np.array([float(row["probability"]) for row in csv.DictReader(stream)])
    stored = ClickDataset.open(folder / "store")
    ids = np.asarray(stored.ids, np.int64)
    wrong = (np.array(answer["ids"]) != ids).any(axis=1)
    if stored.values is not None:
        wrong |= (np.array(answer["values"], np.float32) != stored.values).any(axis=1)
    ours = source.table.lookup(np.arange(source.table.n)).astype(np.float32)
    theirs = np.array(answer["bits"], np.int32).view(np.float32).reshape(ours.shape) + np.float32(0)  # -0.0 is 0.0
    gap = np.abs(theirs.astype(np.float64) - ours)
    relative = np.divide(gap, np.abs(ours), out=np.zeros_like(gap), where=ours != 0)
    return Difference(
        int(wrong.sum()),
        int((theirs.view(np.int32) != (ours + np.float32(0)).view(np.int32)).sum()),
        float(relative.max()),
        float(np.abs(np.array(answer["probabilities"]) - predicted).max()),
    )


def environment(name: str, folder: Path, indexes: Sequence[str] = ()) -> Path:
    """A fresh virtual environment with what the exports of that name need; its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    more = [word for index in indexes for word in ("--extra-index-url", index)]
    subprocess.run([str(python), "-m", "pip", "install", "-q", *more, *ENVIRONMENTS[name][0]], check=True)
    return python


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 1 if an export is off by more than is promised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="an empty folder")
    parser.add_argument("--use", action="append", default=[], metavar="NAME=VENV", help="an environment that is there")
    parser.add_argument("--index", action="append", default=[], metavar="URL", help="one more index of packages")
    parser.add_argument("--only", action="append", choices=sorted(ENVIRONMENTS), help="not all of them")
    parser.add_argument("--kind", default="dcn", help="the backbone")
    options = parser.parse_args(arguments)
    there = dict(one.split("=", 1) for one in options.use)
    options.output.mkdir(parents=True, exist_ok=True)
    made = {"criteo": options.output / "criteo", "mixed": options.output / "mixed fields"}
    for name, folder in made.items():
        folder.mkdir()
        make(folder, kind=options.kind, mixed=name == "mixed")
    wrong = 0
    for name in options.only or ENVIRONMENTS:
        python = (
            Path(there[name]) / "bin" / "python"
            if name in there
            else environment(name, options.output / name, options.index)
        )
        for to, (rows, folder) in itertools.product(ENVIRONMENTS[name][1], made.items()):
            found = score(python, folder, to)
            wrong += not found.fits(to)
            print(
                f"{name}, --to {to}, {rows} rows: {found.ids} rows have other ids, {found.bits} values differ by up to "
                f"{found.relative:.1e}, probabilities by {found.probability:.1e}: "
                f"{'as promised' if found.fits(to) else 'NOT as promised'}"
            )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

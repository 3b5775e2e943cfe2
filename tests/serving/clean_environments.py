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
import json
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alpt_ref.data import encode_file
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


def make(folder: Path, *, kind: str = "dcn", rows: int = 300) -> None:
    """A run on Criteo rows, its scores, and the rows as dicts: ``run``, ``p.csv``, ``rows.jsonl``."""
    lines = random_criteo(rows, seed=9)
    file = write(folder / "clicks.txt", "\n".join(lines) + "\n")
    dataset = encode_file("criteo", file, folder / "store", min_count=2)
    config = RunConfig(
        data=DataConfig(source="store", path=str(folder / "store")),
        model=ModelConfig(kind=kind, dim=1 if kind == "logistic" else 5, hidden=(16, 8), cross_layers=2),
        table=TableConfig(init_std=0.1),
        train=TrainConfig(batch_size=50, epochs=1),
    )
    train(config, dataset, output=folder / "run")
    predict(folder / "run", folder / "p.csv", kind="criteo", file=file)
    dicts = [json.dumps(dict(zip(COLUMNS[1:], line.split("\t")[1:], strict=True))) for line in lines]
    write(folder / "rows.jsonl", "\n".join(dicts) + "\n")


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
    from alpt_ref.data import ClickDataset

    ids = np.asarray(ClickDataset.open(folder / "store").ids, np.int64)
    ours = source.table.lookup(np.arange(source.table.n)).astype(np.float32)
    theirs = np.array(answer["bits"], np.int32).view(np.float32).reshape(ours.shape) + np.float32(0)  # -0.0 is 0.0
    gap = np.abs(theirs.astype(np.float64) - ours)
    relative = np.divide(gap, np.abs(ours), out=np.zeros_like(gap), where=ours != 0)
    return Difference(
        int((np.array(answer["ids"]) != ids).any(axis=1).sum()),
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
    make(options.output, kind=options.kind)
    wrong = 0
    for name in options.only or ENVIRONMENTS:
        python = (
            Path(there[name]) / "bin" / "python"
            if name in there
            else environment(name, options.output / name, options.index)
        )
        for to in ENVIRONMENTS[name][1]:
            found = score(python, options.output, to)
            wrong += not found.fits(to)
            verdict = "as promised" if found.fits(to) else "NOT as promised"
            print(f"{name}, --to {to}: {found.bits} values differ, probabilities by {found.probability:.1e}: {verdict}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())

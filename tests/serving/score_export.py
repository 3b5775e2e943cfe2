"""Score the rows of a file with an export alone, in an environment that need not have this package.

    python score_export.py EXPORT ROWS.jsonl ANSWER.json

ROWS has one dict a line. ANSWER receives the ids that the export's `encode.py` gave, the probabilities of its model,
and the table's values for every id as whole numbers (their bits), by the means that the export's README names.
"""

from __future__ import annotations

import importlib.util
import json
import pathlib
import sys
from typing import Any


def module(folder: pathlib.Path, name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"exported_{name}", folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def with_onnx(folder: pathlib.Path, inputs: dict[str, Any], n: int) -> tuple[list[float], list[int]]:
    import numpy
    import onnxruntime  # type: ignore[import-untyped,unused-ignore]

    feeds = {name: numpy.array(rows, "i8" if name == "ids" else "f4") for name, rows in inputs.items()}
    model = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    table = onnxruntime.InferenceSession(str(folder / "table.onnx"))
    probabilities = model.run(["probabilities"], feeds)[0]
    return probabilities.tolist(), table.run(None, {"ids": numpy.arange(n)})[0].view("i4").ravel().tolist()


def with_torch(folder: pathlib.Path, inputs: dict[str, Any], n: int) -> tuple[list[float], list[int]]:
    import torch

    model = module(folder, "model").ClickModel()
    values = model.rows(torch.arange(n)[:, None])[:, 0]
    return model.score(**inputs).tolist(), values.contiguous().view(torch.int32).flatten().tolist()


def main(folder: pathlib.Path, rows: pathlib.Path, answer: pathlib.Path) -> None:
    marker = json.loads((folder / "export.json").read_text("utf-8"))
    encoder = module(folder, "encode").Encoder()
    read = [json.loads(line) for line in rows.read_text("utf-8").splitlines()]
    if marker["slots"] is None:
        inputs = {"ids": [encoder.ids(row) for row in read]}
    else:
        ids, values = zip(*map(encoder.encode, read), strict=True)
        inputs = {"ids": list(ids), "values": list(values)}
    score = with_onnx if marker["to"] == "onnx" else with_torch
    probabilities, bits = score(folder, inputs, marker["n"])
    answer.write_text(json.dumps({**inputs, "probabilities": probabilities, "bits": bits}))


if __name__ == "__main__":
    sys.modules["alpt_ref"] = None  # type: ignore[assignment]  # whatever imports it fails
    main(*map(pathlib.Path, sys.argv[1:]))

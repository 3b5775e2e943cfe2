"""A batch of one: `Scorer` on a row (a dict, or ids) beside ONNX Runtime on the exported model, medians of calls.

    python -m alpt_ref.analysis.benchmarks.scorer [--calls 1000] [--output FILE.json]

The model is DCN with 3 cross layers and 256-128-64 units on embeddings of 16 columns, on rows of Criteo's shape (13
numbers, 26 categories), 8-bit ALPT. "arithmetic" is the backbone on a row that has been looked up. "beyond" is the
median over rounds of what a call takes more than that; a call of ONNX Runtime holds lookup and backbone. BLAS and ONNX
Runtime have the threads that they take by themselves.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .timing import arguments, interleaved, medians, write

ROWS, NUMBERS, TEXTS = 4000, 13, 26
DICT, IDS, ONNX, ONNX_DICT, ARITHMETIC = "dict", "ids", "onnxruntime, ids", "onnxruntime, encode.py", "arithmetic"


def raw_rows(rows: int) -> list[dict[str, Any]]:
    """Random rows: whole numbers, and texts of which few are frequent."""
    rng = np.random.default_rng(1)
    numbers = rng.integers(0, 500, (rows, NUMBERS)).tolist()
    texts = (rng.zipf(1.4, (rows, TEXTS)) % 1000).tolist()
    return [
        {
            **{f"I{place}": value for place, value in enumerate(first, 1)},
            **{f"C{place}": f"{value:08x}" for place, value in enumerate(second, 1)},
        }
        for first, second in zip(numbers, texts, strict=True)
    ]


def cases(folder: Path) -> dict[str, Callable[[], Any]]:
    """Train, pack and export once; what to time."""
    import onnxruntime  # type: ignore[import-untyped,unused-ignore]
    import pyarrow as pa

    from alpt_ref import RunConfig, Scorer, train
    from alpt_ref.data.formats.readers import reader_of
    from alpt_ref.data.raw import read_raw
    from alpt_ref.data.schema import Schema
    from alpt_ref.serving import export, pack
    from alpt_ref.serving.arithmetic import FORWARDS
    from alpt_ref.serving.encode import Encoder
    from alpt_ref.serving.rows_of_table import lookup_of
    from alpt_ref.serving.source import load

    rows = raw_rows(ROWS)
    names = list(rows[0])
    schema = Schema.from_dict({"label": "y", "numeric": names[:NUMBERS], "categorical": names[NUMBERS:]})
    table = pa.Table.from_pylist([{**row, "y": place % 3 // 2} for place, row in enumerate(rows)])
    dataset = read_raw(reader_of(table, schema=schema)).encode(min_count=1, name="rows")
    config = RunConfig().replace("model", dim=16, hidden=(256, 128, 64)).replace("train", epochs=1, batch_size=500)
    train(config, dataset, output=folder / "run")
    pack(folder / "run", folder / "packed")
    export(folder / "run", "onnx", folder / "onnx")
    scorer = Scorer(folder / "packed")
    session = onnxruntime.InferenceSession(str(folder / "onnx" / "model.onnx"))
    encoder = Encoder(folder / "onnx" / "vocabulary.json")
    row, ids = rows[7], scorer.encode(rows[7])
    held = load(folder / "run")
    one, embedded, forward = ids[0], lookup_of(held.table)(ids), FORWARDS[str(held.kind)](held.dense)
    return {
        DICT: lambda: scorer.score(row),
        IDS: lambda: scorer.score(one),
        ONNX: lambda: session.run(["probabilities"], {"ids": ids}),
        ONNX_DICT: lambda: session.run(["probabilities"], {"ids": np.array([encoder.ids(row)])}),
        ARITHMETIC: lambda: forward(embedded),
    }


def main() -> None:
    options = arguments(__doc__, calls=1000)
    with tempfile.TemporaryDirectory() as folder:
        seconds = interleaved(cases(Path(folder)), options.calls, warmup=50)
    found = {name: 1e3 * value for name, value in medians(seconds).items()}
    beyond = {
        name: 1e3 * statistics.median(a - b for a, b in zip(seconds[name], seconds[ARITHMETIC], strict=True))
        for name in seconds
    }
    for name, value in found.items():
        more = "" if name == ARITHMETIC else f", {beyond[name]:.3f} ms beyond the arithmetic"
        print(f"{name}: {value:.3f} ms{more}")
    write(options, {"milliseconds": found, "beyond_arithmetic": beyond})


if __name__ == "__main__":
    main()

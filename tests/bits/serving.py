"""What leaves the package: exports of a run and of a quantised file, scores, scikit-learn's probabilities."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from tests.bits.case import Case
from tests.bits.data import criteo_text
from tests.bits.meanings import EXPORT, by_meaning
from tests.bits.numbers import weights
from tests.bits.places import call, find
from tests.bits.trainings import config, dataset


def cases() -> Iterator[Case]:
    """Each format at the widths that it holds."""
    for bits in (2, 4, 8, 16, 32):
        yield Case(f"safetensors, {bits} bits", partial(_exported, "safetensors", bits))
        if bits < 16:
            yield Case(f"fbgemm, {bits} bits", partial(_exported, "fbgemm", bits))
    yield Case("safetensors, a step size per field", partial(_exported, "safetensors", 4, granularity="field"))
    yield Case("fbgemm, 4 bits, wide", partial(_exported, "fbgemm", 4, wide=True))
    yield Case("torch, 8 bits", partial(_exported, "torch", 8))
    for step in ("lsq", "rowmax", 0.03):
        yield Case(f"quantised file, step size {step}", partial(_quantised, step))
    yield Case("scores of a click file", _scores)
    yield Case("CTRClassifier", partial(_classifier, "decision_function"), needs="sklearn")
    yield Case("CTRClassifier, probabilities", partial(_classifier, "predict_proba"), depends="numpy", needs="sklearn")


def _tensors(folder: Path) -> dict[str, Any]:
    return by_meaning(load_file(folder / "table.safetensors"), EXPORT)


def _exported(to: str, bits: int, *, wide: bool = False, granularity: str = "row") -> dict[str, Any]:
    method = {"method": "fp32"} if bits == 32 else {"method": "alpt", "bits": bits, "granularity": granularity}
    settings = config(table=method, train={"epochs": 1})
    with tempfile.TemporaryDirectory() as scratch:
        find("train")(settings, dataset(), output=Path(scratch) / "run")
        facts = find("export")(Path(scratch) / "run", to, Path(scratch) / "out", wide=wide)
        return _tensors(Path(scratch) / "out") | {"largest difference": facts["max_abs"]}


def _quantised(step: Any) -> dict[str, Any]:
    w = np.clip(weights(), -3, 3)
    with tempfile.TemporaryDirectory() as scratch:
        np.save(Path(scratch) / "w.npy", w)
        output = Path(scratch) / "out"
        call(find("quantize_file"), Path(scratch) / "w.npy", output, bits=4, rounding="sr", step_size=step, seed=4)
        return _tensors(output)


@functools.cache
def _clicks() -> tuple[list[list[Any]], list[int]]:
    rows = [line.split("\t") for line in criteo_text().splitlines()]
    return [row[14:18] for row in rows], [int(row[0]) for row in rows]


def _scores() -> dict[str, Any]:
    from alpt_ref.data import encode_file

    with tempfile.TemporaryDirectory() as scratch:
        text = Path(scratch) / "clicks.txt"
        text.write_text(criteo_text())
        clicks = encode_file("criteo", text, Path(scratch) / "store", min_count=2)
        find("train")(config(table={"bits": 4}, train={"epochs": 1}), clicks, output=Path(scratch) / "run")
        find("predict")(Path(scratch) / "run", Path(scratch) / "scores.csv", kind="criteo", file=text)
        return {"scores, as text": (Path(scratch) / "scores.csv").read_bytes()}


def _classifier(of: str) -> dict[str, Any]:
    from alpt_ref import CTRClassifier

    X, y = _clicks()
    found = {}
    for method in ("alpt", "fp32"):
        fitted = CTRClassifier(method, bits=4, model="fm", dim=3, epochs=2, lr=0.02, random_state=6).fit(X, y)
        found[method] = getattr(fitted, of)(X)
    return found

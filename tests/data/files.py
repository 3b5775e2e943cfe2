"""Small click files for the tests, written out in full so that the expected rows are obvious."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from alpt_ref.data.formats.avazu import HEADER


def criteo_line(label: object = 0, integers: dict[int, object] | None = None, **categories: str) -> str:
    """A row with empty columns but those given: integers by number 1..13, categories by name C1..C26."""
    columns = [""] * 40
    columns[0] = str(label)
    for number, value in (integers or {}).items():
        columns[number] = str(value)
    for name, text in categories.items():
        columns[13 + int(name[1:])] = text
    return "\t".join(columns)


def random_criteo(rows: int, seed: int = 0) -> list[str]:
    """Rows with skewed integers and categories, some of them missing."""
    random = np.random.default_rng(seed)
    lines = []
    for _ in range(rows):
        integers: dict[int, object] = {k: int(random.integers(-2, 200)) for k in range(1, 14) if random.random() < 0.7}
        categories = {f"C{k}": f"{int(random.zipf(1.5)) % 1000:08x}" for k in range(1, 27) if random.random() < 0.8}
        lines.append(criteo_line(int(random.random() < 0.3), integers, **categories))
    return lines


def avazu_line(**columns: object) -> str:
    """A row in the header's order; columns not given are "x"."""
    row: dict[str, object] = {"id": 1, "click": 0, "hour": "14102100", **columns}
    return ",".join(str(row.get(name, "x")) for name in HEADER)


def write(path: Path, text: str | bytes) -> Path:
    """Write text as it stands, gzip-compressed if the name ends in .gz."""
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def folder_bytes(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its contents."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}

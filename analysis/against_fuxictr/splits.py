"""Ten splits 8:1:1 of a libfm file: what this package reads itself, and the same rows as CSV for FuxiCTR."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.data.raw import RawClicks

SPLITS = 10
SHARES = (8, 1, 1)
PARTS = ("train", "valid", "test")


def read(path: Path) -> RawClicks:
    """The rows of the file."""
    from alpt_ref.data.formats.libfm import read_libfm

    return read_libfm(path)


def dataset(clicks: RawClicks, seed: int) -> ClickDataset:
    """Split `seed`, with the categories of its training part, each from one row on, as FuxiCTR takes them."""
    return clicks.encode(split=SHARES, seed=seed, min_count=1)


def write(clicks: RawClicks, seed: int, folder: Path) -> dict[str, str]:
    """train.csv, valid.csv and test.csv of split `seed`; SHA-256 of each."""
    split = dataset(clicks, seed).split
    names = [f"f{field}" for field in range(clicks.codes.shape[1])]
    lines = [
        f"{label},{','.join(clicks.categories[field][code] for field, code in enumerate(codes))}\n"
        for label, codes in zip(clicks.labels.tolist(), clicks.codes.tolist(), strict=True)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    hashes = {}
    for number, part in enumerate(PARTS):
        text = f"label,{','.join(names)}\n" + "".join(lines[row] for row in (split == number).nonzero()[0].tolist())
        (folder / f"{part}.csv").write_text(text)
        hashes[part] = hashlib.sha256(text.encode()).hexdigest()
    return hashes

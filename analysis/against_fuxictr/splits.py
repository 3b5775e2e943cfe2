"""Ten splits 8:1:1 of a libfm file: what this package reads itself, and the same rows as CSV for FuxiCTR."""

from __future__ import annotations

import argparse
import hashlib
import sys
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


def parts(clicks: RawClicks, seed: int) -> dict[str, str]:
    """The three parts of split `seed` as CSV text, rows in the order of the file."""
    split = dataset(clicks, seed).split
    names = ",".join(f"f{field}" for field in range(clicks.codes.shape[1]))
    lines = [
        f"{label},{','.join(clicks.categories[field][code] for field, code in enumerate(codes))}\n"
        for label, codes in zip(clicks.labels.tolist(), clicks.codes.tolist(), strict=True)
    ]
    return {
        part: f"label,{names}\n" + "".join(lines[row] for row in (split == number).nonzero()[0].tolist())
        for number, part in enumerate(PARTS)
    }


def hashes(clicks: RawClicks, seed: int) -> dict[str, str]:
    """SHA-256 of the three files of split `seed`."""
    return {part: hashlib.sha256(text.encode()).hexdigest() for part, text in parts(clicks, seed).items()}


def main() -> int:
    """Write SPLITS/split0 to split9."""
    parser = argparse.ArgumentParser(description="Ten splits 8:1:1 of a libfm file, as CSV for FuxiCTR.")
    parser.add_argument("file", type=Path)
    parser.add_argument("splits", type=Path)
    given = parser.parse_args()
    clicks = read(given.file)
    for seed in range(SPLITS):
        folder = given.splits / f"split{seed}"
        folder.mkdir(parents=True, exist_ok=True)
        for part, text in parts(clicks, seed).items():
            (folder / f"{part}.csv").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())

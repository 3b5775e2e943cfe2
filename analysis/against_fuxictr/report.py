"""From the runs' files to one JSON, and from the JSON to the tables of docs/accuracy.md.

    python -m analysis.against_fuxictr.report --runs FOLDER FOLDER --file FILE   # collect the runs, then write
    python -m analysis.against_fuxictr.report                                    # write from the committed JSON

A difference is that of the means over a split's seeds, paired by split. The interval in the tables is Student's over
the splits, for other random splits of this file; the second one, wider by `new_rows_factor`, is for other rows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from alpt_ref._util.files import write_json, write_text
from alpt_ref._util.statistics import Interval, new_rows_factor, t_interval

from . import splits

ROOT = Path(__file__).resolve().parents[2]
STORED = ROOT / "analysis" / "results" / "accuracy" / "runs.json"
PAGE = ROOT / "docs" / "accuracy.md"
THEIRS = "FuxiCTR"
FIGURES = ("valid_auc", "test_auc", "test_logloss", "epochs", "cpu_seconds_an_epoch")
KEPT = ("split", "seed", *FIGURES, "valid_logloss", "seconds_an_epoch", "fingerprint", "config_hash")
CAUSES = (
    ("dense Adam", "lazy", "dense"),
    ("plateau schedule", "lazy", "plateau"),
    ("plateau schedule, with dense Adam", "dense", "dense, plateau"),
    ("dense Adam, with the plateau schedule", "plateau", "dense, plateau"),
    ("initial std .01 for .003", "lazy", "initial std .01"),
    ("initial std .01, with both", "dense, plateau", "dense, plateau, initial std .01"),
    ("initial std 1e-4 for .003", "lazy", "initial std 1e-4"),
    ("normal for uniform dense weights", "lazy", "normal dense weights"),
    ("another seed (nothing changed)", "lazy", "another seed"),
    ("FuxiCTR without its limit on the gradient's norm", THEIRS, "FuxiCTR, no limit of the norm"),
    ("8-bit ALPT(SR): dense Adam and plateau", "ALPT 8 bits, lazy", "ALPT 8 bits, dense, plateau"),
)
"""What is changed, from which variant to which."""
RECIPE = ("recipe", "recipe, ALPT 8 bits")
AGAINST = (*RECIPE, "lazy", "dense, plateau", "as FuxiCTR", "ALPT 8 bits, lazy", "ALPT 8 bits, dense, plateau")
BITS = (("lazy", "ALPT 8 bits, lazy"), ("dense, plateau", "ALPT 8 bits, dense, plateau"), RECIPE)

SEEN = 3
"""Widths and batches of the recipe were first tried on splits 0 to 2, with a look at their test parts."""

Runs = dict[str, list[dict[str, Any]]]


def collect(folders: Sequence[Path], file: Path) -> dict[str, Any]:
    """Every run of the folders, with what they were made from."""
    runs: Runs = {}
    settings: dict[str, Any] = {}
    for path in sorted(path for folder in folders for path in folder.glob("*.json")):
        run = json.loads(path.read_text())
        name = run["variant"]
        runs.setdefault(name, []).append({key: run[key] for key in KEPT if key in run})
        settings[name] = (
            {"settings": run["settings"], "versions": run["versions"]} if "settings" in run else run["changes"]
        )
    for name in runs:
        runs[name].sort(key=lambda run: (run["split"], run["seed"]))
    clicks = splits.read(file)
    return {
        "file_sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "rows": clicks.rows,
        "splits": [splits.hashes(clicks, seed) for seed in range(splits.SPLITS)],
        "commands": [
            "python -m analysis.against_fuxictr.splits FILE SPLITS",
            "python analysis/against_fuxictr/theirs.py SPLITS RUNS --work FOLDER --seeds 3",
            "python -m analysis.against_fuxictr.ours FILE RUNS",
            'python -m analysis.against_fuxictr.ours FILE RUNS "recipe" "recipe, ALPT 8 bits" --seeds 2',
            "python -m analysis.against_fuxictr.report --runs RUNS --file FILE",
        ],
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("numpy", "numba")}},
        "settings": settings,
        "runs": runs,
    }


def by_split(runs: list[dict[str, Any]], figure: str) -> dict[int, float]:
    """Mean of a figure over the seeds of each split."""
    found: dict[int, list[float]] = {}
    for run in runs:
        found.setdefault(run["split"], []).append(run[figure])
    return {split: sum(values) / len(values) for split, values in found.items()}


def difference(runs: Runs, before: str, after: str, figure: str) -> tuple[Interval, Interval, int]:
    """Paired difference, `after` less `before`: over splits, for new rows, and how many splits have both."""
    a, b = by_split(runs[before], figure), by_split(runs[after], figure)
    both = sorted(a.keys() & b.keys())
    values = [b[split] - a[split] for split in both]
    widen = new_rows_factor(len(both), splits.SHARES[2] / splits.SHARES[0])
    return t_interval(values), t_interval(values, widen=widen), len(both)


def text(interval: Interval, digits: int = 4) -> str:
    """``+0.0044 ± 0.0015``."""
    width = "n/a" if interval.half_width is None else f"{interval.half_width:.{digits}f}"
    return f"{interval.mean:+.{digits}f} ± {width}"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join([" | ".join(("", *row, "")).strip() for row in (heads, ["---"] * len(heads), *rows)]) + "\n"


def methods(stored: dict[str, Any]) -> str:
    """Mean figures of each variant."""
    runs: Runs = stored["runs"]
    rows = []
    for name in (THEIRS, *AGAINST):
        own = runs[name]
        mean = {figure: sum(v := list(by_split(own, figure).values())) / len(v) for figure in FIGURES}
        count = len({run["split"] for run in own})
        rows.append(
            [name, f"{count} × {len(own) / count:g}", *(f"{mean[figure]:.4f}" for figure in FIGURES[:3]),
             f"{mean['epochs']:.1f}", f"{mean['cpu_seconds_an_epoch']:.2f}"]
        )  # fmt: skip
    heads = ("", "splits × seeds", "valid AUC", "test AUC", "test logloss", "epochs", "CPU s an epoch")
    return table(heads, rows)


def against(stored: dict[str, Any]) -> str:
    """Ours less FuxiCTR's, and whether the interval lies above -.001."""
    rows = []
    later = {name: [run for run in runs if run["split"] >= SEEN] for name, runs in stored["runs"].items()}
    for name, runs in [(one, stored["runs"]) for one in AGAINST] + [(one, later) for one in RECIPE]:
        auc, new_rows, count = difference(runs, THEIRS, name, "test_auc")
        loss, _, _ = difference(runs, THEIRS, name, "test_logloss")
        low = auc.mean - (auc.half_width or float("inf"))
        which = f"splits {SEEN} to {splits.SPLITS - 1} alone" if runs is later else f"{count} splits"
        rows.append([f"{name} ({which})", text(auc), text(loss, 3), text(new_rows), "yes" if low > -0.001 else "no"])
    heads = ("less FuxiCTR", "test AUC", "test logloss", "test AUC, for new rows", "interval above −.001")
    return table(heads, rows)


def causes(stored: dict[str, Any]) -> str:
    """One change at a time."""
    rows = []
    for what, before, after in CAUSES:
        if before not in stored["runs"] or after not in stored["runs"]:
            continue
        valid, _, count = difference(stored["runs"], before, after, "valid_auc")
        test, _, _ = difference(stored["runs"], before, after, "test_auc")
        loss, _, _ = difference(stored["runs"], before, after, "test_logloss")
        rows.append([what, f"{count}", text(valid), text(test), text(loss, 3)])
    return table(("change", "splits", "valid AUC", "test AUC", "test logloss"), rows)


def bits(stored: dict[str, Any]) -> str:
    """8-bit ALPT(SR) less FP32, under lazy Adam and under the recipe."""
    rows = []
    for full, low in BITS:
        auc, new_rows, count = difference(stored["runs"], full, low, "test_auc")
        loss, _, _ = difference(stored["runs"], full, low, "test_logloss")
        rows.append([full, f"{count}", text(auc), text(new_rows), text(loss, 3)])
    return table(("8-bit ALPT(SR) less FP32", "splits", "test AUC", "for new rows", "test logloss"), rows)


PARTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "methods": methods,
    "against": against,
    "causes": causes,
    "bits": bits,
}


def _filled(made: str, match: re.Match[str]) -> str:
    return f"{match[1]}\n{made}\n{match[2]}"


def with_parts(page: str, stored: dict[str, Any]) -> str:
    """The page with its tables made anew."""
    for name, make in PARTS.items():
        mark = re.compile(rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)", re.DOTALL)
        made = make(stored)
        page, found = mark.subn(partial(_filled, made), page)
        if found != 1:
            raise SystemExit(f"the page must hold <!-- {name}:begin --> and <!-- {name}:end --> once")
    return page


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description="Collect the runs, and write the tables of docs/accuracy.md.")
    parser.add_argument("--runs", type=Path, nargs="+", help="folders of the runs' files")
    parser.add_argument("--file", type=Path, help="the libfm file")
    given = parser.parse_args()
    if given.runs:
        STORED.parent.mkdir(parents=True, exist_ok=True)
        write_json(STORED, collect(given.runs, given.file))
    write_text(PAGE, with_parts(PAGE.read_text(encoding="utf-8"), json.loads(STORED.read_text())))
    return 0


if __name__ == "__main__":
    sys.exit(main())

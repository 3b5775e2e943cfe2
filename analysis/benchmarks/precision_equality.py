"""Does training in bfloat16 reach the AUC of TF32? Two one-sided t-tests, paired, margin .0005, on the device.

    python -m analysis.benchmarks.precision_equality [--libfm FILE] [--seeds 20] [--runs 4] [--first 0]
        [--rows 300000] [--output FILE.json]

DCN (3 cross layers, 256-128-64 with batch norm, d = 16) with 8-bit LPT(SR) and lazy Adam, the paper's schedule (15
epochs, rates divided by ten after 6 and 9), best epoch by validation AUC; both precisions in one process with the same
seeds, hence the same splits, initial weights, order of rows and random words. The margin, the numbers of seeds and runs
and the settings were fixed before the first run. On Frappe's rows four runs a seed turned out too few to resolve the
margin, so a second study has 20 others (`--runs 20 --first 4`); both are reported.

* libfm: the rows of FILE, for instance Frappe's, split 8:1:1 anew by each seed; a seed's difference is the mean over
  `runs` training seeds. The splits share rows, so the interval that decides is the wider one for new rows of the same
  source (`alpt_ref._util.statistics`); the one for these rows alone is printed beside it.
* synthetic: the package's click model, `rows` rows (0: left out) drawn anew by each seed, which share nothing: one
  interval.

The precisions are equal within the margin where the 90 % interval of the mean difference lies inside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alpt_ref._util.statistics import LEVEL, new_rows_factor, t_interval
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.data.formats.libfm import read_libfm
from alpt_ref.data.synthetic.clicks import synthetic_clicks
from alpt_ref.kernels.backend import get_backend
from alpt_ref.training.config import ModelConfig, RunConfig, TableConfig, TrainConfig, config_hash
from alpt_ref.training.train import train

from .timing import arguments, write

MARGIN = 0.0005
PRECISIONS = ("tf32", "bf16")
SHARES = (8, 1, 1)


def config(precision: str, seed: int) -> RunConfig:
    """One run."""
    model = ModelConfig(hidden=(256, 128, 64), precision=precision)
    on = TrainConfig(batch_size=1000, seed=seed, device="cuda")
    return RunConfig(model=model, table=TableConfig(method="lpt", bits=8), train=on)


def aucs(data: ClickDataset, seeds: Sequence[int]) -> dict[str, list[float]]:
    """Test AUC of both precisions with the training seeds; they take turns."""
    found: dict[str, list[float]] = {name: [] for name in PRECISIONS}
    for seed in seeds:
        for name in PRECISIONS:
            found[name].append(train(config(name, seed), data).test_auc)
    return found


def judged(differences: Sequence[float], widen: float) -> dict[str, Any]:
    """Mean, 95 % half width, the smallest margin within which two one-sided tests at 5 % find equality, and whether."""
    interval = t_interval(differences, widen=widen)
    if interval.half_width is None:  # without scatter no t-test says anything
        return {"mean": interval.mean, "half_width_95": None, "smallest_margin": None, "equal": None}
    half = t_interval(differences, 1 - 2 * LEVEL, widen).half_width or 0.0
    within = abs(interval.mean) + half
    return {
        "mean": interval.mean,
        "half_width_95": interval.half_width,
        "smallest_margin": within,
        "equal": within < MARGIN,
    }


def study(
    name: str, seeds: int, runs: range, make: Callable[[int], ClickDataset], *, share_rows: bool
) -> dict[str, Any]:
    """All pairs on one source of data, printed and as a dict."""
    begin, values, differences = time.perf_counter(), [], []
    for seed in range(seeds):
        data = make(seed)
        found = aucs(data, [seed + 100 * run for run in runs])
        values.append(found)
        differences.append(float(np.mean(found["bf16"]) - np.mean(found["tf32"])))
        print(f"{name}, seed {seed}: {differences[-1]:+.6f}, {time.perf_counter() - begin:.0f} s", flush=True)
    widen = new_rows_factor(seeds, SHARES[2] / SHARES[0]) if share_rows else 1.0
    result: dict[str, Any] = {
        "seeds": seeds,
        "runs": len(runs),
        "first_run": runs[0],
        "pairs": values,
        "judged": judged(differences, widen),
    }
    if share_rows:
        result["these_rows_alone"] = judged(differences, 1.0)
    result["mean_auc"] = {each: float(np.mean([found[each] for found in values])) for each in PRECISIONS}
    print(f"{name}: {seeds} seeds, {len(runs)} runs each and precision, {time.perf_counter() - begin:.0f} s")
    for each, auc in result["mean_auc"].items():
        print(f"    test AUC {each}: {auc:.5f}")
    for key, words in (("judged", "new rows" if share_rows else "new draws"), ("these_rows_alone", "these rows alone")):
        if key in result:
            print(f"    bf16 less tf32, {words}: {_sentence(result[key])}")
    return result


def _sentence(found: dict[str, Any]) -> str:
    if found["equal"] is None:
        return f"{found['mean']:+.6f}, no scatter: nothing can be tested"
    verdict = "equal" if found["equal"] else "not shown to be equal"
    return (
        f"{found['mean']:+.6f} ± {found['half_width_95']:.6f} (95 %); {verdict} within {MARGIN:g} "
        f"(TOST at {LEVEL:.0%}, smallest margin {found['smallest_margin']:.6f})"
    )


def main() -> None:
    """See the module."""
    options = arguments(__doc__, libfm="", seeds=20, runs=4, first=0, rows=300_000)
    studies: dict[str, Any] = {}
    runs = range(options.first, options.first + options.runs)
    if options.libfm:
        clicks = read_libfm(Path(options.libfm))
        options.command = options.command.replace(options.libfm, Path(options.libfm).name)
        studies["libfm"] = {"rows": clicks.rows} | study(
            f"{Path(options.libfm).name}, {clicks.rows:,} rows", options.seeds, runs,
            lambda seed: clicks.encode(split=SHARES, seed=seed, min_count=1), share_rows=True,
        )  # fmt: skip
    if options.rows:
        studies["synthetic"] = {"rows": options.rows} | study(
            f"synthetic, {options.rows:,} rows", options.seeds, runs,
            lambda seed: synthetic_clicks(rows=options.rows, fields=10, features=2000, rank=2, seed=seed),
            share_rows=False,
        )  # fmt: skip
    hashes = {name: config_hash(config(name, 0)) for name in PRECISIONS}
    device = get_backend("cuda").description()
    write(options, {**device, "margin": MARGIN, "level": LEVEL, "config_hash_seed_0": hashes, "studies": studies})


if __name__ == "__main__":
    main()

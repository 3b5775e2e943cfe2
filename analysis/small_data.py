"""The defaults on few rows beside logistic regression: ``python -m analysis.small_data --data FOLDER [--seeds 5]``.

FOLDER holds criteo/train-10k.tsv.gz and frappe/frappe-58k.libfm.gz (docs/real-data.md); MovieLens comes with the
extra `datasets`. Every seed draws other rows of a set and splits them 8:1:1; all see the same categories, those of the
reader with its least count. Logistic regression is scikit-learn's with its defaults on one-hot categories; it and
`CTRClassifier` are fitted on the training and validation rows, `train` on the training rows with the others as
validation, and all are tested on the same rows. Writes ``results/small-data.json`` and ``.md``. With `--select` it
compares widths and batch normalisation by validation AUC, on other seeds, and writes
``results/small-data-selection.json``: what `alpt_ref.training.recipe` takes from it.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from alpt_ref import CTRClassifier, RunConfig, auc, logloss, train
from alpt_ref._util.files import write_text
from alpt_ref._util.statistics import new_rows_factor, t_interval
from alpt_ref.data import ClickDataset, read_criteo, read_libfm, read_movielens
from alpt_ref.training.recipe import fitted

RESULTS = Path(__file__).parent / "results"
ROWS = (5_000, 10_000)
EVERY = 10**9
SELECTION = (100, 101)
"""Seeds of the splits by whose validation rows widths and batch normalisation were compared."""
TEST_TO_TRAIN = 1 / 9
"""Test rows per row fitted."""

Figures = dict[str, float]


@functools.cache
def source(name: str, folder: Path) -> Any:
    """The raw rows of a set."""
    if name == "Criteo":
        return read_criteo(folder / "criteo" / "train-10k.tsv.gz")
    if name == "Frappe":
        return read_libfm(folder / "frappe" / "frappe-58k.libfm.gz")
    return read_movielens()


def rows_of(name: str, folder: Path, rows: int, seed: int) -> ClickDataset:
    """Some rows of a set, encoded and split anew."""
    encoded: ClickDataset = source(name, folder).encode(seed=seed)
    kept = np.sort(np.random.default_rng(seed).permutation(encoded.rows)[:rows])
    return dataclasses.replace(
        encoded, ids=encoded.ids[kept], labels=encoded.labels[kept], split=encoded.split[kept], files=None
    )


def tested(dataset: ClickDataset, probabilities: NDArray[Any]) -> Figures:
    """AUC and logloss on the test rows."""
    labels = dataset.labels[dataset.rows_of("test")]
    return {"auc": auc(labels, probabilities), "logloss": logloss(labels, probabilities)}


def regression(dataset: ClickDataset, seed: int) -> Figures:
    """scikit-learn's LogisticRegression with its defaults."""
    from sklearn.linear_model import LogisticRegression

    def one_hot(rows: NDArray[np.int64]) -> Any:
        ids = dataset.ids[rows].astype(np.int64)
        places = np.arange(0, ids.size + 1, dataset.fields)
        return scipy.sparse.csr_matrix((np.ones(ids.size), ids.ravel(), places), shape=(len(rows), dataset.n))

    fit = np.flatnonzero(dataset.split < 2)
    model = LogisticRegression(max_iter=1000).fit(one_hot(fit), dataset.labels[fit])
    return tested(dataset, model.predict_proba(one_hot(dataset.rows_of("test")))[:, 1])


def classifier(dataset: ClickDataset, seed: int, **settings: Any) -> Figures:
    """`CTRClassifier` on the encoded categories."""
    fit, test = np.flatnonzero(dataset.split < 2), dataset.rows_of("test")
    model = CTRClassifier(random_state=seed, **settings).fit(dataset.ids[fit].astype(np.int64), dataset.labels[fit])
    probabilities = model.predict_proba(dataset.ids[test].astype(np.int64))[:, 1]
    return tested(dataset, probabilities) | {"epochs": len(model.loss_curve_)}


def trained(dataset: ClickDataset, seed: int, *, recipe: bool) -> Figures:
    """`train` with the settings that fit the rows, or the paper's."""
    config = RunConfig().replace("train", seed=seed)
    if recipe:
        config = fitted(config, len(dataset.rows_of("train")), alone=True)
    result = train(config, dataset)
    return {"auc": result.test_auc, "logloss": result.test_logloss, "epochs": result.tested_epoch}


def candidates(name: str, dataset: ClickDataset, seed: int) -> list[dict[str, Any]]:
    """Validation metrics of the recipe with other widths, and with or without batch normalisation."""
    found = []
    fit = fitted(RunConfig().replace("train", seed=seed), len(dataset.rows_of("train")), alone=True)
    for hidden in ((64, 32), (256, 128, 64)):
        for batch_norm in (True, False):
            result = train(fit.replace("model", hidden=hidden, batch_norm=batch_norm), dataset)
            about = {"set": name, "rows": dataset.rows, "seed": seed, "hidden": hidden, "batch_norm": batch_norm}
            found.append({**about, "valid_auc": result.valid_auc, "valid_logloss": result.valid_logloss})
    return found


LEARNERS: Mapping[str, Callable[..., Figures]] = {
    "LogisticRegression()": regression,
    "CTRClassifier()": classifier,
    "CTRClassifier, 5 passes, batch norm": functools.partial(classifier, epochs=5, batch_norm=True),
    "train, fitted to the rows": functools.partial(trained, recipe=True),
    "train, the paper's settings": functools.partial(trained, recipe=False),
}
"""The third and the last are the defaults of release 0.2."""


def page(runs: list[dict[str, Any]]) -> str:
    """Means over the seeds, and paired differences to logistic regression."""
    lines = [
        "# Defaults on few rows",
        "",
        "`python -m analysis.small_data --data FOLDER`: means over seeds, each with rows and a split of its own;",
        "differences of test AUC are to logistic regression on the same rows, with 95 % intervals (t, widened because",
        "the splits share rows).",
        "",
        "| set | rows | learner | seeds | AUC | AUC − regression | logloss | passes | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, rows in dict.fromkeys((one["set"], one["rows"]) for one in runs):
        here = [one for one in runs if (one["set"], one["rows"]) == (name, rows)]
        for learner in LEARNERS:
            found = [one["figures"][learner] for one in here if learner in one["figures"]]
            if not found:
                continue
            paired = [
                one["figures"][learner]["auc"] - one["figures"]["LogisticRegression()"]["auc"]
                for one in here
                if learner in one["figures"]
            ]
            interval = t_interval(paired, widen=new_rows_factor(len(paired), TEST_TO_TRAIN))
            difference = f"{interval.mean:+.4f} ± {interval.half_width or 0:.4f}" if any(paired) else ""
            mean = {key: sum(one[key] for one in found) / len(found) for key in found[0]}
            passes = f"{mean['epochs']:.1f}" if "epochs" in mean else ""
            lines.append(
                f"| {name} | {rows:,} | {learner} | {len(found)} | {mean['auc']:.4f} | {difference} | "
                f"{mean['logloss']:.4f} | {passes} | {mean['seconds']:.1f} |"
            )
    return "\n".join(lines) + "\n"


@click.command(help=__doc__)
@click.option("--data", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--seeds", default=5, show_default=True, help="Draws of rows and split.")
@click.option("--paper-seeds", default=2, show_default=True, help="Of these, how many train with the paper's settings.")
@click.option("--table", is_flag=True, help="Write the page from the figures that are there.")
@click.option("--select", is_flag=True, help="Compare candidates by validation AUC instead.")
def main(folder: Path | None, seeds: int, paper_seeds: int, table: bool, select: bool) -> None:
    """Measure, and write the page."""
    if select:
        sets = [(name, rows) for name in ("Criteo", "MovieLens", "Frappe") for rows in (ROWS[-1], EVERY)][1:]
        chosen = [
            one
            for name, rows in sets
            for seed in SELECTION
            for one in candidates(name, rows_of(name, folder or Path(), rows, seed), seed)
        ]
        write_text(RESULTS / "small-data-selection.json", json.dumps(chosen, indent=1) + "\n")
        return
    file = RESULTS / "small-data.json"
    runs = json.loads(file.read_text()) if table else []
    for seed in range(0 if table else seeds):
        for name in ("Criteo", "MovieLens", "Frappe"):
            for rows in ROWS:
                dataset = rows_of(name, folder or Path(), rows, seed)
                figures = {}
                for learner, run in LEARNERS.items():
                    if "paper" in learner and (seed >= paper_seeds or rows != ROWS[-1]):
                        continue
                    started = time.perf_counter()
                    figures[learner] = run(dataset, seed) | {"seconds": 0.0}
                    figures[learner]["seconds"] = round(time.perf_counter() - started, 2)
                runs.append({"set": name, "rows": dataset.rows, "seed": seed, "figures": figures})
                click.echo(f"{runs[-1]}", err=True)
        write_text(file, json.dumps(runs, indent=1) + "\n")
    text = page(runs)
    write_text(RESULTS / "small-data.md", text)
    click.echo(text)


if __name__ == "__main__":
    main()

"""Trained states: every method, width, rounding, optimiser, granularity and schedule on an fm; every backbone.

Logistic regression and the factorisation machine use no BLAS, so that the tables' maths is digested on any machine; the
other backbones (``depends="blas"``) are the dense part's. All runs are a few steps on a set of 2,000 rows.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tests.bits.case import Case
from tests.bits.meanings import DENSE, DENSE_OPTIMIZER, STORE, TABLE, by_meaning, meaning_of
from tests.bits.places import find

OPTIMIZERS = ("sgd", "adagrad", "adam")
WIDTHS = (2, 4, 8, 16)

Changes = dict[str, dict[str, Any]]


@functools.cache
def dataset() -> Any:
    """The rows that all runs train on."""
    from alpt_ref import synthetic_clicks

    return synthetic_clicks(rows=2000, fields=4, features=90, seed=1)


@functools.cache
def bags() -> Any:
    """The same rows with weights, the last field with up to three values and a number beside each."""
    import dataclasses

    import numpy as np

    plain, rng = dataset(), np.random.default_rng(2)
    low, high = plain.field_offsets[-2:]
    more = rng.integers(low + 1, high, (plain.rows, 2))
    values = np.ones((plain.rows, 6), np.float32)
    values[:, 4:] = rng.integers(-2, 3, (plain.rows, 2))
    ids = np.concatenate([plain.ids, np.where(values[:, 4:] == 0, low, more).astype(np.uint32)], axis=1)
    weights = rng.integers(0, 8, plain.rows).astype(np.float32) / np.float32(3)
    return dataclasses.replace(plain, ids=ids, values=values, slots=(1, 1, 1, 3), weights=weights)


def config(**sections: Mapping[str, Any]) -> Any:
    """A short run with some settings changed; ``table={"bits": 4}``."""
    from alpt_ref import RunConfig

    made = RunConfig()
    plain: Changes = {
        "model": {"kind": "fm", "dim": 4, "hidden": (8, 6), "cross_layers": 2},
        "table": {"method": "alpt", "init_std": 0.02, "lr": 0.02, "step_lr": 1e-3, "clip_lr": 1e-2},
        "train": {"batch_size": 200, "eval_batch_size": 500, "epochs": 2, "milestones": (1,), "seed": 5},
    }
    for section, settings in plain.items():
        made = made.replace(section, **(settings | dict(sections.get(section, {}))))
    return made


def table_settings() -> Iterator[tuple[str, dict[str, Any]]]:
    """The runs on an fm: name, and settings of the table."""
    for bits in WIDTHS:
        for rounding in ("sr", "dr"):
            yield f"lpt-{rounding}, {bits} bits", {"method": "lpt", "bits": bits, "rounding": rounding}
            yield f"alpt-{rounding}, {bits} bits", {"method": "alpt", "bits": bits, "rounding": rounding}
    for bits in (2, 8):
        for method in ("lsq", "pact"):
            yield f"{method}, {bits} bits", {"method": method, "bits": bits}
        yield f"alpt-sr, {bits} bits, one pass", {"method": "alpt", "bits": bits, "two_pass": False}
    for optimizer in OPTIMIZERS:
        for method in ("fp32", "hashing", "pruning"):
            yield f"{method}, {optimizer}", {"method": method, "optimizer": optimizer, "prune_every": 2}
        for method in ("lpt", "alpt", "lsq", "pact") if optimizer != "adam" else ():
            yield f"{method}, 8 bits, {optimizer}", {"method": method, "optimizer": optimizer}
    for granularity in ("field", "table"):
        for method in ("lpt", "alpt", "lsq", "pact"):
            yield f"{method}, 4 bits, {granularity}", {"method": method, "bits": 4, "granularity": granularity}
        one = {"method": "alpt", "bits": 4, "granularity": granularity, "two_pass": False}
        yield f"alpt, 4 bits, {granularity}, one pass", one
    for scale in ("dq", "none"):
        for method in ("alpt", "lsq"):
            yield f"{method}, gradient scale {scale}", {"method": method, "bits": 4, "grad_scale": scale}
    for method in ("alpt", "lsq"):
        yield f"{method}, logarithms of step sizes", {"method": method, "bits": 4, "step_domain": "log"}
        yield f"{method}, floor of step sizes", {"method": method, "bits": 2, "min_step": 0.02, "step_lr": 0.1}
    for method in ("fp32", "lpt", "alpt", "hashing", "pruning", "lsq", "pact"):
        yield f"{method}, weight decay", {"method": method, "weight_decay": 0.1}
    for start in ("range", 0.01):
        yield f"lpt, step size from {start}", {"method": "lpt", "bits": 4, "init_step": start, "init_range": 0.05}
    for rounding in ("sr", "dr"):
        for bits in WIDTHS:
            yield f"eco-{rounding}, {bits} bits", {"method": "eco", "bits": bits, "rounding": rounding}
            for grid in ("affine", "symmetric"):
                one = {"method": "rowmax", "bits": bits, "rounding": rounding, "grid": grid}
                yield f"rowmax-{rounding}, {grid}, {bits} bits", one
    for method in ("fp32", "lpt", "alpt", "eco"):
        yield f"{method}, momentum", {"method": method, "optimizer": "momentum", "lr": 0.2}
    for method in ("fp32", "lpt", "alpt"):
        yield f"{method}, dense adam", {"method": method, "optimizer": "dense_adam"}
    yield "eco, momentum of 0.5", {"method": "eco", "optimizer": "momentum", "momentum": 0.5, "weight_decay": 0.1}
    yield "rowmax, weight decay", {"method": "rowmax", "weight_decay": 0.1, "optimizer": "sgd"}


def dense_settings() -> Iterator[tuple[str, Changes]]:
    """The runs whose dense part uses BLAS: name, and settings by section."""
    for kind in ("dnn", "deepfm", "dcn"):
        for bits in (2, 8):
            yield f"{kind}: alpt-sr, {bits} bits", {"model": {"kind": kind}, "table": {"bits": bits}}
    for method in ("fp32", "lpt", "hashing", "pruning", "lsq", "pact"):
        yield f"dcn: {method}", {"model": {"kind": "dcn"}, "table": {"method": method, "bits": 4}}
    sgd = {"kind": "dcn", "optimizer": "sgd", "lr": 0.1, "batch_norm": False}
    yield "dcn: no batch norm, sgd", {"model": sgd, "table": {"optimizer": "sgd"}}
    yield "dnn: weight decay", {"model": {"kind": "dnn", "weight_decay": 0.01}, "table": {}}
    wide: Changes = {"model": {"kind": "dcn", "hidden": (96, 64)}, "table": {}, "train": {"batch_size": 1300}}
    yield "dcn: products in blocks", wide


def cases() -> Iterator[Case]:
    """All runs, and the checkpoints of three."""
    for name, table in table_settings():
        yield Case(f"fm: {name}", partial(_trained, {"table": table}))
    for method in ("fp32", "lpt", "alpt"):
        logistic = {"model": {"kind": "logistic", "dim": 1}, "table": {"method": method}}
        yield Case(f"logistic: {method}", partial(_trained, logistic))
    for method in ("fp32", "lpt", "alpt"):
        weighted: Changes = {"table": {"method": method}, "train": {"class_weight": 3.0}}
        yield Case(f"fm: {method}, weights and several values a field", partial(_trained, weighted, bags))
    for name, changes in dense_settings():
        yield Case(name, partial(_trained, changes), depends="blas")
    for method in ("alpt", "pact"):
        yield Case(f"checkpoint of {method}", partial(_checkpoint, {"table": {"method": method}}))
    dcn: Changes = {"model": {"kind": "dcn"}, "table": {}}
    yield Case("checkpoint of alpt with dcn", partial(_checkpoint, dcn), depends="blas")


def _trained(changes: Changes, data: Callable[[], Any] = dataset) -> dict[str, Any]:
    result = find("train")(config(**changes), data())
    return {
        **by_meaning(result.table.state(), TABLE),
        **({} if result.table.codes() is None else {"codes": result.table.codes()}),
        **by_meaning(result.model.state(), DENSE, "dense"),
        "counts of the table": result.table.counters(),
        "training losses": [epoch.train_loss for epoch in result.history],
        "AUC (validation, test)": [result.valid_auc, result.test_auc],
        "logloss (validation, test)": [result.valid_logloss, result.test_logloss],
    }


def _checkpoint(changes: Changes) -> dict[str, Any]:
    """Every array of a checkpoint after 11 steps, within an epoch, by meaning.

    Of earlier states releases up to 0.2 keep no dense optimiser, so that theirs is left out: they are compared too.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        find("train")(config(**changes), dataset(), output=folder, checkpoint_every=11)
        latest = sorted((folder / "checkpoints").iterdir())
        arrays = find("read_checkpoint")(latest[0]).arrays | {
            f"final/{name}": array for name, array in find("read_checkpoint")(folder).arrays.items()
        }
    kept = {name: array for name, array in arrays.items() if not name.startswith(_LATER)}
    return dict(sorted((_meaning(name), array) for name, array in kept.items()))


_LATER = ("final/optimizer/", "best/optimizer/", "last_good/optimizer/")


def _meaning(name: str) -> str:
    """``best/table/words`` -> ``best packed codes``."""
    part, _, rest = name.partition("/")
    if part in ("final", "best", "last_good"):
        return f"{part}: {_meaning(rest)}"
    if part == "table":
        return meaning_of(rest, TABLE)
    if part == "model":
        return f"dense {meaning_of(rest, DENSE)}"
    if part == "vocabulary":
        return meaning_of(rest, STORE)
    if part == "optimizer" and "/" in rest:
        moment, _, layer = rest.partition("/")
        return f"{meaning_of(moment, DENSE_OPTIMIZER)} of dense {meaning_of(layer, DENSE)}"
    known = {"optimizer/steps": "dense steps", "statistics/counts": "counts of the table"}
    if name not in known:
        raise LookupError(f"{name!r} of a checkpoint has no meaning in tests/bits/trainings.py; add it")
    return known[name]

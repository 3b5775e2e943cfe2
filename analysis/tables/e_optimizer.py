"""The optimiser of the table: what it costs in bytes of state, and what low precision loses under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alpt_ref.studies.inference import decided
from alpt_ref.studies.reproduce import Row, Runs, Study, Table
from alpt_ref.training.config import RunConfig

from ._sentences import against_reference, auc_differences

SETTINGS = (("fp32", None), ("lpt-dr", 8), ("lpt-sr", 8), ("alpt-sr", 8))
NAMES = {"adam": "lazy Adam", "adagrad": "row-wise Adagrad", "sgd": "SGD"}


def name(optimizer: str, label: str) -> str:
    return f"{optimizer} {label}"


def runs(study: Study) -> Mapping[str, RunConfig]:
    return {
        name(optimizer, label): study.run(label, bits, optimizer=optimizer, lr=rate)
        for optimizer, rate in study.table_rates.items()
        for label, bits in SETTINGS
    }


def rows(study: Study) -> list[Row]:
    return [
        Row((NAMES[one], f"{rate:g}", label.upper(), str(bits or 32)), name(one, label), name(one, "fp32"), one)
        for one, rate in study.table_rates.items()
        for label, bits in SETTINGS
    ]


def conclude(found: Runs) -> Sequence[str]:
    """Everything against FP32, and whether stochastic rounding pays under each optimiser."""
    pairs = {
        f"LPT, SR − DR under {NAMES[one]}": (name(one, "lpt-sr"), name(one, "lpt-dr"))
        for one in found.study.table_rates
    }
    losses = against_reference(found, rows(found.study), lambda optimizer, rate, method, bits: f"{optimizer} {method}")
    return [*losses, *decided(found, auc_differences(found, pairs))]


TABLE = Table(
    id="optimizer",
    title="Optimiser of the table, and the bytes of its state",
    label_columns=("optimiser", "rate", "method", "bits"),
    runs=runs,
    rows=rows,
    columns=(
        "auc",
        "logloss",
        "auc_difference",
        "logloss_difference",
        "code_kept",
        "clipped",
        "state_bytes",
        "training_ratio",
        "serving_ratio",
    ),
    note=(
        "Reference: FP32 under the same optimiser. Bytes of training alone: what training holds beside the table as it "
        "is served, here the state of the optimisers of weights and step sizes."
    ),
    conclude=conclude,
)

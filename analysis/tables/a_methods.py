"""All methods at 8 bits: accuracy, epochs, bytes in training and in serving, time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alpt_ref.studies.inference import benchmark_lines, benchmark_note, equivalence, gap_to_bayes
from alpt_ref.studies.reproduce import Line, Runs, Study, Table
from alpt_ref.training.config import RunConfig

from ._sentences import against_reference

BITS = 8
MARGIN = 0.001
"""AUC within which two methods count as equal; stated before any run."""


def runs(study: Study) -> Mapping[str, RunConfig]:
    return {label: study.run(label, BITS) for label in study.methods}


def lines(study: Study) -> list[Line]:
    return [Line((label.upper(),), label, against="fp32") for label in study.methods]


def conclude(found: Runs) -> Sequence[str]:
    best = found.study.base.train.test_epoch == "best"
    return [
        f"Epochs: {'until the best validation AUC, whose model is tested' if best else 'all, and the last is tested'}.",
        *against_reference(found, lines(found.study)),
        *gap_to_bayes(found, "fp32"),
        *equivalence(found, "alpt-sr", "fp32", MARGIN),
        *benchmark_note(found),
    ]


TABLE = Table(
    id="methods",
    title=f"All methods, {BITS}-bit codes where a method has codes",
    heads=("method",),
    runs=runs,
    lines=lines,
    columns=(
        "auc",
        "logloss",
        "auc_difference",
        "logloss_difference",
        "epochs",
        "training_ratio",
        "serving_ratio",
        "training_bytes",
        "serving_bytes",
    ),
    times=("seconds_an_epoch", "samples_per_s"),
    seeds="all",
    note=(
        "Reference: FP32. FP32, hashing and pruning hold float32 numbers, the others codes. Ratios: bytes of the FP32 "
        "table divided by those of this one, in training with the optimiser's state, in serving without."
    ),
    beside=benchmark_lines,
    conclude=conclude,
)

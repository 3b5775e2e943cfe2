"""All methods at 8 bits: accuracy, epochs, bytes in training and in serving, time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alpt_ref.studies.inference import benchmark_note, benchmark_rows, equivalence, gap_to_bayes, low_bit_note
from alpt_ref.studies.reproduce import Row, Runs, Study, Table
from alpt_ref.training.config import RunConfig

from ._sentences import against_reference

BITS = 8
MARGIN = 0.001
"""AUC within which two methods count as equal; stated before any run."""


def runs(study: Study) -> Mapping[str, RunConfig]:
    return {label: study.run(label, BITS) for label in study.methods}


def rows(study: Study) -> list[Row]:
    return [Row((label.upper(),), label, reference="fp32") for label in study.methods]


def conclude(found: Runs) -> Sequence[str]:
    best = found.study.base.train.test_epoch == "best"
    return [
        f"The checkpoint {'with the best validation AUC' if best else 'after the last epoch'} is tested.",
        *against_reference(found, rows(found.study)),
        *gap_to_bayes(found, "fp32"),
        *equivalence(found, "alpt-sr", "fp32", MARGIN),
        *benchmark_note(found),
        *low_bit_note(found),
    ]


TABLE = Table(
    id="methods",
    title=f"All methods, {BITS}-bit codes where a method has codes",
    label_columns=("method",),
    runs=runs,
    rows=rows,
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
    extra_rows=benchmark_rows,
    conclude=conclude,
)

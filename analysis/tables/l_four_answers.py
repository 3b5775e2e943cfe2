"""The four answers of `alpt-ref reproduce --quick` and the runs behind them."""

from __future__ import annotations

from collections.abc import Mapping

from alpt_ref.studies import four_answers
from alpt_ref.studies.reproduce import Row, Study, Table
from alpt_ref.training.config import RunConfig


def runs(study: Study) -> Mapping[str, RunConfig]:
    return four_answers.runs(study)


def rows(study: Study) -> list[Row]:
    return [
        Row(
            (one.question, one.method, one.bits, one.setting), one.run, one.reference, f"{one.question} {one.reference}"
        )
        for one in four_answers.rows()
    ]


TABLE = Table(
    id="answers",
    title="The runs behind the four answers",
    label_columns=("question", "method", "bits", "setting"),
    runs=runs,
    rows=rows,
    columns=("auc", "logloss", "auc_difference", "logloss_difference", "code_kept", "serving_ratio", "training_ratio"),
    seeds="all",
    few=four_answers.few,
    note="Reference: in (b) DR at the same bits and η/Δ, in (c) LPT at the same bits, in (d) FP32.",
    answers=four_answers.answers,
    picture="four_answers",
)

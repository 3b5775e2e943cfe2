"""Backbones: what low precision costs each of them, and whether a fixed range of codes is what costs it.

LPT fixes its step size before training, so that its codes reach no farther than the initial weights suggest. Where no
layer follows that could scale an embedding (logistic regression, FM) the weights themselves have to grow beyond that.
LPT once more with a range of `WIDE` tells whether this is the cause of a loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alpt_ref.catalog import MODELS
from alpt_ref.studies.columns import COLUMNS, values_by_seed
from alpt_ref.studies.inference import benchmark_note, benchmark_rows
from alpt_ref.studies.reproduce import Row, Runs, Study, Table
from alpt_ref.training.config import RunConfig

from ._sentences import against_reference, auc_differences

BITS = 8
WIDE = 1.0
"""Range of the codes at either side of 0, in units of the weights; the LSQ rule gives about 0.05 at 8 bits."""
SETTINGS: dict[str, tuple[str, int | None, dict[str, Any]]] = {
    "FP32": ("fp32", None, {}),
    "LPT-SR": ("lpt-sr", BITS, {}),
    f"LPT-SR, range {WIDE:g}": ("lpt-sr", BITS, {"init_step": "range", "init_range": WIDE}),
    "ALPT-SR": ("alpt-sr", BITS, {}),
}
FIXED, WIDER, LEARNED = "LPT-SR", f"LPT-SR, range {WIDE:g}", "ALPT-SR"


def name(kind: str, setting: str) -> str:
    return f"{kind} {setting.lower()}"


def runs(study: Study) -> Mapping[str, RunConfig]:
    return {
        name(kind, setting): study.run(label, bits, **table).replace(
            "model", kind=kind, dim=1 if kind == "logistic" else study.base.model.dim
        )
        for kind in MODELS
        for setting, (label, bits, table) in SETTINGS.items()
    }


def rows(study: Study) -> list[Row]:
    return [
        Row((kind, setting, str(bits or 32)), name(kind, setting), name(kind, "FP32"), kind)
        for kind in MODELS
        for setting, (_, bits, _) in SETTINGS.items()
    ]


def conclude(found: Runs) -> Sequence[str]:
    """Where a fixed step loses: how much of it a wider range and a learned step give back, and the share clipped."""
    kinds = [kind for kind in MODELS if found[name(kind, FIXED)]]
    own = auc_differences(
        found, {(row.labels[0], row.labels[1]): (row.run, row.reference) for row in rows(found.study)
                if row.run != row.reference},
    )  # fmt: skip
    back = auc_differences(
        found, {(kind, other): (name(kind, other), name(kind, FIXED)) for kind in kinds for other in (WIDER, LEARNED)}
    )
    sentences = []
    for kind in kinds:
        loss, wider, learned = own.get((kind, FIXED)), back.get((kind, WIDER)), back.get((kind, LEARNED))
        if loss is None or wider is None or learned is None or loss.sign >= 0:
            continue
        cause = "the range is the cause" if wider.sign > 0 else "the range is not shown to be the cause"
        sentences.append(
            f"{kind}: {FIXED} loses AUC ({loss}) with codes that reach ±{reach(found, kind):.2g}, "
            f"{clipped(found, kind, FIXED)} of its updates clipped. A range of ±{WIDE:g} changes that by {wider} "
            f"({clipped(found, kind, WIDER)} clipped), a learned step by {learned} ({clipped(found, kind, LEARNED)} "
            f"clipped): {cause}."
        )
    return [
        *sentences,
        *against_reference(found, rows(found.study), lambda kind, setting, bits: f"{kind} {setting}"),
        *benchmark_note(found),
    ]


def reach(found: Runs, kind: str) -> float:
    """Largest weight that the codes of LPT can hold, mean over seeds."""
    steps = [run.result.history[0].table["step_size_mean"] for run in found[name(kind, FIXED)].values()]
    return float(((1 << (BITS - 1)) - 1) * sum(steps) / len(steps))


def clipped(found: Runs, kind: str, setting: str) -> str:
    """Share of the updates that met the end of the code range, as the table has it."""
    shares = values_by_seed(COLUMNS["clipped"], Row((), name(kind, setting)), found)
    return f"{100 * sum(shares.values()) / max(len(shares), 1):.1f} %"


TABLE = Table(
    id="backbones",
    title="Backbones",
    label_columns=("backbone", "method", "bits"),
    runs=runs,
    rows=rows,
    columns=("auc", "logloss", "auc_difference", "logloss_difference", "step_size", "clipped", "serving_ratio"),
    times=("seconds_an_epoch",),
    note=(
        "Reference: FP32 with the same backbone. Logistic regression has d = 1, where a step size a row and codes in "
        "whole 32-bit words take more than they save. Clipped: share of non-zero updates that met the end of the code "
        "range, over all epochs."
    ),
    extra_rows=benchmark_rows,
    conclude=conclude,
)

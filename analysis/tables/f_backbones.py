"""Backbones: what low precision costs each of them."""

from __future__ import annotations

from collections.abc import Mapping

from alpt_ref.catalog import MODELS
from alpt_ref.config import RunConfig
from alpt_ref.reproduce import Line, Study, Table
from alpt_ref.reproduce.inference import benchmark_lines, benchmark_note

SETTINGS = (("fp32", None), ("lpt-sr", 8), ("alpt-sr", 8))


def name(kind: str, label: str) -> str:
    return f"{kind} {label}"


def runs(study: Study) -> Mapping[str, RunConfig]:
    return {
        name(kind, label): study.run(label, bits).replace(
            "model", kind=kind, dim=1 if kind == "logistic" else study.base.model.dim
        )
        for kind in MODELS
        for label, bits in SETTINGS
    }


def lines(study: Study) -> list[Line]:
    made = []
    for kind in MODELS:
        for label, bits in SETTINGS:
            against = name(kind, "fp32")
            made.append(Line((kind, label.upper(), str(bits or 32)), name(kind, label), against, kind))
    return made


TABLE = Table(
    id="backbones",
    title="Backbones",
    heads=("backbone", "method", "bits"),
    runs=runs,
    lines=lines,
    columns=("auc", "logloss", "auc_difference", "logloss_difference", "serving_ratio"),
    times=("seconds_an_epoch",),
    note="Reference: FP32 with the same backbone.",
    beside=benchmark_lines,
    conclude=benchmark_note,
)

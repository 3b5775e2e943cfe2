"""How embedding dimension and low precision add up: FP32, LPT(SR) and ALPT(SR) at 8 and 4 bits."""

from __future__ import annotations

from collections.abc import Mapping

from alpt_ref.studies.reproduce import Row, Study, Table
from alpt_ref.training.config import RunConfig

from ._sentences import against_reference

SETTINGS = (("fp32", None), ("lpt-sr", 8), ("alpt-sr", 8), ("lpt-sr", 4), ("alpt-sr", 4))


def name(label: str, bits: int | None, dim: int) -> str:
    return f"{label} {bits or 32}-bit d={dim}"


def runs(study: Study) -> Mapping[str, RunConfig]:
    return {
        name(label, bits, dim): study.run(label, bits).replace("model", dim=dim)
        for dim in study.dims
        for label, bits in SETTINGS
    }


def rows(study: Study) -> list[Row]:
    return [
        Row((str(dim), label.upper(), str(bits or 32)), name(label, bits, dim), name("fp32", None, dim), str(dim))
        for dim in study.dims
        for label, bits in SETTINGS
    ]


TABLE = Table(
    id="dimension",
    title="Embedding dimension",
    label_columns=("d", "method", "bits"),
    runs=runs,
    rows=rows,
    columns=("auc", "logloss", "auc_difference", "logloss_difference", "serving_ratio", "serving_bytes"),
    note="Reference: FP32 of the same dimension.",
    conclude=lambda found: against_reference(
        found, rows(found.study), lambda dim, method, bits: f"d = {dim} {method} {bits}-bit"
    ),
)

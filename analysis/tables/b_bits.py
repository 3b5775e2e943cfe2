"""LPT and ALPT, stochastic and nearest rounding, 8 to 2 bits; 16 bits as a check: there all should equal FP32."""

from __future__ import annotations

from collections.abc import Mapping

from alpt_ref.config import RunConfig
from alpt_ref.reproduce import Line, Study, Table

LABELS = ("lpt-dr", "lpt-sr", "alpt-dr", "alpt-sr")
CHECK = 16


def name(label: str, bits: int) -> str:
    return f"{label} {bits}-bit"


def runs(study: Study) -> Mapping[str, RunConfig]:
    made = {name(label, bits): study.run(label, bits) for bits in (CHECK, *study.bits) for label in LABELS}
    return {"fp32": study.run("fp32"), **made}


def lines(study: Study) -> list[Line]:
    made = [
        Line((label.upper(), str(bits)), name(label, bits), against="fp32", group=str(bits))
        for bits in (CHECK, *study.bits)
        for label in LABELS
    ]
    return [Line(("FP32", "32"), "fp32", against="fp32"), *made]


TABLE = Table(
    id="bits",
    title="LPT and ALPT with stochastic (SR) and nearest (DR) rounding by number of bits",
    heads=("method", "bits"),
    runs=runs,
    lines=lines,
    columns=("auc", "logloss", "auc_difference", "logloss_difference", "code_kept", "clipped", "serving_ratio"),
    note=(
        "Reference: FP32. Code kept: share of non-zero updates that left the code unchanged; clipped: share that met "
        "the end of the code range; both over all epochs."
    ),
)

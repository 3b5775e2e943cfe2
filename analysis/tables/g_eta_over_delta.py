"""Where stochastic rounding wins: LPT over eta/Delta, the learning rate in units of the step size, by number of bits.

Constant learning rate, so that the ratio is the same from the first step to the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alpt_ref.studies.inference import regions
from alpt_ref.studies.reproduce import Row, Runs, Study, Table
from alpt_ref.studies.sweep import SweepPoint, make_sweep, name_of
from alpt_ref.training.config import RunConfig

METHOD = "lpt"


def runs(study: Study) -> Mapping[str, RunConfig]:
    base = study.base.replace("train", milestones=())
    return make_sweep(base, METHOD, study.bits, study.ratios)


def of(bits: int, rounding: str, ratio: float) -> str:
    return name_of(METHOD, SweepPoint(bits, rounding, ratio))


def rows(study: Study) -> list[Row]:
    return [
        Row(
            (str(bits), f"{ratio:g}", side.upper()),
            of(bits, side, ratio),
            of(bits, "dr", ratio),
            f"{bits} {ratio}",
        )
        for bits in study.bits
        for ratio in study.ratios
        for side in ("dr", "sr")
    ]


def conclude(found: Runs) -> Sequence[str]:
    study = found.study
    pairs = {
        bits: {ratio: (of(bits, "sr", ratio), of(bits, "dr", ratio)) for ratio in study.ratios} for bits in study.bits
    }
    return [*regions(found, pairs, "logloss"), *regions(found, pairs, "auc")]


TABLE = Table(
    id="eta_over_delta",
    title="LPT(SR) and LPT(DR) over η/Δ at a constant learning rate",
    label_columns=("bits", "η/Δ", "rounding"),
    runs=runs,
    rows=rows,
    columns=("auc", "logloss", "auc_difference", "logloss_difference", "code_kept", "clipped"),
    note="Reference: DR at the same bits and η/Δ. Theory (D3): DR undoes a first step of lazy Adam below η/Δ = 1/2.",
    conclude=conclude,
)

"""Where stochastic rounding wins: LPT over eta/Delta, the learning rate in units of the step size, by number of bits.

Constant learning rate, so that the ratio is the same from the first step to the last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alpt_ref.studies.inference import regions
from alpt_ref.studies.reproduce import Line, Runs, Study, Table
from alpt_ref.studies.sweep import Point, make_sweep, name_of
from alpt_ref.training.config import RunConfig

from ._sentences import auc_differences, significant

METHOD = "lpt"


def runs(study: Study) -> Mapping[str, RunConfig]:
    base = study.base.replace("train", milestones=())
    return make_sweep(base, METHOD, study.bits, study.ratios)


def of(bits: int, rounding: str, ratio: float) -> str:
    return name_of(METHOD, Point(bits, rounding, ratio))


def lines(study: Study) -> list[Line]:
    return [
        Line(
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
    known = auc_differences(found, {(bits, ratio): pairs[bits][ratio] for bits in pairs for ratio in pairs[bits]})
    parts = [
        f"{bits} bits: {side} at η/Δ = {', '.join(f'{ratio:g}' for ratio in ratios)}"
        for bits in pairs
        for side, sign in (("SR", 1), ("DR", -1))
        if (ratios := [ratio for at, ratio in known if at == bits and significant(known[at, ratio]) == sign])
    ]
    auc = [f"Significantly better in AUC: {'; '.join(parts)} (paired, Holm over all bits and ratios)."] if parts else []
    return [*regions(found, pairs), *auc]


TABLE = Table(
    id="eta_over_delta",
    title="LPT(SR) and LPT(DR) over η/Δ at a constant learning rate",
    heads=("bits", "η/Δ", "rounding"),
    runs=runs,
    lines=lines,
    columns=("auc", "logloss", "auc_difference", "logloss_difference", "code_kept", "clipped"),
    note="Reference: DR at the same bits and η/Δ. Theory (D3): DR undoes a first step of lazy Adam below η/Δ = 1/2.",
    conclude=conclude,
)

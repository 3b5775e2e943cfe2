"""LPT and ALPT at few bits under a decaying and under a constant learning rate: which gain is the schedule's."""

from __future__ import annotations

from collections.abc import Mapping

from alpt_ref.config import RunConfig
from alpt_ref.reproduce import Line, Study, Table

BITS = (4, 2)
LABELS = ("lpt-sr", "alpt-sr", "alpt-dr")
SCHEDULES = ("decaying", "constant")


def name(schedule: str, label: str, bits: int) -> str:
    return f"{schedule} {label} {bits}-bit"


def runs(study: Study) -> Mapping[str, RunConfig]:
    made = {}
    for schedule in SCHEDULES:
        for label in LABELS:
            for bits in BITS:
                config = study.run(label, bits)
                plain = config if schedule == "decaying" else config.replace("train", milestones=())
                made[name(schedule, label, bits)] = plain
    return made


def lines(study: Study) -> list[Line]:
    return [
        Line((str(bits), one, label.upper()), name(one, label, bits), name(one, "lpt-sr", bits), f"{bits} {one}")
        for bits in BITS
        for one in SCHEDULES
        for label in LABELS
    ]


TABLE = Table(
    id="schedule",
    title="Learned against fixed step size under both schedules",
    heads=("bits", "learning rate", "method"),
    runs=runs,
    lines=lines,
    columns=("auc", "logloss", "auc_difference", "logloss_difference", "step_size", "code_kept", "clipped"),
    note="Reference: LPT(SR) at the same bits and schedule.",
)

"""LPT and ALPT at few bits under a decaying and under a constant learning rate: which gain is the schedule's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alpt_ref.studies.inference import decided
from alpt_ref.studies.reproduce import Row, Runs, Study, Table
from alpt_ref.training.config import RunConfig

from ._sentences import auc_differences

BITS = (4, 2)
LABELS = ("lpt-sr", "alpt-sr", "alpt-dr")
SCHEDULES = ("decaying", "constant")
LEARNED = "ALPT(SR) − ALPT(DR) "


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


def rows(study: Study) -> list[Row]:
    return [
        Row((str(bits), one, label.upper()), name(one, label, bits), name(one, "lpt-sr", bits), f"{bits} {one}")
        for bits in BITS
        for one in SCHEDULES
        for label in LABELS
    ]


def conclude(found: Runs) -> Sequence[str]:
    """What learning, rounding and the schedule are worth, and where nearest rounding wins."""
    pairs = {}
    for bits in BITS:
        for one in SCHEDULES:
            runs_ = {label: name(one, label, bits) for label in LABELS}
            where = f"at {bits} bits, {one} rate"
            pairs[f"ALPT(SR) − LPT(SR) {where}"] = runs_["alpt-sr"], runs_["lpt-sr"]
            pairs[f"{LEARNED}{where}"] = runs_["alpt-sr"], runs_["alpt-dr"]
        for label in LABELS:
            first, second = (name(one, label, bits) for one in SCHEDULES)
            pairs[f"decaying − constant rate with {label.upper()} at {bits} bits"] = first, second
    known = auc_differences(found, pairs)
    lost = [
        f"{words.removeprefix(LEARNED)} ({one})"
        for words, one in known.items()
        if words.startswith(LEARNED) and one.sign < 0
    ]
    nearest = "With a learned step size nearest rounding has a significantly higher AUC than SR"
    return [*decided(found, known), *([f"{nearest} {'; '.join(lost)}."] if lost else [])]


TABLE = Table(
    id="schedule",
    title="Learned against fixed step size under both schedules",
    label_columns=("bits", "learning rate", "method"),
    runs=runs,
    rows=rows,
    columns=("auc", "logloss", "auc_difference", "logloss_difference", "step_size", "code_kept", "clipped"),
    note="Reference: LPT(SR) at the same bits and schedule.",
    conclude=conclude,
)

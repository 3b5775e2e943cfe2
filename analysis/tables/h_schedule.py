"""LPT and ALPT at few bits under a decaying and under a constant learning rate: which gain is the schedule's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alpt_ref.studies.inference import Estimate
from alpt_ref.studies.reproduce import Line, Runs, Study, Table
from alpt_ref.training.config import RunConfig

from ._sentences import auc_differences, listed, significant

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


def conclude(found: Runs) -> Sequence[str]:
    """What learning, rounding and the schedule are worth, and where nearest rounding wins."""
    pairs = {}
    for bits in BITS:
        for one in SCHEDULES:
            runs_ = {label: name(one, label, bits) for label in LABELS}
            pairs[bits, f"{one} rate", "ALPT(SR) − LPT(SR)"] = runs_["alpt-sr"], runs_["lpt-sr"]
            pairs[bits, f"{one} rate", "ALPT(SR) − ALPT(DR)"] = runs_["alpt-sr"], runs_["alpt-dr"]
        for label in LABELS:
            first, second = (name(one, label, bits) for one in SCHEDULES)
            pairs[bits, "decaying − constant rate", label.upper()] = first, second
    known = auc_differences(found, pairs)
    sentences = []
    for bits in BITS:
        parts: dict[str, dict[str, Estimate]] = {}
        for at, where, words in known:
            if at == bits:
                parts.setdefault(where, {})[words] = known[at, where, words]
        told = "; ".join(f"{where}: {listed(of)}" for where, of in parts.items())
        sentences += [f"{bits} bits, AUC. {told} (paired, Holm over both widths)."] if told else []
    lost = [
        f"{bits} bits, {where}"
        for (bits, where, words), one in known.items()
        if words.endswith("ALPT(DR)") and significant(one) < 0
    ]
    where = "; ".join(lost) or "nowhere"
    return (
        [*sentences, f"With a learned step nearest rounding is significantly better than SR: {where}."] if known else []
    )


TABLE = Table(
    id="schedule",
    title="Learned against fixed step size under both schedules",
    heads=("bits", "learning rate", "method"),
    runs=runs,
    lines=lines,
    columns=("auc", "logloss", "auc_difference", "logloss_difference", "step_size", "code_kept", "clipped"),
    note="Reference: LPT(SR) at the same bits and schedule.",
    conclude=conclude,
)

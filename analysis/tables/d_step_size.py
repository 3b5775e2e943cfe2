"""The learned step size: one choice of ALPT(SR) changed at a time, at 4 bits, where it matters more than at 8."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alpt_ref.studies.reproduce import Row, Study, Table
from alpt_ref.training.config import RunConfig

from ._sentences import against_reference

BITS = 4


def variants(study: Study) -> dict[str, dict[str, dict[str, Any]]]:
    """Choice -> value in words -> settings of the table; the study's own values are the reference."""
    initial: dict[str, dict[str, Any]] = {
        "LSQ rule": {"init_step": "lsq"},
        f"range {study.base.table.init_range:g}": {"init_step": "range"},
        f"{study.constant_step:g}": {"init_step": study.constant_step},
    }
    scales = {"1/√(b·d·q)": "bdq", "1/√(d·q)": "dq", "1": "none"}
    return {
        "granularity": {one: {"granularity": one} for one in ("row", "field", "table")},
        "initial value": initial,
        "gradient scale": {words: {"grad_scale": value} for words, value in scales.items()},
        "learning rate": {f"{rate:g}": {"step_lr": rate} for rate in study.step_rates},
        "passes": {"two": {"two_pass": True}, "one": {"two_pass": False}},
    }


def name(choice: str, value: str) -> str:
    return f"{choice}: {value}"


def runs(study: Study) -> Mapping[str, RunConfig]:
    made = {
        name(choice, value): study.run("alpt-sr", BITS, **settings)
        for choice, values in variants(study).items()
        for value, settings in values.items()
    }
    return {"alpt": study.run("alpt-sr", BITS), "lpt": study.run("lpt-sr", BITS), **made}


def rows(study: Study) -> list[Row]:
    made = [
        Row((choice, value), name(choice, value), reference="alpt", group=choice)
        for choice, values in variants(study).items()
        for value in values
    ]
    return [*made, Row(("not learned", "LPT(SR)"), "lpt", reference="alpt", group="not learned")]


TABLE = Table(
    id="step_size",
    title=f"The step size of ALPT(SR), {BITS} bits: one choice at a time",
    label_columns=("choice", "value"),
    runs=runs,
    rows=rows,
    columns=("auc", "logloss", "auc_difference", "logloss_difference", "step_size", "code_kept", "clipped"),
    times=("seconds_an_epoch",),
    note="Reference: ALPT(SR) with the study's own choices; rows without a difference are that very setting.",
    conclude=lambda found: against_reference(found, rows(found.study)),
)

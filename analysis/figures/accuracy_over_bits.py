"""Test AUC and logloss against the number of bits, as differences to FP32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alpt_ref.studies.reproduce import Runs, Study
from alpt_ref.training.config import RunConfig
from alpt_ref.verification.figures import Figure

from ._runs import PlottedRow, column, difference, intervals, label, legend, point, row, size, style, widen

LABELS = ("lpt-dr", "lpt-sr", "alpt-dr", "alpt-sr")
SHIFTS = (-0.15, -0.05, 0.05, 0.15)
"""Sideways, so that error bars can be told apart."""


def name(one: str, bits: int) -> str:
    return f"{one} {bits}-bit"


def widths(study: Study) -> list[int]:
    return sorted({16, *study.bits})


def runs(study: Study) -> Mapping[str, RunConfig]:
    made = {name(one, bits): study.run(one, bits) for bits in widths(study) for one in LABELS}
    return {"fp32": study.run("fp32"), **made}


def draw(found: Runs) -> tuple[Any, list[PlottedRow]]:
    figure, axes = column(4.4, rows=2, sharex=True)
    places = {bits: place for place, bits in enumerate(widths(found.study))}
    rows = []
    panels = (("test AUC − FP32", "test_auc"), ("test logloss − FP32", "test_logloss"))
    for letter, one, (title, field) in zip("ab", axes, panels, strict=True):
        for label_, shift in zip(LABELS, SHIFTS, strict=True):
            means = {
                bits: difference(found, name(label_, bits), "fp32", lambda run, field=field: float(getattr(run, field)))  # type: ignore[misc]
                for bits in places
            }
            known = {bits: m for bits, m in means.items() if m is not None}
            one.errorbar(
                [places[bits] + shift for bits in known], [m.value for m in known.values()],
                [m.half for m in known.values()], label=label_.upper(), capsize=2, linewidth=1.1, elinewidth=0.8,
                **style(label_),
            )  # fmt: skip
            rows += [row(letter, label_, bits, m) for bits, m in known.items()]
        one.axhline(0.0, color="black", linewidth=0.7)
        one.set_xticks(list(places.values()), [str(bits) for bits in places])
        label(one, y=title)
        widen(one)
    label(axes[-1], x="bits of a code")
    legend(figure, axes, 4, intervals(found))
    return figure, rows


def caption(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the best and the simplest method lose at the fewest bits, and ALPT(SR) at 8."""
    fewest = min((one["x"] for one in rows), default=2)
    parts = []
    for bits, one in ((8, "alpt-sr"), (fewest, "alpt-sr"), (fewest, "lpt-dr")):
        known = point(rows, panel="a", series=one, x=bits)
        if known is not None:
            parts.append(f"{one.upper()} at {bits} bits {size(known)}")
    return f"Test AUC less that of FP32: {', '.join(parts)}." if parts else ""


FIGURE = Figure(
    "accuracy_over_bits",
    "How much accuracy does each bit buy?",
    (),
    draw,
    runs,
    caption=caption,
    alt="Two panels over the number of bits of a code: test AUC and test logloss of LPT and ALPT, each with "
    "deterministic and stochastic rounding, less those of FP32, with error bars and a line at zero. The methods differ "
    "most at the fewest bits.",
    notes="Methods are moved sideways so that error bars can be told apart.",
)

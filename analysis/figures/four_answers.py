"""The four answers of `alpt-ref reproduce --quick` in one picture; (a) is exact, the others are paired runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from alpt_ref.studies import four_answers
from alpt_ref.studies.answers import Estimate
from alpt_ref.studies.reproduce import Runs, Study
from alpt_ref.theory.markov import ExactRounding
from alpt_ref.training.config import RunConfig
from alpt_ref.verification.figures import Figure

from ._runs import FONT, WIDTH, PlottedRow, intervals, label, legend, style
from ._style import METHODS, panels
from ._style import line as curve

ROUNDINGS: tuple[tuple[str, ExactRounding], ...] = (("DR", "dr"), ("SR", "sr"))
QUESTIONS = (
    "(a) Does SR converge where DR stays?",
    "(b) On clicks, when does SR beat DR?",
    "(c) What does a learned step size buy?",
    "(d) What do 8 bits save and cost?",
)


def runs(study: Study) -> Mapping[str, RunConfig]:
    return four_answers.runs(study)


def draw(found: Runs) -> tuple[Any, list[PlottedRow]]:
    figure, axes = panels(2, rows=2, width=2 * WIDTH, height=2.4)
    for one, question in zip(axes, QUESTIONS, strict=True):
        one.set_title(question, loc="left", fontsize=FONT, fontweight="bold")
        one.tick_params(which="both", labelsize=FONT - 1)
    rows = [*chain(axes[0]), *rounding(axes[1], found), *learning(axes[2], found), *precision(axes[3], found)]
    legend(figure, axes, 6, f"{intervals(found, 'whiskers')}, in (b) over {len(found.study.few_seeds)}")
    return figure, rows


def chain(axes: Any) -> list[PlottedRow]:
    """The exact gap over the updates, and half a step size, where SR ends."""
    updates, rows = np.arange(four_answers.UPDATES + 1), []
    for name, rule in ROUNDINGS:
        values = four_answers.gaps(rule)
        curve(axes, updates, values, name, METHODS[name], every=50)
        rows += [line("a", name, float(x), float(y)) for x, y in zip(updates, values, strict=True)]
    axes.axhline(four_answers.STEP_SIZE / 2, color="0.4", linewidth=0.8, linestyle=(0, (1, 2)), label="Δ/2")
    axes.set(yscale="log", ylim=(0.015, 2.0))
    axes.set_yticks([0.03, 0.1, 0.3, 1.0], ["0.03", "0.1", "0.3", "1"])
    axes.minorticks_off()
    label(axes, x=f"updates, each of {four_answers.MOVE:g} Δ", y="gap of f(w) = |w|, exact")
    return rows


def rounding(axes: Any, found: Runs) -> list[PlottedRow]:
    known = [(bits, ratio, four_answers.rounding_gain(found, bits, ratio)) for bits, ratio in four_answers.SWEEP]
    names = [f"η/Δ = {ratio:g}\n{bits} bits" for bits, ratio, _ in known]
    return bars(axes, "b", names, [one for *_, one in known], "test AUC, SR − DR", METHODS["SR"]["color"])


def learning(axes: Any, found: Runs) -> list[PlottedRow]:
    known = [four_answers.learning_gain(found, bits) for bits in four_answers.LEARNED]
    names = [f"{bits} bits" for bits in four_answers.LEARNED]
    return bars(axes, "c", names, known, "test AUC, ALPT − LPT", style("alpt-sr")["color"])


def precision(axes: Any, found: Runs) -> list[PlottedRow]:
    """Difference to FP32 over the bytes that are served."""
    one = four_answers.precision_loss(found)
    sizes = {name: next(iter(found[name].values())).result.serving_bytes / 1024 for name in ("alpt-sr 8-bit", "fp32")}
    axes.axhspan(-four_answers.MARGIN, four_answers.MARGIN, color="0.9", label=f"± {four_answers.MARGIN:g}")
    axes.plot([sizes["fp32"]], [0.0], label="FP32", **{**style("fp32"), "linestyle": "none"})
    axes.errorbar(
        [sizes["alpt-sr 8-bit"]], [one.estimate], half(one), label="ALPT(SR), 8 bits", capsize=3,
        **{**style("alpt-sr"), "linestyle": "none"},
    )  # fmt: skip
    axes.set_xlim(0.0, 1.25 * sizes["fp32"])
    reach = 1.3 * max(four_answers.MARGIN, *(abs(end) for end in (one.low, one.high) if end is not None), 0.0)
    axes.set_ylim(-reach, reach)
    label(axes, x="table in serving, KiB", y="test AUC − FP32")
    return [line("d", "ALPT(SR), 8 bits", sizes["alpt-sr 8-bit"], one.estimate, one)]


def bars(axes: Any, panel: str, names: list[str], known: list[Estimate], y: str, color: str) -> list[PlottedRow]:
    """A bar a comparison, with its interval and its number."""
    for place, one in enumerate(known):
        axes.bar(
            [place], [one.estimate], yerr=half(one), color=color, alpha=0.75, width=0.55, capsize=3, ecolor="black"
        )
        top = max(one.estimate, one.high or 0.0, 0.0)
        axes.annotate(f"{one.estimate:+.4f}".replace("-", "−"), (place, top), (0, 3), textcoords="offset points",
                      ha="center", fontsize=FONT - 1)  # fmt: skip
    axes.axhline(0.0, color="black", linewidth=0.7)
    axes.margins(y=0.18)
    axes.set_xticks(range(len(names)), names)
    axes.grid(axis="x", visible=False)
    label(axes, y=y)
    return [
        line(panel, name.replace("\n", ", "), place, one.estimate, one)
        for place, (name, one) in enumerate(zip(names, known, strict=True))
    ]


def half(one: Estimate) -> list[float]:
    return [0.0 if one.high is None else one.high - one.estimate]


def line(panel: str, series: str, x: float, value: float, one: Estimate | None = None) -> PlottedRow:
    ends = ("", "") if one is None or one.low is None else (one.low, one.high)
    return {"panel": panel, "series": series, "x": x, "value": value, "low": ends[0], "high": ends[1]}


def caption(rows: Sequence[Mapping[str, Any]]) -> str:
    """Where SR ends on |w|, its gain at the smallest and largest ratio, the learned step's gain, the loss of 8 bits."""
    end = next(one["value"] for one in reversed(rows) if one["panel"] == "a" and one["series"] == "SR")
    told = [with_interval(one) for one in rows if one["panel"] in ("b", "c", "d")]
    return (
        f"SR comes down to {end:.3f} where DR stays at 1; SR − DR in AUC is {told[0]} at a small η/Δ and {told[2]} at "
        f"a large one; a learned step size is worth {told[3]} at 4 bits, and 8-bit ALPT − FP32 is {told[-1]}."
    )


def with_interval(row: Mapping[str, Any]) -> str:
    """``+0.0084 ± 0.0021``."""
    value = f"{row['value']:+.4f}".replace("-", "−")
    return value if row["high"] == "" else f"{value} ± {row['high'] - row['value']:.4f}"


FIGURE = Figure(
    "four_answers",
    "What do rounding, a learned step size and 8 bits change?",
    (),
    draw,
    runs,
    seeds="all",
    few=four_answers.few,
    caption=caption,
    alt="Four panels: the gap of |w| over the updates with SR and DR; bars of test AUC, SR less DR, at two values of "
    "η/Δ; bars of test AUC, ALPT less LPT, at 4 and 2 bits; 8-bit ALPT and FP32 by bytes and test AUC.",
    notes="(a) is exact. Differences are paired by seed; a bar's whisker is its 95 % t-interval. (c): constant rate.",
)

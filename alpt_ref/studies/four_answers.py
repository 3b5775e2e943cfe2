"""The four questions of ``alpt-ref reproduce --quick``: their runs, their numbers, and sentences computed from these.

(a) is an exact Markov chain (`alpt_ref.theory.crossover.separation`, claim D4); (b) to (d) are paired runs, which the
tables of a full study have, too, so that a full study answers them at no cost of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref.studies.answers import Answer, Answers, Estimate, exact, mean_of, stored_difference
from alpt_ref.studies.inference import paired_differences
from alpt_ref.studies.stored import Runs
from alpt_ref.studies.study import Study
from alpt_ref.studies.sweep import SweepPoint, make_sweep, name_of
from alpt_ref.theory import Chain, Grid, Noise, absolute
from alpt_ref.theory.markov import ExactRounding
from alpt_ref.training.config import RunConfig

STEP_SIZE, MOVE, UPDATES = 0.05, 0.2, 300
"""Of (a): the step size, every update in step sizes (nearest rounding undoes what is below half), and their number."""
STALLS, LARGE = 0.1, 2.0
"""Values of eta/Delta in (b): nearest rounding undoes a first step of lazy Adam below 1/2 (claim D3)."""
SWEEP = ((8, STALLS), (2, STALLS), (8, LARGE))
"""Bits and eta/Delta of (b)."""
LEARNED = (4, 2)
"""Bits of (c)."""
MARGIN = 0.001
"""AUC within which 8-bit ALPT and FP32 count as equal, as in the table of all methods."""
FEW = 0.1
"""At a large eta/Delta a difference counts as gone if its interval ends below this share of that at a small one."""


class Row(NamedTuple):
    """A comparison of (b), (c) or (d): labels of its row in the table, the run, and its reference."""

    question: str
    method: str
    bits: str
    setting: str
    run: str
    reference: str


def gaps(rounding: ExactRounding) -> NDArray[np.float64]:
    """Expected gap ``E f(w_t)`` of ``f(w) = |w|`` from ``w = 1`` after 0 to `UPDATES` updates: float64, exact."""
    grid = Grid(STEP_SIZE, 6)
    chain = Chain(absolute(1.0, 0.0), grid, Noise(), rounding)
    matrix, value = chain.transition_matrix(MOVE * STEP_SIZE).T, np.abs(grid.values)
    law, found = chain.start_law(round(1.0 / STEP_SIZE)), np.empty(UPDATES + 1)
    for t in range(UPDATES + 1):
        found[t] = law @ value
        law = matrix @ law
    return found


def learned_name(label: str, bits: int) -> str:
    """Name of a run of (c)."""
    return f"constant rate {label} {bits}-bit"


def runs(study: Study) -> Mapping[str, RunConfig]:
    """Every run of (b), (c) and (d) by name."""
    constant = study.base.replace("train", milestones=())
    swept: dict[str, RunConfig] = {}
    for bits, ratio in SWEEP:
        swept |= make_sweep(constant, "lpt", (bits,), (ratio,))
    del swept["fp32"]  # at a constant learning rate; nothing is compared with it
    learned = {
        learned_name(label, bits): study.run(label, bits).replace("train", milestones=())
        for bits in LEARNED
        for label in ("lpt-sr", "alpt-sr")
    }
    return {**swept, **learned, "fp32": study.run("fp32"), "alpt-sr 8-bit": study.run("alpt-sr", 8)}


def few(study: Study) -> list[str]:
    """The runs of (b), whose differences are so large that few seeds show them."""
    return [name_of("lpt", SweepPoint(bits, rounding, ratio)) for bits, ratio in SWEEP for rounding in ("sr", "dr")]


def rows() -> list[Row]:
    """The comparisons, in the order of the questions."""
    found = []
    for bits, ratio in SWEEP:
        dr, sr = (name_of("lpt", SweepPoint(bits, rounding, ratio)) for rounding in ("dr", "sr"))
        found += [
            Row("b", label, str(bits), f"η/Δ = {ratio:g}", run, dr) for label, run in (("LPT-DR", dr), ("LPT-SR", sr))
        ]
    for bits in LEARNED:
        fixed = learned_name("lpt-sr", bits)
        for label in ("lpt-sr", "alpt-sr"):
            found.append(Row("c", label.upper(), str(bits), "constant rate", learned_name(label, bits), fixed))
    found += [Row("d", "FP32", "32", "as configured", "fp32", "fp32")]
    return [*found, Row("d", "ALPT-SR", "8", "as configured", "alpt-sr 8-bit", "fp32")]


def rounding_gain(found: Runs, bits: int, ratio: float) -> Estimate:
    """LPT(SR) less LPT(DR) in test AUC."""
    sr, dr = (name_of("lpt", SweepPoint(bits, rounding, ratio)) for rounding in ("sr", "dr"))
    return _difference(found, f"LPT(SR) − LPT(DR), {bits} bits, η/Δ = {ratio:g}", sr, dr)


def learning_gain(found: Runs, bits: int) -> Estimate:
    """ALPT(SR) less LPT(SR) in test AUC, constant learning rate."""
    names = (learned_name(label, bits) for label in ("alpt-sr", "lpt-sr"))
    return _difference(found, f"ALPT(SR) − LPT(SR), {bits} bits, constant rate", *names)


def precision_loss(found: Runs) -> Estimate:
    """8-bit ALPT(SR) less FP32 in test AUC."""
    return _difference(found, "ALPT(SR) 8 bits − FP32", "alpt-sr 8-bit", "fp32")


def _difference(found: Runs, what: str, first: str, second: str) -> Estimate:
    values = paired_differences(found, first, second)
    return mean_of(what, values, widen=found.widen(len(values)))


def answers(found: Runs) -> Answers:
    """All four.

    Raises
    ------
    ValueError
        All runs of a comparison diverged.
    """
    study, equal = found.study, precision_loss(found)
    rows_ = sum(next(iter(found.data.values())).parts)
    kind = "synthetic clicks" if study.base.data.source == "synthetic" else "rows"
    return Answers(
        about=(
            f"{rows_:,} {kind} a run; {len(found.seeds)} seeds, {len(study.few_seeds)} in (b); ± is a 95 % t-interval "
            "of differences paired by seed; (a) is exact."
        ),
        answers=(_chain(), _rounding(found), _learning(found), _precision(found, equal)),
        untold=_untold(found, equal) if study.name.startswith("quick") else "",
    )


def _chain() -> Answer:
    unit, after = "gap E f(w) − min f, start 1", f"after {UPDATES} updates"
    sr, dr = exact(f"SR, {after}", float(gaps("sr")[-1]), unit), exact(f"DR, {after}", float(gaps("dr")[-1]), unit)
    return Answer(
        question="(a) Does stochastic rounding (SR) converge where nearest rounding (DR) never moves?",
        sentence=(
            f"f(w) = |w| from w = 1 with step size Δ = {STEP_SIZE:g}, {UPDATES} updates of {MOVE:g} Δ, exact: the gap "
            f"is {sr.estimate:.3f} with SR, {sr.estimate / STEP_SIZE:.2g} Δ, and still {dr.estimate:.3g} with DR."
        ),
        parts=(sr, dr),
    )


def _rounding(found: Runs) -> Answer:
    small = [rounding_gain(found, bits, ratio) for bits, ratio in SWEEP if ratio == STALLS]
    large = rounding_gain(found, SWEEP[-1][0], LARGE)
    aucs = {
        side: mean_of(
            f"LPT({side.upper()}), 8 bits, η/Δ = {STALLS:g}",
            [run.result.test_auc for run in found[name_of("lpt", SweepPoint(8, side, STALLS))].values()],
            widen=found.widen(len(found.study.few_seeds)),
        )
        for side in ("dr", "sr")
    }
    least = min((one.low or 0.0) for one in small)
    gone = large.low is not None and large.high is not None and max(abs(large.low), abs(large.high)) < FEW * least
    decides = f"With 8 bits η/Δ decides; at {STALLS:g} SR is better with 2 bits too."
    end = decides if gone else "These runs do not show that η/Δ alone decides."
    return Answer(
        question="(b) On clicks, when does SR beat DR?",
        sentence=(
            f"SR − DR in test AUC at η/Δ = {STALLS:g}: {small[0].text()} with 8 bits (DR {aucs['dr'].estimate:.2f}, SR "
            f"{aucs['sr'].estimate:.2f}), {small[1].text()} with 2 bits; at η/Δ = {LARGE:g}: {large.text()} with "
            f"8 bits. {end}"
        ),
        parts=(small[0], small[1], large, *aucs.values()),
    )


def _learning(found: Runs) -> Answer:
    gains = [learning_gain(found, bits) for bits in LEARNED]
    told = ", ".join(f"{one.text()} at {bits} bits" for one, bits in zip(gains, LEARNED, strict=True))
    return Answer(
        question="(c) What does a learned step size buy?",
        sentence=f"ALPT − LPT in test AUC, both SR, constant learning rate: {told}.",
        parts=tuple(gains),
    )


def _precision(found: Runs, equal: Estimate) -> Answer:
    ours, full = (next(iter(found[name].values())).result for name in ("alpt-sr 8-bit", "fp32"))
    bytes_ = [
        exact(f"{name}, {what}", float(getattr(run, f"{what}_bytes")), "bytes of the table")
        for what in ("serving", "training")
        for name, run in (("ALPT(SR) 8 bits", ours), ("FP32", full))
    ]
    serving, training = full.serving_bytes / ours.serving_bytes, full.training_bytes / ours.training_bytes
    within = f"equal within {MARGIN:g}" if _is_equal(equal) else f"not shown to be equal within {MARGIN:g}"
    return Answer(
        question="(d) What do 8 bits save, and what do they cost?",
        sentence=(
            f"The table takes {ours.serving_bytes:,} bytes in serving, {serving:.2f} times fewer than FP32, and "
            f"{training:.2f} times fewer in training; 8-bit ALPT − FP32 in test AUC: {equal.text()}, {within}."
        ),
        parts=(equal, *bytes_),
    )


def _is_equal(one: Estimate) -> bool:
    return one.low is not None and one.high is not None and max(abs(one.low), abs(one.high)) < MARGIN


def _untold(found: Runs, equal: Estimate) -> str:
    """What runs of this size cannot tell, with the answer of the stored full study."""
    labels = {"learning rate": "decaying", "method": "ALPT-SR"}
    known = [stored_difference(f"{one} bits", "small", "schedule", labels | {"bits": f"{one}"}) for one in LEARNED]
    stored = [f"{one.text()} at {one.what} ({one.n} seeds)" for one in known if one is not None]
    topics, told = ["(c) with a decaying rate"], [f"(c) {', '.join(stored)}"] if stored else []
    whole = stored_difference("ALPT(SR) 8 bits − FP32", "small", "methods", {"method": "ALPT-SR"})
    if not _is_equal(equal):
        topics.append(f"equality within {MARGIN:g} in (d)")
        told += [f"(d) {whole.text(5)} ({whole.n} seeds)"] if whole is not None else []
    if not told:
        return ""
    return (
        f"Not told by runs of this size: {' and '.join(topics)}. STORED, from the full study of 500,000 clicks that "
        f"comes with the package: {'; '.join(told)}."
    )

"""LPT and ALPT, stochastic and nearest rounding, 8 to 2 bits; 16 bits as a check: there all should equal FP32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alpt_ref.studies.reproduce import Line, Runs, Study, Table
from alpt_ref.training.config import RunConfig

from ._sentences import against_reference, auc_differences, listed, significant

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


def conclude(found: Runs) -> Sequence[str]:
    """The two comparisons of the paper at each number of bits, then everything against FP32."""
    pairs = {}
    for bits in found.study.bits:
        for method in ("lpt", "alpt"):
            pairs[bits, f"SR − DR with {method.upper()}"] = name(f"{method}-sr", bits), name(f"{method}-dr", bits)
        for rounding in ("sr", "dr"):
            words = f"ALPT − LPT with {rounding.upper()}"
            pairs[bits, words] = name(f"alpt-{rounding}", bits), name(f"lpt-{rounding}", bits)
    known = auc_differences(found, pairs)
    sentences = [
        f"{bits} bits, AUC: {listed({words: known[bits, words] for at, words in known if at == bits})} (paired, Holm "
        "over all bits)."
        for bits in found.study.bits
        if any(at == bits for at, _ in known)
    ]
    kinds = list(dict.fromkeys(words for _, words in known))
    won = {one: [f"{bits}" for bits in found.study.bits if significant(known[bits, one]) > 0] for one in kinds}
    text = "; ".join(f"{one} at {', '.join(at) + ' bits' if at else 'no number of bits'}" for one, at in won.items())
    sentences += [f"Significantly above 0: {text}."] if known else []
    return [*sentences, *against_reference(found, lines(found.study), lambda method, bits: f"{method} {bits}-bit")]


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
    conclude=conclude,
)

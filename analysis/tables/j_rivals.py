"""What error feedback and rows that set their own step size do to the paper's two comparisons, by number of bits.

ECO bounds the reach of "stochastic beats nearest rounding": with its error fed back nearest rounding moves again.
rowmax bounds the gain of a learned step size: its step size costs nothing to set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alpt_ref.studies.inference import PairedEstimate, estimates, paired_differences
from alpt_ref.studies.reproduce import Row, Runs, Study, Table
from alpt_ref.training.config import RunConfig

from ._sentences import against_reference

METHODS = {
    "LPT": ("lpt", {}), "ALPT": ("alpt", {}), "ECO": ("eco", {}),
    "rowmax affine": ("rowmax", {"grid": "affine"}), "rowmax symmetric": ("rowmax", {"grid": "symmetric"}),
}  # fmt: skip
"""Words -> method and settings of the table."""
ROUNDINGS = ("dr", "sr")


def name(words: str, rounding: str, bits: int) -> str:
    return f"{words}({rounding.upper()}) {bits}-bit"


def runs(study: Study) -> Mapping[str, RunConfig]:
    made = {
        name(words, rounding, bits): study.run(f"{method}-{rounding}", bits, **settings)
        for words, (method, settings) in METHODS.items()
        for rounding in ROUNDINGS
        for bits in study.bits
    }
    return {"fp32": study.run("fp32"), **made}


def rows(study: Study) -> list[Row]:
    made = [
        Row((words, rounding.upper(), str(bits)), name(words, rounding, bits), reference="fp32", group=str(bits))
        for bits in study.bits
        for words in METHODS
        for rounding in ROUNDINGS
    ]
    return [Row(("FP32", "", "32"), "fp32", reference="fp32"), *made]


def pairs(bits: int) -> dict[str, tuple[str, str]]:
    """Comparisons at a number of bits, in words: first run less second."""
    found = {f"SR − DR with {words}": (name(words, "sr", bits), name(words, "dr", bits)) for words in METHODS}
    for rounding in ROUNDINGS:
        for first, second in (
            ("ALPT", "LPT"), ("ECO", "LPT"), ("ALPT", "rowmax affine"), ("ALPT", "rowmax symmetric"),
        ):  # fmt: skip
            words = f"{first} − {second} with {rounding.upper()}"
            found[words] = name(first, rounding, bits), name(second, rounding, bits)
    found["ECO(DR) − LPT(SR)"] = name("ECO", "dr", bits), name("LPT", "sr", bits)
    return found


def conclude(found: Runs) -> Sequence[str]:
    """Every comparison with its interval, significant or not; Holm's correction over all of a metric."""
    sentences = []
    for metric, words in (("auc", "AUC"), ("logloss", "logloss")):
        keys = {(bits, one): pair for bits in found.study.bits for one, pair in pairs(bits).items()}
        known = estimates({key: paired_differences(found, *pair, metric) for key, pair in keys.items()}, found.widen)
        for bits in found.study.bits:
            sentences += _listed(f"{bits} bits, {words}", {one: known[at, one] for at, one in known if at == bits})
    return [*sentences, *against_reference(found, rows(found.study), lambda *labels: " ".join(labels))]


def _listed(head: str, known: Mapping[str, PairedEstimate]) -> list[str]:
    told = "; ".join(f"{words} {one}" for words, one in known.items())
    return [f"{head}: {told} (paired, Holm over all bits)."] if told else []


TABLE = Table(
    id="rivals",
    title="Error feedback (ECO) and rows that set their own step size (rowmax) beside LPT and ALPT",
    label_columns=("method", "rounding", "bits"),
    runs=runs,
    rows=rows,
    columns=("auc", "logloss", "auc_difference", "logloss_difference", "code_kept", "clipped", "serving_ratio"),
    note=(
        "Reference: FP32. ECO holds no array more than LPT. rowmax holds a step size a row (symmetric), or a step size "
        "and a bias (affine). Code kept: of a grid that moves, code by code."
    ),
    conclude=conclude,
)

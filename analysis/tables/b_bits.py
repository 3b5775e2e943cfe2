"""LPT and ALPT, stochastic and nearest rounding, 8 to 2 bits; 16 bits as a check: there all should equal FP32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alpt_ref.studies.inference import decided, low_bit_note, low_bit_rows
from alpt_ref.studies.reproduce import Row, Runs, Study, Table
from alpt_ref.training.config import RunConfig

from ._sentences import against_reference, auc_differences

LABELS = ("lpt-dr", "lpt-sr", "alpt-dr", "alpt-sr")
CHECK = 16


def name(label: str, bits: int) -> str:
    return f"{label} {bits}-bit"


def runs(study: Study) -> Mapping[str, RunConfig]:
    made = {name(label, bits): study.run(label, bits) for bits in (CHECK, *study.bits) for label in LABELS}
    return {"fp32": study.run("fp32"), **made}


def rows(study: Study) -> list[Row]:
    made = [
        Row((label.upper(), str(bits)), name(label, bits), reference="fp32", group=str(bits))
        for bits in (CHECK, *study.bits)
        for label in LABELS
    ]
    return [Row(("FP32", "32"), "fp32", reference="fp32"), *made]


def conclude(found: Runs) -> Sequence[str]:
    """The two comparisons of the paper at each number of bits, then everything against FP32."""
    pairs = {}
    for bits in found.study.bits:
        for method in ("lpt", "alpt"):
            words = f"SR − DR with {method.upper()} at {bits} bits"
            pairs[words] = name(f"{method}-sr", bits), name(f"{method}-dr", bits)
        for rounding in ("sr", "dr"):
            words = f"ALPT − LPT with {rounding.upper()} at {bits} bits"
            pairs[words] = name(f"alpt-{rounding}", bits), name(f"lpt-{rounding}", bits)
    return [
        *decided(found, auc_differences(found, pairs)),
        *against_reference(found, rows(found.study), lambda method, bits: f"{method} {bits}-bit"),
        *low_bit_note(found),
    ]


TABLE = Table(
    id="bits",
    title="LPT and ALPT with stochastic (SR) and nearest (DR) rounding by number of bits",
    label_columns=("method", "bits"),
    runs=runs,
    rows=rows,
    columns=("auc", "logloss", "auc_difference", "logloss_difference", "code_kept", "clipped", "serving_ratio"),
    note=(
        "Reference: FP32. Code kept: share of non-zero updates that left the code unchanged; clipped: share that met "
        "the end of the code range; both over all epochs."
    ),
    extra_rows=low_bit_rows,
    conclude=conclude,
)

"""The public benchmark's figures, printed beside ours where the data are the same: checked first, never assumed.

Source: the BARS / FuxiCTR open benchmark (Zhu et al., CIKM 2021 and SIGIR 2022), Criteo_x4_001 and Avazu_x4_001: full
data, embedding dimension 16, categories seen fewer than 10 (Criteo) or 2 (Avazu) times out of vocabulary.

It has no low-bit tables. The only public series over widths on Criteo that is known to us are logs of another model,
`LOW_BIT_LOGS`; they are printed as what they are, never as figures of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alpt_ref.studies.stored import Data


@dataclass(frozen=True)
class Benchmark:
    """What is known of one of its datasets: backbone -> (test AUC, test logloss)."""

    name: str
    parts: tuple[int, int, int]
    features: int
    results: Mapping[str, tuple[float, float]]


BENCHMARKS = {
    "criteo": Benchmark(
        "Criteo_x4_001",
        (36_672_493, 4_584_062, 4_584_062),
        910_708,
        {"logistic": (0.7934, 0.4568), "fm": (0.8086, 0.4431), "deepfm": (0.8143, 0.4376), "dcn": (0.8144, 0.4376)},
    ),
    "avazu": Benchmark(
        "Avazu_x4_001",
        (32_343_172, 4_042_897, 4_042_898),
        3_750_975,
        {"logistic": (0.7775, 0.3815), "fm": (0.7887, 0.3754), "deepfm": (0.7930, 0.3719), "dcn": (0.7931, 0.3719)},
    ),
}
"""Study -> benchmark."""


@dataclass(frozen=True)
class LowBitLogs:
    """Public training logs of one model at several widths of its embedding tables.

    Attributes
    ----------
    model, data, source : str
    auc : dict of (float, float)
        Width of a weight of the tables in bits -> (best test AUC, test AUC at the end of the last epoch).
    """

    model: str
    data: str
    source: str
    auc: Mapping[int, tuple[float, float]]


LOW_BIT_LOGS = LowBitLogs(
    model="DLRM",
    data="Criteo Kaggle, 5 epochs",
    source="github.com/YangZhou08/Deep_Quantized_Recommendation_Model_DQRM at b33bb05, bash_scripts/Kaggle: "
    "dlrm_unquantized.txt, emb_bit_16.txt, emb_bit_8.txt, emb_bit_4.txt",
    auc={32: (0.8047, 0.7623), 16: (0.8046, 0.7412), 8: (0.8054, 0.7606), 4: (0.8075, 0.8075)},
)
"""``roc auc score`` of the last line of each log, and the ``best`` beside it."""


def low_bit_line(study: str) -> str:
    """The logs in one sentence for a study of a public set, whatever rows of it were used; "" for any other.

    Examples
    --------
    >>> low_bit_line("criteo")[:85]
    'For reference, another model on another split (DLRM on Criteo Kaggle, 5 epochs, publi'
    >>> low_bit_line("small")
    ''
    """
    if study not in BENCHMARKS:
        return ""
    widths = "; ".join(
        f"{'FP32' if bits == 32 else f'{bits} bits'} {best:.4f} ({last:.4f})"
        for bits, (best, last) in LOW_BIT_LOGS.auc.items()
    )
    return (
        f"For reference, another model on another split ({LOW_BIT_LOGS.model} on {LOW_BIT_LOGS.data}, public training "
        f"logs), best test AUC and in brackets that after the last epoch: {widths}. Source: {LOW_BIT_LOGS.source}."
    )


def check_benchmark(study: str, data: Data) -> tuple[Benchmark | None, str]:
    """The benchmark whose figures belong beside ours, or None and why not; None and "" where there is none."""
    known = BENCHMARKS.get(study)
    if known is None:
        return None, ""
    wrong = [
        f"{what} {found:,} in place of {wanted:,}"
        for what, found, wanted in (
            ("training rows", data.parts[0], known.parts[0]),
            ("validation rows", data.parts[1], known.parts[1]),
            ("test rows", data.parts[2], known.parts[2]),
            ("features", data.features, known.features),
        )
        if found != wanted
    ]
    if wrong:
        return (
            None,
            f"Figures of the benchmark {known.name} are left out, for these are other data: {', '.join(wrong)}.",
        )
    return known, f"Benchmark {known.name}: same numbers of rows and features, in a split of its own."

"""SR against DR with and without error feedback, below and above η/Δ = 1/2, where DR undoes lazy Adam's first steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alpt_ref.studies.inference import estimates, paired_differences
from alpt_ref.studies.reproduce import Row, Runs, Study, Table
from alpt_ref.studies.sweep import SweepPoint, make_sweep, name_of
from alpt_ref.training.config import RunConfig

METHODS = {"lpt": "LPT", "eco": "ECO"}
RATIOS = (0.1, 2.0)


def runs(study: Study) -> Mapping[str, RunConfig]:
    base = study.base.replace("train", milestones=())
    return {
        name: config
        for method in METHODS
        for name, config in make_sweep(base, method, study.bits, RATIOS).items()
        if name != "fp32"
    }


def of(method: str, bits: int, rounding: str, ratio: float) -> str:
    return name_of(method, SweepPoint(bits, rounding, ratio))


def rows(study: Study) -> list[Row]:
    return [
        Row(
            (str(bits), f"{ratio:g}", words, side.upper()),
            of(method, bits, side, ratio),
            of("lpt", bits, "dr", ratio),
            f"{bits} {ratio}",
        )
        for bits in study.bits
        for ratio in RATIOS
        for method, words in METHODS.items()
        for side in ("dr", "sr")
    ]


def pairs(bits: int, ratio: float) -> dict[str, tuple[str, str]]:
    """Comparisons at one point of the sweep, in words: first run less second."""
    both = {
        f"SR − DR with {words}": (of(method, bits, "sr", ratio), of(method, bits, "dr", ratio))
        for method, words in METHODS.items()
    }
    return both | {
        f"ECO − LPT with {side.upper()}": (of("eco", bits, side, ratio), of("lpt", bits, side, ratio))
        for side in ("dr", "sr")
    }


def conclude(found: Runs) -> Sequence[str]:
    """Every comparison with its interval, significant or not; Holm's correction over all of a metric."""
    sentences = []
    for metric, words in (("auc", "AUC"), ("logloss", "logloss")):
        keys = {
            (bits, ratio, one): pair
            for bits in found.study.bits
            for ratio in RATIOS
            for one, pair in pairs(bits, ratio).items()
        }
        known = estimates({key: paired_differences(found, *pair, metric) for key, pair in keys.items()}, found.widen)
        for bits in found.study.bits:
            for ratio in RATIOS:
                told = "; ".join(f"{key[2]} {one}" for key, one in known.items() if key[:2] == (bits, ratio))
                if told:
                    head = f"{bits} bits, η/Δ = {ratio:g}, {words}"
                    sentences.append(f"{head}: {told} (paired, Holm over all).")
    return sentences


TABLE = Table(
    id="eta_over_delta_feedback",
    title="SR and DR with (ECO) and without (LPT) error feedback at a constant learning rate",
    label_columns=("bits", "η/Δ", "method", "rounding"),
    runs=runs,
    rows=rows,
    columns=("auc", "logloss", "auc_difference", "logloss_difference", "code_kept", "clipped"),
    note="Reference: LPT(DR) at the same bits and η/Δ.",
    conclude=conclude,
)

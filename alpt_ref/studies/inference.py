"""Sentences that a table adds to its numbers, each computed from the runs: equivalence, regions, gaps, benchmarks."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from alpt_ref._util.statistics import paired_p_value, t_interval
from alpt_ref.studies.benchmark import Benchmark, check_benchmark
from alpt_ref.studies.columns import LEVEL
from alpt_ref.studies.line import Line
from alpt_ref.studies.paired import Difference, differences
from alpt_ref.studies.stored import Runs
from alpt_ref.training.results import RunResult
from alpt_ref.verification.stats import holm

Key = TypeVar("Key", bound=Hashable)


def results_of(runs: Runs, names: Sequence[str]) -> dict[str, dict[int, RunResult]]:
    """Name -> seed -> result."""
    return {name: {seed: run.result for seed, run in runs[name].items()} for name in names}


def equivalence(runs: Runs, first: str, second: str, margin: float) -> list[str]:
    """Two one-sided t-tests (TOST) of equal test AUC within `margin`, paired by seed; for new rows too."""
    pair = [Difference(first, second)]
    lines = differences(results_of(runs, (first, second)), pair, folds=runs.study.base.data.folds)
    found = next((line for line in lines if line["metric"] == "auc"), None)
    names = f"{first.upper()} and {second.upper()}"
    if found is None:
        return [f"Fewer than two pairs of runs: nothing can be said on the equivalence of {names}."]
    within = found["equivalent_within"]
    verdict = "are equivalent" if within < margin else "are not shown to be equivalent"
    tests = f"two one-sided t-tests at the {LEVEL:.0%} level, {found['pairs']} pairs: {found['difference']:+.5f}"
    if not runs.share_rows:
        return [f"{names} {verdict} within {margin:g} AUC ({tests}, smallest margin {within:.5f})."]
    new = found["equivalent_within_new_rows"]
    return [
        f"{names} {verdict} within {margin:g} AUC over splits of these rows ({tests}, smallest margin {within:.5f}); "
        f"for new rows of the same source the smallest margin is {new:.5f}."
    ]


def gap_to_bayes(runs: Runs, name: str) -> list[str]:
    """How far a method's test logloss is above the Bayes optimum, where that is known."""
    gaps = [
        run.result.test_logloss - runs.data[seed].bayes["logloss"]
        for seed, run in runs[name].items()
        if "logloss" in runs.data[seed].bayes
    ]
    if not gaps:
        return []
    interval = t_interval(gaps)
    half = "" if interval.half_width is None else f" ± {interval.half_width:.4f}"
    return [f"{name.upper()} is {interval.mean:.4f}{half} logloss above the Bayes optimum of the test rows."]


def regions(runs: Runs, pairs: Mapping[int, Mapping[float, tuple[str, str]]]) -> list[str]:
    """For each number of bits the values of eta/Delta where SR has the lower logloss, and where DR has (Holm over all).

    `pairs` : bits -> ratio -> names of the SR run and of the DR run.
    """
    every = {pair: (bits, ratio) for bits, of in pairs.items() for ratio, pair in of.items()}
    names = list(dict.fromkeys(name for pair in every for name in pair))
    lines = differences(results_of(runs, names), [Difference(*pair) for pair in every])
    tested = {every[line["first"], line["second"]]: line for line in lines if line["metric"] == "logloss"}
    sentences = []
    for bits in pairs:
        ours = {ratio: tested[bits, ratio] for ratio in pairs[bits] if (bits, ratio) in tested}
        won = [ratio for ratio, line in ours.items() if line["p_holm"] < LEVEL and line["difference"] < 0]
        lost = [ratio for ratio, line in ours.items() if line["p_holm"] < LEVEL and line["difference"] > 0]
        open_ = [ratio for ratio in ours if ratio not in won and ratio not in lost]
        parts = [f"SR is better at η/Δ = {_list(won)}" if won else "SR is nowhere significantly better"]
        parts += [f"DR at {_list(lost)}"] if lost else []
        parts += [f"no significant difference at {_list(open_)}"] if open_ else []
        if ours:
            sentences.append(f"{bits} bits, logloss: {'; '.join(parts)} (paired, Holm over all bits and ratios).")
    return sentences


def _list(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def benchmark_lines(runs: Runs) -> list[Line]:
    """The public benchmark's figures, a line a backbone, where rows and vocabulary are the same."""
    known = _benchmark(runs)[0]
    if known is None:
        return []
    return [
        Line((f"{kind}, {known.name}",), group="benchmark", fixed={"auc": auc, "logloss": logloss})
        for kind, (auc, logloss) in known.results.items()
    ]


def benchmark_note(runs: Runs) -> list[str]:
    """Whether the benchmark's figures are of the same rows and vocabulary."""
    note = _benchmark(runs)[1]
    return [note] if note else []


def _benchmark(runs: Runs) -> tuple[Benchmark | None, str]:
    return check_benchmark(runs.study.name, next(iter(runs.data.values())))


class Estimate(NamedTuple):
    """Mean of paired differences, half width of its 95 % t-interval, p-value of "the mean is 0" after correction."""

    mean: float
    half_width: float
    p: float

    @property
    def interval(self) -> str:
        """``+0.0151 ± 0.0027``."""
        return f"{self.mean:+.4f} ± {self.half_width:.4f}"

    def __str__(self) -> str:
        """The same, starred where it is significant."""
        return f"{self.interval}{'*' if self.p < LEVEL else ''}"


def estimates(values: Mapping[Key, Sequence[float]]) -> dict[Key, Estimate]:
    """Estimates with Holm's correction over all of them; what has fewer than two values is left out."""
    raw = {key: paired_p_value(numbers) for key, numbers in values.items()}
    known = {key: p for key, p in raw.items() if p is not None}
    corrected = zip(known, holm(list(known.values())).tolist(), strict=True)
    return {key: Estimate(*_mean_and_half(values[key]), p) for key, p in corrected}


def _mean_and_half(numbers: Sequence[float]) -> tuple[float, float]:
    interval = t_interval(numbers)
    return interval.mean, interval.half_width or 0.0

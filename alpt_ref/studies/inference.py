"""Sentences that a table adds to its numbers, each computed from the runs: equivalence, regions, gaps, benchmarks.

A sentence on a difference states its size and its interval. What the seeds cannot decide is one sentence for the whole
table (`Undecided`), with the largest of these differences.
"""

from __future__ import annotations

from collections.abc import Mapping

from alpt_ref._util.statistics import LEVEL, PairedEstimate, estimates, multiplicity_note, t_interval
from alpt_ref.studies.benchmark import LOW_BIT_LOGS, Benchmark, check_benchmark, low_bit_line
from alpt_ref.studies.collected import CollectedRuns
from alpt_ref.studies.columns import COLUMNS, values_by_seed
from alpt_ref.studies.row import Row
from alpt_ref.studies.stored import Runs

__all__ = [
    "PairedEstimate",
    "Undecided",
    "benchmark_note",
    "benchmark_rows",
    "decided",
    "equivalence",
    "estimates",
    "gap_to_bayes",
    "low_bit_note",
    "low_bit_rows",
    "paired_differences",
    "regions",
    "undecided",
]


class Undecided(str):
    """The sentence on those comparisons of a table that its seeds cannot decide.

    Attributes
    ----------
    comparisons : how many they are
    seeds : how many seeds cannot decide them
    """

    __slots__ = ("comparisons", "seeds")
    comparisons: int
    seeds: int

    def __new__(cls, text: str, comparisons: int, seeds: int) -> Undecided:
        """`text` is the sentence."""
        made = super().__new__(cls, text)
        made.comparisons, made.seeds = comparisons, seeds
        return made


def paired_differences(runs: Runs, first: str, second: str, metric: str = "auc") -> list[float]:
    """Test `metric` (``auc``, ``logloss``) of the first run less that of the second, seed by seed."""
    if isinstance(runs, CollectedRuns):
        return runs.paired_differences(first, second, metric)
    return list(values_by_seed(COLUMNS[f"{metric}_difference"], Row((), first, second), runs).values())


def undecided(
    runs: Runs,
    known: Mapping[str, PairedEstimate],
    metric: str = "AUC",
    what: str = "comparisons apart",
    family: int | None = None,
) -> list[Undecided]:
    """One sentence on the estimates that are not significant, with the largest of them; nothing if all are.

    Parameters
    ----------
    runs : their seeds are named
    known : estimates by name
    metric : named in the sentence
    what : what the seeds cannot do to them: "comparisons apart", "rows from the reference"
    family : comparisons that were corrected together, if there are more than these
    """
    rest = {name: one for name, one in known.items() if not one.sign}
    if not rest:
        return []
    largest = max(rest, key=lambda name: abs(rest[name].mean))
    noun, _, apart = what.partition(" ")
    other = "the other" if len(rest) < len(known) else "the"
    counted = f"{other} {noun.removesuffix('s')} {apart}" if len(rest) == 1 else f"{other} {len(rest)} {what}"
    note = multiplicity_note([(one.mean, one.half_width) for one in rest.values()], family or len(known))
    seeds = len(runs.seeds)
    return [
        Undecided(
            f"{metric}: {seeds} seed{'s' if seeds > 1 else ''} cannot tell {counted} (largest "
            f"difference: {largest}, {rest[largest].interval}{note}).",
            len(rest),
            seeds,
        )
    ]


def decided(
    runs: Runs, known: Mapping[str, PairedEstimate], metric: str = "AUC", family: str = "paired, Holm over all"
) -> list[str]:
    """The significant estimates of a family with their sizes in one sentence, all others in another."""
    told = "; ".join(f"{name} {one}" for name, one in known.items() if one.sign)
    return [*([f"{metric}: {told} ({family} {len(known)})."] if told else []), *undecided(runs, known, metric)]


def equivalence(runs: Runs, first: str, second: str, margin: float) -> list[str]:
    """Two one-sided t-tests (TOST) of equal test AUC within `margin`, paired by seed, for new rows of the source.

    Both tests at the 5 % level find two runs equivalent for every margin above the larger end, in absolute value, of
    the 90 % interval. Where the seeds are splits of the same rows the interval is the wider one for new rows
    (`Runs.widen`) and decides; the naive one is named beside it.
    """
    values = paired_differences(runs, first, second)
    names = f"{first.upper()} and {second.upper()}"
    if len(values) < 2:
        return [f"Fewer than two pairs of runs: the equivalence of {names} cannot be tested."]
    widen = runs.widen(len(values))
    interval = t_interval(values, widen=widen)
    if interval.half_width is None:
        return [
            f"All {len(values)} differences between {names} are {interval.mean:+.5f}: without scatter t-tests cannot "
            "show their equivalence."
        ]
    within, naive = (
        abs(interval.mean) + (t_interval(values, 1 - 2 * LEVEL, factor).half_width or 0.0) for factor in (widen, 1.0)
    )
    verdict = "are equivalent" if within < margin else "are not shown to be equivalent"
    tests = (
        f"two one-sided t-tests at the {LEVEL:.0%} level, {len(values)} pairs: {interval.mean:+.5f} ± "
        f"{interval.half_width:.5f}"
    )
    if not runs.share_rows:
        return [f"{names} {verdict} within {margin:g} AUC ({tests}, smallest margin {within:.5f})."]
    return [
        f"{names} {verdict} within {margin:g} AUC for new rows of the same source ({tests}, smallest margin "
        f"{within:.5f}; naive, over splits of these rows alone: smallest margin {naive:.5f})."
    ]


def gap_to_bayes(runs: Runs, name: str) -> list[str]:
    """How far a method's test logloss is above the Bayes optimum, where that is known."""
    if not any("logloss" in one.bayes for one in runs.data.values()):
        return []
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


def regions(runs: Runs, pairs: Mapping[int, Mapping[float, tuple[str, str]]], metric: str = "logloss") -> list[str]:
    """For each number of bits the values of eta/Delta where SR is better, and where DR is (Holm over all).

    `pairs` : bits -> ratio -> names of the SR run and of the DR run.
    """
    known = estimates(
        {
            (bits, ratio): paired_differences(runs, *pair, metric)
            for bits, of in pairs.items()
            for ratio, pair in of.items()
        },
        runs.widen,
    )
    better, name = (1, "AUC") if metric == "auc" else (-1, metric)
    sentences: list[str] = []
    for bits in pairs:
        ours = {ratio: known[bits, ratio] for ratio in pairs[bits] if (bits, ratio) in known}
        sides = {
            side: ", ".join(f"{ratio:g} ({one})" for ratio, one in ours.items() if one.sign == sign)
            for side, sign in (("SR", better), ("DR", -better))
        }
        parts = [f"{side} is better at η/Δ = {where}" for side, where in sides.items() if where]
        if parts:
            tests = f"SR − DR, paired, Holm over all {len(known)}"
            sentences.append(f"{bits} bits, {name}: {'; '.join(parts)} ({tests}).")
    named = {f"{bits} bits η/Δ = {ratio:g}": one for (bits, ratio), one in known.items()}
    return [*sentences, *undecided(runs, named, f"{name}, SR − DR")]


def benchmark_rows(runs: Runs) -> list[Row]:
    """The public benchmark's figures, a row per backbone, where rows and vocabulary are the same."""
    known = _benchmark(runs)[0]
    if known is None:
        return []
    return [
        Row((f"{kind}, {known.name}",), group="benchmark", fixed={"auc": auc, "logloss": logloss})
        for kind, (auc, logloss) in known.results.items()
    ]


def benchmark_note(runs: Runs) -> list[str]:
    """Whether the benchmark's figures are of the same rows and vocabulary."""
    note = _benchmark(runs)[1]
    return [note] if note else []


def low_bit_rows(runs: Runs) -> list[Row]:
    """The public logs of another model over widths, best AUC, where the benchmark's figures stand and are Criteo's."""
    if runs.study.name != "criteo" or _benchmark(runs)[0] is None:
        return []
    return [
        Row((f"{LOW_BIT_LOGS.model} (another model)", str(bits)), group="another model", fixed={"auc": best})
        for bits, (best, _) in LOW_BIT_LOGS.auc.items()
    ]


def low_bit_note(runs: Runs) -> list[str]:
    """The same logs as a sentence, for the studies of the public sets."""
    line = low_bit_line(runs.study.name)
    return [line] if line else []


def _benchmark(runs: Runs) -> tuple[Benchmark | None, str]:
    return check_benchmark(runs.study.name, next(iter(runs.data.values())))

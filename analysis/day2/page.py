"""The page of day 2: AUCs, paired differences with 95 % intervals, and what they support."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alpt_ref._util.statistics import t_interval

from .sizes import CAUSES_DAY, DAY, UPDATE

Figures = Sequence[dict[str, Any]]
TITLES = {
    "estimator": "`CTRClassifier`, one pass of `partial_fit`",
    "train fp32": "`alpt-ref train`, FP32",
    "train alpt": "`alpt-ref train`, ALPT(SR), 8 bits",
    "small days": "the same, days of 8,000 rows",
}


def page(found: Figures) -> str:
    """The whole page, from the figures of all seeds."""
    seeds, new = len(found), sum(one["new categories"] for one in found) / len(found)
    lines = [
        "# Day 2",
        "",
        f"Made by `python -m analysis.day2`. Avazu-shaped days of {DAY:,} rows from `alpt-ref data generate --day`, "
        f"{seeds} seeds, each with a log of its own: 80 % of the categories of `site_id` are renewed every day, so "
        f"that {100 * new:.0f} % of those seen on day 2 are not known from day 1. AUC is that of day 3, which none has "
        "seen; differences are paired by seed, with 95 % t-intervals.",
        "",
        "| what | no update | updated by day 2 | refit on both | updated - no update | updated - refit |",
        "|---|---|---|---|---|---|",
    ]
    lines += [_row(title, [one[key] for one in found]) for key, title in TITLES.items()]
    lines += ["", *_verdicts(found), "", "## Why a pass can lose", ""]
    causes = [one["causes"] for one in found]
    lines += [
        f"`CTRClassifier` fitted on {CAUSES_DAY:,} rows of day 1, then {UPDATE:,} rows of day 2; difference of the AUC "
        f"on day 3 to no update (AUC {_mean([one['no update'] for one in causes])}).",
        "",
        "| day 2 comes in | " + " | ".join(_causes(causes)) + " |",
        "|---" * (1 + len(_causes(causes))) + "|",
    ]
    for way in dict.fromkeys(key.partition(": ")[0] for key in causes[0] if ": " in key):
        cells = [
            _difference([one[f"{way}: {cause}"] - one["no update"] for one in causes]) for cause in _causes(causes)
        ]
        lines.append(f"| {way} | " + " | ".join(cells) + " |")
    lines += ["", *_reading(causes)]
    return "\n".join(lines) + "\n"


def _causes(causes: Figures) -> list[str]:
    return list(dict.fromkeys(key.partition(": ")[2] for key in causes[0] if ": " in key))


def _three(one: dict[str, Any]) -> tuple[float, float, float]:
    return one["no update"], one["init-from" if "init-from" in one else "partial_fit"], one["refit"]


def _row(title: str, seeds: Figures) -> str:
    triples = [_three(one) for one in seeds]
    means = [_mean(values) for values in zip(*triples, strict=True)]
    gain = _difference([after - before for before, after, _ in triples])
    gap = _difference([after - refit for _, after, refit in triples])
    return f"| {title} | {' | '.join(means)} | {gain} | {gap} |"


def _mean(values: Sequence[float]) -> str:
    return f"{t_interval(list(values)).mean:.4f}"


def _difference(values: Sequence[float]) -> str:
    mean, half, _ = t_interval(list(values))
    return f"{mean:+.4f} ± {'n/a' if half is None else f'{half:.4f}'}"


def _ends(values: Sequence[float]) -> tuple[float, float]:
    mean, half, _ = t_interval(list(values))
    return (mean, mean) if half is None else (mean - half, mean + half)


def _verdicts(found: Figures) -> list[str]:
    lines = []
    for key, title in TITLES.items():
        triples = [_three(one[key]) for one in found]
        low, _ = _ends([after - before for before, after, _ in triples])
        _, high = _ends([after - refit for _, after, refit in triples])
        beats = "is better than no update" if low > 0 else "is NOT shown to be better than no update"
        level = "is not below the refit by more than its interval" if high >= 0 else "is BELOW the refit"
        lines.append(f"- {title}: {beats}; {level}.")
    held = [one[key] for one in found for key in TITLES if "untouched rows" in one[key]]
    rows, changed = (sum(one[name] for one in held) for name in ("untouched rows", "of them changed"))
    same = sum(one["resumed run has the same bytes"] for one in held)
    lines += [
        f"- Rows of day 1 whose category no training row of day 2 holds: {rows:,} in {len(held)} runs, of which "
        f"{changed:,} have another bit in codes, step sizes or optimizer state.",
        f"- Stopped in the second epoch and resumed: {same} of {len(held)} runs have the same bytes as without.",
    ]
    return lines


def _reading(causes: Figures) -> list[str]:
    """What the table of causes shows, in sentences that follow from its numbers."""
    lines = []
    for way in dict.fromkeys(key.partition(": ")[0] for key in causes[0] if ": " in key):
        now = _ends([one[f"{way}: as it is"] - one["no update"] for one in causes])
        full = _ends([one[f"{way}: full rate"] - one["no update"] for one in causes])
        word = {True: "loses", False: "is not shown to lose"}
        rate = _ends([one[f"{way}: as it is"] - one[f"{way}: full rate"] for one in causes])
        helps = "better" if rate[0] > 0 else "worse" if rate[1] < 0 else "no difference shown"
        lines.append(
            f"- {way}: at the full rate the update {word[full[1] < 0]}, as it is it {word[now[1] < 0]}; as it is "
            f"against the full rate: {helps}."
        )
    return lines

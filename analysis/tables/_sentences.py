"""Sentences that several tables add: paired differences in test AUC, and which of them are significant."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from alpt_ref.studies.columns import COLUMNS, LEVEL, of_seeds
from alpt_ref.studies.inference import Estimate, estimates
from alpt_ref.studies.reproduce import Line, Runs

Key = TypeVar("Key", bound=Hashable)


def auc_differences(found: Runs, pairs: Mapping[Key, tuple[str, str]]) -> dict[Key, Estimate]:
    """First run less second in test AUC, paired by seed, Holm-corrected over all; pairs without runs are absent."""
    column = COLUMNS["auc_difference"]
    values = {key: of_seeds(column, Line((), *pair), found) for key, pair in pairs.items()}
    return estimates({key: list(of_seed.values()) for key, of_seed in values.items()})


def significant(one: Estimate) -> int:
    """1 for a significant gain, -1 for a significant loss, 0 for neither."""
    return 0 if one.p >= LEVEL else 1 if one.mean > 0 else -1


def listed(known: Mapping[str, Estimate]) -> str:
    """``SR − DR +0.0036 ± 0.0007*; ALPT − LPT ...``."""
    return "; ".join(f"{words} {one}" for words, one in known.items())


def against_reference(
    found: Runs, lines: Sequence[Line], words: Callable[..., str] = lambda *labels: " ".join(labels)
) -> list[str]:
    """Which lines lose or gain significantly, named by their labels; the tests are those of the table's own column."""
    pairs = {words(*line.labels): (line.run, line.against) for line in lines if line.run != line.against}
    known = auc_differences(found, pairs)
    parts = [
        f"{side}: {', '.join(f'{name} ({known[name]})' for name in known if significant(known[name]) == sign)}"
        for sign, side in ((-1, "Significantly below the reference in AUC"), (1, "significantly above it"))
        if any(significant(one) == sign for one in known.values())
    ]
    rest = {name: one for name, one in known.items() if not significant(one)}
    if rest:
        largest = max(rest, key=lambda name: abs(rest[name].mean))
        many = (
            f"no significant difference for the other {len(rest)}" if parts else "No line differs significantly in AUC"
        )
        parts.append(f"{many} (the largest: {largest}, {rest[largest]}), which does not prove equality")
    text = "; ".join(parts)
    return [f"{text[0].upper()}{text[1:]}."] if text else []

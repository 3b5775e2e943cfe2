"""Sentences that several tables add: paired differences in test AUC, and which of them are significant."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from alpt_ref.studies.inference import PairedEstimate, estimates, paired_differences, undecided
from alpt_ref.studies.reproduce import Row, Runs

Key = TypeVar("Key", bound=Hashable)


def auc_differences(found: Runs, pairs: Mapping[Key, tuple[str, str]]) -> dict[Key, PairedEstimate]:
    """First run less second in test AUC, paired by seed, Holm-corrected over all; pairs without runs are absent."""
    return estimates({key: paired_differences(found, *pair) for key, pair in pairs.items()}, found.widen)


def against_reference(
    found: Runs, rows: Sequence[Row], words: Callable[..., str] = lambda *labels: " ".join(labels)
) -> list[str]:
    """Which rows lose or gain significantly, named by their labels; the tests are those of the table's own column."""
    shown = [row for row in rows if row.run != row.reference and found.shows(row.run)]
    pairs = {words(*row.labels): (row.run, row.reference) for row in shown}
    known = auc_differences(found, pairs)
    parts = [
        f"significantly {side} the reference: {', '.join(f'{name} ({known[name]})' for name in ours)}"
        for sign, side in ((-1, "below"), (1, "above"))
        if (ours := [name for name, one in known.items() if one.sign == sign])
    ]
    told = [f"AUC {'; '.join(parts)}."] if parts else []
    return [*told, *undecided(found, known, what="rows from the reference")]

"""Every verdict that was ever reached in an output folder: a line of ``ledger.jsonl`` each, appended, never rewritten.

Who looks often enough sees what he wants to see: looking after every seed from the 5th to the 20th, each time at 5 %,
supports a false claim in 16 % of cases. The ledger makes the looks countable. A process that is killed while it writes
leaves at most its last line incomplete; that line is skipped, and the next one begins on a line of its own.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from alpt_ref._util.files import sync_folder
from alpt_ref.verification.code_hash import versions
from alpt_ref.verification.codec import canonical
from alpt_ref.verification.results import OUTCOMES, ClaimResult

LEDGER = "ledger.jsonl"


class Entry(NamedTuple):
    """One verdict: on which data (budget, seed, code, cells), the largest p-value, the outcome, and when (UTC).

    `data` changes with the cells, hence with the runs that a claim on a study is about; "" in older ledgers.
    """

    claim: str
    budget: str
    seed: int
    code: str
    p: float | None
    outcome: str
    time: str
    versions: Mapping[str, str]
    data: str = ""


def append_verdicts(folder: Path, results: Sequence[ClaimResult]) -> None:
    """Add a line for each verdict to the folder's ledger, on the disk when this returns."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    entries = [
        Entry(one.id, one.budget, one.seed, one.code, one.p, one.outcome, now, dict(versions()), _data(one))
        for one in results
    ]
    text = "".join(json.dumps(entry._asdict(), allow_nan=False) + "\n" for entry in entries)
    path = folder / LEDGER
    new = not path.exists()
    with path.open("a+b") as stream:
        if stream.seek(0, os.SEEK_END) > 0:
            stream.seek(-1, os.SEEK_END)
            text = text if stream.read(1) == b"\n" else "\n" + text  # what a killed process left stays alone
        stream.write(text.encode())
        stream.flush()
        os.fsync(stream.fileno())
    if new:
        sync_folder(folder)


def _data(result: ClaimResult) -> str:
    """Sixteen digits of the cells that a verdict is about."""
    cells = sorted(canonical(cell.cell) for cell in result.cells)
    return hashlib.sha256(" ".join(cells).encode()).hexdigest()[:16]


def read_verdicts(folder: Path) -> dict[str, list[Entry]]:
    """The verdicts in a folder by claim, in the order in which they were reached; incomplete lines are skipped.

    Parameters
    ----------
    folder : output folder of ``alpt-ref verify``; without a ledger there are none
    """
    found: dict[str, list[Entry]] = {}
    path = folder / LEDGER
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            entry = Entry(**json.loads(line))
        except (ValueError, TypeError):
            continue
        if entry.outcome in OUTCOMES:
            found.setdefault(entry.claim, []).append(entry)
    return found


def history_text(entries: Sequence[Entry]) -> str:
    """How many verdicts there are on a claim, on how many different data, and when the outcome changed.

    Examples
    --------
    >>> one = Entry("a", "quick", 0, "c0de", 0.5, "INCONCLUSIVE", "2026-01-01T00:00:00Z", {})
    >>> history_text([one, one._replace(seed=1, outcome="SUPPORTED", time="2026-01-02T00:00:00Z")])
    '2 verdicts in this folder, on 2 different data; INCONCLUSIVE -> SUPPORTED 2026-01-02T00:00:00Z (other seed)'
    """
    if not entries:
        return ""
    data = {(entry.budget, entry.seed, entry.code, entry.data) for entry in entries}
    many = f"{len(entries)} verdict{'s' if len(entries) > 1 else ''} in this folder"
    on = "the same data" if len(data) == 1 else f"{len(data)} different data"
    text = many if len(entries) == 1 else f"{many}, on {on}"
    changes = [
        f"{before.outcome} -> {after.outcome} {after.time} ({_difference(before, after)})"
        for before, after in itertools.pairwise(entries)
        if before.outcome != after.outcome
    ]
    return "; ".join([text, *changes])


def _difference(before: Entry, after: Entry) -> str:
    names = [name for name in ("budget", "seed", "code", "data") if getattr(before, name) != getattr(after, name)]
    return "other " + " and ".join(names) if names else "the same data, judged otherwise"

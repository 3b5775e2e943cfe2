"""Verdicts by theme: what is met, what is not, the controls, vacuous bounds, and what the ledger holds.

One screen that a reader needs before the table of all claims; the reports of `alpt-ref verify` and of a study share it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from alpt_ref.verification.ledger import Entry
from alpt_ref.verification.results import OUTCOMES, ClaimResult

MOST = 6
"""Claims that are named with their numbers; the others are counted."""


class Theme(NamedTuple):
    """A heading, a sentence, and claims with a few words on each: (id, words)."""

    heading: str
    sentence: str
    claims: tuple[tuple[str, str], ...] = ()


def themes(results: Sequence[ClaimResult], history: Mapping[str, Sequence[Entry]]) -> list[Theme]:
    """The themes that these verdicts have something to say about, in order.

    Parameters
    ----------
    results : the verdicts
    history : the ledger's verdicts by claim
    """
    found = [_met(results), _not_met(results), _controls(results), _vacuous(results), _ledger(results, history)]
    return [one for one in found if one is not None]


def _met(results: Sequence[ClaimResult]) -> Theme | None:
    met = [one for one in results if one.outcome == "SUPPORTED"]
    if not met:
        return None
    tight = sorted((one for one in met if one.tightness is not None), key=lambda one: -(one.tightness or 0.0))
    nearest = f" Nearest to their bounds: {', '.join(_tight(one) for one in tight[:3])}." if tight else ""
    exact = sum(not one.sampled for one in met)
    how = f"{exact} of them exactly, without sampling" if exact else "all of them sampled"
    sentence = f"{len(met)} of {len(results)} claims supported, {how}.{nearest}"
    return Theme("Proved and met", sentence, tuple((one.id, "") for one in met))


def _tight(one: ClaimResult) -> str:
    return f"{one.id} ({one.tightness:.3g})"


def _not_met(results: Sequence[ClaimResult]) -> Theme | None:
    rest = [one for one in results if one.outcome != "SUPPORTED"]
    if not rest:
        return None
    counts = {name: sum(one.outcome == name for one in rest) for name in OUTCOMES}
    told = ", ".join(f"{count} {name.lower().replace('_', ' ')}" for name, count in counts.items() if count)
    claims = tuple((one.id, f"{one.outcome}: {_reason(one)}") for one in rest)
    return Theme("Open, refuted or not applicable", f"{told}.", claims)


def _reason(result: ClaimResult) -> str:
    reasons = sorted({cell.reason for cell in result.cells if cell.reason})
    reasons += [f"control {one.name} was not refuted" for one in result.controls if not one.refuted]
    return reasons[0] if reasons else "the limits lie on both sides of the bound"


def _controls(results: Sequence[ClaimResult]) -> Theme | None:
    controls = [(one.id, control) for one in results for control in one.controls if one.outcome != "NOT_APPLICABLE"]
    if not controls:
        return None
    kept = tuple((name, control.name) for name, control in controls if not control.refuted)
    sentence = (
        f"{len(controls) - len(kept)} of {len(controls)} controls, which are broken on purpose, are refuted by the "
        f"test that supports their claim{'; these are not' if kept else ''}."
    )
    return Theme("Controls", sentence, kept)


def _vacuous(results: Sequence[ClaimResult]) -> Theme | None:
    known = {one.id: one.informative for one in results if one.informative is not None}
    if not known:
        return None
    useful, points = (sum(pair[place] for pair in known.values()) for place in (0, 1))
    partly = {name: pair for name, pair in known.items() if pair[0] < pair[1]}
    named = sorted(partly, key=lambda name: partly[name][0] / partly[name][1])
    claims = tuple((name, f"{partly[name][1] - partly[name][0]} of {partly[name][1]} points") for name in named)
    more = "" if len(claims) <= MOST else f" The {MOST} claims with the largest share:"
    sentence = (
        f"At {points - useful} of {points} points the bound is vacuous: it lies above what no method can exceed, so "
        f"every method meets it.{more}"
    )
    return Theme("Vacuous points", sentence, claims[:MOST])


def _ledger(results: Sequence[ClaimResult], history: Mapping[str, Sequence[Entry]]) -> Theme | None:
    entries = {one.id: history.get(one.id, ()) for one in results}
    total = sum(map(len, entries.values()))
    if not total:
        return None
    changed = tuple(
        (name, " → ".join(dict.fromkeys(entry.outcome for entry in of)))
        for name, of in entries.items()
        if len({entry.outcome for entry in of}) > 1
    )
    again = sum(len(of) > 1 for of in entries.values())
    sentence = f"{total} verdicts are written down; {_claims(again)} judged more than once"
    return Theme(
        "Ledger", f"{sentence}{', these with another verdict' if changed else ', none with another'}.", changed
    )


def _claims(count: int) -> str:
    return f"{count} claim{'s are' if count != 1 else ' is'}"

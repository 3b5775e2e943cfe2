"""Verdicts by claim id: a dict that a notebook shows as a table."""

from __future__ import annotations

from alpt_ref._util.notebook import html_table
from alpt_ref.verification.results import ClaimResult


class Verdicts(dict[str, ClaimResult]):
    """What `alpt_ref.verify` returns: verdicts by id, in the order in which the claims are listed."""

    def _repr_html_(self) -> str:
        """A line a claim, for notebooks."""
        from alpt_ref.verification.report import counts_text, p_text

        rows = [
            (one.id, one.title, one.outcome, p_text(one), counts_text(one), f"{refuted(one)}/{len(one.controls)}")
            for one in self.values()
        ]
        return html_table(("claim", "title", "verdict", "largest p", "cells", "controls refuted"), rows)


def refuted(result: ClaimResult) -> int:
    """How many controls were refuted, as they must be."""
    return sum(control.refuted for control in result.controls)


def summary(result: ClaimResult) -> dict[str, object]:
    """A verdict as plain values, for scripts: what the table of ``alpt-ref verify`` says, and why cells stay open."""
    from alpt_ref.verification.report import open_reasons

    reasons = sorted({cell.reason for cell in result.cells if cell.reason})
    return {
        "id": result.id, "title": result.title, "kind": result.kind, "source": result.source,
        "outcome": result.outcome, "p": result.p, "cells": len(result.cells), "points": len(result.points),
        "supported": result.count("SUPPORTED"), "informative": result.informative, "tightness": result.tightness,
        "controls": len(result.controls), "controls_refuted": refuted(result), "budget": result.budget,
        "seed": result.seed, "code": result.code, "open": open_reasons(result), "reasons": reasons,
    }  # fmt: skip

"""What the collected studies found, in their own sentences: the part ``studies`` of docs/studies.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

STUDIES = Path(__file__).resolve().parent / "results"
FIRST = ("small", "frappe", "criteo")
"""Studies in the order of docs/studies.md; others follow by name."""
SHOWN = ("methods", "eta_over_delta")
"""Tables whose conclusions docs/studies.md repeats; those of the others are on the study's own page."""


def studies(folder: Path = STUDIES) -> dict[str, dict[str, Any]]:
    """The summaries of the collected studies by name, in the order of docs/studies.md."""
    found = {file.parent.name: json.loads(file.read_text(encoding="utf-8")) for file in folder.glob("*/summary.json")}
    names = [*(name for name in FIRST if name in found), *sorted(name for name in found if name not in FIRST)]
    return {name: found[name] for name in names}


def studies_part(found: Mapping[str, Mapping[str, Any]]) -> str:
    """What every study found: conclusions of the tables in `SHOWN`, counts of verdicts, and the claims on its runs."""
    if not found:
        return "No study is stored in this clone; the commands above make and collect them."
    lines = []
    for name, one in found.items():
        outcomes = [claim["verdict"] for claim in one["claims"].values()]
        counted = ", ".join(f"{outcomes.count(verdict)} {verdict}" for verdict in dict.fromkeys(sorted(outcomes)))
        version = one.get("versions", {}).get("alpt-ref")
        of = f" of version {version}" if version else ""
        claims = f"{len(outcomes)} claims{of}: {counted}." if outcomes else "Claims not verified."
        if "judged" in one:
            judged = one["judged"]
            claims = f"Claims on its runs ({judged['bits']}), judged anew by version {judged['version']}: {counted}."
        lines.append(
            f"**[{name}](../analysis/results/{name}/README.md)**: {', '.join(one['data'])}, {sum(one['rows']):,} rows, "
            f"{one['runs']:,} runs, {one['seeds']} seeds ({one['few']} in tables of variants). {claims}"
        )
        lines += ["", *(line for table in SHOWN for line in _conclusions(name, one, table)), ""]
    return "\n".join([*lines, *_claims_by_study(found)]).rstrip()


def _conclusions(name: str, study: Mapping[str, Any], table: str) -> list[str]:
    """The conclusions of a table below its title."""
    if table not in study["conclusions"]:
        return []
    one = study["conclusions"][table]
    sentences = [f"  - {sentence}".replace("*", "\\*") for sentence in one["sentences"]]
    return [f"- [{one['title']}](../analysis/results/{name}/tables/{table}.md)", *sentences]


def _claims_by_study(found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The claims that are about the runs of a study, one line each."""
    about = {
        claim: one["title"] for study in found.values() for claim, one in study["claims"].items() if one["about_runs"]
    }
    if not about:
        return []
    rows = [
        [f"{claim}: {title}", *(_verdict(study, claim) for study in found.values())] for claim, title in about.items()
    ]
    table = [["claim on the runs", *found], ["---"] * (len(found) + 1), *rows]
    return [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |" for cells in table]


def _verdict(study: Mapping[str, Any], claim: str) -> str:
    one = study["claims"].get(claim)
    return "" if one is None else f"{one['verdict']}: {one['cells']}"

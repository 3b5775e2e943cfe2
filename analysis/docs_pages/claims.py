"""One page per claim: statement, proof, assumptions, tightness, controls, the stored verdict, and its code."""

from __future__ import annotations

import ast
import csv
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from alpt_ref.verification.claim import Assumption, Claim, Control
from alpt_ref.verification.figures import Figure, load_figures
from alpt_ref.verification.runner import Loaded, load_claims

from ..necessity import labels, theorems
from ..readme import part
from .markdown import formulas, prose, sections, table

GROUPS = {
    "s": "Stochastic rounding: convergence",
    "d": "Deterministic (nearest) rounding",
    "x": "Exact laws and quadratics",
    "r": "What rounding does to one number",
    "a": "Learned and changing step sizes",
    "u": "Any rounding",
    "t": "Tightness and floors",
    "ef": "Error feedback",
    "rm": "Step sizes from the row",
    "rp": "Replayed updates",
    "c": "How the floor scales",
    "m": "Trained models",
    "e": "The engines themselves",
    "j": "The judge itself",
}
"""Claims by the letters that their ids begin with, in the order of the index."""
KINDS = {
    "upper": "an upper bound: what is measured is at most the bound",
    "lower": "a lower bound: what is measured is at least the bound",
    "rate": "a rate: a slope lies within a range",
    "identity": "an identity: two numbers are equal",
    "separation": "a separation: one number exceeds another by at least the bound",
    "equivalence": "an equivalence: a difference lies within a margin",
}


def pages(root: Path) -> dict[str, str]:
    """The pages of all claims of the package and their index."""
    loaded = load_claims()
    proofs: dict[str, list[Callable[..., Any]]] = {}
    for function in theorems().values():
        proofs.setdefault(labels(function)[0], []).append(function)
    printed = (root / "docs" / "claims.md").read_text(encoding="utf-8")
    stored = verdicts(part(printed, "verify"))
    needed = _needed(root)
    figures = load_figures()
    made = {"index.md": _index(loaded, stored)}
    for name, one in loaded.items():
        functions = proofs.get(name, [])
        made[f"{name}.md"] = _page(one, functions, stored.get(name), needed.get(name, {}), figures)
    return made


def verdicts(block: str) -> dict[str, list[str]]:
    """What ``alpt-ref verify`` printed, by claim: verdict, largest p, cells, non-trivial, tightness, controls."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in block.splitlines()]
    return {row[0]: row[1:] for row in rows if len(row) == 7 and row[0] != "claim"}


def _needed(root: Path) -> dict[str, dict[str, str]]:
    """Largest p-value with which each control was refuted in its cells, by claim and control."""
    found: dict[str, dict[str, str]] = {}
    with (root / "analysis" / "results" / "necessity.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["claim"], {})[row["control"]] = row["p"]
    return found


def group(name: str) -> str:
    """The letters that a claim's id begins with."""
    letters = re.match(r"[a-z]+", name)
    return letters[0] if letters and letters[0] in GROUPS else ""


def _index(loaded: Mapping[str, Loaded], stored: Mapping[str, Sequence[str]]) -> str:
    lines = [
        "# Theory: one page per claim",
        "",
        f"The {len(loaded)} claims of the package. [Claims and how they are verified](../claims.md) says what is",
        "proved, cited and only observed; [How a verdict comes about](../verdicts.md) what a verdict means. The",
        "verdicts here are those of the stored run on that page.",
    ]
    by_group: dict[str, list[str]] = {}
    for name in loaded:
        by_group.setdefault(group(name), []).append(name)
    for letters in [*GROUPS, *(key for key in by_group if key not in GROUPS)]:
        names = by_group.get(letters, [])
        if names:
            rows = [
                [f"[{name}]({name}.md)", prose(loaded[name].claim.title), stored[name][0] if name in stored else "–"]
                for name in names
            ]
            lines += ["", f"## {GROUPS.get(letters, 'Others')}", "", table(["claim", "about", "verdict"], rows)]
    listed = "\n".join(f"{name}" for name in loaded)
    return "\n".join([*lines, "", "```{toctree}", ":hidden:", "", listed, "```", ""])


def _page(
    one: Loaded,
    functions: Sequence[Callable[..., Any]],
    stored: Sequence[str] | None,
    needed: Mapping[str, str],
    figures: Sequence[Figure],
) -> str:
    claim = one.claim
    tree = ast.parse(one.file.read_text(encoding="utf-8"))
    doc = sections(ast.get_docstring(tree) or "")
    parts = [f"# {claim.id}: {prose(claim.title)}", "## Statement", formulas(claim.statement)]
    if claim.plain:
        parts.append(f"In words: {prose(_flat(claim.plain))}")
    parts.append(f"The claim is {KINDS[claim.kind]}.")
    if doc[""]:
        parts.append(prose(doc[""]))
    parts += [*_proofs(doc, functions), *_assumptions(claim), *_terms(functions)]
    parts += ["## Verdict of the stored run", _verdict(stored)]
    parts += ["## Controls", *_controls(claim.controls, needed)]
    shown = [figure for figure in figures if claim.id in figure.claims]
    if shown:
        links = ", ".join(f"[{prose(figure.title)}](../gallery/{figure.id}.md)" for figure in shown)
        parts += ["## Figures", f"Drawn from this claim: {links}."]
    parts += [
        "## Source and code",
        f"Whose result: {prose(_flat(claim.source))}.".replace("..", "."),
        _code(one, functions),
    ]
    return "\n\n".join(parts) + "\n"


def _flat(text: str) -> str:
    return " ".join(text.split())


def _proofs(doc: Mapping[str, str], functions: Sequence[Callable[..., Any]]) -> list[str]:
    """The proof of each form of the theorem, as the function that computes its bound gives it."""
    parts = []
    if "Proof" in doc:
        parts.append(prose(doc["Proof"]))
    for function in functions:
        own = sections(inspect.getdoc(function) or "")
        if "Proof" in own:
            parts += [f"**{prose(_flat(own['']).rstrip('.'))}.**", prose(own["Proof"])]
    return ["## Proof", *parts] if parts else []


def _assumptions(claim: Claim) -> list[str]:
    if not claim.assumptions:
        return []
    lines = [f"- {prose(one.name)}" + _when(one) + (" (proved)" if one.proved else "") for one in claim.assumptions]
    return ["## Assumptions", "Each is executed in every cell before its measurement counts.", "\n".join(lines)]


def _when(one: Assumption) -> str:
    return " (along the run)" if one.along_run and "along the run" not in one.name else ""


def _terms(functions: Sequence[Callable[..., Any]]) -> list[str]:
    """The terms that the bound adds up from."""
    rows = []
    for function in functions:
        own = sections(inspect.getdoc(function) or "")
        for line in own.get("Terms", "").splitlines():
            term, _, factors = line.partition(":")
            if term.strip():
                form = own[""].partition(":")[0].partition(" ")[2]
                rows.append([f"`{term.strip()}`", f"`{factors.strip()}`" if factors.strip() else "", form])
    return ["## Terms", table(["term", "factors with a control of their own", "form"], rows)] if rows else []


def _verdict(stored: Sequence[str] | None) -> str:
    if stored is None:
        return "No run of this claim is stored yet; `alpt-ref verify --claim` runs it."
    verdict, p, cells, informative, tightness, controls = stored
    rows = [
        ["verdict", f"**{verdict}**"],
        ["largest p", p],
        ["cells", cells],
        ["points where the bound says more than nothing", informative],
        ["tightness: largest measured over bound", tightness],
        ["controls", controls],
    ]
    return table(["", ""], rows)


def _controls(controls: Sequence[Control], needed: Mapping[str, str]) -> list[str]:
    rows = [
        [
            prose(one.name),
            prose(one.description),
            ", ".join(f"`{term}`" for term in one.removes),
            needed.get(one.name, ""),
        ]
        for one in controls
    ]
    said = (
        "Negative controls: the same test must refute each of them. Where one leaves out or halves "
        "a term of the bound, the term is needed; p is the largest over its cells."
    )
    return [said, table(["control", "what is wrong", "shows the need for", "p"], rows)]


def _code(one: Loaded, functions: Sequence[Callable[..., Any]]) -> str:
    name = one.file.name
    lines = [f"- the claim: [analysis/claims/{name}](../../analysis/claims/{name})"]
    for function in functions:
        path = Path(*function.__module__.split(".")).with_suffix(".py")
        lines.append(f"- the bound: `{function.__name__}` in [{path.as_posix()}](../../{path.as_posix()})")
    return "\n".join([*lines, f"- to run it: `alpt-ref verify --claim {one.claim.id}`"])

"""The page of a mutation run: named mutants with the claim and cell that caught each, survivors, counts a file."""

from __future__ import annotations

import fnmatch
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from alpt_ref.errors import InputError

from .journal import CLAIM, NOT_RUN, OPEN, SURVIVED, TEST, TIME, Result
from .named import Mutant

_WIDTH = 90


class Explained(msgspec.Struct, forbid_unknown_fields=True):
    """Why survivors are no gap: the change means nothing, or nothing that a claim speaks of.

    `where` is ``file:function`` with ``*`` and ``?``; `old` and `new` are the code, or "*"; `rule` is that of `syntax`;
    `line` is a piece of the broken line, the new code in parentheses, which tells equal codes of a function apart.
    """

    where: str
    why: str
    old: str = "*"
    new: str = "*"
    rule: str = "*"
    line: str = ""

    def fits(self, mutant: Mutant) -> bool:
        """Whether it is meant."""
        about = ((self.old, mutant.old), (self.new, mutant.new), (self.rule, mutant.what))
        exact = all(wanted in ("*", given) for wanted, given in about)
        return exact and self.line in mutant.line and fnmatch.fnmatchcase(mutant.where, self.where)


def read_explained(file: Path) -> list[Explained]:
    """The explanations of a data file; none if there is no such file."""
    if not file.exists():
        return []
    try:
        known = tomllib.loads(file.read_text(encoding="utf-8"))
        return msgspec.convert(known.get("survivor", []), list[Explained])
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as explanations: {error}") from None


def why(mutant: Mutant, explained: Sequence[Explained]) -> str:
    """The explanation of a mutant that survived; "" if there is none."""
    return next((one.why for one in explained if one.fits(mutant)), "")


def too_wide(
    mutants: Sequence[Mutant], results: Sequence[Result], explained: Sequence[Explained]
) -> list[tuple[Explained, Mutant]]:
    """Explanations that would explain a mutant which was caught, each with the first of these."""
    caught = [one for one, result in zip(mutants, results, strict=True) if result.status in (CLAIM, TEST, TIME)]
    pairs = ((one, next((mutant for mutant in caught if one.fits(mutant)), None)) for one in explained)
    return [(one, mutant) for one, mutant in pairs if mutant is not None]


def unexplained(mutants: Sequence[Mutant], results: Sequence[Result], explained: Sequence[Explained]) -> list[Mutant]:
    """Survivors without an explanation; of a named mutant only a claim counts as having caught it."""
    pairs = zip(mutants, results, strict=True)
    alive = [one for one, result in pairs if result.status == SURVIVED or (one.named and result.status == TEST)]
    return [one for one in alive if not why(one, explained)]


def page(
    mutants: Sequence[Mutant], results: Sequence[Result], red: Sequence[str], explained: Sequence[Explained]
) -> str:
    """Markdown."""
    lines = ["# Mutants", ""]
    lines += ["Made by `python -m alpt_ref.analysis.mutate`; how it works stands in `analysis/mutate/__init__.py`.", ""]
    if red:
        lines += [f"Red without any mutant, or too slow, so that they could catch none: {', '.join(red)}.", ""]
    both = list(zip(mutants, results, strict=True))
    named = [pair for pair in both if pair[0].named]
    generic = [pair for pair in both if not pair[0].named]
    if named:
        caught = sum(result.status == CLAIM for _, result in named)
        lines += ["## With a name", "", f"{caught} of {len(named)} turn a claim red in the quick budget.", ""]
        lines += _table(
            ("mutant", "what is wrong", "claim", "verdict", "cell"),
            [
                (one.id, one.what, _by(result), result.outcome, result.cell or why(one, explained))
                for one, result in named
            ],
        )
    if generic:
        lines += ["## By rule", "", *_cost(generic), *_counts(generic, explained)]
        alive = [(one, result) for one, result in generic if result.status == SURVIVED]
        lines += ["### Survivors", "", "Neither a claim nor a test that runs the line noticed these.", ""]
        lines += _table(
            ("where", "code", "became", "why that is no gap"),
            [(one.where, _code(one.old), _code(one.new), _open(one, result, explained)) for one, result in alive],
        )
        lines += ["### Seen by a claim", ""]
        seen = [(one, result) for one, result in generic if result.status == CLAIM]
        lines += _table(
            ("where", "code", "became", "claim", "cell"),
            [(one.where, _code(one.old), _code(one.new), result.by, result.cell) for one, result in seen],
        )
    return "\n".join(lines).rstrip() + "\n"


def _open(one: Mutant, result: Result, explained: Sequence[Explained]) -> str:
    return why(one, explained) or (f"**open**: {result.cell}" if result.cell else "**open**")


def _cost(generic: Sequence[tuple[Mutant, Result]]) -> list[str]:
    """How many were run of how many, and what all of them would take."""
    ran = [result for _, result in generic if result.status not in (NOT_RUN, OPEN)]
    if not ran:
        return [f"None of {len(generic)} was run.", ""]
    mean = sum(result.seconds for result in ran) / len(ran)
    return [
        f"{len(ran)} of {len(generic)} were run, in {mean:.1f} seconds of one process each on average; all would take "
        f"{mean * len(generic) / 7200:.1f} hours with two processes. Tests and claims that run the line are asked, "
        "tests first, until one fails: where a test sees it no claim is asked.",
        "",
    ]


def _by(result: Result) -> str:
    return {
        TIME: f"{result.by} (does not end)",
        SURVIVED: "**none**",
        NOT_RUN: "not run",
        TEST: f"**none** ({result.by})",
    }.get(result.status, result.by)


def _counts(generic: Sequence[tuple[Mutant, Result]], explained: Sequence[Explained]) -> list[str]:
    counts: dict[str, Counter[str]] = {}
    for one, result in generic:
        status = "explained" if result.status == SURVIVED and why(one, explained) else result.status
        counts.setdefault(one.where.partition(":")[0], Counter())[status] += 1
    columns = (CLAIM, TIME, TEST, "explained", SURVIVED, OPEN, NOT_RUN)
    heads = (
        "file", "seen by a claim", "never ended", "seen by a test", "survived, explained", "survived, unexplained",
        "survived what is quick", "not run",
    )  # fmt: skip
    total = sum(counts.values(), Counter())
    rows = [(file, *(str(found[column]) for column in columns)) for file, found in sorted(counts.items())]
    return _table(heads, [*rows, ("all", *(str(total[column]) for column in columns))])


def _code(text: str) -> str:
    short = text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
    return f"`{short}`" if "`" not in short else short


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return ["None.", ""]
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    lines = ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *cells)]
    return [*lines, ""]

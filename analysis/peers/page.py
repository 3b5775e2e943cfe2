"""The stored results as Markdown: the table, the reproductions, and the sentences of ``docs/peers-quantizers.md``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from alpt_ref._util.files import write_text

from .record import Check, Record, Row

DOCS = Path(__file__).resolve().parents[2] / "docs" / "peers-quantizers.md"
MARKS = {"holds": "✓", "note": "n", "left out": "–"}
LEGEND = (
    "✓ holds · **✗** breaks what the package promises or what follows from its kind of rounding (the link leads to the "
    "reproduction) · n does not hold, and nobody promised it · – not measured"
)


def failures(record: Record) -> Iterator[tuple[str, Row, str, Check]]:
    """Everything that counts as a failure, with its label: F1, F2, …"""
    number = 0
    for row in record.rows:
        for name in row.failed:
            number += 1
            yield f"F{number}", row, name, row.checks[name]


def properties(record: Record) -> list[str]:
    """Names in the order of the reports, those of every row."""
    return list(dict.fromkeys(name for row in record.rows for name in row.checks))


def table(record: Record, link: str = "") -> str:
    """Quantisers times properties; `link` stands before the anchor of a failure."""
    labels = {(id(row), name): label for label, row, name, _ in failures(record)}
    names = properties(record)

    def cell(row: Row, name: str) -> str:
        check = row.checks.get(name)
        if check is None:
            return MARKS["left out"]
        if check.verdict == "fails":
            label = labels[id(row), name]
            return f"[**✗**]({link}#{label.lower()})"
        return MARKS[check.verdict]

    lines = ["| quantiser | rounding | lattice | " + " | ".join(f"`{name}`" for name in names) + " |"]
    lines.append("|---|---|---|" + ":-:|" * len(names))
    for row in record.rows:
        cells = [f"{row.peer} {row.version}: {row.case}", row.rounding.upper(), row.lattice]
        lines.append(
            "| " + " | ".join([*(_escaped(one) for one in cells), *(cell(row, name) for name in names)]) + " |"
        )
    return "\n".join(lines)


def sentences(record: Record) -> str:
    """What the table says, in a few sentences."""
    broken = [row for row in record.rows if row.failed]
    packages = list(dict.fromkeys(row.peer for row in record.rows))
    clean = [name for name in packages if not any(row.failed for row in record.rows if row.peer == name)]
    lines = [
        f"{len(record.rows)} roundings of {len(packages)} quantisers were checked; {len(broken)} of the roundings "
        "break something that they promise or that follows from their kind of rounding. "
        + (f"Nothing of that was found in {_and(clean)}." if clean else "None was without a finding.")
    ]
    by_property: dict[str, list[str]] = {}
    for _, row, name, _ in failures(record):
        by_property.setdefault(name, []).append(row.peer)
    for name in sorted(by_property, key=lambda name: -len(by_property[name])):
        every = by_property[name]
        lines.append(
            f"- `{name}`: {_and(list(dict.fromkeys(every)))} ({len(every)} of {_tested(record, name)} roundings)."
        )
    for one in record.missing:
        lines.append(f"- not measured: {one.peer} ({one.reason}).")
    return "\n".join(lines)


def _tested(record: Record, name: str) -> int:
    return sum(name in row.checks and row.checks[name].verdict != "left out" for row in record.rows)


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def reproductions(record: Record) -> str:
    """A section for each failure: the promise, what was found, and the shortest case."""
    parts = []
    for label, row, name, check in failures(record):
        lines = [
            f'### <a id="{label.lower()}"></a>{label}. {row.peer} {row.version}, {row.case}: `{name}`',
            "",
            f"Promised ({row.source}): {row.promise}",
            "",
            f"Found: {check.text}",
        ]
        if (one := check.example) is not None:
            call = f"case({row.peer!r}, {row.case!r}).{one.call}"
            lines += ["", "```text", call, f"# {one.result}, expected {one.expected}", "```"]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) or "None."


def notes(record: Record) -> str:
    """What does not hold and was not promised."""
    lines = [
        f"- {row.peer}, {row.case}: `{name}`: {check.text}" + (f" ({check.why})" if check.why else "")
        for row in record.rows
        for name, check in row.checks.items()
        if check.verdict == "note"
    ]
    return "\n".join(lines) or "None."


def measured_with(record: Record) -> str:
    """Version, date, machine and effort of each quantiser."""
    lines = ["| quantiser | version | effort, seed | seconds | date | machine |", "|---|---|---|---|---|---|"]
    for name in dict.fromkeys(row.peer for row in record.rows):
        rows = [row for row in record.rows if row.peer == name]
        one, seconds = rows[0], sum(row.seconds for row in rows)
        lines.append(
            f"| {name} | {one.version} | {one.effort}, {one.seed} | {seconds:.0f} | {one.date} | {one.machine} |"
        )
    return "\n".join(lines)


def markdown(record: Record) -> str:
    """The page ``results/peers.md``."""
    head = f"# Quantisers of the field\n\nWritten by `{record.command}`. {LEGEND}."
    parts = [
        head,
        sentences(record),
        table(record),
        "## Measured with\n\n" + measured_with(record),
        "## Broken promises\n\n" + reproductions(record),
        "## Notes\n\nWhat does not hold, and nobody promised it.\n\n" + notes(record),
    ]
    return "\n\n".join(parts) + "\n"


def write(path: Path, record: Record) -> None:
    """Write the page."""
    write_text(path, markdown(record))


def docs_parts(record: Record) -> dict[str, str]:
    """The parts of the page in `docs` that come from the results, by the name of their marks."""
    return {
        "peers-sentences": sentences(record),
        "peers-table": f"{LEGEND}.\n\n{table(record, '../analysis/results/peers.md')}",
        "peers-versions": measured_with(record),
    }


def write_docs(record: Record) -> None:
    """Put them into the page, in a checkout."""
    if DOCS.exists():
        text = DOCS.read_text(encoding="utf-8")
        for name, content in docs_parts(record).items():
            text = _with_part(text, name, content)
        write_text(DOCS, text)


def _with_part(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- {name}:begin -->\n", f"\n<!-- {name}:end -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return before + begin + content + end + after


def summary(record: Record) -> str:
    """What the command prints last."""
    found = [f"{label} {row.peer}, {row.case}: {name}" for label, row, name, _ in failures(record)]
    return "\n".join([*found, f"{len(record.rows)} roundings, {len(found)} broken promises"])

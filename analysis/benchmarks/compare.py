"""Two reports of ``alpt-ref bench``: what became slower or faster by more than the noise of both."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alpt_ref._util.files import read_json
from alpt_ref.errors import InputError

LEAST = 0.03
"""A smaller change of a median says nothing, however little the rounds of a run differ: two runs differ by as much."""
UNKNOWN = 0.10
"""Noise that is assumed where a report does not tell how its rounds differed (those before 0.3.0)."""
SETTINGS = (("processor", "processor"), ("cores", "number of cores"), ("python", "Python"), ("blas", "BLAS"))


@dataclass(frozen=True)
class Change:
    """A case in both reports.

    Attributes
    ----------
    ratio : float
        New seconds by old ones.
    verdict : str
        ``slower``, ``faster`` or ``same``.
    """

    name: str
    old: float
    new: float
    ratio: float
    verdict: str


def read_report(path: str | Path) -> dict[str, Any]:
    """What ``alpt-ref bench --output`` has written.

    Raises
    ------
    InputError
        There is no such file, or it is something else.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{path} is not a file; name one that `alpt-ref bench --output FILE.json` has written")
    try:
        found = read_json(file)
    except (InputError, UnicodeDecodeError, json.JSONDecodeError):
        found = None
    cases = found.get("cases") if isinstance(found, dict) else None
    fits = isinstance(cases, dict) and all(
        isinstance(one, dict) and isinstance(one.get("seconds"), (int, float)) and one["seconds"] > 0
        for one in cases.values()
    )
    if not isinstance(found, dict) or not fits or not isinstance(found.get("size"), dict) or not cases:
        raise InputError(f"{path} is no report of `alpt-ref bench --output FILE.json`")
    return found


def require_comparable(old: dict[str, Any], new: dict[str, Any], path: str | Path) -> None:
    """`InputError` unless both measured the same on the same kind of device."""
    kinds = ["cpu" if one.get("device") == "cpu" else "cuda" for one in (old, new)]
    if kinds[0] != kinds[1]:
        raise InputError(f"{path} was measured with --device {kinds[0]}, this with --device {kinds[1]}")
    if old["size"] != new["size"]:
        sizes = {name for name in {**old["size"], **new["size"]} if old["size"].get(name) != new["size"].get(name)}
        raise InputError(f"{path} measured other sizes than this version does ({', '.join(sorted(sizes))})")


def differences(old: dict[str, Any], new: dict[str, Any]) -> tuple[list[str], bool]:
    """Sentences on what else differs between the two, and whether it is the machine."""
    lines: list[str] = []
    machines = [one.get("machine") or {} for one in (old, new)]
    other = old.get("device") != new.get("device")
    if other:
        lines.append(f"another device: {old.get('device')} then, {new.get('device')} now")
    for key, name in SETTINGS:
        then, now = (one.get(key) for one in machines)
        if then != now:
            lines.append(f"another {name}: {_text(then)} then, {_text(now)} now")
            other = other or key in ("processor", "cores")
    versions = [one.get("versions") or {} for one in machines]
    for package in sorted({**versions[0], **versions[1]}):
        then, now = (one.get(package, "absent") for one in versions)
        if then != now:
            lines.append(f"another version of {package}: {then} then, {now} now")
    return lines, other


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """Every case of both, in the new report's order."""
    found = []
    for name, after in new["cases"].items():
        before = old["cases"].get(name)
        if before is not None:
            ratio = after["seconds"] / before["seconds"]
            found.append(Change(name, before["seconds"], after["seconds"], ratio, _verdict(before, after)))
    return found


def _range(case: dict[str, Any]) -> tuple[float, float]:
    """The middle half of the rounds, at least `LEAST` wide."""
    seconds = float(case["seconds"])
    noise = LEAST / 2 if "low_seconds" in case else UNKNOWN
    low, high = (float(case.get(key, seconds)) for key in ("low_seconds", "high_seconds"))
    return min(low, seconds * (1 - noise)), max(high, seconds * (1 + noise))


def _verdict(old: dict[str, Any], new: dict[str, Any]) -> str:
    before, after = _range(old), _range(new)
    if after[0] > before[1]:
        return "slower"
    return "faster" if after[1] < before[0] else "same"


def comparison(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, bool]:
    """The comparison as text, and whether something is slower on the same machine."""
    lines, other = differences(old, new)
    found = changes(old, new)
    date = (old.get("machine") or {}).get("date", "an unknown day")
    lines.insert(0, f"beside the report of {date}, {len(found)} cases in both:")
    for one in found:
        mark = {"slower": "SLOWER", "faster": "faster", "same": ""}[one.verdict]
        line = f"{one.name:58s} {one.old * 1e3:10.3f} ms -> {one.new * 1e3:10.3f} ms  x {one.ratio:5.2f}  {mark}"
        lines.append(line.rstrip())
    for title, names in (("no more", old["cases"].keys() - new["cases"]), ("new", new["cases"].keys() - old["cases"])):
        lines += [f"{name}: {title}" for name in sorted(names)]
    counts = {verdict: sum(one.verdict == verdict for one in found) for verdict in ("slower", "faster", "same")}
    lines.append(f"{counts['slower']} slower and {counts['faster']} faster by more than the noise of both")
    if other:
        lines.append("the machines differ, so that this says nothing about the code")
    return "\n".join(lines), bool(counts["slower"]) and not other

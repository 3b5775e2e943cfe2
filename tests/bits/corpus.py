"""All cases of the corpus, and the digests that are stored for them."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from tests.bits import claims, data, numbers, serving, theory, trainings
from tests.bits.case import Case
from tests.bits.meanings import digest

FILE = Path(__file__).parent / "digests.json"
ANYWHERE = "any machine"

Digests = dict[str, dict[str, Any]]


def all_cases() -> list[Case]:
    """Every case, each under its own name."""
    found = [case for part in (numbers, data, trainings, theory, claims, serving) for case in part.cases()]
    names = [case.name for case in found]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    return found


def machine_of(case: Case) -> str:
    """Under which heading the case's digests stand."""
    if case.depends == "blas":
        libraries = [one for one in threadpool_info() if one["user_api"] == "blas"]
        found = [one for one in libraries if "numpy" in one["filepath"]] or libraries or [{}]
        return " ".join(str(found[0].get(key)) for key in ("internal_api", "version", "architecture"))
    if case.depends == "numpy":
        vectors = np.show_config("dicts")["SIMD Extensions"]  # type: ignore[index]
        release = ".".join(np.__version__.split(".")[:2])
        return " ".join(["numpy", release, *vectors.get("baseline", ()), *vectors.get("found", ())])
    return ANYWHERE


def digests_of(case: Case) -> dict[str, Any]:
    """Compute a case: digest (or the number itself) by meaning."""
    return {
        meaning: [digest(part) for part in value] if isinstance(value, list) else digest(value)
        for meaning, value in case.run().items()
    }


def compute(cases: Iterable[Case]) -> dict[str, Digests]:
    """Digests of the cases that can run here: machine -> case -> meaning -> digest."""
    result: dict[str, Digests] = {}
    for case in cases:
        if not case.needs or importlib.util.find_spec(case.needs) is not None:
            result.setdefault(machine_of(case), {})[case.name] = digests_of(case)
    return result


def stored() -> tuple[dict[str, Digests], list[str]]:
    """What ``digests.json`` holds: the digests as `compute` gives them, and a sentence for every change of bits."""
    found = json.loads(FILE.read_text())
    return found["digests"], found["changes"]


def differences(name: str, expected: dict[str, Any] | None, found: dict[str, Any]) -> list[str]:
    """A line for every meaning whose bits are not those stored, is gone, or is new."""
    if expected is None:
        return [f"{name}: no digests are stored"]
    lines = []
    for meaning in dict.fromkeys((*expected, *found)):
        if meaning not in found:
            lines.append(f"{name}: {meaning} is no longer computed")
        elif meaning not in expected:
            lines.append(f"{name}: {meaning} has no digest stored")
        elif expected[meaning] != found[meaning]:
            lines.append(f"{name}: {meaning} was {expected[meaning]}, is {found[meaning]}")
    return lines

"""Imports all of 0.1.0 by its old paths; a process of its own, in Numba's simulator so that GPU modules load too.

Prints one JSON object. Without an argument it writes nothing; `--write` puts the table of old paths into CHANGELOG.md.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import warnings
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CHANGELOG = ROOT / "CHANGELOG.md"
BEGIN, END = "<!-- old paths -->", "<!-- /old paths -->"


def names_of_old_release() -> dict[str, list[str]]:
    """Module of 0.1.0 -> its public names that must still be there (none listed for internal modules)."""
    lines = Path(__file__).with_name("names_of_0_1_0.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition(":") for line in lines)
    return {"alpt_ref" if name == "." else f"alpt_ref.{name}": names.split() for name, _, names in pairs}


def table() -> str:
    """The table of CHANGELOG.md, from `renamed`."""
    from alpt_ref._util.renamed import MODULES, NAMES, PACKAGES

    moved = {old: new for one in (MODULES, PACKAGES, NAMES) for old, new in one.items()}
    rows = [f"| `alpt_ref.{old}` | `alpt_ref.{new}` |" for old, new in sorted(moved.items())]
    return "\n".join(["| 0.1.0 | now |", "|---|---|", *rows])


def rows_of_changelog() -> list[tuple[str, str]]:
    """(old, new) of every line of the table in CHANGELOG.md."""
    text = CHANGELOG.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return [(old.strip("`"), new.strip("`")) for old, new in cells]


def imported(path: str) -> Any:
    """A module, or a name in one, whichever the path names."""
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)


def report() -> dict[str, Any]:
    """What the old paths give: failures, and the warnings of each line of the table."""
    import alpt_ref

    kinds = {name: type(getattr(alpt_ref, name)).__name__ for name in ("train", "compare", "verify")}
    failures, unlike, unnamed = [], [], []
    for old, new in rows_of_changelog():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found = imported(old)
            except Exception as error:
                failures.append(f"{old}: {type(error).__name__}: {error}")
                continue
        packages = isinstance(found, type(sys)) and found.__name__ == old  # a package that has the module's names
        if found is not imported(new) and not packages:
            unlike.append(old)
        texts = [str(one.message) for one in caught if one.category is DeprecationWarning]
        if not packages and not any(new in text for text in texts):
            unnamed.append(f"{old}: {texts}")
    warnings.simplefilter("ignore")
    missing = []
    for module, names in names_of_old_release().items():
        try:
            found = importlib.import_module(module)
        except Exception as error:
            failures.append(f"{module}: {type(error).__name__}: {error}")
            continue
        missing += [f"{module}.{name}" for name in names if not hasattr(found, name)]
    for info in pkgutil.walk_packages(alpt_ref.__path__, "alpt_ref."):
        if not info.name.endswith("__main__"):
            importlib.import_module(info.name)
    after = {name: type(getattr(alpt_ref, name)).__name__ for name in kinds}
    return {
        "failures": failures,
        "unlike": unlike,
        "unnamed": unnamed,
        "missing": missing,
        "functions": [kinds, after],
    }


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        before, _, rest = CHANGELOG.read_text(encoding="utf-8").partition(BEGIN)
        CHANGELOG.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    else:
        print(json.dumps(report()))

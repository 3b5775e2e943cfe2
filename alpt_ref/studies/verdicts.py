"""The claims, put to the test beside the runs: those about trained models read the runs of this very folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from alpt_ref._util.files import writable_folder, write_json
from alpt_ref._util.progress import Progress
from alpt_ref.studies.stored import VARIABLE
from alpt_ref.verification.report import write_report
from alpt_ref.verification.results import ClaimResult, Results, save_results
from alpt_ref.verification.runner import Loaded, verify


class Verdict(NamedTuple):
    """A claim and what became of it."""

    result: ClaimResult
    loaded: Loaded


def put_to_the_test(
    folder: Path,
    claims: Mapping[str, Loaded],
    jobs: int,
    redraw: bool,
    progress: Progress,
    say: Callable[[str], None] = lambda text: None,
) -> list[Verdict]:
    """Verdicts on claims, with their own report in ``verify/``; `redraw` takes the stored ones."""
    where = writable_folder(folder / "verify")
    if redraw:
        stored = Results(where) if (where / "claims").exists() else {}
        return [Verdict(stored[name], one) for name, one in claims.items() if name in stored]
    write_json(where / "verify.json", {"command": "alpt-ref reproduce"})
    with _runs_of(folder):
        results = verify(list(claims.values()), where, jobs=jobs, progress=progress, say=say)
    save_results(where, results)
    write_report(where, results, list(claims.values()))
    return [Verdict(*pair) for pair in zip(results, claims.values(), strict=True)]


@contextmanager
def _runs_of(folder: Path) -> Iterator[None]:
    """Point the claims, in this process and those that it starts, to the runs of `folder`."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(folder.absolute())
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before

"""The claims, verified beside the runs: those about trained models are about the runs of this very folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from alpt_ref._util.files import writable_folder, write_json
from alpt_ref._util.former_names import former_keywords
from alpt_ref._util.progress import Progress
from alpt_ref.verification.inputs import Inputs
from alpt_ref.verification.report import write_report
from alpt_ref.verification.results import ClaimResult, Results, save_results
from alpt_ref.verification.runner import Loaded, verify


class Verdict(NamedTuple):
    """A claim and what became of it."""

    result: ClaimResult
    loaded: Loaded


@former_keywords(say="log")
def verify_study(
    folder: Path,
    claims: Mapping[str, Loaded],
    jobs: int,
    redraw: bool,
    progress: Progress,
    log: Callable[[str], None] = lambda text: None,
) -> list[Verdict]:
    """Verdicts on claims, with their own report in ``verify/``; `redraw` takes the stored ones."""
    where = writable_folder(folder / "verify")
    if redraw:
        stored = Results(where) if (where / "claims").exists() else {}
        return [Verdict(stored[name], one) for name, one in claims.items() if name in stored]
    write_json(where / "verify.json", {"command": "alpt-ref reproduce"})
    about = [one.about(Inputs(runs=folder.absolute())) for one in claims.values()]
    results = verify(about, where, jobs=jobs, progress=progress, log=log)
    save_results(where, results)
    write_report(where, results, about)
    return [Verdict(*pair) for pair in zip(results, about, strict=True)]

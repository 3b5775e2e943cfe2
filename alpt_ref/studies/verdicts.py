"""The claims, verified beside the runs: those about trained models are about the runs of this very folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from alpt_ref._util.dispatch import Where
from alpt_ref._util.files import writable_folder, write_json
from alpt_ref._util.former_names import former_keywords
from alpt_ref._util.progress import Progress
from alpt_ref.errors import InputError
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
    place: Where,
    redraw: bool,
    progress: Progress,
    log: Callable[[str], None] = lambda text: None,
) -> list[Verdict]:
    """Verdicts on claims, with their own report in ``verify/``.

    `redraw` takes the stored ones, but for claims on the runs of the folder, which are judged anew from these runs:
    they may have been judged by another version, or be about other runs.
    """
    where = writable_folder(folder / "verify")
    about = {name: one.about(Inputs(runs=folder.absolute())) for name, one in claims.items()}
    there = Results(where) if redraw and (where / "claims").exists() else {}
    due = [one for name, one in about.items() if not redraw or (name in there and is_on_runs(one))]
    anew = {one.claim.id for one in due}
    stored = {}
    for name in (name for name in about if name in there and name not in anew):
        try:
            stored[name] = there[name]
        except InputError as error:  # of another version, which judged by other rules
            log(f"the verdict on {name} is left out: {error}")
    write_json(where / "verify.json", {"command": "alpt-ref reproduce"})
    results = []
    if due:
        results = verify(
            due, where, jobs=place.jobs, scheduler=place.scheduler, join=place.join, progress=progress, log=log
        )
    save_results(where, results)
    if not redraw:
        write_report(where, results, due)
    found = {one.id: one for one in results}
    return [
        Verdict(found[name] if name in found else stored[name], one)
        for name, one in about.items()
        if name in found or name in stored
    ]


def is_on_runs(loaded: Loaded) -> bool:
    """Whether a claim is about the runs of the study that it was given."""
    return loaded.claim.of_inputs is not None and any(
        isinstance(cell.get("runs"), str) for cell in loaded.claim.grid("quick")
    )

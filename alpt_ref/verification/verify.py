"""`alpt_ref.verify`: claims verified from Python, as ``alpt-ref verify`` does it at the command line."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from alpt_ref._util.check import whole_number
from alpt_ref._util.files import claim_folder, write_json
from alpt_ref._util.plugin import plugin_files
from alpt_ref._util.progress import Progress
from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import get_backend
from alpt_ref.verification.claim import BUDGETS
from alpt_ref.verification.inputs import Inputs
from alpt_ref.verification.ledger import LEDGER
from alpt_ref.verification.report import write_report
from alpt_ref.verification.results import ClaimResult, save_results
from alpt_ref.verification.runner import load_claims
from alpt_ref.verification.runner import verify as measure_and_judge
from alpt_ref.verification.task import id_of_file

MARKER = "verify.json"
OWN = ("cells", "claims", LEDGER, "report.html", "report.md", "report.json")


def verify(
    claims: str | Sequence[str] | None = None,
    *,
    folder: str | Path | None = None,
    runs: str | Path | None = None,
    clicks: str | Path | None = None,
    output: str | Path | None = None,
    budget: str = "quick",
    seed: int = 0,
    jobs: int | None = 1,
    scheduler: str | None = None,
    join: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
    log: Callable[[str], None] = lambda text: None,
) -> dict[str, ClaimResult]:
    """Try to refute claims of the theory and return the verdicts by id.

    Parameters
    ----------
    claims : str or sequence of str, optional
        Ids, such as ``"r2"``; default: every claim of the package and of installed distributions (entry points
        ``alpt_ref.claims``). ``alpt-ref verify list`` shows them.
    folder : folder, optional
        Files of more claims; they are run as Python. Without `claims`, these alone are verified; named ones may be
        of the package too. An id that there is already is refused.
    runs : folder, optional
        Study that claims on trained models are about, as ``alpt-ref reproduce`` wrote it; without it they do not apply.
    clicks : folder, optional
        Store of click data that claim x5 is about, as ``alpt-ref data`` wrote it; default: synthetic clicks.
    output : folder, optional
        Receives finished cells, verdicts, their ledger and report.html, report.md and report.json. The same call with
        the same folder measures nothing twice, and resumes where it was stopped. Default: nothing is kept.
    budget : {"quick", "full"}
        Size of the grids.
    seed : int
        Of all sampled cells, at least 0.
    jobs : int, optional
        Processes. 1 measures in this one; None takes one per core, and then a script needs the usual
        ``if __name__ == "__main__":``.
    scheduler : str, optional
        Address of a Dask scheduler whose workers measure instead (extra ``dist``); they must see `output` and the claim
        files under the same path.
    join : bool
        Share the cells with other clients that work on `output` with ``join``, here or on other machines.
    device : {"cpu", "cuda"}
        Where large simulations run; results are bit for bit the same.
    progress, log : optional
        Show cells measured; receive remarks, one line of text each.

    Returns
    -------
    dict
        Id -> `ClaimResult`, whose ``outcome`` is ``SUPPORTED``, ``REFUTED``, ``INCONCLUSIVE``, ``NOT_APPLICABLE``,
        ``CONTROL_FAILED`` or ``ERROR``, with every cell, bound and measured value behind it.

    Raises
    ------
    InputError
        An id is unknown, a claim cannot be loaded, the folder holds something else, or an option breaks its rule;
        nothing has been measured.
    TrainingError
        A worker process died; finished cells are kept in `output`.

    Examples
    --------
    >>> import alpt_ref
    >>> verdicts = alpt_ref.verify("r2")
    >>> verdicts["r2"].outcome
    'SUPPORTED'
    """
    ids = (claims,) if isinstance(claims, str) else tuple(claims or ())
    if budget not in BUDGETS:
        raise InputError(f"budget must be {' or '.join(BUDGETS)}, got {budget!r}")
    whole_number("seed", seed, 0)
    if jobs is not None:
        whole_number("jobs", jobs, 1)
    if output is None and (scheduler or join):
        raise InputError("scheduler and join need output, the folder that all who work on it see")
    if claims is not None and not ids:
        raise InputError("claims must name at least one claim, got none; leave it out to verify all")
    if device != "cpu":
        get_backend(device)  # an error now rather than in every cell
    inputs = Inputs(
        None if runs is None else Path(runs).absolute(), None if clicks is None else Path(clicks).absolute()
    )
    wanted = ids or _ids(folder)
    chosen = [one.about(inputs) for one in load_claims(add=folder, only=wanted).values()]

    def run(where: Path) -> list[ClaimResult]:
        return measure_and_judge(
            chosen, where, budget=budget, seed=seed, jobs=jobs, scheduler=scheduler, join=join, device=device,
            progress=progress, log=log,
        )  # fmt: skip

    if output is None:
        with tempfile.TemporaryDirectory(prefix="alpt-ref-verify-") as temporary:
            results = run(Path(temporary))
    else:
        where = claim_folder(output, MARKER, lambda marker: None, OWN)
        write_json(where / MARKER, {"command": "alpt-ref verify"})
        results = run(where)
        save_results(where, results)
        write_report(where, results, chosen)
    return {result.id: result for result in results}


def _ids(folder: str | Path | None) -> tuple[str, ...]:
    """Ids of a folder's claims, told by the names of its files."""
    return () if folder is None else tuple(map(id_of_file, plugin_files(Path(folder))))

"""`alpt_ref.verify`: claims verified from Python, as ``alpt-ref verify`` does it at the command line."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

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
from alpt_ref.verification.substitution import (
    QuantizerVerdicts,
    described,
    other_quantizer,
    refuse_with_quantizer,
    take,
)
from alpt_ref.verification.task import id_of_file
from alpt_ref.verification.user_quantizer import UserQuantizer, user_quantizer
from alpt_ref.verification.verdicts import Verdicts

MARKER = "verify.json"
OWN = ("cells", "claims", LEDGER, "report.html", "report.md", "report.json")


def verify(
    claims: str | Sequence[str] | None = None,
    *,
    folder: str | Path | None = None,
    runs: str | Path | None = None,
    clicks: str | Path | None = None,
    quantizer: str | Callable[..., Any] | None = None,
    bits: int | None = None,
    step_size: float | None = None,
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
    quantizer : str or function, optional
        A rounding of your own that takes the place of SR, ``fn(x, draw) -> values`` (``x`` float32 (n, d), ``draw`` the
        number of the call, values float32 on the lattice), or its name, ``module:function`` or ``file.py:function``,
        which is run. Claims that cannot take it are left out; docs/verify-your-quantizer.md.
    bits, step_size : int and float, optional
        The quantizer's lattice: values ``fl(c step_size)`` of the codes c of 2 to 16 bits.
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
        A `Verdicts`, id -> `ClaimResult`, whose ``outcome`` is ``SUPPORTED``, ``REFUTED``, ``INCONCLUSIVE``,
        ``NOT_APPLICABLE``, ``CONTROL_FAILED`` or ``ERROR``, with every cell, bound and measured value behind it. With
        `quantizer` a `QuantizerVerdicts`, which is such a dict with ``breaks``, ``keeps`` and ``left_out``.

    Raises
    ------
    InputError
        An id is unknown, a claim or the quantizer cannot be loaded or does not keep its contract, the folder holds
        something else, or an option breaks its rule; nothing has been measured.
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
    seed = whole_number("seed", seed, 0)
    if jobs is not None:
        jobs = whole_number("jobs", jobs, 1)
    if output is None and (scheduler or join):
        raise InputError("scheduler and join need output, the folder that all who work on it see")
    if claims is not None and not ids:
        raise InputError("claims must name at least one claim, got none; leave it out to verify all")
    if quantizer is not None:
        refuse_with_quantizer(quantizer, jobs, device=device, runs=runs, clicks=clicks, scheduler=scheduler, join=join)
    if device != "cpu":
        get_backend(device)  # an error now rather than in every cell
    wanted = ids or _ids(folder)
    own: UserQuantizer | None = None
    left_out: dict[str, str] = {}
    if quantizer is not None:
        own = user_quantizer(quantizer, bits, step_size)
        chosen, left_out = take(load_claims(add=folder, only=wanted), own, ids)
    else:
        if bits is not None or step_size is not None:
            raise InputError("bits and step_size are the lattice of quantizer, which is not given; give it too")
        inputs = Inputs(_absolute(runs), _absolute(clicks))
        chosen = [one.about(inputs) for one in load_claims(add=folder, only=wanted).values()]

    def run(where: Path) -> list[ClaimResult]:
        return measure_and_judge(
            chosen, where, budget=budget, seed=seed, jobs=jobs, scheduler=scheduler, join=join, device=device,
            progress=progress, log=log,
        )  # fmt: skip

    if output is None:
        with tempfile.TemporaryDirectory(prefix="alpt-ref-verify-") as temporary:
            results = run(Path(temporary))
        return _by_id(results, own, left_out)
    where = claim_folder(output, MARKER, lambda marker: other_quantizer(marker, own), OWN, within=["reproduce.json"])
    marked = {"command": "alpt-ref verify"}
    write_json(where / MARKER, marked if own is None else {**marked, "quantizer": described(own)})
    results = run(where)
    save_results(where, results)
    verdicts = _by_id(results, own, left_out)
    write_report(where, results, chosen, verdicts if isinstance(verdicts, QuantizerVerdicts) else None)
    return verdicts


def _by_id(
    results: list[ClaimResult], quantizer: UserQuantizer | None, left_out: dict[str, str]
) -> dict[str, ClaimResult]:
    if quantizer is not None:
        return QuantizerVerdicts(results, quantizer, left_out)
    return Verdicts({result.id: result for result in results})


def _absolute(folder: str | Path | None) -> Path | None:
    return None if folder is None else Path(folder).absolute()


def _ids(folder: str | Path | None) -> tuple[str, ...]:
    """Ids of a folder's claims, told by the names of its files."""
    return () if folder is None else tuple(map(id_of_file, plugin_files(Path(folder))))

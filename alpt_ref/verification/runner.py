"""From claims to verdicts: which cells are missing, measured by spawned processes, each stored as soon as it is done.

A run that was stopped resumes: finished cells are read, never measured twice. Verdicts depend neither on
the number of processes nor on the order in which cells finish.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alpt_ref._util.code_parts import Reading
from alpt_ref._util.dispatch import Cells, Where, run_cells
from alpt_ref._util.former_names import former_keywords
from alpt_ref._util.plugin import Source, capture_error, load_plugins, require_known
from alpt_ref._util.processes import available_cores
from alpt_ref._util.progress import Progress
from alpt_ref._util.progress import shown as progress_of
from alpt_ref.errors import InputError
from alpt_ref.verification.claim import BUDGETS, Cell, Claim, Control
from alpt_ref.verification.code_hash import libraries
from alpt_ref.verification.codec import canonical
from alpt_ref.verification.inputs import NO_INPUTS, Inputs
from alpt_ref.verification.judge import Measured, judge
from alpt_ref.verification.ledger import append_verdicts
from alpt_ref.verification.results import ClaimResult
from alpt_ref.verification.store import Record, Store, cell_key, cell_seed
from alpt_ref.verification.task import CLAIMS, Done, Task, measure_and_store, source_hash

Group = tuple[tuple[Cell, tuple[Task, ...]], ...]
"""Cells with the tasks of their replicates."""


@dataclass(frozen=True)
class Loaded:
    """A claim and the file it came from; for an installed one its entry point and distribution too."""

    claim: Claim
    file: Path
    address: str = ""
    distribution: str = ""
    inputs: Inputs = NO_INPUTS

    @property
    def source(self) -> Source:
        """From where a worker loads it."""
        return Source(self.file, self.address, self.distribution)

    def about(self, inputs: Inputs) -> Loaded:
        """The same claim about folders that the caller names."""
        return replace(self, claim=self.claim.about(inputs), inputs=inputs)


@dataclass(frozen=True)
class Plan:
    """A claim's work: for the claim itself and for each control, the cells with the tasks of their replicates."""

    loaded: Loaded
    code: str
    own: Group
    controls: tuple[Group, ...]

    @property
    def tasks(self) -> list[Task]:
        """Every task once: a control that only breaks the bound shares the claim's."""
        groups = (self.own, *self.controls)
        return list({task.key: task for group in groups for _, tasks in group for task in tasks}.values())


def load_claims(
    folder: str | Path | None = None, *, add: str | Path | None = None, only: Sequence[str] = ()
) -> dict[str, Loaded]:
    """Claims by id, the package's own in order of file name, then installed ones (entry points ``alpt_ref.claims``).

    Parameters
    ----------
    folder : its files in place of all these
    add : folder whose files come too; an id that there is already is refused
    only : ids; the other claims are not loaded

    Raises
    ------
    InputError
        A folder or file cannot be used, or an id is unknown; loading a file runs it.
    """
    found = load_plugins(CLAIMS, folder, add=add, only=only)
    return {name: Loaded(plugin.value, *plugin.source) for name, plugin in found.items()}


def choose(claims: dict[str, Loaded], ids: Sequence[str]) -> list[Loaded]:
    """The named claims in the folder's order, all if none is named; an unknown id is an `InputError`."""
    require_known("claim", ids, claims)
    return [loaded for name, loaded in claims.items() if not ids or name in ids]


def plan(loaded: Loaded, budget: str, seed: int, reading: Reading | None = None) -> Plan:
    """The tasks of one claim; raises `InputError` with the file's name where its grid cannot be used.

    `reading` : what was read of the code behind other claims already
    """
    if budget not in BUDGETS:
        raise InputError(f"budget must be {' or '.join(BUDGETS)}, got {budget!r}")
    claim = loaded.claim
    with capture_error() as caught:
        code = source_hash(loaded.source, claim.files, reading)
        cells = list(claim.grid(budget))
        texts = [canonical(cell) for cell in cells]
        if not cells or not all(isinstance(cell, dict) for cell in cells):
            raise InputError("grid must give at least one cell, each a dict")
        if len(set(texts)) < len(texts):
            raise InputError(f"grid gives the cell {next(text for text in texts if texts.count(text) > 1)} twice")
        replicates = claim.replicates_of(budget)
        own = _tasks(loaded, cells, "", seed, replicates, code)
        controls = tuple(_control_tasks(loaded, cells, control, seed, replicates, code) for control in claim.controls)
    if caught.message:
        raise InputError(f"{loaded.file}: {caught.message}")
    return Plan(loaded, code, own, controls)


def _control_tasks(loaded: Loaded, cells: list[Cell], control: Control, seed: int, replicates: int, code: str) -> Group:
    """The cells in which the control must be refuted: those that it names, without those where the claim is silent."""
    silent = loaded.claim.not_applicable or (lambda cell: False)
    chosen = [cell for cell in cells if (control.where is None or control.where(cell)) and not silent(cell)]
    if not chosen and not all(map(silent, cells)):
        raise InputError(f"control {control.name!r} applies to no cell of this budget in which the claim does")
    return _tasks(loaded, chosen, control.name if control.remeasures else "", seed, replicates, code)


def _tasks(loaded: Loaded, cells: list[Cell], variant: str, seed: int, replicates: int, code: str) -> Group:
    name = loaded.claim.id
    planned = []
    for cell in cells:
        seeds = [cell_seed(seed, name, cell, replicate) for replicate in range(replicates)]
        keys = [cell_key(name, cell, s, variant, code + loaded.inputs.salt) for s in seeds]
        tasks = [
            Task(name, loaded.source, cell, s, variant, key, loaded.inputs, code)
            for s, key in zip(seeds, keys, strict=True)
        ]
        planned.append((cell, tuple(tasks)))
    return tuple(planned)


@former_keywords(say="log")
def verify(
    claims: Sequence[Loaded],
    folder: Path,
    *,
    budget: str = "quick",
    seed: int = 0,
    jobs: int | None = None,
    scheduler: str | None = None,
    join: bool = False,
    device: str = "cpu",
    progress: Progress | None = None,
    log: Callable[[str], None] = lambda text: None,
) -> list[ClaimResult]:
    """Measure what is missing, store it below `folder`, judge every claim, and enter the verdicts in its ledger.

    Parameters
    ----------
    claims : what `choose` returned
    folder : existing output folder
    budget : {"quick", "full"}
    seed : of all cells; each derives its own from it
    jobs : processes; 1 measures in this process, None takes one a core
    scheduler : address of a Dask scheduler whose workers measure instead
    join : share the cells with other clients that work on this folder with ``join``
    device : {"cpu", "cuda"}
        Where large simulations run. Results are the same bits, so what is stored counts for both.
    log : takes remarks: how much is done already, damaged files, failures

    Raises
    ------
    InputError
        A claim's grid cannot be used; nothing has been measured.
    TrainingError
        A worker process, or the connection to a cluster, died; finished cells are kept.
    """
    reading = Reading()  # claims share most of their code
    plans = [plan(loaded, budget, seed, reading) for loaded in claims]
    store = Store(folder, log)
    store.clean()
    tasks = {task.key: task for one in plans for task in one.tasks}
    records: dict[str, Record] = {}
    for key, task in tasks.items():
        stored = store.load(task.claim, key)
        records |= {} if stored is None else {key: stored}
    missing = [task for key, task in tasks.items() if key not in records]
    done_before = len(tasks) - len(missing)
    if missing:
        log(f"{len(plans)} claims, {len(tasks)} cells, controls included: {len(missing)} to measure")
    with progress_of(progress) as shown:
        shown.begin(len(missing), "verifying", unit="cells")
        claims_by_id = {one.loaded.claim.id: one.loaded.claim for one in plans}
        place = Where(jobs or available_cores(), scheduler, join)
        for done in run_tasks(missing, claims_by_id, folder, place, device=device, log=log):
            records[done.task.key] = _read_back(store, done, log)
            shown.advance(1, done.task.claim)
    failed = sum(bool(records[task.key].failure) for task in missing)
    log(f"{done_before} cells reused, {len(missing) - failed} measured" + (f", {failed} failed" if failed else ""))

    def measured(group: Group) -> list[Measured]:
        found = ((cell, [task.key for task in tasks]) for cell, tasks in group)
        return [Measured(cell, tuple(map(records.__getitem__, keys)), tuple(keys)) for cell, keys in found]

    results = [
        judge(
            one.loaded.claim, measured(one.own), [measured(group) for group in one.controls],
            budget=budget, seed=seed, code=one.code,
        )
        for one in plans
    ]  # fmt: skip
    append_verdicts(folder, results)
    _append_to_studies(folder, plans, results, log)
    return results


def _append_to_studies(
    folder: Path, plans: Sequence[Plan], results: Sequence[ClaimResult], log: Callable[[str], None]
) -> None:
    """Enter verdicts on a study in the ledger beside it too, wherever they were reached: every look counts."""
    for runs in dict.fromkeys(one.loaded.inputs.runs for one in plans):
        if runs is None or not runs.is_dir():
            continue
        ledger = runs / "verify" if (runs / "runs.json").exists() else runs
        about = [
            result
            for one, result in zip(plans, results, strict=True)
            if one.loaded.inputs.runs == runs and one.loaded.claim.of_inputs is not None and result.points
        ]
        if not about or ledger.resolve() == folder.resolve():
            continue
        try:
            ledger.mkdir(exist_ok=True)
            append_verdicts(ledger, about)
        except OSError as error:
            log(f"the verdicts could not be entered in the ledger of {runs} ({error.strerror or error})")


def _read_back(store: Store, done: Done, log: Callable[[str], None]) -> Record:
    """What was measured, from its file, so that a first run judges the very bytes that a later one will."""
    task = done.task
    if done.failure:
        log(f"claim {task.claim}, cell {canonical(task.cell)}: {done.failure}")
        return Record({}, 0.0, None, failure=done.failure)
    record = store.load(task.claim, task.key)
    return Record({}, 0.0, None, failure="the stored file could not be read back") if record is None else record


def run_tasks(
    tasks: Sequence[Task],
    claims: dict[str, Claim],
    folder: Path,
    place: Where,
    *,
    device: str = "cpu",
    log: Callable[[str], None] = lambda text: None,
) -> Iterator[Done]:
    """Measure and store the cells, and yield them as they are done; one process or task: here, in order.

    With a GPU always in other processes, which learn of it before they load a claim; they share it.
    """
    if not tasks:
        return
    place = place._replace(jobs=min(place.jobs, len(tasks)))
    here = place.jobs <= 1 and device == "cpu" and not place.scheduler
    run = functools.partial(measure_and_store, folder=folder, device=None if here else device)
    cells = Cells(
        run=functools.partial(run, claims=claims) if here else run,
        file_of=functools.partial(_file_of, folder=folder),
        read=lambda task: Done(task, "", ""),
        code_hash=libraries,
        seen=lambda task: (task.source.file, folder),
        folder=folder,
        whole=functools.partial(_is_whole, folder=folder),
    )
    environment = {"NUMBA_NUM_THREADS": str(max(1, available_cores() // place.jobs))}
    yield from run_cells(cells, tasks, place, environment=environment, spawn=not here, log=log)


def _file_of(task: Task, folder: Path) -> Path:
    return Store(folder).path(task.claim, task.key)


def _is_whole(task: Task, folder: Path) -> bool:
    return Store(folder).load(task.claim, task.key) is not None

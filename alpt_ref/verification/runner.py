"""From claims to verdicts: which cells are missing, measured by spawned processes, each stored as soon as it is done.

A run that was stopped resumes: finished cells are read, never measured twice. Verdicts depend neither on
the number of processes nor on the order in which cells finish.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alpt_ref._util.code_parts import Reading
from alpt_ref._util.former_names import former_keywords
from alpt_ref._util.plugin import Source, capture_error, load_plugins, require_known
from alpt_ref._util.processes import available_cores, run_in_processes
from alpt_ref._util.progress import Progress
from alpt_ref.errors import InputError
from alpt_ref.verification.claim import BUDGETS, Cell, Claim, Control
from alpt_ref.verification.code_hash import code_hash
from alpt_ref.verification.codec import canonical
from alpt_ref.verification.inputs import NO_INPUTS, Inputs
from alpt_ref.verification.judge import Measured, judge
from alpt_ref.verification.ledger import append_verdicts
from alpt_ref.verification.results import ClaimResult
from alpt_ref.verification.store import Record, Store, cell_key, cell_seed
from alpt_ref.verification.task import CLAIMS, Done, Task, run_task

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
        code = _code_hash(loaded.source, claim.files, reading)
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


def _code_hash(source: Source, files: Sequence[str], reading: Reading | None) -> str:
    """The code behind a claim; for an installed one the distribution and its version too."""
    code = code_hash(source.file, files, reading)
    return hashlib.sha256(f"{code} {source}".encode()).hexdigest() if source.address else code


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
        tasks = [
            Task(name, loaded.source, cell, s, variant, cell_key(name, cell, s, variant, code), loaded.inputs)
            for s in seeds
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
    device : {"cpu", "cuda"}
        Where large simulations run. Results are the same bits, so what is stored counts for both.
    log : takes remarks: how much is done already, damaged files, failures

    Raises
    ------
    InputError
        A claim's grid cannot be used; nothing has been measured.
    TrainingError
        A worker process died; finished cells are kept.
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
    with progress or Progress(enabled=False) as shown:
        shown.begin(len(missing), "verifying", unit="cells")
        for done in run_tasks(
            missing, {one.loaded.claim.id: one.loaded.claim for one in plans}, jobs=jobs, device=device
        ):
            records[done.task.key] = _keep(store, done, log)
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


def _keep(store: Store, done: Done, log: Callable[[str], None]) -> Record:
    """Store what was measured and read it back, so that a first run judges the very bytes that a later one will."""
    task = done.task
    if done.failure:
        log(f"claim {task.claim}, cell {canonical(task.cell)}: {done.failure}")
        return Record({}, 0.0, None, failure=done.failure)
    about = {"claim": task.claim, "cell": task.cell, "seed": task.seed, "variant": task.variant}
    store.save(task.claim, task.key, about, done.text)
    record = store.load(task.claim, task.key)
    return Record({}, 0.0, None, failure="the stored file could not be read back") if record is None else record


def run_tasks(
    tasks: Sequence[Task], claims: dict[str, Claim], *, jobs: int | None = None, device: str = "cpu"
) -> Iterator[Done]:
    """Run the tasks in spawned processes and yield them as they are done; one process or task: here, in order.

    With a GPU always in spawned processes, which learn of it before they load a claim; they share it.
    """
    cores = available_cores()
    jobs = min(jobs or cores, len(tasks))
    if not tasks or (jobs <= 1 and device == "cpu"):
        for task in tasks:
            yield run_task(task, claims[task.claim])
        return
    environment = {"NUMBA_NUM_THREADS": str(max(1, cores // jobs))}
    yield from run_in_processes(functools.partial(run_task, device=device), tasks, jobs=jobs, environment=environment)

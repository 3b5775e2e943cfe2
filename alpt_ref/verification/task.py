"""One unit of work: one claim's cell, one seed, one variant. Runs in a worker process that loads the claim by file."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from alpt_ref._util.code_parts import Reading
from alpt_ref._util.plugin import Kind, Source, capture_error, load
from alpt_ref.errors import InputError
from alpt_ref.kernels.device import set_default_device
from alpt_ref.verification.claim import Cell, Claim, Constants
from alpt_ref.verification.code_hash import code_hash
from alpt_ref.verification.codec import canonical
from alpt_ref.verification.inputs import NO_INPUTS, Inputs
from alpt_ref.verification.measurement import Measurement
from alpt_ref.verification.store import Record, Store, plain_record


def id_of_file(file: Path) -> str:
    """``r2`` for ``r2_sr_variance.py``, "" for a name without a ``_``."""
    name, mark, _ = file.stem.partition("_")
    return name if mark else ""


CLAIMS = Kind("claim", Claim, "claims", "alpt_ref.claims", id_of_file)


class Task(NamedTuple):
    """What a worker gets: small and picklable. `variant` is the control's name, "" for the claim itself.

    `code` is the hash of the code behind the claim, where a worker on another machine must have the same.
    """

    claim: str
    source: Source
    cell: Cell
    seed: int
    variant: str
    key: str
    inputs: Inputs = NO_INPUTS
    code: str = ""


class Done(NamedTuple):
    """What a worker gives back: the record as text for the store, or why there is none."""

    task: Task
    text: str
    failure: str


def load_claim(file: Path) -> Claim:
    """The ``CLAIM`` of a file; every way to be wrong is an `InputError` that names the file."""
    return load(CLAIMS, Source(file))


@functools.cache
def _claim(source: Source, inputs: Inputs) -> Claim:
    return load(CLAIMS, source).about(inputs)


def run_task(task: Task, claim: Claim | None = None, device: str | None = None) -> Done:
    """Measure, and turn whatever the claim's code raises into a failure in words.

    `device` : where large simulations run, in a process of its own that has loaded no claim yet
    """
    if device is not None:
        set_default_device(device)
    with capture_error() as caught:
        record = measure(claim if claim is not None else _claim(task.source, task.inputs), task)
        return Done(task, canonical(plain_record(record)), "")
    return Done(task, "", caught.message)


def measure_and_store(
    task: Task, folder: Path, device: str | None = None, claims: Mapping[str, Claim] | None = None
) -> Done:
    """`run_task`, and the cell's file below `folder`; without the text, which is in the file.

    `claims` : those that are loaded, in the process that loaded them; another one loads them and sees to their code
    """
    if claims is None:
        _require_same_code(task)
    done = run_task(task, claims[task.claim] if claims is not None else None, device)
    if not done.failure:
        about = {"claim": task.claim, "cell": task.cell, "seed": task.seed, "variant": task.variant}
        Store(folder).save(task.claim, task.key, about, done.text)
    return Done(task, "", done.failure)


def source_hash(source: Source, files: Sequence[str], reading: Reading | None = None) -> str:
    """The code behind a claim; for an installed one its distribution and version too; `reading`: see `code_hash`."""
    code = code_hash(source.file, files, reading)
    return hashlib.sha256(f"{code} {source}".encode()).hexdigest() if source.address else code


@functools.cache
def _code_here(source: Source, inputs: Inputs) -> str:
    return source_hash(source, _claim(source, inputs).files)


def _require_same_code(task: Task) -> None:
    """InputError where this process would measure with other code than the one that asked for it has."""
    with capture_error() as caught:
        if task.code and _code_here(task.source, task.inputs) != task.code:
            raise InputError(
                f"a worker has other code behind claim {task.claim} than the client, so that its cells would be mixed "
                "with others; install the same versions on both, with the same files of claims"
            )
    if caught.message:
        raise InputError(caught.message)


def measure(claim: Claim, task: Task) -> Record:
    """Constants, assumptions that need no run, bound, measurement, assumptions along the run: in this order."""
    started = time.perf_counter()
    constants = claim.constants(task.cell)
    failed = _failed(claim, task.cell, constants, None)
    if failed:
        return Record(constants, 0.0, None, failed, time.perf_counter() - started)
    bound = claim.bound(task.cell, constants)
    measurement = claim.measure(task.cell, task.seed, broken=task.variant or None)
    if not isinstance(measurement, Measurement):
        raise InputError(f"measure must return a Measurement, got {type(measurement).__name__}")
    failed = _failed(claim, task.cell, constants, measurement)
    return Record(constants, bound, measurement, failed, time.perf_counter() - started)


def _failed(claim: Claim, cell: Cell, constants: Constants, measurement: Measurement | None) -> tuple[str, ...]:
    """Names of the assumptions that do not hold: those before the run, or those along it."""
    names = []
    for assumption in claim.assumptions:
        if assumption.along_run != (measurement is not None):
            continue
        observed = () if measurement is None else (measurement.observed,)
        if not assumption.holds(cell, constants, *observed):
            names.append(assumption.name)
    return tuple(names)

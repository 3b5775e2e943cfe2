"""Kernels compiled before a study's first run, in two processes that share the work: a cold start takes half as long.

Every worker of a study would compile everything by itself at its first run, the dense part of the model and the loops
of the table one after the other, and the time left would be judged by that. Here one process trains an epoch of a run
as it is, the other the study's other methods on logistic regression, which has no dense part to speak of; both leave
machine code in the cache. Numbers do not depend on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from alpt_ref._util.processes import run_in_processes
from alpt_ref.data.dataset import ClickDataset
from alpt_ref.errors import AlptError
from alpt_ref.kernels.cache import cache_directory
from alpt_ref.studies.cell import TrainingTask
from alpt_ref.training.config import RunConfig
from alpt_ref.training.train import train

MOST_ROWS = 200_000
"""Training rows of a dataset on which an epoch is a matter of a second."""


SILENCE_S = 15.0
"""Seconds between two lines while kernels are compiled."""


class Part(NamedTuple):
    """What one process compiles: runs, and the data they see."""

    configs: tuple[RunConfig, ...]
    store: Path


def is_cold() -> bool:
    """Whether nothing is compiled yet for these sources and versions; no where there is no cache to put it into."""
    folder = cache_directory()
    return folder is not None and next(folder.rglob("*.nbi"), None) is None


def parts(tasks: Sequence[TrainingTask]) -> list[Part]:
    """The runs of the first task's dataset in two parts: one run as it is, and one of every other method and rounding.

    One part or none where there is nothing to share.
    """
    store = tasks[0].store
    kinds = {(one.config.table.method, one.config.table.rounding): one.config for one in tasks if one.store == store}
    short = [config.replace("train", epochs=1, milestones=()) for config in kinds.values()]
    first = next((one for one in short if one.table.method == "fp32"), short[0])
    others = tuple(one.replace("model", kind="logistic", dim=1) for one in short if one is not first)
    return [Part((first,), store), Part(others, store)] if others else [Part((first,), store)]


def warm_up(tasks: Sequence[TrainingTask], rows: int, log: Callable[[str], None]) -> None:
    """Compile what the tasks need, if nothing is compiled and an epoch of `rows` training rows is short.

    A failure is left to the runs themselves, which tell it better.
    """
    if not tasks or rows > MOST_ROWS or any(one.config.train.device != "cpu" for one in tasks) or not is_cold():
        return
    try:
        shared = parts(tasks)
        if len(shared) < 2:
            return
        log("compiling kernels, once for this installation: 10 to 20 s")
        with _still_at_it(log):
            for _ in run_in_processes(_train, shared, jobs=2):
                pass
    except AlptError as error:
        log(f"kernels are compiled by the runs: {error}")


@contextmanager
def _still_at_it(log: Callable[[str], None]) -> Iterator[None]:
    """Say every `SILENCE_S` seconds that the work goes on: a slow machine takes a minute."""
    done, start = threading.Event(), time.monotonic()

    def tell() -> None:
        while not done.wait(SILENCE_S):
            log(f"compiling kernels, {time.monotonic() - start:.0f} s")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def _train(part: Part) -> None:
    dataset = ClickDataset.open(part.store)
    for config in part.configs:
        try:
            train(config, dataset)
        except (
            AlptError
        ):  # it diverged, or cannot be trained on logistic regression: compiled or not, the run will tell
            continue

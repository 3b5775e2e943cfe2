"""Learning-rate schedules: the factor on every learning rate in an epoch, and at a step of the run.

One factor multiplies all rates alike: those of the table, of the dense part and of step sizes or clips. What is decided
once an epoch (`decays`: milestones, plateau) is a function of configuration and history, so that a resumed run decides
as one that was never stopped, and a checkpoint needs nothing beside the history. What changes from step to step
(`Ramp`: warm-up, cosine) is a function of the step's number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alpt_ref.errors import InputError

if TYPE_CHECKING:
    from alpt_ref.training.config import TrainConfig
    from alpt_ref.training.results import EpochRecord


def decays(train: TrainConfig, epoch: int, history: Sequence[EpochRecord] = ()) -> int:
    """How often the rates have been multiplied by ``train.decay_factor`` before an epoch.

    Parameters
    ----------
    train : TrainConfig
    epoch : int
        Counted from 1.
    history : sequence of EpochRecord
        The epochs before it; read by ``schedule = "plateau"`` alone.

    Returns
    -------
    int
        ``milestones``: one for each milestone passed. ``plateau``: one for every `plateau_patience` epochs in a row
        that did not improve the best value of `monitor` so far; each decay begins the count anew. Else 0.

    Examples
    --------
    >>> from alpt_ref import RunConfig
    >>> [decays(RunConfig().train, epoch) for epoch in (6, 7, 10)]
    [0, 1, 2]
    """
    if train.schedule == "milestones":
        return sum(milestone < epoch for milestone in train.milestones)
    if train.schedule != "plateau":
        return 0
    count, waited, best = 0, 0, -math.inf
    for value in monitored(train, history):
        if value > best:
            best, waited = value, 0
            continue
        waited += 1
        if waited == train.plateau_patience:
            count, waited = count + 1, 0
    return count


def monitored(train: TrainConfig, history: Sequence[EpochRecord]) -> list[float]:
    """The validation metric of each epoch that ``train.monitor`` names, so signed that larger is better."""
    if train.monitor == "logloss":
        return [-record.valid_logloss for record in history]
    return [record.valid_auc for record in history]


def best_epoch(train: TrainConfig, history: Sequence[EpochRecord]) -> int:
    """The first epoch with the best monitored metric, counted from 1; `history` has at least one."""
    return 1 + int(np.argmax(monitored(train, history)))


@dataclass(frozen=True)
class Ramp:
    """Factor on the learning rates at each step of a run, counted from 1.

    Warm-up is linear: step t of the first `warmup` has the factor t / warmup, so that step `warmup` is the first at
    the full rate (Goyal et al. 2017, arXiv 1706.02677). With `cosine`, step t > warmup has
    ``(1 + cos(pi (t - warmup - 1) / (total - warmup))) / 2`` (Loshchilov and Hutter 2017, arXiv 1608.03983, without
    restarts): 1 at the first of them, just above 0 at the last, step `total`, and 0 beyond it.

    Examples
    --------
    >>> ramp = Ramp(warmup=2, cosine=True, total=6)
    >>> [round(ramp(step), 4) for step in range(1, 7)]
    [0.5, 1.0, 1.0, 0.8536, 0.5, 0.1464]
    """

    warmup: int
    cosine: bool
    total: int

    def __call__(self, step: int) -> float:
        """The factor at a step, float64."""
        if step <= self.warmup:
            return step / self.warmup
        if not self.cosine:
            return 1.0
        if step > self.total:
            return 0.0
        return 0.5 * (1.0 + math.cos(math.pi * (step - self.warmup - 1) / (self.total - self.warmup)))


def ramp_of(train: TrainConfig, steps_per_epoch: int) -> Ramp | None:
    """The `Ramp` of a run of ``train.epochs`` epochs; None where the rates change between epochs only.

    Raises
    ------
    InputError
        The warm-up is as long as the run or longer.
    """
    if train.warmup == 0 and train.schedule != "cosine":
        return None
    total = train.epochs * steps_per_epoch
    if train.warmup >= total:
        raise InputError(
            f"train.warmup must be below the run's {total:,} steps ({train.epochs} epochs of {steps_per_epoch:,}), got "
            f"{train.warmup:,}; set train.warmup={total // 10} or less"
        )
    return Ramp(train.warmup, train.schedule == "cosine", total)


def in_words(train: TrainConfig) -> str:
    """The schedule for a person: ``rates × 0.1 after epochs 6, 9``.

    Examples
    --------
    >>> from alpt_ref import RunConfig
    >>> in_words(RunConfig().train)
    'rates × 0.1 after epochs 6, 9'
    """
    words = {
        "milestones": f"rates × {train.decay_factor:g} after epochs {', '.join(map(str, train.milestones)) or 'none'}",
        "constant": "constant rates",
        "cosine": "rates that fall as a cosine to 0",
        "plateau": f"rates × {train.decay_factor:g} after {train.plateau_patience} "
        f"epoch{'' if train.plateau_patience == 1 else 's'} without a better validation {NAMES[train.monitor]}",
    }[train.schedule]
    return f"{words}, {train.warmup:,} steps of warm-up" if train.warmup else words


NAMES = {"auc": "AUC", "logloss": "logloss"}
"""``train.monitor`` as it is written for a person."""

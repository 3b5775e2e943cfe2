"""What the trainer asks an engine to run: some of an epoch's batches, over which rows and at which learning rates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from alpt_ref.training.weights import ClassWeights


@dataclass(frozen=True)
class BatchRange:
    """Batches `first` to `last` - 1 (counted from 0) of one epoch.

    Attributes
    ----------
    epoch : int
        From 1.
    rows : int64 array
        All training rows of the dataset, those of weight 0 left out; ``batches.batch_rows`` cuts them into the
        epoch's batches.
    rates : dict
        Learning rates of the epoch: ``table``, ``dense`` and, for ALPT, ``step``.
    ramp : callable, optional
        Factor on these rates at a step of the run, counted from 1; None: 1 at every step.
    steps_before : int
        Steps of the run before batch `first`.
    loss_sum : float
        Sum of loss times rows (times weight, where rows have weights) over the epoch's batches before `first`; this
        range adds to it, so that an epoch in several ranges adds in the same order as in one.
    classes : (float, float), optional
        Weights of rows without a click and with one (`weights.class_weights`).
    """

    epoch: int
    rows: NDArray[np.int64] = field(repr=False)
    rates: dict[str, float]
    first: int
    last: int
    steps_before: int
    loss_sum: float
    ramp: Callable[[int], float] | None = None
    classes: ClassWeights | None = None

    def rates_at(self, step: int) -> dict[str, float]:
        """The learning rates at a step of the run, counted from 1."""
        if self.ramp is None:
            return self.rates
        factor = self.ramp(step)
        return {name: rate * factor for name, rate in self.rates.items()}

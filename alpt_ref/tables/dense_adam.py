"""Dense Adam at lazy cost: a row's missed momentum steps are made up when it is next read.

Adam as the frameworks run it on a dense gradient moves every row at every step: where a row is not in the batch its
gradient is zero, its momentum decays and it still moves. Lazy Adam (`optimizers.LazyAdam`) leaves these moves out.
`DenseAdam` keeps lazy Adam's arrays, with the number of the step up to which a row is up to date in place of its count
of updates, and the learning rates since then. A table that `replays` subtracts `DenseAdam.missed` of a row where it
reads it, before it updates it, and of all rows in `EmbeddingTable.settle`. The sum over any number of missed steps
costs two evaluations of Adam's direction (`kernels.cpu.replay`).

A row *rests* from `DenseAdam.rest` until its next update: it does not go on by momentum that it had before. Training
that continues a finished run on new rows begins so, and a row that the new rows never name keeps every bit.

Within one step of Adam the moves are those of ``torch.optim.Adam`` and of Kingma and Ba (2015), but for rounding:
both moments decay by one product in place of many, and the moves are summed before they are subtracted.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.kernels.arguments import AdamState
from alpt_ref.kernels.backend import Backend
from alpt_ref.kernels.cpu.optimizers import Optimizer
from alpt_ref.kernels.cpu.replay import Replay, advance_rows, missed_moves, move_rules
from alpt_ref.kernels.jit import run_rows
from alpt_ref.tables.optimizers import GRAIN, LazyAdam

NEGLIGIBLE = 2.0**-36
"""Of a row's first missed move: later ones are left out."""


class DenseAdam(LazyAdam):
    """Adam on all rows at every step, computed for the rows that are read; ``8 d + 4`` bytes a row.

    Attributes
    ----------
    steps : int64 array (1,)
        Steps so far.
    rates : float32 array (k,)
        Learning rates of the last k steps: those since all rows were brought up to date.

    Examples
    --------
    >>> import numpy as np
    >>> from alpt_ref.tables import make_table
    >>> table = make_table("fp32", 2, 1, optimizer="dense_adam", lr=0.1, weights=np.zeros((2, 1), np.float32))
    >>> for row in (0, 1, 1):
    ...     table.apply_gradients([row], np.ones((1, 1), np.float32))
    >>> [round(value, 3) for value in table.lookup([0, 1]).ravel().tolist()]  # row 0 went on: -.1 - .067 - .052
    [-0.219, -0.16]
    """

    kind: ClassVar[str] = "dense_adam"
    replays: ClassVar[bool] = True
    any_length: ClassVar[frozenset[str]] = frozenset({"rates"})
    not_per_row: ClassVar[frozenset[str]] = frozenset({"rates", "steps"})

    def __init__(
        self, backend: Backend, n: int, d: int, *, b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8
    ) -> None:
        super().__init__(backend, n, d, b1=b1, b2=b2, eps=eps)
        self.b2 = b2
        self.window = 1 + math.ceil(math.log(NEGLIGIBLE) / math.log(b1)) if b1 > 0 else 1
        self.steps = np.zeros(1, np.int64)
        self._room = (np.zeros(64, np.float32), np.zeros((64, 4), np.float32))
        self._known = 0

    @property
    def rates(self) -> NDArray[np.float32]:
        """See the class."""
        return self._room[0][: self._known]

    @property
    def behind(self) -> bool:  # type: ignore[override]
        """See `RowOptimizer.behind`."""
        return self._known > 0

    def _replay(self) -> Replay:
        step, (rates, rules) = int(self.steps[0]), self._room
        return Replay(rates, rules, step - self._known, step, self.window, self.b1, self.b2, self.eps)

    def missed(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `RowOptimizer.missed`."""
        out = np.empty((len(rows), self.d), np.float32)
        run_rows(missed_moves, len(rows), rows, self._state(), self._replay(), out, grain=GRAIN)
        return out

    def advance(self, rows: NDArray[np.int64], *, wake: bool = True) -> None:
        """See `RowOptimizer.advance`."""
        run_rows(advance_rows, len(rows), rows, self._state(), self._replay(), wake, grain=GRAIN)

    def rest(self) -> None:
        """See `RowOptimizer.rest`: the step number of a row at rest lies before all that are known."""
        self.count[...] = -1

    def _state(self) -> AdamState:
        return AdamState(self.first, self.second, self.count, self.corrections)

    def step(self, lr: float) -> Optimizer:
        """See `RowOptimizer.step`; the rows must be up to date (`advance`): a row's count is the step before's."""
        self._remember(np.float32(lr))
        return super().step(lr)

    def _remember(self, rate: np.float32) -> None:
        if self._known == len(self._room[0]):
            self._room = tuple(np.concatenate([array, np.zeros_like(array)]) for array in self._room)  # type: ignore[assignment]
        self._room[0][self._known] = rate
        self._known += 1
        self.steps[0] += 1
        move_rules(self._replay(), self.corrections)

    def settled(self) -> None:
        """See `RowOptimizer.settled`: the rates of the steps before are not needed any more."""
        self._known = 0

    def state(self) -> dict[str, NDArray[np.generic]]:
        """See `RowOptimizer.state`."""
        return {**super().state(), "steps": self.steps, "rates": self.rates}

    def make_room(self, given: dict[str, NDArray[np.generic]]) -> None:
        """See `RowOptimizer.make_room`."""
        rates, steps = given["rates"], int(given["steps"][0])
        if rates.dtype != np.float32 or rates.ndim != 1 or not len(rates) <= steps < 2**31:
            raise InputError(
                f"state of 'dense_adam' must hold steps below 2**31 and at most as many float32 rates, got {steps} "
                f"steps and {rates.dtype} rates of shape {rates.shape}"
            )
        self._room = (np.zeros(max(64, len(rates)), np.float32), np.zeros((max(64, len(rates)), 4), np.float32))
        self._known = len(rates)

    def loaded(self) -> None:
        """See `RowOptimizer.loaded`: the rules follow from the rates."""
        steps, known = int(self.steps[0]), self._known
        for after in range(1, known + 1):
            self._known, self.steps[0] = after, steps - known + after
            move_rules(self._replay(), self.corrections)

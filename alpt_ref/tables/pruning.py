"""Gradual magnitude pruning in the manner of DeepLight (Deng et al., WSDM 2021).

Update ``t`` is followed by a pruning if it comes after `prune_start` and `prune_every` divides it. Over the whole table
(all fields together, rows of the batch or not) the ``s n d`` weights of smallest magnitude are set to zero, rounded to
the nearest whole number; one weight at least stays. The share ``s`` rises:

    s = sparsity * (1 - 0.01**x) for x = (t - prune_start) / prune_updates below 1, sparsity from there on.

This is DeepLight's ``sparsity * (1 - D**(t / Omega))`` up to its last hundredth, which DeepLight never prunes; its
``D = 0.99``, ``Omega = 100`` are ``prune_updates = 45,821``. Weights of one magnitude are kept or pruned together, so
that ties can leave fewer zeros, never more. As in DeepLight a zero still gets gradients and may grow back: the next
pruning decides.

Until then a weight below the last pruning's threshold reads as zero, unlike in DeepLight, which prunes before it
evaluates: the table is as sparse at any moment as it is said to be, and what is evaluated is what is stored.

Held in training: the whole float32 table, one float32 threshold and the optimiser state. Served: the kept weights, one
bit a weight that says which they are, and where each row's begin (`PrunedTable.sparse`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.kernels.cpu import pruning as kernels
from alpt_ref.kernels.jit import run_rows
from alpt_ref.tables.base import GRAIN, TableSpec
from alpt_ref.tables.full import FullTable
from alpt_ref.tables.options import PruningOptions

LAST_PART = 0.01
"""Share of the way to the target sparsity that is done in one step at the end."""

_DIGITS = ((20, 11), (10, 10), (0, 10))
"""(shift, width) of the digits of a float32's magnitude, 31 bits, most significant first."""


class PrunedTable(FullTable):
    """Float32 weights, the smallest of which are zero.

    Attributes
    ----------
    threshold : float
        Weights of smaller magnitude read as zero.
    prune_start, prune_updates : int
        Updates before the first pruning; updates from there until `sparsity` is reached.
    """

    method = "pruning"
    Options = PruningOptions
    shares_rows = True

    def __init__(self, spec: TableSpec) -> None:
        super().__init__(spec)
        self.prune_start = round(spec.prune_warmup * spec.epoch_updates)
        self.prune_updates = max(1, round(spec.prune_epochs * spec.epoch_updates))
        self._threshold = np.zeros(1, np.float32)

    @property
    def threshold(self) -> float:
        """Weights of smaller magnitude read as zero."""
        return float(self._threshold[0])

    def scheduled_sparsity(self, updates: int) -> float:
        """Share of zeros that a pruning after this many updates makes."""
        sparsity, done = float(self.spec.sparsity), updates - self.prune_start
        if done >= self.prune_updates:
            return sparsity
        rest: float = LAST_PART ** (max(done, 0) / self.prune_updates)
        return round(sparsity * (1.0 - rest), 9)  # a power's last bit may differ between machines

    def apply_gradients(
        self, ids: Any, grads: NDArray[np.float32], *, lr: float | None = None, batch_size: int | None = None
    ) -> None:
        """See `EmbeddingTable.apply_gradients`; a pruning follows where one is due, after an empty batch too."""
        super().apply_gradients(ids, grads, lr=lr, batch_size=batch_size)
        if self._updates % self.spec.prune_every == 0:
            size = self.n * self.d
            self._prune(min(round(self.scheduled_sparsity(self._updates) * size), size - 1))

    def _prune(self, count: int) -> None:
        """Zero the `count` weights of smallest magnitude; the threshold is the magnitude of the next one."""
        self._threshold[0] = self._magnitude(count) if count > 0 else 0.0
        run_rows(kernels.zero_below, self.n, self.weights, self._threshold[0], grain=GRAIN)

    def _magnitude(self, rank: int) -> np.float32:
        """The magnitude that `rank` others precede in ascending order."""
        bits, found = self.weights.view(np.int32), 0
        for shift, width in _DIGITS:
            arguments = (bits, found, shift, width)
            counts = np.sum(run_rows(kernels.count_digits, self.n, *arguments, grain=GRAIN), axis=0)
            before = np.cumsum(counts)
            digit = int(np.searchsorted(before, rank, side="right"))
            rank -= int(before[digit] - counts[digit])
            found = found << width | digit
        return np.int32(found).view(np.float32)

    def _lookup(self, ids: NDArray[np.integer[Any]], out: NDArray[np.float32]) -> None:
        arguments = (ids, self.weights, self._threshold[0], out)
        run_rows(kernels.lookup_pruned, len(out), *arguments, grain=GRAIN)

    def _kept(self) -> NDArray[np.int64]:
        """Weights of each row that do not read as zero."""
        counts = np.empty(self.n, np.int64)
        run_rows(kernels.kept_per_row, self.n, self.weights, self._threshold[0], counts, grain=GRAIN)
        return counts

    def sparse(self) -> dict[str, NDArray[np.generic]]:
        """The table as it is stored for serving, made anew from the present weights.

        Returns
        -------
        dict
            ``values`` float32 (kept,), row by row; ``mask`` uint8 (n, ceil(d / 8)), column ``j`` is bit ``j % 8`` of
            byte ``j // 8``; ``offsets`` (n + 1,), row ``i`` is ``values[offsets[i]:offsets[i + 1]]``, uint32, or
            uint64 where 32 bits do not suffice.
        """
        offsets = np.zeros(self.n + 1, np.int64)
        np.cumsum(self._kept(), out=offsets[1:])
        mask = np.zeros((self.n, -(-self.d // 8)), np.uint8)
        values = np.empty(int(offsets[-1]), np.float32)
        arguments = (self.weights, self._threshold[0], offsets, mask, values)
        run_rows(kernels.gather_kept, self.n, *arguments, grain=GRAIN)
        width = np.uint32 if len(values) < 1 << 32 else np.uint64
        return {"values": values, "mask": mask, "offsets": offsets.astype(width)}

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        return self.sparse()

    def _state_arrays(self) -> dict[str, NDArray[np.generic]]:
        optimizer = {f"optimizer.{name}": array for name, array in self._optimizer.state().items()}
        return {"weights": self.weights, "threshold": self._threshold, **optimizer}

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """See `EmbeddingTable.load_state`; the threshold must also be finite and not negative."""
        given = np.asarray(state.get("threshold", self._threshold), np.float32)
        if not (np.isfinite(given) & (given >= 0)).all():
            raise InputError("state['threshold'] must be finite and not negative")
        super().load_state(state)

    def statistics(self, reset: bool = True) -> dict[str, float]:
        """``sparsity``, the share of weights that read as zero now, and the ``threshold`` of the last pruning."""
        kept = int(self._kept().sum())
        return {"sparsity": 1.0 - kept / (self.n * self.d), "threshold": self.threshold}

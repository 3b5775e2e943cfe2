"""What an embedding table is: one interface for every method, with the checks that all of them share.

A table owns its arrays and is the only thing that changes them. Ids are checked at this boundary; a NaN or infinite
gradient raises before any state changes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import get_backend
from alpt_ref.kernels.cpu.table import pool_rows
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.memory import aligned_empty
from alpt_ref.kernels.types import Codes
from alpt_ref.tables import checks
from alpt_ref.tables.moments import TableMoment
from alpt_ref.tables.optimizers import RowOptimizer, make_row_optimizer
from alpt_ref.tables.options import NO_REPLAY, NoOptions
from alpt_ref.tables.spec import MAX_INIT_STD as MAX_INIT_STD
from alpt_ref.tables.spec import TableSpec as TableSpec
from alpt_ref.tables.state_keys import current_state
from alpt_ref.tables.unique_rows import UniqueRows, sum_gradients, unique_rows

GRAIN = 1024


class EmbeddingTable(ABC):
    """An embedding table that trains.

    A method is a subclass with `_lookup`, `_update` and `_arrays`. What its `__init__` gets, a `TableSpec`, has its
    settings as attributes; `Options` declares them. `alpt_ref.testing.check_table` tests what is promised here.

    Attributes
    ----------
    n, d : int
    method : str
        Name in messages; default the class's name.
    bits, rounding, optimizer
        As configured; bits and rounding are None for float32.
    Options : type of msgspec.Struct
        The method's settings: a field for each, with default, rule and description (`alpt_ref._util.settings`).
    two_pass_capable : bool
        Whether `begin_update`, `lookup_pending` and `finish_update` exist (ALPT).
    replays : bool
        Whether reading and updating make up for moves that rows miss while they are in no batch, as
        ``optimizer="dense_adam"`` needs (`replaying`). A class says it of itself; it is not inherited.
    shares_rows : bool
        Whether an update may change what rows outside the batch read (hashing, pruning, one learned step size for many
        rows, dense Adam). A table that leaves this False promises that they keep every bit.

    Examples
    --------
    >>> import numpy as np
    >>> from alpt_ref import make_table
    >>> table = make_table("lpt", 100, 8, bits=4)
    >>> table.apply_gradients([3, 7, 3], np.ones((3, 8), np.float32))
    >>> table.lookup([3, 7]).shape
    (2, 8)
    """

    method: ClassVar[str] = ""
    Options: ClassVar[type[msgspec.Struct]] = NoOptions
    two_pass_capable: ClassVar[bool] = False
    replays: ClassVar[bool] = False
    shares_rows: bool = False
    cannot_grow: ClassVar[str] = ""

    def __init_subclass__(cls, **keywords: Any) -> None:
        """A method without a name has its class's."""
        super().__init_subclass__(**keywords)
        cls.method = cls.method or cls.__name__

    def __init__(self, spec: TableSpec) -> None:
        if spec.optimizer == "dense_adam" and not type(self).__dict__.get("replays", False):
            raise InputError(f"optimizer must not be 'dense_adam' for method {self.method!r}, {NO_REPLAY}")
        self.spec = spec
        self.n, self.d = int(spec.n), int(spec.d)
        self.bits: int | None = getattr(spec.options, "bits", None)
        self.rounding: str | None = getattr(spec.options, "rounding", None)
        self.optimizer = spec.optimizer
        self.lr = float(spec.lr)
        self.backend = get_backend(spec.device)
        self._optimizer = self._make_optimizer(self.n, self.d)
        self.shares_rows = self.shares_rows or self._optimizer.replays
        self._updates = 0

    def _make_optimizer(self, rows: int, columns: int) -> RowOptimizer:
        return make_row_optimizer(self.spec.optimizer, self.backend, rows, columns)

    @abstractmethod
    def _lookup(self, ids: NDArray[np.integer[Any]], out: NDArray[np.float32]) -> None: ...

    @abstractmethod
    def _update(self, unique: UniqueRows, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        """One step by the gradients of the unique rows, (u, d), finite and already summed; they may be overwritten."""

    @abstractmethod
    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        """Arrays needed to serve the table."""

    def checked_ids(self, ids: Any) -> checks.CheckedIds:
        """Ids that this table takes without checking them again: looked up, then updated, by a training step.

        Raises
        ------
        InputError
            As `lookup` does.
        """
        return checks.CheckedIds(checks.id_array(ids, self.n), self.n)

    def settle(self) -> None:  # noqa: B027  # nothing to do where no row misses a move
        """Bring the rows up to date that have missed moves: the arrays hold then what `lookup` returns.

        Nothing to do but with ``optimizer="dense_adam"``. Training does it after every epoch, before validation.
        """

    def rest(self) -> None:  # noqa: B027  # nothing to do where no row moves without a gradient
        """Bring the rows up to date, and let none move before its next update (training that goes on with new data)."""

    def lookup(self, ids: Any) -> NDArray[np.float32]:
        """Embeddings of `ids`.

        Parameters
        ----------
        ids : integer array (len,)
            Each in ``[0, n)``.

        Returns
        -------
        float32 array (len, d)
        """
        checked = checks.id_array(ids, self.n)
        out = aligned_empty((checked.shape[0], self.d), np.float32)
        self._lookup(checked, out)
        return out

    def lookup_pooled(self, ids: Any, bags: Any, mode: str = "sum") -> NDArray[np.float32]:
        """Sum or mean of the embeddings of each bag of ids (as PyTorch's ``EmbeddingBag``).

        Parameters
        ----------
        ids : integer array (len,)
            Each in ``[0, n)``.
        bags : integer array (b + 1,)
            Bag ``g`` holds ``ids[bags[g] : bags[g + 1]]``; from 0 to ``len``, never falling.
        mode : {"sum", "mean"}
            An empty bag is zero.

        Returns
        -------
        float32 array (b, d)
            Added in float32 in the order of the ids.
        """
        values = self.lookup(ids)
        bounds = checks.bag_bounds(bags, len(values))
        mean = _check.choice("mode", mode, ("sum", "mean")) == "mean"
        out = aligned_empty((len(bounds) - 1, self.d), np.float32)
        run_rows(pool_rows, len(out), values, bounds, mean, out, weight=bounds)
        return out

    def apply_gradients(
        self, ids: Any, grads: NDArray[np.float32], *, lr: float | None = None, batch_size: int | None = None
    ) -> None:
        """One training step on the rows that `ids` name.

        Parameters
        ----------
        ids : integer array (len,)
            Duplicates are allowed: their gradients are summed once per row, whatever their order.
        grads : float32 array (len, d)
            Loss gradient at the looked-up values.
        lr : float, optional
            Learning rate of this step instead of the table's.
        batch_size : int, optional
            Samples in the batch, for ALPT's gradient scale; default ``len``.

        Raises
        ------
        InputError
            If an id, a shape or a dtype is wrong.
        TrainingError
            If a gradient, or its sum over a row's occurrences, is NaN or infinite. Nothing has changed in either
            case.
        """
        unique, grads, rate, batch = self._checked_step(ids, grads, lr, batch_size)
        if len(unique):
            self._update(unique, self._finite_sums(unique, grads), rate, batch)
        self._updates += 1

    def _checked_step(
        self, ids: Any, grads: NDArray[np.float32], lr: float | None, batch_size: int | None
    ) -> tuple[UniqueRows, NDArray[np.float32], float, int]:
        checked = checks.id_array(ids, self.n)
        grads = self._checked_gradients(grads, checked.shape[0])
        rate = self.lr if lr is None else _check.number("lr", lr)
        batch = checked.shape[0] if batch_size is None else _check.whole_number("batch_size", batch_size, 1)
        known = isinstance(ids, checks.CheckedIds) and checked is ids.array
        return ids.unique if known else unique_rows(checked, self.n), grads, rate, batch

    def _checked_gradients(self, grads: NDArray[np.float32], rows: int) -> NDArray[np.float32]:
        return _check.float32_matrix("grads", grads, (rows, self.d))

    def _finite_sums(self, unique: UniqueRows, grads: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sums of the rows' gradients, which are looked at here once; raises before anything has changed."""
        summed, finite = sum_gradients(unique, grads)
        if not finite:
            raise checks.not_finite_error(unique, grads, summed, self._updates)
        return summed

    def codes(self) -> Codes | None:
        """Unpacked codes (n, d), int8 up to 8 bits, else int16; None for a float32 table."""
        return None

    @property
    def step_size(self) -> NDArray[np.float32] | None:
        """Step sizes, float32 (n,), (fields,) or (1,) by granularity; None for a float32 table."""
        return None

    def nbytes(self, what: str = "training") -> int:
        """Bytes of the arrays held for ``"training"`` (with optimiser state) or needed for ``"serving"``."""
        _check.choice("what", what, ("training", "serving"))
        held = self._arrays() if what == "serving" else self._state_arrays()
        return sum(array.nbytes for array in held.values())

    def _state_arrays(self) -> dict[str, NDArray[np.generic]]:
        optimizer = {f"optimizer.{name}": array for name, array in self._optimizer.state().items()}
        return {**self._arrays(), **optimizer}

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Copies of all arrays by name, and ``updates`` (int64 (1,)): what `load_state` needs to go on bit for bit."""
        arrays = {name: self.backend.to_host(array) for name, array in self._state_arrays().items()}
        return {**arrays, "updates": np.array([self._updates], np.int64)}

    def moment(self, rows: NDArray[np.int64] | None = None, spare: TableMoment | None = None) -> TableMoment:
        """What the table holds now, kept beside it: whole, or of the `rows` that alone will change (`TableMoment`)."""
        return TableMoment(self, rows, spare)

    def load_state(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Take over a `state` of a table with the same configuration; checked whole before anything changes."""
        state, own = current_state(state), {**self._state_arrays(), "updates": np.empty(1, np.int64)}
        if set(state) != set(own):
            raise InputError(f"state must hold exactly {sorted(own)}, got {sorted(state)}")
        for name, array in own.items():
            given = state[name]
            if name.removeprefix("optimizer.") in self._optimizer.any_length:
                continue
            if given.shape != array.shape or given.dtype != array.dtype:
                raise InputError(
                    f"state[{name!r}] must be {array.dtype} of shape {array.shape}, got {given.dtype} {given.shape}"
                )
        updates = _check.whole_number("state['updates']", state["updates"][0], 0)
        self._optimizer.make_room({name.removeprefix("optimizer."): array for name, array in state.items()})
        for name, array in self._state_arrays().items():
            self.backend.assign(array, state[name])
        self._optimizer.loaded()
        self._updates = updates

    def row_arrays(self) -> frozenset[str]:
        """Names of the arrays in `state` that hold one entry for each row of the table."""
        others = {f"optimizer.{name}" for name in self._optimizer.not_per_row}
        found = (name for name, array in self._state_arrays().items() if array.shape[:1] == (self.n,))
        return frozenset(found) - others

    def fresh_options(self, state: dict[str, NDArray[Any]], field: int) -> Any:
        """Options of a table whose initial rows are what new rows of a field begin as; `state` is this table's."""
        return self.spec.options

    def statistics(self, reset: bool = True) -> dict[str, float]:
        """Figures since the last reset, by name; empty for a float32 table."""
        return {}

    def counters(self) -> NDArray[np.int64]:
        """A copy of the counts that `statistics` is computed from, int64 (k,), for a checkpoint within an epoch."""
        return np.zeros(0, np.int64)

    def load_counters(self, counts: NDArray[np.int64]) -> None:
        """Put back what `counters` returned."""
        own = self.counters()
        if counts.shape != own.shape or counts.dtype != np.int64:
            raise InputError(f"counts must be int64 of shape {own.shape}, got {counts.dtype} {counts.shape}")
        self._load_counters(counts)

    def _load_counters(self, counts: NDArray[np.int64]) -> None:  # noqa: B027  # nothing to do without counts
        pass

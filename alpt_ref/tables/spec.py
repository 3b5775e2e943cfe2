"""What configures a table: its size, what every method has, and the settings of the method."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.errors import InputError
from alpt_ref.scalar.philox import MAX_COLUMNS, MAX_ROWS
from alpt_ref.tables.options import EPOCH_UPDATES, CommonOptions

MAX_INIT_STD = 1e37

_COMMON = CommonOptions()


@dataclass(frozen=True)
class TableSpec:
    """Everything that configures a table: its size, what every method has, and the method's own `Options`.

    A setting of the options is an attribute here too: ``spec.bits`` is ``spec.options.bits``.

    Attributes
    ----------
    n, d : int
        Rows (features) and columns (embedding dimension).
    options : msgspec.Struct, optional
        The method's settings, an instance of the table class's `Options`.
    optimizer : {"sgd", "adagrad", "momentum", "adam", "dense_adam"}
    lr : float
        Learning rate of the rows; `apply_gradients` can override it.
    weight_decay : float
        Decoupled decay of touched rows.
    seed : int
        Of the initial weights and of stochastic rounding.
    init_std : float
        Initial weights are N(0, init_std**2), unless `weights` (float32 (n, d)) gives them.
    field_offsets : int64 array (fields + 1,), optional
        First row of each field, and n.
    epoch_updates : int
        Updates that an epoch has, for settings that count in epochs.

    Examples
    --------
    >>> from alpt_ref.tables.options import LptOptions
    >>> spec = TableSpec(1000, 16, LptOptions(bits=4))
    >>> spec.bits, spec.lr
    (4, 0.001)
    """

    n: int
    d: int
    options: Any = None
    optimizer: str = _COMMON.optimizer
    lr: float = _COMMON.lr
    weight_decay: float = _COMMON.weight_decay
    seed: int = 0
    device: str = "cpu"
    init_std: float = _COMMON.init_std
    weights: NDArray[np.float32] | None = field(default=None, repr=False)
    field_offsets: NDArray[np.int64] | None = field(default=None, repr=False)
    epoch_updates: int = EPOCH_UPDATES

    def __getattr__(self, name: str) -> Any:
        """A setting of the method's options."""
        if not name.startswith("__") and "options" in self.__dict__ and hasattr(self.options, name):
            return getattr(self.options, name)
        raise AttributeError(f"a {type(self).__name__} has no {name!r}, nor have its options {self.options!r}")

    def __post_init__(self) -> None:
        """Check the fields that every method uses."""
        for name, low, high in (
            ("n", 1, MAX_ROWS), ("d", 1, MAX_COLUMNS), ("seed", 0, 1 << 64), ("epoch_updates", 1, None),
        ):  # fmt: skip
            # as Python's: n * d of NumPy's int32 wraps around
            object.__setattr__(self, name, _check.whole_number(name, getattr(self, name), low, high))
        _check.number("lr", self.lr)
        _check.number("weight_decay", self.weight_decay)
        if _check.number("init_std", self.init_std) > MAX_INIT_STD:
            raise InputError(f"init_std must be at most {MAX_INIT_STD}, or weights overflow, got {self.init_std}")
        if self.optimizer == "dense_adam" and self.device != "cpu":
            raise InputError("optimizer 'dense_adam' runs on device 'cpu' only; on 'cuda' there is 'adam', lazy Adam")
        if self.weights is not None:
            weights = _check.float32_matrix("weights", self.weights, (self.n, self.d))
            if not np.isfinite(weights).all():
                raise InputError("weights must be finite, got NaN or infinity")
            object.__setattr__(self, "weights", weights)  # rows in one piece, native byte order: kernels read it

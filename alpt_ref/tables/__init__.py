"""What an embedding layer can be: one file a method, one interface (`base.EmbeddingTable`), named in `catalog`."""

from __future__ import annotations

from typing import Any

from alpt_ref._util import check as _check
from alpt_ref.catalog import TABLES
from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import get_backend
from alpt_ref.tables.alpt import AdaptiveTable
from alpt_ref.tables.base import EmbeddingTable, TableSpec
from alpt_ref.tables.full import FullTable
from alpt_ref.tables.lpt import LowPrecisionTable

__all__ = ["AdaptiveTable", "EmbeddingTable", "FullTable", "LowPrecisionTable", "TableSpec", "make_table"]


def make_table(
    method: str,
    n: int,
    d: int,
    *,
    bits: int | None = None,
    rounding: str | None = None,
    optimizer: str = "adam",
    lr: float = 1e-3,
    seed: int = 0,
    device: str = "cpu",
    **options: Any,
) -> EmbeddingTable:
    """Embedding table with `n` rows and `d` columns.

    Parameters
    ----------
    method : {"fp32", "lpt", "alpt", "hashing", "pruning", "pact", "lsq"}
    n : int
        Features, in ``[1, 2**48)``.
    d : int
        Embedding dimension, in ``[1, 2**18)``.
    bits : {2, 4, 8, 16}, optional
        Code width (LPT, ALPT, PACT, LSQ).
    rounding : {"sr", "dr"}, optional
        Default ``"sr"`` for LPT and ALPT.
    optimizer : {"adam", "adagrad", "sgd"}
        Lazy Adam, row-wise Adagrad or SGD.
    lr : float
        Learning rate of the rows.
    seed : int
        Of initial weights and stochastic rounding, in ``[0, 2**64)``.
    **options
        The other fields of `TableSpec`.

    Returns
    -------
    EmbeddingTable
        With `lookup`, `apply_gradients`, `codes`, `step_size`, `nbytes`, `state`.

    Raises
    ------
    InputError
        If an argument is unknown or breaks its rule.
    """
    method = _check.choice("method", method, tuple(TABLES))
    known = set(TableSpec.__dataclass_fields__)
    unknown = sorted(set(options) - known)
    if unknown:
        raise InputError(f"unknown table option {unknown[0]!r}; known are {sorted(known)}")
    spec = TableSpec(
        n, d, bits=bits, rounding=rounding, optimizer=optimizer, lr=lr, seed=seed, device=device, **options
    )
    if get_backend(device).name == "cuda" and not TABLES[method].cuda:
        able = ", ".join(name for name, entry in TABLES.items() if entry.cuda)
        raise InputError(f"method {method!r} runs on device 'cpu' only; on 'cuda' there are {able}")
    table: EmbeddingTable = TABLES[method].load(device)(spec)
    return table

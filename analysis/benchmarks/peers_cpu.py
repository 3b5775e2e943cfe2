"""The strongest fp32 tables of others on a CPU: PyTorch's ``index_add_`` without autograd, FBGEMM's batched tables.

FBGEMM's ``SplitTableBatchedEmbeddingBags`` on the CPU (fbgemm-gpu-cpu) keeps one table a field and updates it in its
backward pass; it has SGD and row-wise Adagrad there, and no Adam. Its ids stand table by table, as it wants, before
the clock runs.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Case = Callable[[tuple[NDArray[np.int64], NDArray[np.uint8]]], None]


def index_add_case(torch: Any, rows: int, d: int, grads: NDArray[np.float32]) -> Case:
    """Lookup and SGD on a plain tensor: ``index_select`` and ``index_add_``, which adds up repeated ids."""
    weight, gradient = torch.randn(rows, d), torch.from_numpy(grads)

    def part(batch: tuple[NDArray[np.int64], NDArray[np.uint8]]) -> None:
        with torch.no_grad():
            ids = torch.from_numpy(batch[0]).reshape(-1)
            weight.index_select(0, ids)
            weight.index_add_(0, ids, gradient, alpha=-1e-3)

    return part


def fbgemm_cases(torch: Any, rows: int, fields: int, d: int, grads: NDArray[np.float32]) -> dict[str, Case]:
    """Lookup, backward and update of FBGEMM's tables by optimiser; empty where it is not installed."""
    try:
        training = importlib.import_module("fbgemm_gpu.split_table_batched_embeddings_ops_training")
        kinds = importlib.import_module("fbgemm_gpu.split_embedding_configs").EmbOptimType
    except (ImportError, OSError):
        print("FBGEMM is not installed: left out (pip install fbgemm-gpu-cpu)")
        return {}
    each, batch_size = rows // fields, len(grads) // fields
    host, cpu = training.EmbeddingLocation.HOST, training.ComputeDevice.CPU
    gradient = torch.from_numpy(grads).reshape(batch_size, fields * d)
    offsets = torch.arange(len(grads) + 1)
    sorted_ids: dict[int, Any] = {}

    def case(kind: Any) -> Case:
        table = training.SplitTableBatchedEmbeddingBagsCodegen(
            [(each, d, host, cpu)] * fields, optimizer=kind, learning_rate=1e-3
        )

        def part(batch: tuple[NDArray[np.int64], NDArray[np.uint8]]) -> None:
            ids = sorted_ids.get(id(batch))
            if ids is None:
                local = np.minimum(batch[0] - np.arange(fields) * each, each - 1)
                ids = sorted_ids[id(batch)] = torch.from_numpy(np.ascontiguousarray(local.T).reshape(-1))
            table(ids, offsets).backward(gradient)

        return part

    return {"SGD": case(kinds.EXACT_SGD), "row-wise Adagrad": case(kinds.EXACT_ROWWISE_ADAGRAD)}

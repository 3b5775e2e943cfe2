"""Export for FBGEMM's inference operator IntNBitTableBatchedEmbeddingBags (TBE): scale and bias of a row, then codes.

The operator computes ``scale * u + bias`` with unsigned codes ``u = code - q_min`` and keeps both as float16 at every
width, before the codes (the rows of `fbgemm`, for PyTorch's bag operators, have them behind). With

    scale = float16(step_size),    bias = float16(step_size) * q_min,

``bias`` is exact (``q_min`` is minus a power of two) and the product of 11 and at most 8 significant bits is exact in
float32, so the operator's value is exactly ``float16(step_size) * code``: relative difference to `table.lookup` at most
2**-11 while the step size is at least 2**-14, more below; `fbgemm.difference` measures it.

``table.safetensors`` holds ``rows`` (uint8): 2 bytes scale, 2 bytes bias, ceil(columns * bits / 8) bytes of codes, low
bits first, where ``columns`` is d filled up to a multiple of 4 (8 at 2 bits) with zeros, as the operator wants it.
``embedding.py`` makes the operator from it, on the CPU or a GPU (where the operator aligns rows to 16 bytes),
with a bounds check that raises: without it the operator takes row 0 for an id that is out of range. An id of -1 is its
mark of a pruned row and gives zeros.

Layout: ``split_table_batched_embeddings_ops_inference.py`` of fbgemm-gpu 1.8.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.files import write_text
from alpt_ref.errors import InputError
from alpt_ref.scalar.code_range import lowest_code
from alpt_ref.serving import fbgemm
from alpt_ref.serving.container import tensor_file
from alpt_ref.serving.safetensors import FILE, metadata_of
from alpt_ref.serving.table import ServingTable

MODULE = "embedding.py"
FILES = (FILE, MODULE)

SOURCE = '''"""Embedding table exported by alpt_ref, as FBGEMM's inference operator: `load()(ids, offsets)`."""

import pathlib

import safetensors
import torch
from fbgemm_gpu.split_embedding_configs import SparseType
from fbgemm_gpu.split_table_batched_embeddings_ops_common import BoundsCheckMode, EmbeddingLocation, PoolingMode
from fbgemm_gpu.split_table_batched_embeddings_ops_inference import IntNBitTableBatchedEmbeddingBagsCodegen


def load(pooling=PoolingMode.SUM, device="cpu", file=pathlib.Path(__file__).with_name("table.safetensors")):
    """The operator. Its columns beyond the table's `d` are zero."""
    with safetensors.safe_open(file, "pt") as stored:
        rows, about = stored.get_tensor("rows"), stored.metadata()
    kind = {"8": SparseType.INT8, "4": SparseType.INT4, "2": SparseType.INT2}[about["bits"]]
    where = EmbeddingLocation.HOST if device == "cpu" else EmbeddingLocation.DEVICE
    operator = IntNBitTableBatchedEmbeddingBagsCodegen(
        [("table", len(rows), int(about["columns"]), kind, where)],
        pooling_mode=pooling, output_dtype=SparseType.FP32, device=device, bounds_check_mode=BoundsCheckMode.FATAL,
    )
    operator.initialize_weights()
    operator.assign_embedding_weights([(rows[:, 4:].to(device), rows[:, :4].to(device))])
    return operator
'''


def columns_of(d: int, bits: int) -> int:
    """Columns of a row as the operator holds it."""
    multiple = max(4, 16 // bits)
    return -(-d // multiple) * multiple


def check(table: ServingTable) -> None:
    """InputError where the operator cannot hold the table."""
    if table.bits not in (2, 4, 8):
        raise InputError(
            f"--to tbe takes tables of 8, 4 or 2 bits, this one has {table.bits}; use --to safetensors, torch or onnx"
        )
    if table.bias is not None:
        raise InputError(
            "--to tbe holds a row's bias as float16, too coarse for rows that begin at any value (method rowmax); use "
            "--to fbgemm, or safetensors, torch or onnx"
        )
    assert table.step_size is not None
    with np.errstate(over="ignore", under="ignore"):
        half = table.step_size.astype(np.float16)
        good = (half > 0) & np.isfinite(half * np.float16(-lowest_code(table.bits)))
    if not good.all():
        where = int(np.argmin(good))
        raise InputError(
            f"{int((~good).sum())} of {len(good)} step sizes cannot be exported to tbe: number {where}, "
            f"{table.step_size[where]:.3g}, does not fit float16; use --to safetensors, or fbgemm with --wide"
        )


def write(table: ServingTable, folder: Path) -> dict[str, Any]:
    """Write ``table.safetensors`` and ``embedding.py``."""
    check(table)
    columns = columns_of(table.d, table.bits)
    width = 4 + columns * table.bits // 8
    about = metadata_of(table.n, table.d, table.bits, table.about)
    metadata = {**about, "format": "alpt_ref tbe rows", "layout": "FBGEMM IntNBit TBE", "columns": str(columns)}
    largest = np.zeros(2)
    with tensor_file(folder / FILE, {"rows": ("|u1", (table.n, width))}, metadata) as file:
        for first, last in table.blocks():
            codes, step_size = table.codes(first, last), table.step_sizes(np.arange(first, last))
            file.append("rows", rows_of(codes, step_size, table.bits, columns))
            largest = np.maximum(largest, fbgemm.difference(codes, step_size))
    write_text(folder / MODULE, SOURCE)
    words = (
        f"are float16(step_size) * code: at most {largest[0]:.3g} and, relatively, {largest[1]:.3g} off table.lookup"
    )
    facts = {"row_bytes": width, "columns": columns}
    return {"max_abs": float(largest[0]), "max_rel": float(largest[1]), "values": words, **facts}


def rows_of(codes: NDArray[Any], step_size: NDArray[np.float32], bits: int, columns: int) -> NDArray[np.uint8]:
    """Rows of the format: uint8 (rows, bytes)."""
    filled = np.zeros((len(codes), columns), codes.dtype)
    filled[:, : codes.shape[1]] = codes
    q_min = lowest_code(bits)
    unsigned = (filled.astype(np.int16) - q_min).astype(np.uint8)
    scale = step_size.astype(np.float16)
    head = np.stack([scale, scale * np.float16(q_min)], axis=1).view(np.uint8)
    return np.concatenate([head, fbgemm.packed_bytes(unsigned, bits, -q_min)], axis=1)

"""Export to FBGEMM's fused row-wise bytes: each row's codes, then its scale and bias.

An operator computes ``scale * u + bias`` with unsigned codes ``u``. Ours are signed, so

    u = code - q_min,    scale = step_size,    bias = step_size * q_min,

and since ``q_min`` is minus a power of two the bias is exact. With a fused multiply-add (one rounding) the operator's
value is ``round(step_size * u + step_size * q_min) = round(step_size * code)``: `table.lookup` bit for bit. The bag
operators of PyTorch (``torch.ops.quantized.embedding_bag_byte_rowwise_offsets`` and its 4- and 2-bit kin,
``..._unpack``) and ``torch.ops.fbgemm.Fused8BitRowwiseQuantizedToFloat`` fuse on x86-64 with FMA3. An implementation
that rounds the product first is off by less than ``2**-15 * step_size``, in about half of the values (47 % of random
ones).

Rows of ``fused`` (uint8) in ``table.safetensors``:

- 8 bits: d bytes, float32 scale, float32 bias: ``d + 8`` bytes. Exact, as above.
- 4 and 2 bits: ceil(d * bits / 8) bytes, low bits first, float16 scale, float16 bias. The values become
  ``float16(step_size) * code``: relative difference at most 2**-11 while the step size is at least 2**-14, more
  below; `difference` measures it. Operators return whole bytes of columns: those beyond d are zero.

A table whose rows begin at a value (method rowmax) is of this kind itself: u, scale and bias are its own. At 8 bits an
operator that fuses rounds once where `table.lookup` rounds twice: `difference` measures it. At 4 and 2 bits scale and
bias are rounded to float16, and columns beyond d are not zero.

Layout: Fused8BitRowwise and FusedNBitRowwise of FBGEMM (``QuantUtils.h``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.scalar.code_range import lowest_code
from alpt_ref.serving.container import tensor_file
from alpt_ref.serving.safetensors import FILE, metadata_of
from alpt_ref.serving.table import ServingTable, row_bytes

FILES = (FILE,)


def write(table: ServingTable, folder: Path, *, wide: bool = False) -> dict[str, Any]:
    """Write ``table.safetensors`` with the tensor ``fused``; 4- and 2-bit codes as 8-bit rows if `wide`."""
    check(table, wide=wide)
    bits = 8 if wide else table.bits
    width = row_bytes(bits, table.d) + (8 if bits == 8 else 4)
    about = {**table.about, "fused": f"{bits}-bit row-wise, scale and bias {'float32' if bits == 8 else 'float16'}"}
    metadata = {**metadata_of(table.n, table.d, bits, about), "format": "alpt_ref fused rows", "layout": "FBGEMM"}
    largest = np.zeros(2)
    with tensor_file(folder / FILE, {"fused": ("|u1", (table.n, width))}, metadata) as file:
        for first, last in table.blocks():
            codes, step_size = table.codes(first, last), table.step_sizes(np.arange(first, last))
            q_min, bias = lowest_code(table.bits), None if table.bias is None else table.bias[first:last]
            file.append("fused", fused_rows(codes, step_size, bits, q_min, bias))
            if bias is not None:
                largest = np.maximum(largest, affine_difference(codes, step_size, bias, q_min, wide=bits == 8))
            elif bits < 8:
                largest = np.maximum(largest, difference(codes, step_size))
    if table.bias is not None:
        off = f"at most {largest[0]:.3g} and, relatively, {largest[1]:.3g} off table.lookup"
        values = f"are {'scale * u + bias, rounded once' if bits == 8 else 'float16(scale) * u + float16(bias)'}: {off}"
    elif bits == 8:
        values = "equal table.lookup bit for bit where the operator fuses multiply and add (PyTorch's do on x86-64)"
    else:
        off = f"at most {largest[0]:.3g} and, relatively, {largest[1]:.3g} off table.lookup"
        values = f"are float16(step_size) * code: {off}"
    facts = {"row_bytes": width, "fused_bits": bits}
    return {"max_abs": float(largest[0]), "max_rel": float(largest[1]), "values": values, **facts}


def check(table: ServingTable, *, wide: bool = False) -> None:
    """InputError where the format cannot hold the table."""
    if table.bits not in (2, 4, 8):
        raise InputError(
            f"--to fbgemm takes tables of 8, 4 or 2 bits, this one has {table.bits}; "
            "use --to safetensors, torch or onnx"
        )
    assert table.step_size is not None
    if wide or table.bits == 8:
        return  # the bias is the value of the lowest code, which every table's step sizes (and biases) keep finite
    with np.errstate(over="ignore", under="ignore"):
        half = table.step_size.astype(np.float16)
        bias = half * np.float16(-lowest_code(table.bits)) if table.bias is None else table.bias.astype(np.float16)
    _refuse(table, (half > 0) & np.isfinite(bias), "is outside what float16 can hold")


def _refuse(table: ServingTable, good: NDArray[np.bool_], why: str) -> None:
    if not good.all():
        assert table.step_size is not None
        where = int(np.argmin(good))
        raise InputError(
            f"{int((~good).sum())} of {len(good)} step sizes cannot be exported to fbgemm: number {where}, "
            f"{table.step_size[where]:.3g}, {why}; use --wide (8-bit rows with float32 scales) or --to safetensors"
        )


def fused_rows(
    codes: NDArray[Any],
    step_size: NDArray[np.float32],
    bits: int,
    q_min: int,
    bias: NDArray[np.float32] | None = None,
) -> NDArray[np.uint8]:
    """Rows of the format: uint8 (rows, bytes). `q_min` is that of the codes, `bits` the width they get.

    Without a `bias` of its own a row has that of a grid through zero.
    """
    unsigned = (codes.astype(np.int16) - q_min).astype(np.uint8)
    scale: NDArray[Any] = step_size if bits == 8 else step_size.astype(np.float16)
    begin = scale * scale.dtype.type(q_min) if bias is None else bias.astype(scale.dtype)
    tail = np.stack([scale, begin], axis=1).view(np.uint8)
    return np.concatenate([packed_bytes(unsigned, bits, -q_min), tail], axis=1)


def packed_bytes(unsigned: NDArray[np.uint8], bits: int, zero: int) -> NDArray[np.uint8]:
    """Several codes per byte, low bits first; the last byte is padded with `zero`."""
    per = 8 // bits
    rows, d = unsigned.shape
    padded = np.full((rows, -(-d // per) * per), zero, np.uint8)
    padded[:, :d] = unsigned
    out = np.zeros((rows, padded.shape[1] // per), np.uint8)
    for place in range(per):
        out |= padded[:, place::per] << np.uint8(bits * place)
    return out


def difference(codes: NDArray[Any], step_size: NDArray[np.float32]) -> NDArray[np.float64]:
    """Largest absolute and relative difference that float16 step sizes make to ``step_size * code``: float64 (2,)."""
    ours = codes.astype(np.float32) * step_size[:, None]
    theirs = codes.astype(np.float32) * step_size.astype(np.float16).astype(np.float32)[:, None]
    return _largest(theirs, ours)


def affine_difference(
    codes: NDArray[Any], step_size: NDArray[np.float32], bias: NDArray[np.float32], q_min: int, *, wide: bool
) -> NDArray[np.float64]:
    """`difference` of rows with a bias: one rounding of ``scale * u + bias`` for two, scale and bias float16 or not."""
    unsigned = codes.astype(np.float32) - np.float32(q_min)
    ours = unsigned * step_size[:, None] + bias[:, None]
    kind = np.float32 if wide else np.float16
    scale, begin = (array.astype(kind).astype(np.float64)[:, None] for array in (step_size, bias))
    return _largest((unsigned * scale + begin).astype(np.float32), ours)


def _largest(theirs: NDArray[np.float32], ours: NDArray[np.float32]) -> NDArray[np.float64]:
    """Largest absolute and relative difference, float64 (2,)."""
    gap = np.abs(theirs.astype(np.float64) - ours)
    size = np.abs(ours).astype(np.float64)
    return np.array(
        [gap.max(initial=0.0), np.divide(gap, size, out=np.zeros_like(gap), where=size > 0).max(initial=0.0)]
    )

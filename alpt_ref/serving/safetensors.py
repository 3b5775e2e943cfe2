"""Export to safetensors: codes and step sizes as they are, and in the metadata all that is needed to read them.

Tensors of ``table.safetensors``:

- ``codes``: int8 (n, d) at 8 bits, int16 (n, d) at 16; at 4 and 2 bits uint8 (n, ceil(d * bits / 8)), low bits first,
  each code in two's complement; float32 (n, d) for a float32 table;
- ``step_size``: float32 (n,), (fields,) or (1,); with ``fields`` step sizes also ``field_offsets``, int64
  (fields + 1,);
- ``bias``: float32 (n,), of tables whose rows begin at a value (method rowmax).

A value is ``step_size * code`` in float32, and with biases ``step_size * (code + 2**(bits - 1)) + bias``, product and
sum rounded: what `table.lookup` returns, bit for bit. The format version is 2, and 3 with biases. Files of version 1
are read, too; in them the tensor ``step_size`` is called ``step``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from alpt_ref._version import __version__
from alpt_ref.errors import InputError
from alpt_ref.serving.container import Shapes, reading, tensor_file
from alpt_ref.serving.table import FLOAT_BITS, ServingTable, in_order, packed_columns, packed_type, words_of

FILE = "table.safetensors"
FILES = (FILE,)
FORMAT = "alpt_ref table"
FORMAT_VERSION = "2"
WITH_BIAS = "3"
STEP_SIZE = {"1": "step", "2": "step_size", WITH_BIAS: "step_size"}
"""Format version -> name of the tensor of step sizes."""


def tensors_of(n: int, d: int, bits: int, steps: int, fields: int = 0) -> Shapes:
    """Types and shapes of the file's tensors."""
    codes = (np.dtype(packed_type(bits)).str, (n, packed_columns(bits, d)))
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {"codes": codes}
    if steps:
        shapes["step_size"] = ("<f4", (steps,))
    if fields:
        shapes["field_offsets"] = ("<i8", (fields + 1,))
    return shapes


def metadata_of(n: int, d: int, bits: int, about: dict[str, str], version: str = FORMAT_VERSION) -> dict[str, str]:
    """The file's metadata: all values are text, as the format wants it."""
    layout = "rows of codes" if bits >= 8 else "rows of bytes, low bits first, two's complement"
    facts = {"format": FORMAT, "format_version": version, "version": __version__, "layout": layout}
    return {**about, **facts, "n": str(n), "d": str(d), "bits": str(bits)}


def write(table: ServingTable, folder: Path) -> dict[str, Any]:
    """Write ``table.safetensors``; returns how far its values are from `table.lookup`."""
    steps = 0 if table.step_size is None else len(table.step_size)
    fields = steps if table.granularity == "field" else 0
    shapes = dict(tensors_of(table.n, table.d, table.bits, steps, fields))
    version, values = FORMAT_VERSION, "step_size * code in float32 equals table.lookup bit for bit"
    if table.bias is not None:
        shapes["bias"] = ("<f4", (table.n,))
        version, values = WITH_BIAS, "step_size * (code - q_min) + bias in float32 equals table.lookup bit for bit"
    with tensor_file(folder / FILE, shapes, metadata_of(table.n, table.d, table.bits, table.about, version)) as file:
        for first, last in table.blocks():
            file.append("codes", table.packed(first, last))
        if table.step_size is not None:
            file.append("step_size", table.step_size)
        if fields and table.field_offsets is not None:
            file.append("field_offsets", table.field_offsets)
        if table.bias is not None:
            file.append("bias", table.bias)
    return {"max_abs": 0.0, "max_rel": 0.0, "values": values}


def read(path: Path) -> ServingTable:
    """The table in a file that `write` or ``alpt-ref quantize`` wrote.

    Raises
    ------
    InputError
        The file is damaged, or not one of these.
    """
    with reading(path) as file:
        meta = file.metadata() or {}
        if meta.get("format") != FORMAT or meta.get("format_version") not in STEP_SIZE:
            found = f"format {meta.get('format')!r}, version {meta.get('format_version')!r}"
            raise InputError(f"{path} is no table of this package that this release reads ({found})")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    known = ("n", "d", "bits", "layout", "format", "format_version", "version")
    about = in_order({name: text for name, text in meta.items() if name not in known})
    try:
        d, bits, codes = int(meta["d"]), int(meta["bits"]), tensors["codes"]
        expected = tensors_of(int(meta["n"]), d, bits, 0)["codes"]
        if (codes.dtype, codes.shape) != (np.dtype(expected[0]), expected[1]):
            raise ValueError(f"codes are {codes.dtype} {codes.shape}")
        data = codes if bits == FLOAT_BITS else words_of(codes, bits, d)
        step_size = tensors.get(STEP_SIZE[meta["format_version"]])
        if (meta["format_version"] == WITH_BIAS) != ("bias" in tensors):
            raise ValueError("biases belong to format version 3, and to it alone")
        return ServingTable(d, bits, data, step_size, tensors.get("field_offsets"), about, tensors.get("bias"))
    except (KeyError, ValueError) as error:  # an InputError is a ValueError
        raise InputError(f"{path} does not hold what its metadata say ({error}); export it again") from None

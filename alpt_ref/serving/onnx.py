"""Export to ONNX: integer Gather, Cast, Mul by the gathered step size; and the whole model where its kind is known.

- ``table.onnx``: ``ids`` int64 (N,) -> ``embedding`` float32 (N, d), the bits of `table.lookup`;
- ``model.onnx``: ``ids`` int64 (batch, fields), global feature ids -> ``logits`` float32 (batch,), the backbone's
  logits but for the order of its float32 sums, and ``probabilities`` float32 (batch,), their sigmoid;
- where fields hold several values, or values beside ids, ``values`` float32 (batch, slots) is a second input beside
  ``ids`` (batch, slots): what each id counts, 0 in an empty slot; the rows of a field are added up;
- an id that is negative or not below n is refused by the runtime, never another row;
- ``table.bin``: codes and step sizes of both, as external data, which ONNX Runtime maps into memory.

Codes of 8 and 16 bits are int8 and int16. Narrower ones stay packed, since ONNX Runtime's Gather takes no INT4: the
graph gathers bytes, shifts and masks them (BitShift, BitwiseAnd, BitwiseXor; opset 18). Step sizes of fields are
written one per row. Operators: https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.files import atomic
from alpt_ref._version import install_hint
from alpt_ref.errors import InputError
from alpt_ref.serving.graph import Graph
from alpt_ref.serving.onnx_models import BACKBONES
from alpt_ref.serving.table import FLOAT_BITS, ServingTable, packed_columns, packed_type

TABLE, MODEL, DATA = "table.onnx", "model.onnx", "table.bin"
FILES = (TABLE, DATA)
ALL = (*FILES, MODEL)
"""Every file that `write` may make."""
ALIGNMENT = 4096
"""Tensors begin at multiples of a page, so that they can be mapped."""


def check() -> None:
    """InputError unless the package onnx is installed."""
    try:
        import onnx  # noqa: F401
    except ImportError:
        raise InputError(f"--to onnx needs the package onnx: {install_hint('export')}") from None


def write(
    table: ServingTable,
    folder: Path,
    kind: str | None,
    dense: Mapping[str, NDArray[Any]],
    slots: tuple[int, ...] | None = None,
) -> dict[str, Any]:
    """Write ``table.onnx``, ``table.bin`` and, for a known `kind` with its `dense` parameters, ``model.onnx``."""
    check()
    places = _write_data(table, folder / DATA)
    graph = Graph("alpt_ref table", table.about)
    ids = graph.input("ids", np.int64, ("N",))
    graph.output("embedding", lookup(graph, table, places, ids, 1), ("N", table.d))
    _save(graph, folder / TABLE)
    if kind in BACKBONES:
        graph = Graph(f"alpt_ref {kind}", table.about)
        ids = graph.input("ids", np.int64, ("batch", "fields"))
        embedding = lookup(graph, table, places, ids, 2)
        if slots is not None:
            values = graph.add("Unsqueeze", graph.input("values", np.float32, ("batch", "fields")), graph.constant([2]))
            fields = np.repeat(np.eye(len(slots), dtype=np.float32), slots, axis=1)
            embedding = graph.add("MatMul", graph.constant(fields), graph.add("Mul", embedding, values))
        logits = BACKBONES[kind](graph, embedding, table.d, dense)
        graph.output("logits", logits, ("batch",))
        graph.output("probabilities", graph.add("Sigmoid", logits), ("batch",))
        _save(graph, folder / MODEL)
        scope = f"table and {kind} model"
    else:
        scope = "table only" if kind is None else f"table only ({kind} models are not exported)"
    return {"max_abs": 0.0, "max_rel": 0.0, "values": "equal table.lookup bit for bit", "scope": scope}


def files_of(kind: str | None) -> tuple[str, ...]:
    """Names of the files that `write` makes."""
    return (*FILES, MODEL) if kind in BACKBONES else FILES


def lookup(graph: Graph, table: ServingTable, places: Mapping[str, Any], ids: str, rank: int) -> str:
    """Add the nodes of a lookup of `ids`, which have `rank` dimensions; the name of their output (..., d)."""
    n, d, bits = table.n, table.d, table.bits
    # Gather counts negative ids from the end, which would be another feature's row: they become n, which it refuses.
    negative = graph.add("Less", ids, graph.constant(np.int64(0)))
    ids = graph.add("Where", negative, graph.constant(np.int64(n)), ids)
    codes = graph.external("codes", packed_type(bits), (n, packed_columns(bits, d)), DATA, *places["codes"])
    gathered = graph.add("Gather", codes, ids, axis=0)
    if bits == FLOAT_BITS:
        return gathered
    if bits >= 8:
        values = graph.cast(gathered, np.float32)
    else:
        per, half = 8 // bits, 1 << (bits - 1)
        apart = graph.add("Unsqueeze", gathered, graph.constant([-1]))
        shifts = graph.constant(np.arange(0, 8, bits, dtype=np.uint8))
        shifted = graph.add("BitShift", apart, shifts, direction="RIGHT")
        field = graph.add("BitwiseAnd", shifted, graph.constant(np.uint8(2 * half - 1)))
        flipped = graph.add("BitwiseXor", field, graph.constant(np.uint8(half)))
        signed = graph.add("Sub", graph.cast(flipped, np.float32), graph.constant(np.float32(half)))
        columns = packed_columns(bits, d) * per
        values = graph.add("Reshape", signed, graph.constant([0] * rank + [columns]))
        if columns != d:
            values = graph.add("Slice", values, *(graph.constant([value]) for value in (0, d, -1)))
    if table.granularity == "table" and table.bias is None:
        step_size = graph.external("step_size", np.float32, (1,), DATA, *places["step_size"])
        return graph.add("Mul", values, step_size)
    each = graph.external("step_size", np.float32, (n,), DATA, *places["step_size"])
    step_size = graph.add("Unsqueeze", graph.add("Gather", each, ids, axis=0), graph.constant([-1]))
    if table.bias is None:
        return graph.add("Mul", values, step_size)
    unsigned = graph.add("Add", values, graph.constant(np.float32(1 << (bits - 1))))
    biases = graph.external("bias", np.float32, (n,), DATA, *places["bias"])
    bias = graph.add("Unsqueeze", graph.add("Gather", biases, ids, axis=0), graph.constant([-1]))
    return graph.add("Add", graph.add("Mul", unsigned, step_size), bias)


def _write_data(table: ServingTable, path: Path) -> dict[str, tuple[int, int]]:
    """Write ``table.bin`` block by block; (offset, length) of each tensor."""
    places: dict[str, tuple[int, int]] = {}
    with atomic(path) as stream:
        for name in ("codes", "step_size", *(() if table.bias is None else ("bias",))):
            start = -(-stream.tell() // ALIGNMENT) * ALIGNMENT
            stream.write(bytes(start - stream.tell()))
            for block in _pieces(table, name):
                stream.write(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
            places[name] = (start, stream.tell() - start)
    return places


def _pieces(table: ServingTable, name: str) -> Iterator[NDArray[Any]]:
    if name == "codes":
        yield from (table.packed(first, last) for first, last in table.blocks())
    elif name == "bias":
        assert table.bias is not None
        yield table.bias
    elif table.granularity == "table" and table.step_size is not None:
        yield table.step_size
    elif table.step_size is not None:
        yield from (table.step_sizes(np.arange(first, last)) for first, last in table.blocks())


def _save(graph: Graph, path: Path) -> None:
    with atomic(path) as stream:
        stream.write(graph.finish())

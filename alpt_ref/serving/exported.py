"""An export read back as a model that scores: what `Scorer` serves where no run is at hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.files import read_json
from alpt_ref._version import install_hint
from alpt_ref.data.schema import Schema
from alpt_ref.data.vocabulary import Vocabulary, join_vocabulary
from alpt_ref.errors import InputError
from alpt_ref.quantizer import pack
from alpt_ref.scalar.code_range import lowest_code
from alpt_ref.serving import backbone, onnx, safetensors, vocabulary_file
from alpt_ref.serving.container import reading
from alpt_ref.serving.folder import MARKER, verified
from alpt_ref.serving.raw_values import Rows
from alpt_ref.serving.source import ExportSource
from alpt_ref.serving.table import FLOAT_BITS, ServingTable

Forward = Callable[[Rows], NDArray[np.float32]]


@dataclass(frozen=True)
class Exported:
    """A model read from an export; `forward` gives logits of ids where something else than its table does."""

    source: ExportSource
    forward: Forward | None = None


def is_export(folder: Path) -> bool:
    """Whether the folder is marked as an export."""
    return (folder / MARKER).is_file()


def holds_codes(folder: Path) -> bool:
    """Whether the folder is an export with its backbone whose table has the run's own codes and step sizes."""
    marker: Any = read_json(folder / MARKER)
    return isinstance(marker, dict) and bool(marker.get("model")) and marker.get("to") in ("safetensors", "torch")


def read(folder: Path) -> Exported:
    """The model in an export, every checksum verified.

    Raises
    ------
    InputError
        It lacks the backbone, is damaged, or was written by a release that exported tables alone.
    """
    marker: Any = read_json(folder / MARKER)
    if not isinstance(marker, dict) or not marker.get("model"):
        raise InputError(f"the export in {folder} lacks the backbone; name a run, a packed run or another export")
    try:
        names, sizes = tuple(map(str, marker["fields"])), tuple(map(int, marker["field_sizes"]))
        slots = tuple(map(int, marker["slots"])) if marker.get("slots") else None
        to, lacks, files = str(marker["to"]), tuple(map(str, marker["lacks"])), marker["files"]
        encoding = _encoding(folder, sizes) if vocabulary_file.FILE in files else (None, None)
        if to == "onnx":
            table, dense, forward = _stand_in(marker), {}, _session(folder, slots)
        else:
            verified(folder, safetensors.FILE)
            stored = _tensors(verified(folder, backbone.FILE))
            table, forward = _READERS[to](folder, stored), None
            dense = {name: array for name, array in stored.items() if name not in backbone.BESIDES}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the export in {folder} is damaged ({error}); write it again") from None
    vocabulary, schema = encoding
    source = ExportSource(table, str(marker["model"]), dense, names, sizes, vocabulary, schema, slots, lacks)
    return Exported(source, forward)


def _encoding(folder: Path, sizes: tuple[int, ...]) -> tuple[Vocabulary, Schema]:
    import pyarrow as pa

    content = json.loads(verified(folder, vocabulary_file.FILE).read_text(encoding="utf-8"))
    if content.get("format_version") != vocabulary_file.FORMAT_VERSION:
        raise ValueError(f"{vocabulary_file.FILE} has format version {content.get('format_version')!r}")
    texts = [pa.array(field["categories"], type=pa.large_utf8()) for field in content["fields"]]
    binned = [field["binning"] == "quantile" for field in content["fields"]]
    vocabulary = join_vocabulary(tuple(field["name"] for field in content["fields"]), texts, binned)
    if vocabulary.field_sizes != sizes:
        raise ValueError(f"{vocabulary_file.FILE} and {MARKER} have fields of other sizes")
    return vocabulary, Schema.from_dict(content["schema"], source=vocabulary_file.FILE)


def _tensors(path: Path) -> dict[str, NDArray[Any]]:
    with reading(path) as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping


def _codes(folder: Path, stored: Mapping[str, Any]) -> ServingTable:
    return safetensors.read(verified(folder, safetensors.FILE))


def _rows(folder: Path, name: str) -> tuple[NDArray[np.uint8], Mapping[str, str]]:
    with reading(verified(folder, safetensors.FILE)) as file:
        return file.get_tensor(name), file.metadata()


def _fused(folder: Path, stored: Mapping[str, Any]) -> ServingTable:
    """Fused rows as codes and step sizes (`fbgemm`): what the operators compute from them, one rounding less."""
    rows, about = _rows(folder, "fused")
    d, bits = int(about["d"]), int(about["bits"])
    tail = np.dtype("<f4" if bits == 8 else "<f2")
    ends = np.ascontiguousarray(rows[:, -2 * tail.itemsize :]).view(tail).astype(np.float32)
    scale, bias = np.ascontiguousarray(ends[:, 0]), np.ascontiguousarray(ends[:, 1])
    unsigned = _unpacked(rows[:, : -2 * tail.itemsize], bits, d)
    zero = bias / scale
    if (zero == zero[0]).all() and zero[0] == int(zero[0]):  # a grid through zero: the bias is the lowest code's value
        return ServingTable(d, bits, _packed(unsigned + int(zero[0]), bits), scale)
    return ServingTable(d, bits, _packed(unsigned + lowest_code(bits), bits), scale, bias=bias)


def _tbe(folder: Path, stored: Mapping[str, Any]) -> ServingTable:
    """Rows of FBGEMM's inference operator, with the weights that bring their step sizes to float32."""
    rows, about = _rows(folder, "rows")
    d, bits = int(about["d"]), int(about["bits"])
    scale = np.ascontiguousarray(rows[:, :2]).view("<f2").astype(np.float32)[:, 0]
    codes = _unpacked(rows[:, 4:], bits, d) + lowest_code(bits)
    return ServingTable(d, bits, _packed(codes, bits), np.asarray(scale * stored["row_weight"], np.float32))


_READERS: Mapping[str, Callable[[Path, Mapping[str, Any]], ServingTable]] = {
    "safetensors": _codes, "torch": _codes, "fbgemm": _fused, "tbe": _tbe,
}  # fmt: skip


def _unpacked(rows: NDArray[np.uint8], bits: int, d: int) -> NDArray[np.int16]:
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    parts = (rows[:, :, None] >> shifts) & np.uint8((1 << bits) - 1)
    return np.ascontiguousarray(parts.reshape(len(rows), -1)[:, :d]).astype(np.int16)


def _packed(codes: NDArray[np.int16], bits: int) -> NDArray[np.uint32]:
    return pack(np.ascontiguousarray(codes.astype(np.int8)), bits)


def _stand_in(marker: Mapping[str, Any]) -> ServingTable:
    """Shape of a table that ONNX Runtime holds, without its rows."""
    n, d = int(marker["n"]), int(marker["d"])
    return ServingTable(d, FLOAT_BITS, np.broadcast_to(np.zeros(1, np.float32), (n, d)))


def _session(folder: Path, slots: tuple[int, ...] | None) -> Forward:
    """Logits by ONNX Runtime."""
    try:
        import onnxruntime  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise InputError(f"a model exported to onnx needs the package onnxruntime: {install_hint('export')}") from None
    for name in (onnx.MODEL, onnx.DATA):
        verified(folder, name)
    session = onnxruntime.InferenceSession(str(folder / onnx.MODEL), providers=["CPUExecutionProvider"])

    def forward(rows: Rows) -> NDArray[np.float32]:
        rows = rows if slots is None else rows.widened(slots)
        values = {} if rows.values is None else {"values": rows.values}
        found: NDArray[np.float32] = session.run(["logits"], {"ids": rows.ids, **values})[0]
        return found

    return forward

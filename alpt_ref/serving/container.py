"""Writing a safetensors file piece by piece, so that no second copy of a large table is ever in memory.

The library `safetensors` reads these files (and we read with it); its writer wants every tensor whole in RAM. The
format: length of the header (8 bytes), header (JSON, padded with blanks to a multiple of 8), then the tensors end to
end in the order of the header. Widest types come first, so that each tensor begins at a multiple of its item size.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.files import atomic
from alpt_ref.errors import InputError

NAMES = {"<i8": "I64", "<f4": "F32", "<i2": "I16", "|i1": "I8", "|u1": "U8"}
"""NumPy's name of a type -> the format's."""
Shapes = Mapping[str, tuple[str, tuple[int, ...]]]
"""Tensor -> (NumPy's name of its type, shape)."""


class TensorFile:
    """An open safetensors file whose tensors are filled row by row, in any order of the tensors."""

    def __init__(self, stream: BinaryIO, tensors: Shapes, metadata: Mapping[str, str]) -> None:
        """Write the header; `tensors` fixes what must follow."""
        self._stream = stream
        self._left: dict[str, int] = {}
        self._place: dict[str, int] = {}
        header: dict[str, Any] = {"__metadata__": dict(metadata)}
        at = 0
        for name, (dtype, shape) in sorted(tensors.items(), key=lambda item: -np.dtype(item[1][0]).itemsize):
            size = math.prod(shape) * np.dtype(dtype).itemsize
            header[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [at, at + size]}
            self._place[name], self._left[name] = at, size
            at += size
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        stream.write(len(text).to_bytes(8, "little") + text)
        self._types = {name: np.dtype(dtype) for name, (dtype, _) in tensors.items()}
        self._place = {name: 8 + len(text) + place for name, place in self._place.items()}

    def append(self, name: str, rows: NDArray[Any]) -> None:
        """Write the next rows of a tensor."""
        block = np.ascontiguousarray(rows, dtype=self._types[name])
        self._left[name] -= block.nbytes
        if self._left[name] < 0:
            raise ValueError(f"more rows of {name} than announced")
        self._stream.seek(self._place[name])
        self._stream.write(block.reshape(-1).view(np.uint8).data)
        self._place[name] += block.nbytes

    def check_complete(self) -> None:
        """ValueError unless every tensor is whole."""
        short = {name: left for name, left in self._left.items() if left}
        if short:
            raise ValueError(f"bytes missing: {short}")


@contextmanager
def tensor_file(path: Path, tensors: Shapes, metadata: Mapping[str, str]) -> Iterator[TensorFile]:
    """A `TensorFile` that appears under its name only when it is whole."""
    with atomic(path) as stream:
        file = TensorFile(stream, tensors, metadata)
        yield file
        file.check_complete()


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """The safetensors file at `path`, memory-mapped; a damaged one is an `InputError` that names it."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError(f"file {path} does not exist; check its name")
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except SafetensorError as error:
        raise InputError(f"{path} is no readable safetensors file ({error})") from None

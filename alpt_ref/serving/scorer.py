"""`Scorer`: a trained model held in memory that answers with probabilities, from any thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.check import no_mask
from alpt_ref._util.files import path_of
from alpt_ref.data.fields import offsets_of
from alpt_ref.data.formats.tables import is_table
from alpt_ref.errors import InputError
from alpt_ref.kernels.linalg import single_threaded_blas
from alpt_ref.models.base import Model
from alpt_ref.serving import exported
from alpt_ref.serving.arithmetic import FORWARDS
from alpt_ref.serving.raw_values import RowEncoder, Rows
from alpt_ref.serving.rows_of_table import lookup_of
from alpt_ref.serving.source import ExportSource, of_checkpoint, read_trained, restored_model
from alpt_ref.training.checkpoint import Checkpoint
from alpt_ref.training.pooling import positions

SMALL = 64
"""Up to so many rows plain NumPy is faster than the model's own loops, which have to be started."""
BATCH = 10_000
"""Rows at a time, where no run says how many."""


class Scorer:
    """A model that scores rows; load it once.

    Parameters
    ----------
    path : path
        Output folder of a run, a checkpoint's folder, a packed run (`alpt-ref pack`), or an export with its backbone
        (``alpt-ref export``).

    Raises
    ------
    InputError
        There is none of these, it is damaged, or it is a table without a model.

    Notes
    -----
    Threads may share one; a pickled one is loaded again from its folder, which must be there. Probabilities are
    those of ``alpt-ref predict``: of a run or packed run with its bits where more than 64 rows are scored at a time in
    the same batches, else (and from exports) within 1e-6, since fewer rows have float32 sums in another order. An
    export serves what it holds: ``fbgemm`` below 8 bits has step sizes in float16.

    Examples
    --------
    >>> import tempfile
    >>> from alpt_ref import RunConfig, Scorer, synthetic_clicks, train
    >>> folder = tempfile.mkdtemp()
    >>> config = RunConfig().replace("model", dim=4, hidden=(8,)).replace("train", epochs=1, batch_size=200)
    >>> data = synthetic_clicks(rows=1000, fields=3, features=60, seed=1)
    >>> result = train(config, data, output=folder)
    >>> scorer = Scorer(folder)
    >>> scorer
    Scorer(dcn on 3 fields, 60 rows of 4, 8-bit, ids only)
    >>> 0.0 < scorer.score(data.ids[0]) < 1.0
    True
    >>> scorer.score(data.ids[:5]).shape
    (5,)
    """

    def __init__(self, path: str | Path) -> None:
        folder = self._folder = path_of(path, "path")
        self._checkpoint: Checkpoint | None = None
        if exported.is_export(folder):
            found = exported.read(folder)
            self._source, self._forward = found.source, found.forward
        else:
            self._checkpoint = read_trained(folder)
            self._source, self._forward = of_checkpoint(self._checkpoint), None
        source = self._source
        if source.kind is None or not source.sizes:
            raise InputError(f"{path} holds a table without a model; name a run, a packed run or another export")
        self._offsets = offsets_of(source.sizes)
        self._lock = threading.Lock()
        self._model: Model | None = None
        self._encoder: RowEncoder | None = None
        if self._forward is None and source.kind in FORWARDS:
            self._forward = _numpy_forward(source)

    def __reduce__(self) -> Any:
        """Pickled as its folder: other processes load it from there."""
        return type(self), (self._folder,)

    def __repr__(self) -> str:
        """Model, table and whether raw rows can be scored."""
        source, table = self._source, self._source.table
        held = f"{table.n:,} rows of {table.d}, " + (f"{table.bits}-bit" if table.bits < 32 else "float32")
        rows = "ids only" if source.vocabulary is None else "raw rows"
        return f"Scorer({source.kind} on {len(source.sizes)} fields, {held}, {rows})"

    @property
    def field_names(self) -> tuple[str, ...]:
        """The fields in the order of an array of ids."""
        return self._source.names

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that raw rows must have; empty where only ids can be scored."""
        schema = self._source.schema
        return () if schema is None else tuple(dict.fromkeys(field.column for field in schema.fields))

    def score(self, rows: Any, values: Any = None) -> Any:
        """Probabilities of a click.

        Parameters
        ----------
        rows : dict, sequence of dicts, frame or integer array
            One raw row (a mapping from column to value) or several; a pandas or polars frame, an Arrow table or
            whatever offers the Arrow C stream; or global ids (rows, fields), or (fields,) of one row. None, NaN and ""
            are missing values; other columns than `columns` are not looked at.
        values : float array of the shape of the ids, optional
            With ids of a model whose fields hold several values: what each counts (`ClickDataset.values`).

        Returns
        -------
        float, or float32 array (rows,)
            A float for one row that is a dict or a vector of ids.

        Raises
        ------
        InputError
            Rows of another kind, a column that is not there, a value that cannot be read, an id outside its field.
        """
        one = isinstance(rows, Mapping) or (isinstance(rows, np.ndarray) and rows.ndim == 1)
        probabilities = _probabilities(self._logits(self._encoded(rows, values)))
        return float(probabilities[0]) if one else probabilities

    def encode(self, rows: Any) -> NDArray[np.int64]:
        """Global ids of rows, int64 (rows, fields): of raw ones by vocabulary and schema; ids are checked.

        Where fields hold several values, in as many columns as these rows need.
        """
        return self._encoded(rows, None).ids

    def _encoded(self, rows: Any, values: Any) -> Rows:
        raw = isinstance(rows, Mapping) or is_table(rows)
        several = isinstance(rows, (list, tuple)) and bool(rows) and isinstance(rows[0], Mapping)
        if not (raw or several):
            return self._checked(rows, values)
        if values is not None:
            raise InputError("values belong to ids; leave them out for raw rows, which hold their own")
        if is_table(rows):
            return self._raw().of_frame(rows)
        return self._raw().of_dicts(rows if several else (rows,))

    def _raw(self) -> RowEncoder:
        """The encoder of raw rows, made when it is first needed."""
        if self._encoder is None:
            source = self._source
            if source.vocabulary is None or source.schema is None:
                raise InputError(f"only ids can be scored: the model lacks {source.lacks[0]}; give an array of ids")
            self._encoder = RowEncoder(source.schema, source.vocabulary, pooled=source.slots is not None)
        return self._encoder

    def _checked(self, rows: Any, values: Any) -> Rows:
        """Ids, after a look at their type and ranges."""
        no_mask("rows", rows)
        try:
            ids = np.asarray(rows)
        except ValueError:
            ids = np.zeros(0)
        ids = ids[None] if ids.ndim == 1 else ids
        slots = self._source.slots
        places = len(self._source.sizes) if slots is None else sum(slots)
        if ids.dtype.kind not in "iu" or ids.ndim != 2 or ids.shape[1] != places or not len(ids):
            raise InputError(
                f"rows must be dicts, a frame or whole numbers (rows, {places}), got "
                f"{type(rows).__name__}{f' of {ids.dtype} {ids.shape}' if isinstance(rows, np.ndarray) else ''}"
            )
        if ids.dtype == np.uint64 and ids.max() > np.iinfo(np.int64).max:
            raise InputError(f"ids must be below {int(self._offsets[-1])}, got {int(ids.max())}")
        ids = ids.astype(np.int64, copy=False)
        first, end = self._offsets[:-1], self._offsets[1:]
        if slots is not None:
            first, end = np.repeat(first, slots), np.repeat(end, slots)
        outside = (ids < first) | (ids >= end)
        if outside.any():
            row, place = (int(one) for one in np.argwhere(outside)[0])
            field = int(np.searchsorted(self._offsets, first[place], side="right")) - 1
            raise InputError(
                f"row {row}: id {int(ids[row, place])} is none of field {self._source.names[field]}, whose ids are "
                f"{int(first[place])} to {int(end[place]) - 1}"
            )
        return Rows(ids, self._values(ids, values), slots)

    def _values(self, ids: NDArray[np.int64], values: Any) -> NDArray[np.float32] | None:
        if (values is None) != (self._source.slots is None):
            what = "values must say what each id counts: some" if values is None else "values must be left out: no"
            raise InputError(f"{what} field of this model holds several values, or values beside ids")
        if values is None:
            return None
        no_mask("values", values)
        try:
            found = np.asarray(values, np.float32).reshape(ids.shape)
        except (TypeError, ValueError):
            raise InputError(f"values must be numbers of the ids' shape {ids.shape}") from None
        if not np.isfinite(found).all():
            raise InputError("values must be finite numbers")
        return found

    def _logits(self, rows: Rows) -> NDArray[np.float32]:
        forward, ids = self._forward, rows.ids
        if forward is not None and (len(ids) <= SMALL or self._checkpoint is None):
            parts = [forward(part) for part in _cut(rows, BATCH)]
            return parts[0] if len(parts) == 1 else np.concatenate(parts)
        assert self._checkpoint is not None
        table, parts = self._source.table, []
        with self._lock, single_threaded_blas():  # the model's buffers are its own
            self._model = self._model or restored_model(self._checkpoint)
            for part in _cut(rows, self._checkpoint.config.train.eval_batch_size):
                at = positions(part.ids.astype(np.uint32), part.values, part.slots)
                parts.append(self._model.forward(at.pooled(table.lookup(at.ids)), training=False).copy())
        return np.concatenate(parts)


def _cut(rows: Rows, size: int) -> Iterator[Rows]:
    if len(rows.ids) <= size:
        yield rows
        return
    for start in range(0, len(rows.ids), size):
        values = None if rows.values is None else rows.values[start : start + size]
        yield Rows(rows.ids[start : start + size], values, rows.slots)


def _numpy_forward(source: ExportSource) -> Any:
    assert source.kind is not None
    lookup, forward = lookup_of(source.table), FORWARDS[source.kind](source.dense)
    if source.slots is None:
        return lambda rows: forward(lookup(rows.ids))

    def pooled(rows: Rows) -> NDArray[np.float32]:
        assert rows.values is not None
        assert rows.slots is not None
        weighted = lookup(rows.ids) * rows.values[..., None]
        return forward(np.add.reduceat(weighted, np.cumsum((0, *rows.slots[:-1])), axis=1))

    return pooled


def _probabilities(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """As `predict` writes them."""
    with np.errstate(over="ignore"):
        probabilities: NDArray[np.float32] = (1.0 / (1.0 + np.exp(-logits.astype(np.float64)))).astype(np.float32)
    return probabilities

"""Sources of the GPU's batches: the whole encoded dataset on the device, or pinned chunks copied ahead.

Both put the same into device memory: ids and labels of many rows, and `order`, which names the rows of the
batches one after the other; the recorded step gathers its batch from there. The order is that of `batches`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.backend import Backend
from alpt_ref.kernels.cuda.streams import copy_ahead, current_stream, free_memory, new_event, new_stream, pinned
from alpt_ref.training import batches

if TYPE_CHECKING:
    from alpt_ref.data.dataset import ClickDataset
    from alpt_ref.training.batch_range import BatchRange

SHARE = 0.5
"""Part of the free device memory that a dataset may take."""


class BatchSource(ABC):
    """Batches of a `BatchRange`, one after the other.

    Attributes
    ----------
    ids, labels : device arrays
        uint32 (rows * fields,) and uint8 (rows,).
    order : integer device array
        Rows of `ids`, batch by batch.
    period : int
        Positions in `order` count modulo this.
    ahead : int
        Epochs whose order may be drawn before they begin.
    """

    ids: Any
    labels: Any
    order: Any
    period: int
    ahead: int = 1

    @abstractmethod
    def begin(self, span: BatchRange) -> int:
        """Prepare a range; returns the position in `order` of its first batch."""

    def before(self, batch: int) -> None:  # noqa: B027  # nothing to do where all is on the device
        """Before the step of this batch is queued."""

    def after(self, batch: int) -> None:  # noqa: B027
        """After it was queued."""

    @abstractmethod
    def part(self, rows: NDArray[np.int64]) -> tuple[Any, Any, Any]:
        """Ids, labels and order that hold just these rows, for an evaluation."""


class DeviceBatchSource(BatchSource):
    """The dataset on the device; the order of an epoch is uploaded once, the next ones (`ahead`) drawn meanwhile."""

    def __init__(self, backend: Backend, dataset: ClickDataset, batch_size: int, seed: int) -> None:
        self.backend, self.batch_size, self.seed = backend, batch_size, seed
        self.ids = backend.from_host(dataset.ids).reshape(-1)
        self.labels = backend.from_host(dataset.labels)
        self._kind = np.uint32 if dataset.rows < 1 << 32 else np.int64
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="alpt_ref order")
        self._drawn: dict[int, Future[NDArray[Any]]] = {}
        self._epoch: int | None = None

    @staticmethod
    def needs(dataset: ClickDataset) -> int:
        """Bytes on the device, the order and its sorting included."""
        return dataset.ids.size * 4 + dataset.rows * (1 + 24)

    def begin(self, span: BatchRange) -> int:
        """See `BatchSource.begin`."""
        if self._epoch != span.epoch:
            drawn = self._drawn.pop(span.epoch, None) or self._draw(span, span.epoch)
            later = range(span.epoch + 1, span.epoch + 1 + self.ahead)
            self._drawn = {epoch: self._drawn.get(epoch) or self._draw(span, epoch) for epoch in later}
            order = self._sorted(self.backend.from_host(drawn.result()))
            if self._epoch is None:
                self.order, self.period = self.backend.empty(len(order), order.dtype), len(order) + self.batch_size
            self.order[...] = order  # in place: recorded steps read it there
            self._epoch = span.epoch
        return span.first * self.batch_size

    def _draw(self, span: BatchRange, epoch: int) -> Future[NDArray[Any]]:
        def draw() -> NDArray[Any]:
            pieces = batches.batch_rows(span.rows, self.batch_size, seed=self.seed, epoch=epoch)
            return np.concatenate(list(pieces)).astype(self._kind)

        return self._pool.submit(draw)

    def _sorted(self, order: Any) -> Any:
        """Each batch's rows in ascending order."""
        whole = len(order) - len(order) % self.batch_size
        if whole:
            order[:whole].reshape(-1, self.batch_size).sort(axis=1)
        if whole < len(order):
            order[whole:].sort()
        return order

    def part(self, rows: NDArray[np.int64]) -> tuple[Any, Any, Any]:
        """See `BatchSource.part`."""
        return self.ids, self.labels, self.backend.from_host(rows.astype(self._kind))


class HostBatchSource(BatchSource):
    """The dataset stays in host memory: two pinned chunks and two on the device take turns, copied ahead."""

    def __init__(self, backend: Backend, dataset: ClickDataset, batch_size: int, seed: int) -> None:
        self.backend, self.dataset, self.batch_size, self.seed = backend, dataset, batch_size, seed
        fields = dataset.fields
        self.period = 2 * batch_size
        self.ids = backend.zeros(self.period * fields, np.uint32)
        self.labels = backend.zeros(self.period, np.uint8)
        self.order = backend.from_host(np.arange(self.period, dtype=np.uint32))
        self._chunks = [(pinned((batch_size, fields), np.uint32), pinned((batch_size,), np.uint8)) for _ in range(2)]
        self._copying = new_stream()
        self._copied, self._used = [new_event(), new_event()], [new_event(), new_event()]

    def begin(self, span: BatchRange) -> int:
        """See `BatchSource.begin`."""
        current_stream().synchronize()  # earlier steps may still read the chunks
        self._copying.synchronize()
        self._rows = batches.batch_rows(
            span.rows, self.batch_size, seed=self.seed, epoch=span.epoch, first=span.first, last=span.last
        )
        for event in (*self._copied, *self._used):
            event.record(current_stream())
        return span.first % 2 * self.batch_size

    def before(self, batch: int) -> None:
        """See `BatchSource.before`."""
        slot, fields = batch % 2, self.dataset.fields
        ids, labels = self._chunks[slot]
        self._copied[slot].synchronize()  # the chunk's last copy has been read out of pinned memory
        rows = np.sort(next(self._rows))
        size = len(rows)
        np.take(self.dataset.ids, rows, axis=0, out=ids[:size], mode="clip")
        np.take(self.dataset.labels, rows, out=labels[:size], mode="clip")
        self._copying.wait_event(self._used[slot])
        first = slot * self.batch_size
        copy_ahead(self.ids[first * fields : (first + size) * fields], ids[:size].reshape(-1), self._copying)
        copy_ahead(self.labels[first : first + size], labels[:size], self._copying)
        self._copied[slot].record(self._copying)
        current_stream().wait_event(self._copied[slot])

    def after(self, batch: int) -> None:
        """See `BatchSource.after`."""
        self._used[batch % 2].record(current_stream())

    def part(self, rows: NDArray[np.int64]) -> tuple[Any, Any, Any]:
        """See `BatchSource.part`."""
        ids = self.backend.from_host(self.dataset.ids[rows].reshape(-1))
        labels = self.backend.from_host(self.dataset.labels[rows])
        return ids, labels, self.backend.from_host(np.arange(len(rows), dtype=np.uint32))


def make_batch_source(backend: Backend, dataset: ClickDataset, batch_size: int, seed: int) -> BatchSource:
    """`DeviceBatchSource` if the dataset takes at most half of the device's free memory, else `HostBatchSource`."""
    kind = DeviceBatchSource if DeviceBatchSource.needs(dataset) <= SHARE * free_memory() else HostBatchSource
    return kind(backend, dataset, batch_size, seed)

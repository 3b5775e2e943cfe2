"""A transport for tests: what is on a GPU travels through the host's memory by gloo, so that ranks may share one GPU.

NCCL refuses two ranks on one device. With this the kernels, the exchange and the slices of several GPUs run on one;
NCCL itself and CUDA graphs, which cannot hold a copy to the host, do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.distributed.group import TorchGroup
from alpt_ref.distributed.ranks import TorchRanks
from alpt_ref.kernels.backend import get_backend


class HostCopies(TorchGroup):
    """torch's default group, of gloo alone; every exchange waits for the stream that it is queued on."""

    def __init__(self) -> None:
        super().__init__(None, "cpu")
        self._backend = get_backend("cuda")

    def kept(self, array: Any) -> Any:
        """See `Group.kept`: the bytes of the array."""
        return array.reshape(-1).view(np.uint8)

    def kept_floats(self, array: Any) -> Any:
        """See `Group.kept_floats`."""
        return array

    def _by_host(self, collective: Any, array: Any, into: Any, **keywords: Any) -> None:
        """`collective`, torch's, from a copy of `array` into one of `into`, which is put back."""
        own, out = np.array(self._backend.to_host(array)), np.empty(into.shape, into.dtype)
        self._call(collective, self._torch.from_numpy(out), self._torch.from_numpy(own), **keywords)
        self._backend.assign(into, out)
        self._backend.synchronize()

    def swap(self, array: Any, into: Any) -> None:
        """See `Group.swap`."""
        self._by_host(self._dist.all_to_all_single, array, into)

    def gathered(self, array: Any, into: Any) -> None:
        """See `Group.gathered`."""

        def gather(out: Any, own: Any, **more: Any) -> None:
            self._dist.all_gather(list(out.chunk(self.ranks)), own, **more)

        self._by_host(gather, array, into)

    def raised(self, flags: Any) -> None:
        """See `Group.raised`."""
        self._reduced(flags, self._dist.ReduceOp.MAX)

    def summed(self, floats: Any) -> None:
        """See `Group.summed`."""
        self._reduced(floats, self._dist.ReduceOp.SUM)

    def _reduced(self, array: Any, operation: Any) -> None:
        own = np.array(self._backend.to_host(array))
        self._call(self._dist.all_reduce, self._torch.from_numpy(own), op=operation)
        self._backend.assign(array, own)
        self._backend.synchronize()


class HostRanks(TorchRanks):
    """The ranks of a training run on one GPU."""

    def __init__(self) -> None:
        super().__init__()
        self._group = HostCopies()

    def stream(self, priority: int = 0) -> Any:
        """See `Ranks.stream`: torch queues nothing."""
        from alpt_ref.kernels.cuda.streams import new_stream

        return new_stream(priority)

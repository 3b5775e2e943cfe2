"""How ranks exchange bytes: a process group of torch.distributed, or one process alone, which needs no torch.

Whatever is exchanged is an array whose bits arrive as they were sent; sums and maxima are of integers.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._version import install_hint
from alpt_ref.errors import InputError, LostRankError


class Group(ABC):
    """Ranks that exchange arrays.

    Attributes
    ----------
    rank, ranks : int
    sent : int
        Bytes that this rank has sent to others in `exchange` so far.
    trips : int
        Batches whose ids have travelled so far.
    """

    rank: int
    ranks: int
    sent: int = 0
    trips: int = 0

    @abstractmethod
    def share(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """The rows of all ranks, (ranks, k): each gives a host array (k,) of the same type and length."""

    @abstractmethod
    def exchange(self, array: Any, counts_out: NDArray[np.int64], counts_in: NDArray[np.int64]) -> Any:
        """Rows of `array` to the ranks in order, ``counts_out[r]`` to rank r; what came from them, in their order."""

    def kept(self, array: Any) -> Any:
        """What `swap` and `raised` take for an array that stays where it is; made before a CUDA graph is recorded."""
        return array

    @abstractmethod
    def swap(self, array: Any, into: Any) -> None:
        """Equal parts of a `kept` array to the ranks in order; what came from them into another of the same size."""

    @abstractmethod
    def raised(self, flags: Any) -> None:
        """Flags of a `kept` array, numbers of 0 or 1, that are up on any rank, in place."""

    def kept_floats(self, array: Any) -> Any:
        """What `summed` takes for a float32 array that stays where it is."""
        return array

    def gathered(self, array: Any, into: Any) -> None:
        """The `kept` arrays of all ranks, one behind the other, in another that is kept."""
        into[...] = array

    def summed(self, floats: Any) -> None:  # noqa: B027  # of one rank nothing
        """Sum over the ranks, in an order that depends on their number, of `kept_floats`, in place."""

    @abstractmethod
    def total(self, array: Any) -> None:
        """Sum of an int64 array over the ranks, in place."""

    @abstractmethod
    def largest(self, array: Any) -> None:
        """Element-wise maximum of an integer array over the ranks, in place."""


class Alone(Group):
    """A group of this process alone."""

    rank, ranks = 0, 1

    def share(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """See `Group.share`."""
        return numbers[None].copy()

    def exchange(self, array: Any, counts_out: NDArray[np.int64], counts_in: NDArray[np.int64]) -> Any:
        """See `Group.exchange`."""
        return array

    def swap(self, array: Any, into: Any) -> None:
        """See `Group.swap`."""
        into[...] = array

    def raised(self, flags: Any) -> None:
        """See `Group.raised`."""

    def total(self, array: Any) -> None:
        """See `Group.total`."""

    def largest(self, array: Any) -> None:
        """See `Group.largest`."""


class TorchGroup(Group):
    """A process group of torch.distributed: gloo for arrays of the host, NCCL for those of the GPU."""

    def __init__(self, group: Any, device: str) -> None:
        import torch
        from torch import distributed

        self._torch: Any = torch  # Any: what a release of torch exports differs from its stubs
        self._dist: Any = distributed
        self._group: Any = distributed.group.WORLD if group is None else group
        self.rank, self.ranks = distributed.get_rank(self._group), distributed.get_world_size(self._group)
        if self.rank < 0:
            raise InputError("group must be a process group that this process belongs to")
        self._on_gpu, self._on_host = self._carries("cuda", "NCCL"), self._carries("cpu", "Gloo")
        if device == "cpu" and not self._on_host:
            raise InputError("group must have backend 'gloo' for a table on device 'cpu', it has 'nccl' only")

    def require_backends(self, device: str) -> None:
        """`InputError` unless whole training can use the group: gloo, and NCCL for what is on GPUs."""
        if not self._on_host or (device == "cuda" and not self._on_gpu):
            wanted = "gloo" if device == "cpu" else "cpu:gloo,cuda:nccl"
            raise InputError(
                f"training on device {device!r} needs a process group of backend '{wanted}', the default group is "
                "another's: init_process_group with that, or leave it to alpt_ref.distributed.train"
            )

    def _carries(self, device: str, backend: str) -> bool:
        """Whether the group exchanges arrays of a device by the backend that does it well."""
        try:
            return backend in type(self._group._get_backend(self._torch.device(device))).__name__
        except RuntimeError:  # no backend for it
            return False

    def _call(self, collective: Callable[..., Any], *arguments: Any, **keywords: Any) -> None:
        try:
            collective(*arguments, group=self._group, **keywords)
        except Exception as error:  # torch's are RuntimeError or DistBackendError, by backend and version
            raise lost_rank(error) from None

    def _tensor(self, array: Any) -> Any:
        """The array's memory as a tensor."""
        if isinstance(array, np.ndarray):
            return self._torch.from_numpy(array)
        if not array.size:
            return self._torch.empty(0, dtype=self._torch.uint8, device="cuda")
        return self._torch.from_dlpack(array)

    def _carried(self, array: Any) -> tuple[Any, Any]:
        """A tensor that the backend takes, and the array to put back what it holds afterwards, if it is a copy."""
        host = isinstance(array, np.ndarray)
        if host and not self._on_host:
            return self._torch.from_numpy(array).cuda(), array
        if not host and not self._on_gpu:
            return self._torch.from_numpy(array.get()), array
        return self._tensor(array), None

    def share(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """See `Group.share`."""
        own = self._torch.from_numpy(np.ascontiguousarray(numbers))
        own = own if self._on_host else own.cuda()
        parts = [self._torch.empty_like(own) for _ in range(self.ranks)]
        self._call(self._dist.all_gather, parts, own)
        return np.stack([part.cpu().numpy() for part in parts])

    def exchange(self, array: Any, counts_out: NDArray[np.int64], counts_in: NDArray[np.int64]) -> Any:
        """See `Group.exchange`."""
        row = int(np.prod(array.shape[1:], dtype=np.int64)) * array.dtype.itemsize
        self.sent += row * int(counts_out.sum() - counts_out[self.rank])
        xp = np if isinstance(array, np.ndarray) else sys.modules["cupy"]
        out = xp.empty((int(counts_in.sum()), *array.shape[1:]), array.dtype)
        flat, held = self._carried(_bytes(xp.ascontiguousarray(array)))[0], self._carried(_bytes(out))
        splits = [[int(count) * row for count in counts] for counts in (counts_in, counts_out)]
        self._call(self._dist.all_to_all_single, held[0], flat, *splits)
        self._put_back(*held)
        return out

    def kept(self, array: Any) -> Any:
        """See `Group.kept`: a tensor of the same memory."""
        return self._tensor(_bytes(array))

    def swap(self, array: Any, into: Any) -> None:
        """See `Group.swap`; the backend must take the arrays themselves, not copies."""
        if self.ranks != 2:
            self._call(self._dist.all_to_all_single, into, array)
            return
        half, mine = array.numel() // 2, self.rank  # what stays here is copied beside, which NCCL does with few blocks
        (own, other), (here, there) = ((one[:half], one[half:])[:: 1 - 2 * mine] for one in (array, into))
        counts = [0, half] if mine == 0 else [half, 0]
        try:
            work = self._dist.all_to_all_single(there, other, counts, counts, group=self._group, async_op=True)
            here.copy_(own)
            work.wait()
        except Exception as error:
            raise lost_rank(error) from None

    def raised(self, flags: Any) -> None:
        """See `Group.raised`."""
        self._call(self._dist.all_reduce, flags, op=self._dist.ReduceOp.MAX)

    def kept_floats(self, array: Any) -> Any:
        """See `Group.kept_floats`."""
        return self._tensor(array)

    def gathered(self, array: Any, into: Any) -> None:
        """See `Group.gathered`."""
        self._call(self._dist.all_gather_into_tensor, into, array)

    def summed(self, floats: Any) -> None:
        """See `Group.summed`."""
        self._call(self._dist.all_reduce, floats)

    def _put_back(self, tensor: Any, array: Any) -> None:
        if array is None:
            return
        if isinstance(array, np.ndarray):
            array[...] = tensor.cpu().numpy()
        else:
            array.set(tensor.numpy())

    def _reduce(self, array: Any, operation: Any) -> None:
        tensor, back = self._carried(array)
        self._call(self._dist.all_reduce, tensor, op=operation)
        self._put_back(tensor, back)

    def total(self, array: Any) -> None:
        """See `Group.total`."""
        self._reduce(array, self._dist.ReduceOp.SUM)

    def largest(self, array: Any) -> None:
        """See `Group.largest`."""
        self._reduce(array, self._dist.ReduceOp.MAX)


def _bytes(array: Any) -> Any:
    return array.reshape(-1).view(np.uint8)


def lost_rank(error: Exception) -> LostRankError:
    """What to raise where a collective of torch has failed."""
    first = " ".join(str(error).split())[:200]
    return LostRankError(
        f"another rank did not answer, so that the table cannot go on ({type(error).__name__}: {first}); "
        "end all ranks and resume from the last checkpoint"
    )


def find_group(group: Any, device: str) -> Group:
    """The group to work in: `group`, torch's default one, or this process alone.

    Raises
    ------
    InputError
        A launcher has started several processes and there is no process group; or torch is missing.
    """
    if group is None:
        torch = sys.modules.get("torch")
        ready = torch is not None and torch.distributed.is_available() and torch.distributed.is_initialized()
        if not ready:
            world = os.environ.get("WORLD_SIZE", "1")
            if world.isdigit() and int(world) > 1:
                raise InputError(
                    f"a process group must exist, since WORLD_SIZE={world} says that a launcher started {world} "
                    f"processes: call torch.distributed.init_process_group first ({_installed()})"
                )
            return Alone()
    elif isinstance(group, Group):
        return group
    try:
        from torch.distributed import ProcessGroup
    except ImportError:
        raise InputError(f"a process group needs torch, which is not installed: {install_hint('dist-train')}") from None
    if group is not None and not isinstance(group, ProcessGroup):
        raise InputError(f"group must be a torch.distributed.ProcessGroup or None, got {type(group).__name__}")
    return TorchGroup(group, device)


def _installed() -> str:
    import importlib.util

    if importlib.util.find_spec("torch") is None:
        return f"torch is not installed: {install_hint('dist-train')}"
    return "torch is installed"

"""Whether a GPU can be used here, in one sentence if not; imports CUDA only when asked."""

from __future__ import annotations

import functools
import importlib
import os
import sys

from alpt_ref._version import install_hint
from alpt_ref.errors import InputError


@functools.cache
def require_device() -> None:
    """Raise `InputError` unless CuPy and Numba both reach a GPU, or Numba's simulator stands for one."""
    if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1":
        return
    try:
        load = importlib.import_module
        cupy, cuda = load("cupy"), load("numba.cuda")
        load("numba_cuda")
    except Exception as error:  # CuPy and numba-cuda raise many kinds where libraries do not fit each other
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"device 'cuda' needs numba-cuda and CuPy ({reason}): {install_hint('gpu')}") from None
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise InputError(f"device 'cuda' needs an NVIDIA GPU and its driver ({error}); use --device cpu") from None
    if count < 1:
        raise InputError("device 'cuda' needs an NVIDIA GPU, none was found; use --device cpu")
    if not cuda.is_available():
        raise InputError("device 'cuda': CuPy finds a GPU, Numba does not; check driver and numba-cuda versions")


def use_device(index: int) -> None:
    """Work on the GPU of this number from now on: CuPy, Numba and, where it has been imported, torch.

    Raises
    ------
    InputError
        There is no such GPU.
    """
    require_device()
    if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "1":
        return
    cupy, cuda, torch = importlib.import_module("cupy"), importlib.import_module("numba.cuda"), sys.modules.get("torch")
    count = cupy.cuda.runtime.getDeviceCount()
    if not 0 <= index < count:
        raise InputError(f"the number of a GPU must be from 0 to {count - 1}, got {index}: start fewer processes")
    cupy.cuda.Device(index).use()
    cuda.select_device(index)
    if torch is not None:
        torch.cuda.set_device(index)

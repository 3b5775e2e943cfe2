"""Whether a GPU can be used here, in one sentence if not; imports CUDA only when asked."""

from __future__ import annotations

import functools
import importlib
import os

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

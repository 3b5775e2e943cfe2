"""The generator behind stochastic rounding on arrays: Philox4x32-10, and which row numbers key its words."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.cpu.random import philox_rows
from alpt_ref.kernels.jit import run_rows
from alpt_ref.quantizer.gpu import gpu_half
from alpt_ref.quantizer.keys import counters_and_keys
from alpt_ref.quantizer.place import on_device


def philox4x32(counter: Any, key: Any) -> NDArray[np.uint32]:
    """Philox4x32-10 of each counter under each key (Salmon et al., SC 2011).

    Parameters
    ----------
    counter : uint32 array (..., 4)
    key : uint32 array (..., 2)
        Leading dimensions are broadcast against those of `counter`.

    Returns
    -------
    uint32 array (..., 4)
        A NumPy array for a NumPy `counter`, a CuPy array for an array on a GPU.

    Raises
    ------
    InputError
        If a dtype is not uint32 or a last dimension is not 4 and 2.

    Examples
    --------
    The first known answer of the authors' library Random123:

    >>> import numpy as np
    >>> from alpt_ref import philox4x32
    >>> words = philox4x32(np.zeros(4, np.uint32), np.zeros(2, np.uint32))
    >>> [f"{word:08x}" for word in words.tolist()]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    if on_device(counter):
        return cast(NDArray[np.uint32], gpu_half().philox4x32(counter, key))
    counters, keys, shape = counters_and_keys(np.asarray(counter), np.asarray(key), np)
    out = np.empty_like(counters)
    run_rows(philox_rows, len(out), counters, keys, out, grain=4096)
    return cast(NDArray[np.uint32], out.reshape(*shape, 4))

"""The way to the quantiser's half on the GPU, which is loaded only when an array or an argument asks for it."""

from __future__ import annotations

from types import ModuleType

from alpt_ref.kernels.backend import get_backend


def gpu_half() -> ModuleType:
    """`alpt_ref.quantizer.cuda`; `InputError` where there is no GPU."""
    get_backend("cuda")
    from alpt_ref.quantizer import cuda

    return cuda

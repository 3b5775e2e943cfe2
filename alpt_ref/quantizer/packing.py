"""Codes in 32-bit words and back, low bits first: `pack` and `unpack`."""

from __future__ import annotations

from typing import cast

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref._util.former_names import former_keywords
from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import get_backend
from alpt_ref.kernels.cpu import packing as kernels
from alpt_ref.kernels.jit import run_rows
from alpt_ref.kernels.types import Codes
from alpt_ref.quantizer.gpu import gpu_half
from alpt_ref.quantizer.place import code_matrix, grain, on_device
from alpt_ref.quantizer.spec import QuantSpec, words_per_row
from alpt_ref.scalar.code_range import code_range
from alpt_ref.scalar.philox import MAX_COLUMNS


def pack(codes: Codes, bits: int) -> NDArray[np.uint32]:
    """Codes in 32-bit words, low bits first; unused high bits of a row's last word are zero.

    Parameters
    ----------
    codes : int8 or int16 array (n, d)
    bits : {2, 4, 8, 16}

    Returns
    -------
    uint32 array (n, ceil(d * bits / 32))

    Raises
    ------
    InputError
        If a code does not fit in `bits` bits.

    Examples
    --------
    >>> import numpy as np
    >>> from alpt_ref import pack
    >>> [hex(word) for word in pack(np.array([[1, 2, -1]], np.int8), 4)[0].tolist()]
    ['0xf21']
    """
    bits = _check.bits(bits)
    codes = code_matrix(codes)
    low, high = code_range(bits)
    if codes.size and (int(codes.min()) < low or int(codes.max()) > high):
        raise InputError(
            f"codes must be in [{low}, {high}] for {bits} bits, got {int(codes.min())} to {int(codes.max())}"
        )
    if on_device(codes):
        return cast(NDArray[np.uint32], gpu_half().pack(codes, bits, words_per_row(bits, codes.shape[1])))
    return pack_checked(codes, bits)


def pack_checked(codes: Codes, bits: int) -> NDArray[np.uint32]:
    """`pack` for codes of this host that are known to fit."""
    packed = np.empty((codes.shape[0], words_per_row(bits, codes.shape[1])), np.uint32)
    run_rows(kernels.pack_rows, len(packed), codes, bits, packed, grain=grain(codes.shape[1]))
    return packed


@former_keywords(words="packed")
def unpack(packed: NDArray[np.uint32], bits: int, d: int) -> Codes:
    """Inverse of `pack`.

    Parameters
    ----------
    packed : uint32 array (n, ceil(d * bits / 32))
    bits : {2, 4, 8, 16}
    d : int
        Codes per row.

    Returns
    -------
    int8 array (n, d) up to 8 bits, int16 array (n, d) for 16 bits

    Raises
    ------
    InputError
        If `packed` is not uint32 with as many columns as `d` codes of `bits` bits need.

    Examples
    --------
    >>> import numpy as np
    >>> from alpt_ref import pack, unpack
    >>> unpack(pack(np.array([[1, 2, -1]], np.int8), 4), bits=4, d=3)
    array([[ 1,  2, -1]], dtype=int8)
    """
    bits = _check.bits(bits)
    d = _check.whole_number("d", d, 0, MAX_COLUMNS)
    if on_device(packed):
        packed = get_backend("cuda").xp.asarray(packed)
    known = isinstance(packed, np.ndarray) or on_device(packed)
    if not known or packed.dtype != np.uint32 or packed.ndim != 2:
        found = getattr(packed, "dtype", type(packed).__name__)
        raise InputError(f"packed must be a uint32 array (n, words), got {found}")
    columns = words_per_row(bits, d)
    if packed.shape[1] != columns:
        raise InputError(f"packed must have {columns} columns for d={d} at {bits} bits, got {packed.shape[1]}")
    if on_device(packed):
        return cast(Codes, gpu_half().unpack(packed, bits, d, QuantSpec(bits).dtype))
    codes = cast(Codes, np.empty((packed.shape[0], d), QuantSpec(bits).dtype))
    run_rows(kernels.unpack_rows, len(packed), np.ascontiguousarray(packed), bits, codes, grain=grain(d))
    return codes

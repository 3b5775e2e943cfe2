"""FBGEMM's int8 rule of stochastic rounding, written down in NumPy, and what it does to numbers on the grid, counted.

It comes from `stochastic_rounding_scalar_uint8` and `stochastic_rounding_vector` of
``fbgemm_gpu/include/fbgemm_gpu/utils/stochastic_rounding.cuh``. ``python -m analysis.peers.fbgemm_rule`` compares it,
on a GPU and with CuPy, with the same arithmetic in CUDA C, all noises at all codes. On an H200 and for a scale of 1/16
none of the 2^31 codes differed, with and without fused products.
"""

from __future__ import annotations

import importlib

import numpy as np
from numpy.typing import NDArray

F = np.float32
COMMIT = "71d6f8b229d964e61cac24df9bbd2ffcc4b4d378"
"""Of pytorch/FBGEMM, where it was read."""
NOISES = 2**23
"""Bits of a word beyond these are not used."""
SOURCE = """
extern "C" __global__ void rule(const float* x, unsigned int first, float scale, float bias, unsigned char* codes) {
    unsigned int i = blockIdx.x * blockDim.x + threadIdx.x;
    float inverse = 255.0f / (scale * 255.0f + 1e-8f);
    float noise = __uint_as_float(0x3F800000u | ((first + i) & 0x007FFFFFu)) - 1.5;
    codes[i] = lrintf((x[i] - bias) * inverse + noise);
}
"""


def uint8_rule(x: NDArray[np.float32], words: NDArray[np.uint32], scale: float, bias: float) -> NDArray[np.uint8]:
    """Codes of x for 32-bit words: float32 noise in [-1/2, 1/2) is added and the sum goes to the nearest integer.

    The sum is rounded to float32 before it is rounded to an integer, and the integer is cut to 8 bits.

    Examples
    --------
    >>> import numpy as np
    >>> every = np.arange(2**23, dtype=np.uint32)
    >>> largest = np.full(every.shape, 7.9375, np.float32)  # of a row from -8 to 7.9375
    >>> codes, words = np.unique(uint8_rule(largest, every, 1 / 16, -8.0), return_counts=True)
    >>> dict(zip(codes.tolist(), words.tolist()))
    {0: 64, 254: 65, 255: 8388479}
    """
    inverse = F(255.0) / (F(scale) * F(255.0) + F(1e-8))
    noise = ((words & np.uint32(0x007FFFFF)) | np.uint32(0x3F800000)).view(F) - F(1.5)
    with np.errstate(invalid="ignore"):  # NaN has no code
        return np.asarray(np.rint((x - F(bias)) * inverse + noise).astype(np.int64).astype(np.uint8))


def compare_on_gpu(scale: float, *, fused: bool) -> tuple[int, int]:
    """Codes that differ between NumPy and CUDA C, all codes with all noises; noises that take 255 to 0 there.

    `fused`: whether the compiler may round a product and its sum once, as it does by default.
    """
    cupy = importlib.import_module("cupy")
    kernel = cupy.RawKernel(SOURCE, "rule", options=(f"--fmad={str(fused).lower()}",))
    words, bias, different, wrapped = np.arange(NOISES, dtype=np.uint32), -128 * scale, 0, 0
    for code in range(256):
        x = np.full(NOISES, F(code * scale + bias), F)
        codes = cupy.empty(NOISES, cupy.uint8)
        kernel((NOISES // 256,), (256,), (cupy.asarray(x), np.uint32(0), F(scale), F(bias), codes))
        found = cupy.asnumpy(codes)
        different += int(np.count_nonzero(found != uint8_rule(x, words, scale, bias)))
        wrapped = int(np.count_nonzero(found == 0))
    return different, wrapped


def main() -> None:
    """Print both numbers for two scales, with and without fused products."""
    for scale in (1 / 16, 3 / 64, 0.01):
        for fused in (False, True):
            different, wrapped = compare_on_gpu(scale, fused=fused)
            print(
                f"scale {scale:g}, fused products {fused}: {different:,} of {256 * NOISES:,} codes differ; "
                f"{wrapped} of {NOISES:,} noises take the largest value to code 0"
            )


if __name__ == "__main__":
    main()

"""What the threads of a warp do together: a barrier, a maximum, sums, and places taken out of a block's counter.

Numba's simulator has no warps: there each function has a second body, for a block of at most 32 threads.
"""

from __future__ import annotations

import numpy as np

from alpt_ref.kernels.cuda.target import SIMULATED, cuda, device

if SIMULATED:

    @device
    def sync_warp():  # type: ignore[no-untyped-def]
        """Barrier among the threads of a warp; here of the block, so a kernel must reach it block-uniformly."""
        cuda.syncthreads()

    @device
    def claim(room, place, value):  # type: ignore[no-untyped-def]
        """Take `value` out of the block's counter ``room[place]`` (int64): the sum of what was taken before."""
        return cuda.atomic.add(room, place, value)

    @device
    def claim_one(room, place, wanted):  # type: ignore[no-untyped-def]
        """As `claim`, of one where it is `wanted` and else of nothing; the counter is int32."""
        return cuda.atomic.add(room, place, np.int32(1)) if wanted else np.int32(0)

    @device
    def warp_max(value):  # type: ignore[no-untyped-def]
        """Largest `value` (int32) in the warp; all threads of the block must call it."""
        shared = cuda.shared.array(32, np.int32)
        shared[cuda.threadIdx.x] = value
        cuda.syncthreads()
        for k in range(32):
            value = max(value, shared[k])
        cuda.syncthreads()
        return value

    @device
    def warp_sum_apart(value, apart):  # type: ignore[no-untyped-def]
        """Sum of `value` (int64) over the threads of the warp that lie a multiple of `apart` away from this one."""
        shared = cuda.shared.array(32, np.int64)
        shared[cuda.threadIdx.x] = value
        cuda.syncthreads()
        total = np.int64(0)
        for k in range(cuda.threadIdx.x % apart, 32, apart):
            total += shared[k]
        cuda.syncthreads()
        return total

else:

    @device
    def sync_warp():  # type: ignore[no-untyped-def]
        """Barrier among the threads of a warp."""
        cuda.syncwarp()

    @device
    def claim(room, place, value):  # type: ignore[no-untyped-def]
        """Take `value` out of the block's counter ``room[place]`` (int64): the sum of what was taken before.

        One atomic a warp; all threads of the warp must call it. In which order the warps come is up to the device.
        """
        lane = cuda.threadIdx.x & 31
        total = value
        for k in range(5):
            other = cuda.shfl_up_sync(0xFFFFFFFF, total, 1 << k)
            if lane >= (1 << k):
                total += other
        start = np.int64(0)
        if lane == 31:
            start = cuda.atomic.add(room, place, total)
        return cuda.shfl_sync(0xFFFFFFFF, start, 31) + total - value

    @device
    def claim_one(room, place, wanted):  # type: ignore[no-untyped-def]
        """As `claim`, of one where it is `wanted` and else of nothing; the counter is int32."""
        lane = cuda.threadIdx.x & 31
        votes = np.uint32(cuda.ballot_sync(0xFFFFFFFF, wanted))
        below = np.uint32(np.uint32(np.uint32(1) << np.uint32(lane)) - np.uint32(1))
        before = np.int32(cuda.popc(np.uint32(votes & below)))
        start = np.int32(0)
        if lane == 0 and votes != 0:
            start = np.int32(cuda.atomic.add(room, place, np.int32(cuda.popc(votes))))
        return np.int32(cuda.shfl_sync(0xFFFFFFFF, start, 0)) + before

    @device
    def warp_max(value):  # type: ignore[no-untyped-def]
        """Largest `value` (int32) in the warp; all its threads must call it."""
        for k in range(5):
            value = max(value, np.int32(cuda.shfl_xor_sync(0xFFFFFFFF, value, 1 << k)))
        return value

    @device
    def warp_sum_apart(value, apart):  # type: ignore[no-untyped-def]
        """Sum of `value` (int64) over the threads of the warp that lie a multiple of `apart` away from this one."""
        step = apart
        while step < 32:
            value += cuda.shfl_xor_sync(0xFFFFFFFF, value, step)
            step *= 2
        return value

"""Quantise on the GPU, codes in 32-bit words or one per element; dequantise, unpack, step-size gradient.

Two kinds of kernels quantise. `quantize_fast` takes rows of whole Philox blocks and codes of up to 8 bits; the careful
ones here take the rest, one word or up to four codes a thread, with IEEE division. Both give the bits of
`kernels.cpu.quantize`, and set ``flags[0]`` where a weight is not finite.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.division import known_step_size
from alpt_ref.kernels.cuda.lattice import random_code
from alpt_ref.kernels.cuda.quantize_fast import INFINITY, fast
from alpt_ref.kernels.cuda.random import MAX_INDEX, block_words, divider, round_keys, split, splitter
from alpt_ref.kernels.cuda.target import BLOCK, SIMULATED, array_module, blocks_for, cuda, device, kernel, launch
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.lattice import nearest_code
from alpt_ref.scalar.philox import counter_1, counter_2, counter_3
from alpt_ref.scalar.quantizer import decode, q_max, q_min, sign_extend, step_derivative

_U0 = np.uint32(0)


@kernel
def _careful_codes(  # type: ignore[no-untyped-def]
    w, step_size, codes, flags, stochastic, low, high, blocks, multiplier, shift, offset, c2, c3, k0, k1
):
    """One thread, one Philox block: up to four codes of a row of `codes`, one code per element."""
    d = np.int64(w.shape[1])
    each = step_size.shape[0] > 1
    r0 = r1 = r2 = r3 = _U0
    for index in range(cuda.grid(1), w.shape[0] * np.int64(blocks), cuda.gridsize(1)):
        row, block = split(index, blocks, multiplier, shift)
        delta = step_size[row] if each else step_size[0]
        if stochastic:
            r0, r1, r2, r3 = block_words(np.int64(offset + np.int64(row)), block, c2, c3, k0, k1)
        for k in range(min(np.int64(4), d - 4 * np.int64(block))):
            column = 4 * np.int64(block) + k
            weight = w[row, column]
            if not abs(weight) < INFINITY:
                flags[0] = 1
            if stochastic:
                codes[row, column] = random_code(weight, delta, low, high, _pick(r0, r1, r2, r3, k))
            else:
                codes[row, column] = nearest_code(weight, delta, low, high)


@device
def _pick(r0, r1, r2, r3, k):  # type: ignore[no-untyped-def]
    lower, upper = (r1 if k & 1 else r0), (r3 if k & 1 else r2)
    return upper if k & 2 else lower


@kernel
def _careful_packed(  # type: ignore[no-untyped-def]
    w, step_size, packed, flags, stochastic, bits, low, high, multiplier, shift, offset, c2, c3, k0, k1
):
    """One thread, one word: up to ``32 / bits`` codes of a row, and the Philox blocks that they need."""
    d = np.int64(w.shape[1])
    columns = np.int64(packed.shape[1])
    each = step_size.shape[0] > 1
    per = np.int64(32 // bits)
    mask = np.uint32((np.uint64(1) << np.uint64(bits)) - np.uint64(1))
    r0 = r1 = r2 = r3 = _U0
    for index in range(cuda.grid(1), packed.shape[0] * columns, cuda.gridsize(1)):
        row, place = split(index, columns, multiplier, shift)
        first = per * np.int64(place)
        delta = step_size[row] if each else step_size[0]
        value = _U0
        for k in range(min(per, d - first)):
            column = first + k
            if stochastic and (k == 0 or column & 3 == 0):
                block = np.uint32(column >> 2)
                r0, r1, r2, r3 = block_words(np.int64(offset + np.int64(row)), block, c2, c3, k0, k1)
            weight = w[row, column]
            if not abs(weight) < INFINITY:
                flags[0] = 1
            if stochastic:
                code = random_code(weight, delta, low, high, _pick(r0, r1, r2, r3, column & 3))
            else:
                code = nearest_code(weight, delta, low, high)
            value = np.uint32(value | np.uint32(np.uint32(np.uint32(code) & mask) << np.uint32(k * bits)))
        packed[row, place] = value


@kernel
def _dequantize(codes, step_size, out, d, multiplier, shift):  # type: ignore[no-untyped-def]
    each = step_size.shape[0] > 1
    for i in range(cuda.grid(1), codes.shape[0], cuda.gridsize(1)):
        row = split(i, d, multiplier, shift)[0]
        out[i] = decode(np.int32(codes[i]), step_size[row] if each else step_size[0])


@kernel
def _step_gradient(w, grad, step_size, bits, out):  # type: ignore[no-untyped-def]
    """One thread, one row: the four partial sums of `kernels.cpu.quantize.row_sum`."""
    low, high = np.float32(q_min(bits)), np.float32(q_max(bits))
    zero = np.float32(0.0)
    d = w.shape[1]
    each = step_size.shape[0] > 1
    for i in range(cuda.grid(1), w.shape[0], cuda.gridsize(1)):
        delta = step_size[i] if each else step_size[0]
        s0 = s1 = s2 = s3 = zero
        for j in range(d):
            x = np.float32(w[i, j] / delta)
            product = np.float32(mul(grad[i, j], step_derivative(x, low, high)))
            k = j & 3
            s0 = np.float32(s0 + (product if k == 0 else zero))
            s1 = np.float32(s1 + (product if k == 1 else zero))
            s2 = np.float32(s2 + (product if k == 2 else zero))
            s3 = np.float32(s3 + (product if k == 3 else zero))
        out[i] = np.float32(np.float32(s0 + s1) + np.float32(s2 + s3))


@kernel
def _pack(codes, bits, packed, multiplier, shift):  # type: ignore[no-untyped-def]
    d = np.int64(codes.shape[1])
    columns = np.int64(packed.shape[1])
    per = np.int64(32 // bits)
    mask = np.uint32((np.uint64(1) << np.uint64(bits)) - np.uint64(1))
    for index in range(cuda.grid(1), packed.shape[0] * columns, cuda.gridsize(1)):
        row, place = split(index, columns, multiplier, shift)
        first = per * np.int64(place)
        value = _U0
        for k in range(min(per, d - first)):
            field = np.uint32(np.uint32(np.int32(codes[row, first + k])) & mask)
            value = np.uint32(value | np.uint32(field << np.uint32(k * bits)))
        packed[row, place] = value


@kernel
def _unpack(packed, bits, codes, multiplier, shift):  # type: ignore[no-untyped-def]
    d = np.int64(codes.shape[1])
    unused = np.uint32(32 - bits)
    for index in range(cuda.grid(1), codes.shape[0] * d, cuda.gridsize(1)):
        row, column = split(index, d, multiplier, shift)
        bit = np.int64(column) * bits
        left = np.uint32(unused - np.uint32(bit & 31))
        codes[row, column] = sign_extend(np.uint32(packed[row, bit >> 5] << left), unused)


def row_chunks(rows: int, items_a_row: int) -> Iterator[slice]:
    """Parts of ``range(rows)`` with fewer than `MAX_INDEX` work items each."""
    most = max(1, (MAX_INDEX - 1) // max(items_a_row, 1))
    for first in range(0, rows if items_a_row else 0, most):
        yield slice(first, min(first + most, rows))


def _in_one_block(chunks: Iterator[slice], offset: int) -> Iterator[slice]:
    """Parts of the chunks in which the numbers of the rows, plus `offset`, differ in their low 32 bits alone."""
    for rows in chunks:
        end = ((offset + rows.start >> 32) + 1 << 32) - offset
        yield slice(rows.start, min(rows.stop, end))
        if end < rows.stop:
            yield slice(end, rows.stop)


def _step_size_array(step_size: Any) -> Any:
    """Step sizes (1,) or (n,) on the device."""
    return array_module().asarray(step_size)


def _part(step_size: Any, rows: slice) -> Any:
    return step_size[rows] if step_size.shape[0] > 1 else step_size


def _flat_words(out: Any, bits: int, packed: bool) -> tuple[int, Any] | None:
    """``(field width, 1-d words)`` if rows of codes fill 32-bit words without gaps, 8 bits per field or fewer."""
    width = bits if packed else 8 * out.dtype.itemsize
    if width > 8 or not out.size:
        return None
    return width, out.reshape(-1).view(np.uint32)


def _aligned(array: Any, bytes_: int) -> bool:
    return SIMULATED or array.data.ptr % bytes_ == 0


def quantize(
    w: Any,
    step_size: Any,
    bits: int,
    stochastic: bool,
    counter: int,
    purpose: int,
    row_offset: int,
    k0: np.uint32,
    k1: np.uint32,
    out: Any,
    flags: Any,
    *,
    packed: bool = False,
) -> None:
    """Queue the quantisation of `w`; ``flags[0]`` becomes 1 if a weight is NaN or infinite, else keeps its value.

    Parameters
    ----------
    w : contiguous float32 device array (n, d)
    step_size : float32 array, (1,) on the host or device, or (n,) on the device
    row_offset : int
        Row ``i`` draws as row ``row_offset + i``.
    out : contiguous device array
        int8 or int16 (n, d); with `packed` uint32 (n, ceil(d * bits / 32)), low bits first as `quantizer.pack`.
    flags : int32 device array (1,)
    """
    n, d = w.shape
    low, high = np.float32(q_min(bits)), np.float32(q_max(bits))
    random = (np.uint32(counter_2(counter)), np.uint32(counter_3(counter, purpose)), np.uint32(k0), np.uint32(k1))
    whole_rows = d % 4 == 0 and (not packed or d * bits % 32 == 0)
    known: tuple[Any, np.float32] | None = None
    if step_size.shape[0] > 1:
        known = _step_size_array(step_size), np.float32(0.0)
    elif isinstance(step_size, np.ndarray):
        known = known_step_size(step_size[0])
    if known is not None and whole_rows and _aligned(w, 16) and _aligned(out, 4):
        laid_out = _flat_words(out, bits, packed)
        if laid_out is not None:
            _launch_fast(w, known, laid_out, stochastic, low, high, row_offset, random, flags)
            return
    steps = _step_size_array(step_size)
    items = out.shape[1] if packed else -(-d // 4)
    multiplier, shift = divider(max(items, 1))
    for rows in row_chunks(n, items):
        part, offset = out[rows], row_offset + rows.start
        head = (w[rows], _part(steps, rows), part, flags, stochastic)
        blocks = blocks_for((rows.stop - rows.start) * items)
        if packed:
            launch(_careful_packed, blocks, BLOCK, *head, bits, low, high, multiplier, shift, offset, *random)
        else:
            launch(
                _careful_codes, blocks, BLOCK, *head, low, high, np.uint32(items), multiplier, shift, offset, *random
            )


def _launch_fast(
    w: Any,
    known: tuple[Any, np.float32],
    laid_out: tuple[int, Any],
    stochastic: bool,
    low: np.float32,
    high: np.float32,
    row_offset: int,
    random: tuple[np.uint32, ...],
    flags: Any,
) -> None:
    width, packed = laid_out
    blocks = w.shape[1] // 4
    split_by, multiplier, shift = splitter(blocks)
    flat = w.reshape(-1)
    words_a_row = packed.shape[0] // w.shape[0]
    each = np.ndim(known[0]) == 1
    function, keys = fast(width, stochastic, each, split_by), round_keys(*random[2:])
    chunks = row_chunks(w.shape[0], 2 * blocks)  # an index one tile beyond the end fits in 32 bits too
    for rows in _in_one_block(chunks, row_offset):
        number = row_offset + rows.start
        first, upper = np.uint32(number & 0xFFFFFFFF), np.uint32(counter_1(number, 0))
        part = packed[rows.start * words_a_row : rows.stop * words_a_row]
        grid = -(-part.shape[0] // (BLOCK * (width // 2)))
        step = known[0][rows] if each else known[0]
        launch(
            function, grid, BLOCK, flat[rows.start * 4 * blocks : rows.stop * 4 * blocks], part, flags, step, known[1],
            low, high, np.uint32(blocks), multiplier, shift, first, upper, *random[:2], keys,
        )  # fmt: skip


def dequantize(codes: Any, step_size: Any, out: Any) -> None:
    """``out[i] = step_size[i] * codes[i]``: codes (n, d) int8 or int16, step sizes (1,) or (n,), out float32 (n, d)."""
    n, d = codes.shape
    steps = _step_size_array(step_size)
    multiplier, shift = divider(max(d, 1))
    for rows in row_chunks(n, d):
        part = codes[rows].reshape(-1)
        arguments = (part, _part(steps, rows), out[rows].reshape(-1), np.uint32(d), multiplier, shift)
        launch(_dequantize, blocks_for(part.shape[0]), BLOCK, *arguments)


def step_gradient(w: Any, grad: Any, step_size: Any, bits: int, out: Any) -> None:
    """Gradient of each row's step size, see `alpt_ref.quantizer.step_gradient`; `out` float32 (n,)."""
    if len(w):
        launch(_step_gradient, blocks_for(len(w)), BLOCK, w, grad, _step_size_array(step_size), bits, out)


def pack_rows(codes: Any, bits: int, packed: Any) -> None:
    """Codes (n, d) into `packed` (n, ceil(d * bits / 32)), low bits first."""
    multiplier, shift = divider(max(packed.shape[1], 1))
    for rows in row_chunks(*packed.shape):
        part = packed[rows]
        launch(_pack, blocks_for(part.size), BLOCK, codes[rows], bits, part, multiplier, shift)


def unpack_rows(packed: Any, bits: int, codes: Any) -> None:
    """Inverse of `pack_rows`."""
    multiplier, shift = divider(max(codes.shape[1], 1))
    for rows in row_chunks(*codes.shape):
        part = codes[rows]
        launch(_unpack, blocks_for(part.size), BLOCK, packed[rows], bits, part, multiplier, shift)

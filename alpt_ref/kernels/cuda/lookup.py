"""Rows out of a table on the GPU: float32 or decoded codes, one or pooled; and the check that numbers are finite."""

# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from alpt_ref.kernels.cuda.sums import EXPONENT, magnitude
from alpt_ref.kernels.cuda.target import cuda, kernel
from alpt_ref.kernels.cuda.team import Layout, code_access, float_access, step_size_index, team_of
from alpt_ref.scalar.quantizer import decode

_ZERO = np.float32(0.0)


@functools.cache
def lookup_codes(d: int, bits: int, layout: Layout) -> Any:
    """``out[i] = step size * codes`` of row ``ids[i]``, `size` ids."""
    team = team_of(d)
    size, lanes = team.size, team.lanes
    (load_codes, _), step_at = code_access(d, bits, layout.codes), step_size_index(layout)
    _, store = float_access(d)

    @kernel
    def lookup(ids, count, items, step_size, offsets, units, out):
        thread = cuda.grid(1)
        lane = thread % size
        if lane >= lanes:
            return
        for i in range(thread // size, count, cuda.gridsize(1) // size):
            row = np.int64(ids[i])
            delta = step_size[step_at(row, offsets, units)]
            a, b, c, e = load_codes(items, row, lane)
            base = np.int64(i) * d
            store(out, base, 4 * lane, decode(a, delta), decode(b, delta), decode(c, delta), decode(e, delta))

    return lookup


@functools.cache
def lookup_weights(d: int, layout: Layout) -> Any:
    """``out[i] = weights[ids[i]]`` of a float32 table, `size` ids."""
    team = team_of(d)
    size, lanes = team.size, team.lanes
    load, store = float_access(d)
    stride, offset = layout.weights.stride, layout.weights.offset

    @kernel
    def lookup(ids, count, weights, out):
        thread = cuda.grid(1)
        lane = thread % size
        if lane >= lanes:
            return
        for i in range(thread // size, count, cuda.gridsize(1) // size):
            a, b, c, e = load(weights, np.int64(ids[i]) * stride + offset, 4 * lane)
            store(out, np.int64(i) * d, 4 * lane, a, b, c, e)

    return lookup


@functools.cache
def pool_codes(d: int, bits: int, mean: bool, layout: Layout) -> Any:
    """``out[g]`` = sum (or mean) of the rows of bag ``g``, in the order of its ids; ``ids[bags[g]:bags[g+1]]``."""
    team = team_of(d)
    size, lanes = team.size, team.lanes
    (load_codes, _), step_at = code_access(d, bits, layout.codes), step_size_index(layout)
    _, store = float_access(d)

    @kernel
    def pool(ids, bags, count, items, step_size, offsets, units, out):
        thread = cuda.grid(1)
        lane = thread % size
        if lane >= lanes:
            return
        for g in range(thread // size, count, cuda.gridsize(1) // size):
            s0, s1, s2, s3 = _ZERO, _ZERO, _ZERO, _ZERO
            first, last = bags[g], bags[g + 1]
            for i in range(first, last):
                row = np.int64(ids[i])
                delta = step_size[step_at(row, offsets, units)]
                a, b, c, e = load_codes(items, row, lane)
                s0, s1 = np.float32(s0 + decode(a, delta)), np.float32(s1 + decode(b, delta))
                s2, s3 = np.float32(s2 + decode(c, delta)), np.float32(s3 + decode(e, delta))
            if mean and last > first:
                n = np.float32(last - first)
                s0, s1, s2, s3 = np.float32(s0 / n), np.float32(s1 / n), np.float32(s2 / n), np.float32(s3 / n)
            store(out, np.int64(g) * d, 4 * lane, s0, s1, s2, s3)

    return pool


@functools.cache
def pool_weights(d: int, mean: bool, layout: Layout) -> Any:
    """`pool_codes` for a float32 table."""
    team = team_of(d)
    size, lanes = team.size, team.lanes
    load, store = float_access(d)
    stride, offset = layout.weights.stride, layout.weights.offset

    @kernel
    def pool(ids, bags, count, weights, out):
        thread = cuda.grid(1)
        lane = thread % size
        if lane >= lanes:
            return
        for g in range(thread // size, count, cuda.gridsize(1) // size):
            s0, s1, s2, s3 = _ZERO, _ZERO, _ZERO, _ZERO
            first, last = bags[g], bags[g + 1]
            for i in range(first, last):
                a, b, c, e = load(weights, np.int64(ids[i]) * stride + offset, 4 * lane)
                s0, s1, s2, s3 = np.float32(s0 + a), np.float32(s1 + b), np.float32(s2 + c), np.float32(s3 + e)
            if mean and last > first:
                n = np.float32(last - first)
                s0, s1, s2, s3 = np.float32(s0 / n), np.float32(s1 / n), np.float32(s2 / n), np.float32(s3 / n)
            store(out, np.int64(g) * d, 4 * lane, s0, s1, s2, s3)

    return pool


@kernel
def check_finite(values: Any, size: int, guard: Any, code: Any) -> None:
    """Put `code` into ``guard[0]`` if it is zero and one of `size` float32 values is NaN or infinite."""
    bad = np.int32(0)
    for i in range(cuda.grid(1), size, cuda.gridsize(1)):
        bad = max(bad, magnitude(values[i]))
    if bad >= EXPONENT:
        cuda.atomic.cas(guard, 0, np.int32(0), code)

"""Monte Carlo of low-precision SGD on separable problems in registers, the bits of `kernels.cpu.montecarlo`.

`simulate_blocks`: one thread owns one Philox block, four neighbouring elements ``run * d + coordinate``, and keeps
their codes, values and pending noise in registers for all steps. It stores iterates at checkpoints; `measure_points`
then sums over each run's coordinates in the CPU's order.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.kernels.cpu.montecarlo_losses import loss_slope, loss_value
from alpt_ref.kernels.cpu.montecarlo_passes import next_code_nearest, next_code_stochastic, next_weight
from alpt_ref.kernels.cpu.montecarlo_types import (
    DISTANCE2,
    ELASTIC,
    FULL,
    GRADIENT2,
    HUBER,
    NEAREST,
    NOISE_NORMAL,
    NOISE_TWO_POINT,
    NOISE_UNIFORM,
    PURPOSE_ANGLE,
    PURPOSE_NOISE,
    PURPOSE_ROUNDING,
    SATURATING,
    STOCHASTIC,
    VALUE,
    Method,
    Problem,
    Watch,
)
from alpt_ref.kernels.cuda.target import blocks_for, cuda, device, kernel, launch
from alpt_ref.scalar.arith import mul
from alpt_ref.scalar.elementary import normal_pair, symmetric_uniform
from alpt_ref.scalar.philox import counter_2, counter_3, philox4x32

BLOCK = 128
_ZERO = np.float32(0.0)
_U0, _U1 = np.uint32(0), np.uint32(1)


@device
def _slope(kind, w, a, b, target):  # type: ignore[no-untyped-def]
    e = np.float32(w - target)
    if kind == ELASTIC:
        return loss_slope(ELASTIC, e, a, b)
    if kind == HUBER:
        return loss_slope(HUBER, e, a, b)
    return loss_slope(SATURATING, e, a, b)


@device
def _shifted(word, shift, sigma):  # type: ignore[no-untyped-def]
    return sigma if np.uint32(np.uint32(word >> shift) & _U1) else -sigma


@device
def _block(c0, c1, step, purpose, k0, k1):  # type: ignore[no-untyped-def]
    return philox4x32(c0, c1, counter_2(step), counter_3(step, purpose), k0, k1)


@kernel
def simulate_blocks(  # type: ignore[no-untyped-def]
    kind, rounding, noise, sigma, d, elements, curvature, shape, minimum, start, step_size, low, high,
    rates, checkpoints, k0, k1, points,
):  # fmt: skip
    """Iterates at the checkpoints into `points` (checkpoints, elements); `rates` are those of the chosen rounding."""
    lane = np.int64(cuda.grid(1))
    first = 4 * lane
    if first >= elements:
        return
    c0 = np.uint32(np.uint64(lane) & np.uint64(0xFFFFFFFF))
    c1 = np.uint32(np.uint64(np.uint64(lane) >> np.uint64(32)) << np.uint64(16))
    last = elements - 1
    i0, i1 = first % d, min(first + 1, last) % d
    i2, i3 = min(first + 2, last) % d, min(first + 3, last) % d
    a0, a1, a2, a3 = curvature[i0], curvature[i1], curvature[i2], curvature[i3]
    b0, b1, b2, b3 = shape[i0], shape[i1], shape[i2], shape[i3]
    m0, m1, m2, m3 = minimum[i0], minimum[i1], minimum[i2], minimum[i3]
    q0, q1, q2, q3 = start[i0], start[i1], start[i2], start[i3]
    w0, w1 = mul(np.float32(q0), step_size), mul(np.float32(q1), step_size)
    w2, w3 = mul(np.float32(q2), step_size), mul(np.float32(q3), step_size)
    low_value, high_value = mul(np.float32(low), step_size), mul(np.float32(high), step_size)
    n0 = n1 = n2 = n3 = _U0
    s0 = s1 = s2 = s3 = _ZERO
    point = 0
    until = checkpoints[0]
    for t in range(1, rates.shape[0] + 1):
        if t == until:
            points[point, first] = w0
            if first + 1 < elements:
                points[point, first + 1] = w1
            if first + 2 < elements:
                points[point, first + 2] = w2
            if first + 3 < elements:
                points[point, first + 3] = w3
            point += 1
            if point == checkpoints.shape[0]:
                return
            until = checkpoints[point]
        if kind == ELASTIC:
            g0, g1 = _slope(ELASTIC, w0, a0, b0, m0), _slope(ELASTIC, w1, a1, b1, m1)
            g2, g3 = _slope(ELASTIC, w2, a2, b2, m2), _slope(ELASTIC, w3, a3, b3, m3)
        elif kind == HUBER:
            g0, g1 = _slope(HUBER, w0, a0, b0, m0), _slope(HUBER, w1, a1, b1, m1)
            g2, g3 = _slope(HUBER, w2, a2, b2, m2), _slope(HUBER, w3, a3, b3, m3)
        else:
            g0, g1 = _slope(SATURATING, w0, a0, b0, m0), _slope(SATURATING, w1, a1, b1, m1)
            g2, g3 = _slope(SATURATING, w2, a2, b2, m2), _slope(SATURATING, w3, a3, b3, m3)
        index = t - 1
        if noise == NOISE_TWO_POINT:
            if index & 31 == 0:
                n0, n1, n2, n3 = _block(c0, c1, index >> 5, PURPOSE_NOISE, k0, k1)
            shift = np.uint32(index & 31)
            g0, g1 = np.float32(g0 + _shifted(n0, shift, sigma)), np.float32(g1 + _shifted(n1, shift, sigma))
            g2, g3 = np.float32(g2 + _shifted(n2, shift, sigma)), np.float32(g3 + _shifted(n3, shift, sigma))
        elif noise == NOISE_UNIFORM:
            r0, r1, r2, r3 = _block(c0, c1, index, PURPOSE_NOISE, k0, k1)
            g0 = np.float32(g0 + mul(sigma, symmetric_uniform(r0)))
            g1 = np.float32(g1 + mul(sigma, symmetric_uniform(r1)))
            g2 = np.float32(g2 + mul(sigma, symmetric_uniform(r2)))
            g3 = np.float32(g3 + mul(sigma, symmetric_uniform(r3)))
        elif noise == NOISE_NORMAL:
            if index & 1 == 0:
                r0, r1, r2, r3 = _block(c0, c1, index >> 1, PURPOSE_NOISE, k0, k1)
                p0, p1, p2, p3 = _block(c0, c1, index >> 1, PURPOSE_ANGLE, k0, k1)
                z0, s0 = normal_pair(r0, p0)
                z1, s1 = normal_pair(r1, p1)
                z2, s2 = normal_pair(r2, p2)
                z3, s3 = normal_pair(r3, p3)
            else:
                z0, z1, z2, z3 = s0, s1, s2, s3
            g0, g1 = np.float32(g0 + mul(sigma, z0)), np.float32(g1 + mul(sigma, z1))
            g2, g3 = np.float32(g2 + mul(sigma, z2)), np.float32(g3 + mul(sigma, z3))
        rate = rates[index]
        if rounding == STOCHASTIC:
            r0, r1, r2, r3 = _block(c0, c1, index, PURPOSE_ROUNDING, k0, k1)
            q0, q1 = (
                next_code_stochastic(q0, rate, g0, r0, low, high),
                next_code_stochastic(q1, rate, g1, r1, low, high),
            )
            q2, q3 = (
                next_code_stochastic(q2, rate, g2, r2, low, high),
                next_code_stochastic(q3, rate, g3, r3, low, high),
            )
        elif rounding == NEAREST:
            q0, q1 = next_code_nearest(q0, rate, g0, low, high), next_code_nearest(q1, rate, g1, low, high)
            q2, q3 = next_code_nearest(q2, rate, g2, low, high), next_code_nearest(q3, rate, g3, low, high)
        else:
            w0, w1 = next_weight(w0, rate, g0, low_value, high_value), next_weight(w1, rate, g1, low_value, high_value)
            w2, w3 = next_weight(w2, rate, g2, low_value, high_value), next_weight(w3, rate, g3, low_value, high_value)
            continue
        w0, w1 = mul(np.float32(q0), step_size), mul(np.float32(q1), step_size)
        w2, w3 = mul(np.float32(q2), step_size), mul(np.float32(q3), step_size)


@kernel
def measure_points(kind, runs, curvature, shape, minimum, points, records):  # type: ignore[no-untyped-def]
    """Loss, squared distance and squared gradient of each checkpoint and run, summed in order of the coordinates."""
    d = curvature.shape[0]
    for index in range(cuda.grid(1), points.shape[0] * runs, cuda.gridsize(1)):
        point, run = index // runs, index % runs
        value = distance2 = gradient2 = 0.0
        for j in range(d):
            w = points[point, run * d + j]
            a, b = curvature[j], shape[j]
            e = np.float32(w - minimum[j])
            g = _slope(kind, w, a, b, minimum[j])
            gradient2 += np.float64(g) * np.float64(g)
            distance2 += np.float64(e) * np.float64(e)
            value += np.float64(_value(kind, e, a, b))
        records[point, run, VALUE] = value
        records[point, run, DISTANCE2] = distance2
        records[point, run, GRADIENT2] = gradient2


@device
def _value(kind, e, a, b):  # type: ignore[no-untyped-def]
    if kind == ELASTIC:
        return loss_value(ELASTIC, e, a, b)
    if kind == HUBER:
        return loss_value(HUBER, e, a, b)
    return loss_value(SATURATING, e, a, b)


SCRATCH_BYTES = 1 << 30
"""Most device memory that the buffers of `simulate_groups` or the iterates of `simulate_blocks` may take."""


def blocks_fit(points: int, elements: int) -> bool:
    """Whether the iterates at the checkpoints may be kept, as `simulate_blocks` does."""
    return 4 * points * elements <= SCRATCH_BYTES


def run_blocks(xp: Any, runs: int, problem: Problem, method: Method, watch: Watch, records: Any, points: Any) -> None:
    """Queue `simulate_blocks` and `measure_points`: `points` (checkpoints, runs * d), `records` as on the CPU.

    All coordinates must have one step size, which a thread keeps in a register.
    """
    curvature, shape, minimum = (xp.asarray(array) for array in (problem.curvature, problem.shape, problem.minimum))
    d, elements = len(curvature), runs * len(curvature)
    unit = 1.0 if method.rounding == FULL else float(method.step_size[0])
    rates = xp.asarray((method.learning_rates / unit).astype(np.float32))
    launch(
        simulate_blocks, -(-elements // (4 * BLOCK)), BLOCK, problem.kind, method.rounding, method.noise,
        method.sigma, d, elements, curvature, shape, minimum, xp.asarray(method.start),
        np.float32(method.step_size[0]), method.low, method.high, rates, xp.asarray(watch.checkpoints), method.k0,
        method.k1, points,
    )  # fmt: skip
    grid = blocks_for(points.shape[0] * runs, BLOCK)
    launch(measure_points, grid, BLOCK, problem.kind, runs, curvature, shape, minimum, points, records)

"""bfloat16 on the GPU against NumPy: rounding of every bit pattern, and what each kernel makes of such arrays.

``python -m tests.kernels.bf16_cases`` under ``NUMBA_ENABLE_CUDASIM=1`` prints ``SAME``; on a device the tests call
`check_rounding` and `check_tables`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.backend import get_backend
from alpt_ref.kernels.cuda import cross, cross_backward, dense, dense_backward, fm, rows, steps
from alpt_ref.kernels.cuda.bf16 import convert
from alpt_ref.kernels.cuda.reduce import THREADS, row_span
from alpt_ref.kernels.cuda.target import launch
from alpt_ref.scalar.bfloat16 import rounded, widened
from alpt_ref.tables import make_table
from tests import simulator
from tests.kernels.bf16_patterns import LOWER, nearest, patterns
from tests.tolerances import FLOAT32

Floats = NDArray[np.float32]
F = np.float32


def check_rounding(every: int = 1) -> None:
    """`convert` on the device: every pattern there and back, and to the nearest."""
    backend = get_backend("cuda")
    for values in (patterns((0,), every), patterns(LOWER[1:], every)):
        out = backend.zeros(values.size, np.uint16)
        launch(convert, 1 if every > 1 else 64, THREADS, backend.from_host(values), values.size, out)
        np.testing.assert_array_equal(backend.to_host(out), nearest(values))
    bits = np.arange(0, 1 << 16, every, dtype=np.uint16)[: (1 << 16) // every - 1]  # an odd number: single ones too
    back = backend.zeros(bits.size, np.float32)
    launch(convert, 1, THREADS, backend.from_host(bits), bits.size, back)
    np.testing.assert_array_equal(backend.to_host(back).view(np.uint32), bits.astype(np.uint32) << np.uint32(16))


def _columns(function: Any, shape: tuple[int, int], *args: Any) -> int:
    span, parts = row_span(*shape)
    where = next(place for place, arg in enumerate(args) if arg is ...)
    launch(function, parts * -(-shape[1] // 128), THREADS, *args[:where], *shape, span, *args[where + 1 :])
    return parts


def check_dense(n_rows: int = 37, columns: int = 8) -> None:
    """Every dense kernel on bfloat16 arrays; what it stores is its float32 result rounded once."""
    rng = np.random.default_rng(0)
    shape, whole = (n_rows, columns), columns % 4 == 0

    def drawn(*size: int) -> Floats:
        return rng.standard_normal(size).astype(np.float32)

    z, dy, x, saved = rounded(drawn(*shape)), rounded(drawn(*shape)), rounded(drawn(*shape)), drawn(6 * columns)
    scale, shift, mean, _, offset, slope = saved.reshape(6, columns)
    weight, dlogits, zw, dyw, xw = drawn(columns), drawn(n_rows), widened(z), widened(dy), widened(x)
    y, guard, lead = np.zeros_like(z), np.zeros(2, np.int32), columns + cross_backward.TAIL
    wide = np.zeros((n_rows, lead), np.uint16)
    flat = z.reshape(-1)
    _columns(dense.scale_shift_relu, shape, flat, saved, ..., whole, y.reshape(-1))
    np.testing.assert_array_equal(y, rounded(np.maximum(zw * scale + shift, F(0))))

    sums, other, third = (np.zeros((row_span(*shape)[1], columns), np.float32) for _ in range(3))
    _columns(dense.column_sums, shape, flat, ..., whole, sums.reshape(-1), other.reshape(-1))
    np.testing.assert_allclose(sums.sum(axis=0), (zw - zw[0]).sum(axis=0), rtol=0, atol=n_rows * FLOAT32)
    np.testing.assert_allclose(other.sum(axis=0), ((zw - zw[0]) ** 2).sum(axis=0), rtol=FLOAT32)

    logits = np.zeros(n_rows, np.float32)
    outputs = (dense.norm_relu_output, 1, THREADS, flat, saved, weight, np.ones(1, F), *shape, whole)
    launch(*outputs, logits, False, logits)
    np.testing.assert_allclose(logits, 1 + np.maximum(zw * scale + shift, 0) @ weight, rtol=0, atol=columns * FLOAT32)
    more, together = np.linspace(1, 2, n_rows, dtype=F), np.zeros_like(logits)
    launch(*outputs, more, True, together)
    np.testing.assert_array_equal(together, logits + more)

    def behind(g: Floats) -> Floats:
        return np.where(zw * scale + shift > 0, g, F(0)).astype(np.float32)

    def through(g: Floats) -> Floats:
        return (scale * behind(g) - offset - slope * (zw - mean)).astype(np.float32)

    two = (sums.reshape(-1), other.reshape(-1))
    _columns(dense_backward.norm_backward_sums, shape, dy.reshape(-1), columns, flat, saved, ..., whole, *two)
    np.testing.assert_allclose(sums.sum(axis=0), behind(dyw).sum(axis=0), rtol=0, atol=n_rows * FLOAT32)
    products = (behind(dyw) * (zw - mean)).sum(axis=0)
    np.testing.assert_allclose(other.sum(axis=0), products, rtol=0, atol=n_rows * FLOAT32)
    given = dlogits[:, None] * weight
    third[...] = 7.0
    for params in (False, True):
        _columns(dense_backward.output_backward_sums, shape, dlogits, flat, saved, weight, ..., whole, *two, params,
                 third.reshape(-1))  # fmt: skip
        assert params or np.all(third == 7.0)
    np.testing.assert_allclose(sums.sum(axis=0), behind(given).sum(axis=0), rtol=0, atol=n_rows * FLOAT32)
    active = np.maximum(zw * scale + shift, 0)
    np.testing.assert_allclose(third.sum(axis=0), dlogits @ active, rtol=0, atol=n_rows * FLOAT32)
    _columns(
        dense_backward.output_backward,
        shape,
        dlogits,
        flat,
        saved,
        weight,
        ...,
        whole,
        wide.reshape(-1),
        lead,
        guard,
        1,
    )
    dz = wide[:, :columns]
    assert not wide[:, columns:].any()
    np.testing.assert_array_equal(dz, rounded(through(given)))
    wide[:, :columns] = dy
    _columns(dense_backward.norm_backward, shape, wide.reshape(-1), lead, flat, saved, ..., whole, guard, 1)
    assert not guard.any()
    np.testing.assert_array_equal(dz, rounded(through(dyw)))

    y = z.copy()
    _columns(rows.bias_relu, shape, y.reshape(-1), weight, ..., whole)
    np.testing.assert_array_equal(y, rounded(np.maximum(zw + weight, F(0))))
    dz = dy.copy()
    _columns(rows.bias_relu_backward, shape, dz.reshape(-1), columns, y.reshape(-1), ..., whole, sums.reshape(-1))
    np.testing.assert_array_equal(dz, np.where(widened(y) > 0, dy, np.uint16(0)))
    launch(rows.output, 1, THREADS, flat, weight, np.ones(1, F), *shape, whole, logits)
    np.testing.assert_allclose(logits, 1 + zw @ weight, rtol=0, atol=columns * FLOAT32)
    _columns(rows.output_backward, shape, dlogits, flat, weight, ..., whole, dz.reshape(-1), columns, sums.reshape(-1))
    np.testing.assert_array_equal(dz, rounded(given))

    vectors, ddots = drawn(4, columns), drawn(n_rows, 4)
    dots, sums = np.zeros((n_rows, 4), np.float32), np.zeros((4 * row_span(*shape)[1], columns), np.float32)
    forward = (cross.cross_forward, 1, THREADS, x.reshape(-1), vectors.reshape(-1), np.zeros(4, F), *shape, whole, 3, 4)
    launch(*forward, 0, dots.reshape(-1), logits, True)
    launch(*forward, 0, dots.reshape(-1), together := more.copy(), False)
    np.testing.assert_array_equal(together, more + logits)
    np.testing.assert_allclose(dots, xw @ vectors.T, rtol=0, atol=columns * FLOAT32)
    added = dyw
    for k in range(4):
        added = added + ddots[:, k : k + 1] * vectors[k]
    for with_sums in (False, True):
        dz, parts = dy.copy(), row_span(*shape)[1]
        units = (vectors.reshape(-1), ddots.reshape(-1), ..., whole, 4, 0)
        if with_sums:
            end = (parts, dz.reshape(-1), sums.reshape(-1), guard, 2)
            _columns(cross_backward.cross_apply, shape, x.reshape(-1), *units, *end)
            found = sums.reshape(4, parts, columns).sum(axis=1)
            np.testing.assert_allclose(found, ddots.T @ xw, rtol=0, atol=n_rows * FLOAT32)
        else:
            _columns(cross_backward.cross_add, shape, *units, dz.reshape(-1), guard, 2)
        np.testing.assert_array_equal(dz, rounded(added))
        assert not guard.any()
    _columns(
        cross_backward.cross_sums, shape, x.reshape(-1), ddots.reshape(-1), ..., whole, 4, 0, parts, sums.reshape(-1)
    )
    found = sums.reshape(4, parts, columns).sum(axis=1)
    np.testing.assert_allclose(found, ddots.T @ xw, rtol=0, atol=n_rows * FLOAT32)
    dz[1, 1] = 0x7F80
    _columns(cross_backward.cross_add, shape, *units, dz.reshape(-1), guard, 2)
    assert guard.tolist() == [2, 0]
    guard[:] = 0
    launch(steps.check_finite, 1, THREADS, dz.reshape(-1), dz.size, guard, 2)
    assert guard.tolist() == [2, 0]


def check_joined() -> None:
    """The copy of the weights with the vectors beside them, and the tail of the gradient."""
    rng = np.random.default_rng(3)
    weight, vectors = rng.standard_normal((3, 8)).astype(np.float32), rng.standard_normal((4, 3)).astype(np.float32)
    joined = np.ones((3, 8 + cross_backward.TAIL), np.uint16)
    launch(cross_backward.join_weight, 1, THREADS, weight.reshape(-1), vectors.reshape(-1), 3, 8, 4, joined.reshape(-1))
    expected = np.concatenate([weight, vectors.T, np.zeros((3, cross_backward.TAIL - 4), np.float32)], axis=1)
    np.testing.assert_array_equal(joined, rounded(expected))
    dots, dlogits = rng.standard_normal((2, 4)).astype(np.float32), rng.standard_normal(2).astype(np.float32)
    constants, ddots, lead = np.ones(4, F), np.zeros((2, 4), np.float32), 8 + cross_backward.TAIL
    tail = np.ones((2, lead), np.uint16)
    given = (dots.reshape(-1), constants, dlogits, 2, 3, 4, False, ddots.reshape(-1), np.zeros(4))
    launch(cross_backward.cross_scalars, 1, THREADS, *given, True, tail.reshape(-1), lead, 8)
    assert ddots.all()
    np.testing.assert_array_equal(tail[:, 8:12], rounded(ddots))
    assert (tail[:, :8] == 1).all()
    assert not tail[:, 12:].any()
    for layers in range(4):
        found = []
        for function in (cross_backward.cross_scalars, cross_backward.cross_scalars_four):
            own = np.ones((2, 4), F), np.zeros(4), np.ones((2, lead), np.uint16)
            given = (dots.reshape(-1), constants, dlogits, 2, layers, 4, True, own[0].reshape(-1), own[1])
            launch(function, 1, THREADS, *given, True, own[2].reshape(-1), lead, 8)
            own[1][layers + 1 :] = 0  # which nobody reads
            found.append(own)
        for one, other in zip(*found, strict=True):
            half = one.dtype == np.uint16  # where a zero may have either sign
            np.testing.assert_allclose(widened(one) if half else one, widened(other) if half else other, rtol=1e-5)


def check_factors() -> None:
    """DeepFM's factors are float32 numbers rounded; the optimisers' copy is the parameters rounded."""
    rng = np.random.default_rng(1)
    x, out = rng.standard_normal((5, 2, 4)).astype(np.float32), np.zeros((5, 2, 3), np.uint16)
    launch(fm.fm_factors, 1, THREADS, x.reshape(-1), out.size, 3, out.reshape(-1))
    np.testing.assert_array_equal(out, rounded(x[:, :, :3]))
    params, grads = rng.standard_normal((2, 8)).astype(np.float32)
    moments, guard = np.zeros((2, 8), np.float32), np.zeros(2, np.int32)
    rates, copy, before = np.array([0.1]), np.zeros(8, np.uint16), params.copy()
    launch(steps.sgd, 1, THREADS, params, grads, 8, rates, 0.0, guard, copy)
    np.testing.assert_array_equal(copy, rounded(params))
    assert not np.array_equal(params, before)
    constants = [F(value) for value in (0.9, 0.999, 0.1, 0.001, 1e-8)]
    given = (params, grads, *moments, 8, np.array([1.0, 1.0, 0.1, 0.03]), 1, rates, 0.0, *constants)
    launch(steps.adam, 1, THREADS, *given, np.zeros(3, np.int64), guard, copy)
    np.testing.assert_array_equal(copy, rounded(params))


def check_tables(d: int = 4) -> None:
    """A lookup into bfloat16 is the lookup rounded; bfloat16 gradients are their float32 values to the table's bits."""
    backend = get_backend("cuda")
    ids = np.array([3, 1, 1, 7, 3, 3, 0, 2, 1, 3], np.uint32)
    grads = rounded(np.random.default_rng(2).standard_normal((ids.size, d)).astype(np.float32) * F(0.1))
    methods: dict[str, dict[str, Any]] = {"lpt": {"bits": 8}, "fp32": {}}
    for method, options in methods.items():
        states = []
        for given in (grads, widened(grads)):
            table: Any = make_table(method, 9, d, lr=0.05, seed=1, device="cuda", **options)
            found = backend.zeros((ids.size, d), given.dtype)
            table.queue_lookup(backend.from_host(ids), found)
            values = backend.to_host(table.lookup(ids))
            np.testing.assert_array_equal(
                backend.to_host(found), rounded(values) if given.dtype == np.uint16 else values
            )
            table.reserve(ids.size)
            table.queue_unique_rows(backend.from_host(ids))
            table.queue_update(backend.from_host(given), ids.size)
            states.append(table.state())
        assert states[0].keys() == states[1].keys()
        for name, array in states[0].items():
            np.testing.assert_array_equal(array, states[1][name], err_msg=name)


if __name__ == "__main__":
    simulator.install()
    check_rounding(every=16)
    check_dense()
    check_dense(n_rows=9, columns=7)
    check_joined()
    check_factors()
    check_tables()
    check_tables(d=3)
    print("SAME")

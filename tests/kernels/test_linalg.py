"""Matrix products: right, and the same bits for any number of threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from alpt_ref.errors import InputError
from alpt_ref.kernels import jit as _jit
from alpt_ref.kernels.linalg import matmul, single_threaded_blas
from tests.tolerances import FLOAT32, FLOAT64

# (batch rows, inputs, outputs): one block, ragged blocks, several blocks of rows, of columns, of the inner dimension
SHAPES = [
    (1, 1, 1),
    (1, 37, 5),
    (130, 3, 1),
    (257, 129, 65),
    (641, 33, 130),
    (1300, 70, 513),
    (2600, 65, 130),
    (5200, 40, 600),
]


@pytest.fixture
def threads() -> Iterator[Any]:
    before = _jit.num_threads()
    yield _jit.set_num_threads
    _jit.set_num_threads(before)


def products(shape: tuple[int, int, int], dtype: Any) -> list[tuple[Any, Any]]:
    """The three products of a linear layer."""
    rows, inputs, outputs = shape
    rng = np.random.default_rng(rows)
    x, w, dy = (rng.standard_normal(s).astype(dtype) for s in ((rows, inputs), (inputs, outputs), (rows, outputs)))
    return [(x, w), (x.T, dy), (dy, w.T)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_are_right_and_their_bits_independent_of_threads(threads: Any, shape: Any, dtype: Any) -> None:
    for a, b in products(shape, dtype):
        results = []
        for count in (1, 2, 3):
            threads(count)
            results.append(matmul(a, b))
        with single_threaded_blas():
            results.append(matmul(a, b, np.full_like(results[0], np.nan)))
        assert len({result.tobytes() for result in results}) == 1
        exact = a.astype(np.float64) @ b.astype(np.float64)
        tolerance = FLOAT64 if dtype == np.float64 else FLOAT32
        np.testing.assert_allclose(results[0], exact, rtol=0, atol=tolerance * np.abs(exact).max())


def blas_threads() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_blas_is_limited_inside_and_restored_outside() -> None:
    before = blas_threads()
    with single_threaded_blas():
        with single_threaded_blas():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
        matmul(np.ones((2, 2)), np.ones((2, 2)))
        assert blas_threads() == {1}
    assert blas_threads() == before
    with pytest.raises(ZeroDivisionError), single_threaded_blas():
        _ = 1 / 0
    assert blas_threads() == before


def test_scratch_serves_partial_sums() -> None:
    a, b = products((5200, 12, 200), np.float32)[1]
    asked = []

    def scratch(shape: tuple[int, ...]) -> Any:
        asked.append(shape)
        return np.full(shape, np.nan, np.float32)

    assert np.array_equal(matmul(a, b, scratch=scratch), matmul(a, b))
    assert asked == [(4, 12, 200)]


def test_empty_inner_dimension_gives_zeros() -> None:
    assert not matmul(np.ones((3, 0)), np.ones((0, 2)), np.full((3, 2), 5.0)).any()
    assert matmul(np.ones((0, 4)), np.ones((4, 2))).shape == (0, 2)


def test_wrong_arguments() -> None:
    a = np.ones((3, 4))
    with pytest.raises(InputError, match=r"\(m, k\) and \(k, n\), got \(3, 4\) and \(3, 4\)"):
        matmul(a, a)
    with pytest.raises(InputError, match="one dtype, float32 or float64, got float64 and float32"):
        matmul(a, np.ones((4, 2), np.float32))
    with pytest.raises(InputError, match=r"out must be a C-contiguous float64 array \(3, 2\)"):
        matmul(a, np.ones((4, 2)), np.ones((2, 3)).T)


def test_any_python_thread_gets_one_blas_thread_and_the_same_bits() -> None:
    """From threadpoolctl 3.8 on, only the thread that came first may limit BLAS, unless the right is passed on."""
    a, b = products((5200, 40, 600), np.float32)[0]
    expected, before = matmul(a, b), blas_threads()
    seen: list[Any] = []

    def elsewhere() -> None:
        with single_threaded_blas():
            seen.append(blas_threads())
        seen.append(blas_threads())
        seen.append(np.array_equal(matmul(a, b), expected))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [{1}, before, True]
    with single_threaded_blas():
        assert blas_threads() == {1}
    assert blas_threads() == before


def test_a_limit_entered_in_one_thread_may_be_left_last_in_another() -> None:
    before, entered, leave = blas_threads(), threading.Event(), threading.Event()

    def stay() -> None:
        with single_threaded_blas():
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=stay)
    with single_threaded_blas():
        thread.start()
        assert entered.wait(30)
    assert blas_threads() == {1}
    leave.set()
    thread.join()
    assert blas_threads() == before

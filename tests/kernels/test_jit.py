"""The launcher of kernels: threads, their pool, and calls from several Python threads at once."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from alpt_ref import InputError, QuantSpec, num_threads, quantize, set_num_threads
from alpt_ref.kernels import jit as _jit


@pytest.mark.usefixtures("threads")
def test_a_pool_that_was_replaced_still_serves_those_who_hold_it() -> None:
    set_num_threads(2)
    held = _jit.thread_pool()
    set_num_threads(3)
    assert _jit.thread_pool() is not held
    assert held.submit(lambda: 7).result() == 7


@pytest.mark.usefixtures("threads")
def test_the_number_of_threads_may_change_while_others_compute() -> None:
    w = np.random.default_rng(0).standard_normal((40_000, 8), dtype=np.float32)
    expected = quantize(w, 0.1, QuantSpec(8, "sr"))
    failures: list[str] = []
    stop = threading.Event()

    def compute() -> None:
        while not stop.is_set():
            try:
                if not np.array_equal(quantize(w, 0.1, QuantSpec(8, "sr")), expected):
                    failures.append("other codes")
            except RuntimeError as error:
                failures.append(str(error))

    workers = [threading.Thread(target=compute) for _ in range(2)]
    for worker in workers:
        worker.start()
    for count in (1, 2, 3) * 60:
        set_num_threads(count)
        _jit.thread_pool()
        stop.wait(0.002)
    stop.set()
    for worker in workers:
        worker.join()
    assert failures == []


@pytest.mark.parametrize("count", [0, -1, 1.5, "2", True, None])
def test_bad_numbers_of_threads(count: object) -> None:
    before = num_threads()
    with pytest.raises(InputError, match="threads must be a whole number of at least 1, got"):
        set_num_threads(count)
    assert num_threads() == before

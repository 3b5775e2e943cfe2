"""What a table accepts and what it refuses, with one sentence and nothing changed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref import InputError, make_table

from .helpers import arrays, batches, build, same


def test_ids_of_every_integer_type() -> None:
    table = build("lpt", "sr")
    expected = table.lookup(np.array([0, 59, 7], np.int64))
    for dtype in (np.uint8, np.int16, np.uint32, np.int32, np.uint64, ">i4"):
        assert np.array_equal(table.lookup(np.array([0, 59, 7], dtype)), expected)
    assert np.array_equal(table.lookup([0, 59, 7]), expected)
    assert table.lookup(np.array([], np.int64)).shape == (0, 6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.lookup(np.array([0, -1])), r"ids must be in \[0, 60\), got -1"),
        (lambda t: t.lookup(np.array([60])), r"ids must be in \[0, 60\), got 60"),
        (lambda t: t.lookup(np.array([2**63], np.uint64)), r"ids must be in \[0, 60\)"),
        (lambda t: t.lookup(np.array([1.0])), "ids must be whole numbers of an integer dtype, got float64"),
        (lambda t: t.lookup(np.array([True])), "ids must be whole numbers"),
        (lambda t: t.lookup(np.array([[1]])), "ids must have one dimension"),
        (lambda t: t.apply_gradients(np.array([1]), np.zeros((2, 6), np.float32)), "grads must have shape"),
        (lambda t: t.apply_gradients(np.array([1]), np.zeros((1, 6))), "grads must be float32"),
        (lambda t: t.apply_gradients(np.array([1]), np.zeros((1, 6), np.float32), lr=-1), "lr must be"),
        (lambda t: t.nbytes("disk"), "what must be 'training' or 'serving'"),
    ],
)
def test_bad_calls_are_one_sentence_and_change_nothing(call: Any, message: str) -> None:
    table = build("lpt", "sr")
    before = arrays(table)
    with pytest.raises(InputError, match=message):
        call(table)
    assert same(before, arrays(table))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("lpt", 10, 4), {"bits": 3}, "bits must be 2, 4, 8 or 16, got 3"),
        (("lpt", 10, 4), {}, "bits must be 2, 4, 8 or 16 for method 'lpt', got None"),
        (("fp32", 10, 4), {"bits": 8}, "bits and rounding must be left out"),
        (("lsq2", 10, 4), {}, "method must be fp32, lpt, alpt, .* or module:Class, got 'lsq2'; did you mean 'lsq'"),
        (("lpt", 0, 4), {"bits": 8}, "n must be a whole number from 1 to"),
        (("lpt", 10, 4), {"bits": 8, "rounding": "floor"}, "rounding must be sr or dr, got 'floor'"),
        (("lpt", 10, 4), {"bits": 8, "optimizer": "rmsprop"}, "optimizer must be"),
        (
            ("lpt", 10, 4),
            {"bits": 8, "init_step": 0.0},
            "init_step must be lsq, range or a finite number above 0, got 0.0",
        ),
        (
            ("lpt", 10, 4),
            {"bits": 8, "init_step": float("nan")},
            "init_step must be lsq, range or a finite number above 0, got nan",
        ),
        (("lpt", 10, 4), {"bits": 8, "init_std": 0.0}, "init_step 'lsq' needs initial weights that are not all zero"),
        (("lpt", 10, 4), {"bits": 8, "granularity": "field"}, "field_offsets"),
        (("lpt", 10, 4), {"bits": 8, "granularity": "field", "field_offsets": [0, 3]}, "field_offsets must rise"),
        (("lpt", 10, 4), {"bits": 8, "lrate": 1}, "unknown table option 'lrate'"),
        (("alpt", 10, 4), {"bits": 8, "grad_scale": "b"}, "grad_scale must be"),
        (
            ("alpt", 10, 4),
            {"bits": 8, "min_step": 0},
            "min_step must be a finite number above 0 .in float32., or none, got 0",
        ),
        (("alpt", 10, 4), {"bits": 8, "min_step": 9.0}, "min_step must not exceed"),
        (("fp32", 10, 4), {"weights": np.full((10, 4), np.nan, np.float32)}, "weights must be finite"),
        (("fp32", 10, 4), {"seed": -1}, "seed must be a whole number from 0"),
        (("fp32", 10, 4), {"device": "tpu"}, "device must be 'cpu' or 'cuda'"),
    ],
)
def test_bad_configurations_are_one_sentence(arguments: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_table(*arguments, **options)


def test_a_pending_update_cannot_be_finished_twice() -> None:
    table = build("alpt", "sr")
    ids, grads = batches(60, 6)[0]
    pending = table.begin_update(ids, grads)  # type: ignore[attr-defined]
    table.finish_update(pending, grads)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="pending must be the unfinished result"):
        table.finish_update(pending, grads)  # type: ignore[attr-defined]


def test_step_counter_beyond_32_bits() -> None:
    state = build("lpt", "sr").state()
    ids, grads = batches(60, 6)[0]
    codes = []
    for updates in (5, 5 + 2**32, 5):
        table = build("lpt", "sr")
        table.load_state({**state, "updates": np.array([updates], np.int64)})
        table.apply_gradients(ids, grads)
        codes.append(np.asarray(table.codes()))
    assert np.array_equal(codes[0], codes[2])
    assert not np.array_equal(codes[0], codes[1])

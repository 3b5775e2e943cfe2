"""`alpt_ref.errors`: sentences name values, not how NumPy writes them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from alpt_ref.errors import AlptError, InputError, TrainingError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.int64(2), "2"),
        (np.uint8(7), "7"),
        (np.float32(0.5), "0.5"),
        (np.float64("nan"), "nan"),
        (np.str_("a (b)"), "'a (b)'"),
        (np.bool_(True), "True"),
        ([np.int64(1), np.int64(2)], "[1, 2]"),
        ("np", "'np'"),
    ],
)
def test_scalars_of_numpy_read_as_values(value: object, text: str) -> None:
    for kind in (AlptError, InputError, TrainingError):
        assert str(kind(f"n must be odd, got {value!r}; give another")) == f"n must be odd, got {text}; give another"


def test_other_arguments_and_pickles_stay() -> None:
    error = InputError("x, got np.int64(3)", 4)
    assert error.args == ("x, got 3", 4)
    assert pickle.loads(pickle.dumps(error)).args == error.args
    assert InputError().args == ()

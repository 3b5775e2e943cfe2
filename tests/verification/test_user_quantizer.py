"""A rounding of the user's: what it is given, what it must give back, and what its stored results depend on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.verification.user_quantizer import UserQuantizer, user_quantizer

STEP = np.float32(0.1)
SOURCE = """
import numpy as np
from _step import STEP

def nearest(x, draw):
    return (np.clip(np.rint(x / STEP), -8, 7) * STEP).astype(np.float32)

NUMBER = 3
"""


def nearest(x: Any, draw: int) -> Any:
    return (np.clip(np.rint(x / STEP), -8, 7) * STEP).astype(np.float32)


def spoilt(value: float) -> Callable[[Any, int], Any]:
    """Nearest rounding, but for the number nearest to 0.3."""

    def function(x: Any, draw: int) -> Any:
        out = nearest(x, draw)
        out[np.abs(out - 0.3) < 0.01] = value
        return out

    return function


def raising(x: Any, draw: int) -> Any:
    raise ValueError("no such mode")


def careless(x: Any, draw: int) -> Any:
    return (np.clip(np.rint(np.random.default_rng().normal(size=x.shape)), -8, 7) * STEP).astype(np.float32)


@pytest.mark.parametrize(
    ("function", "parts"),
    [
        (raising, ("raised ValueError: no such mode", "x of shape (16, 4)", "draw = 0")),
        (lambda x, draw: nearest(x, draw).astype(np.float64), ("must return a float32 array", "float64 (16, 4)")),
        (lambda x, draw: nearest(x, draw)[:, :1], ("of the shape of x", "float32 (16, 1)")),
        (lambda x, draw: [0.0], ("must return a float32 array", "list", "draw = 0")),
        (spoilt(np.nan), ("must return finite numbers, got nan for x = 0.25", "at draw 0")),
        (spoilt(0.33), ("values c * step_size of the lattice (4 bits, step size 0.1), got 0.33", "x = 0.25", "draw 0")),
        (careless, ("the same result for the same x and draw", "let draw decide the seed")),
    ],
)
def test_what_breaks_the_contract_is_one_sentence_with_the_input(function: Any, parts: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        user_quantizer(function, 4, 0.1)
    assert "\n" not in str(caught.value)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((nearest, None, 0.1), "quantizer needs its lattice: give bits too"),
        ((nearest, 4, None), "quantizer needs its lattice: give step_size too"),
        ((nearest, 1, 0.1), "bits must be a whole number of at least 2, got 1"),
        ((nearest, 17, 0.1), "bits must be from 2 to 16, got 17"),
        ((nearest, 4, 0.0), "step_size must be a number from 1e-30 to 1e+30, got 0.0"),
        ((nearest, 4, "0.1"), "step_size must be a number from 1e-30 to 1e+30, got '0.1'"),
        ((3, 4, 0.1), "quantizer must be a function or the name of one, got int"),
        (("nowhere.py:f", 4, 0.1), "there is no file"),
        (("numpy:nowhere", 4, 0.1), "numpy has no nowhere"),
    ],
)
def test_arguments_that_break_a_rule(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError) as caught:
        user_quantizer(*arguments)
    assert message in str(caught.value)


def test_codes_beyond_the_range_are_left_for_the_theory_to_judge() -> None:
    late = UserQuantizer("late", 4, 0.1, given=lambda x, draw: (np.rint(x / STEP) * STEP).astype(np.float32))
    assert late(np.array([[1.0]], np.float32), 0)[0, 0] == np.float32(10 * float(STEP))


def test_a_function_may_write_into_its_argument() -> None:
    def writing(x: Any, draw: int) -> Any:
        x[:] = nearest(x, draw)
        return x

    x = np.array([[0.26, 0.31]], np.float32)
    assert user_quantizer(writing, 4, 0.1)(x, 0).tolist() == nearest(x, 0).tolist()
    assert x.tolist() == np.array([[0.26, 0.31]], np.float32).tolist()


def test_results_depend_on_the_files_behind_the_function_and_not_on_comments(tmp_path: Path) -> None:
    file, helper = tmp_path / "mine.py", tmp_path / "_step.py"
    file.write_text(SOURCE.replace("from _step", "from ._step"))
    digests = []
    for text in ("STEP = 0.1\n", "STEP = 0.1  # a comment\n", "STEP = 0.1 * 1\n"):
        helper.write_text("import numpy\n" + text.replace("0.1", "numpy.float32(0.1)"))
        digests.append(user_quantizer(f"{file}:nearest", 4, 0.1).digest)
    assert digests[0] == digests[1] != digests[2]
    with pytest.raises(InputError, match="must be a function, got int"):
        user_quantizer(f"{file}:NUMBER", 4, 0.1)


def test_a_function_itself_is_never_taken_for_one_of_before() -> None:
    assert user_quantizer(nearest, 4, 0.1).digest != user_quantizer(nearest, 4, 0.1).digest


def test_what_a_function_prints_is_no_part_of_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    def talks(x: Any, draw: int) -> Any:
        print("talk")
        return (np.clip(np.rint(x / np.float32(0.5)), -8, 7) * np.float32(0.5)).astype(np.float32)

    user_quantizer(talks, 4, 0.5)
    said = capsys.readouterr()
    assert said.out == ""
    assert "talk" in said.err

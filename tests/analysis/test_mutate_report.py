"""What the page says of mutants: explanations belong to one place, also where a function has the same code twice."""

from __future__ import annotations

from analysis.mutate.journal import SURVIVED, TEST, Result
from analysis.mutate.report import Explained, page, too_wide, unexplained, why
from analysis.mutate.syntax import mutants

SOURCE = """
def f(x):
    if x == 0:
        return x // (
            0 + x
        )
    return 0
"""
ZEROS = [one for one in mutants("a.py", SOURCE) if one.what == "constant"]
LINES = ["if x == (1):", "(1) + x", "return (1)"]


def test_a_mutant_knows_its_line_with_the_new_code() -> None:
    assert [one.line for one in ZEROS] == LINES
    (whole,) = [one.line for one in mutants("a.py", SOURCE) if one.old.startswith("x // ")]
    assert whole == "return (x * (0 + x))"  # three lines of the source


def test_an_explanation_may_be_of_one_of_several_equal_codes() -> None:
    about = Explained("a.py:f", "a reason", "0", "1", line="return (1)")
    assert [why(one, [about]) for one in ZEROS] == ["", "", "a reason"]
    survived = [Result(one.id, SURVIVED) for one in ZEROS]
    assert unexplained(ZEROS, survived, [about]) == ZEROS[:2]
    text = page(ZEROS, survived, [], [about])
    assert text.count("| a reason |") == 1
    assert text.count("| **open** |") == 2


def test_an_explanation_of_what_is_caught_is_too_wide() -> None:
    results = [Result(ZEROS[0].id, TEST, "tests/a.py::b"), *(Result(one.id, SURVIVED) for one in ZEROS[1:])]
    wide, narrow = Explained("a.py:*", "both", "0"), Explained("a.py:f", "one", "0", line="return (1)")
    assert too_wide(ZEROS, results, [narrow, wide]) == [(wide, ZEROS[0])]
    assert too_wide(ZEROS[1:], results[1:], [narrow, wide]) == []

"""Lines that are broken by rule: which, where they stand, and how they read then."""

from __future__ import annotations

from analysis.mutate.syntax import mutants as generic_mutants


def test_generic_mutants_break_each_rule_and_leave_the_rest_alone() -> None:
    source = '''"""Module 3."""
LEVEL = 3


def f(x: float = 2.0, *, n: int = 1) -> float:
    """Docstring 4."""
    if x < 0:
        raise ValueError("x must be at least 0")
    for i in range(n):
        x = g(x, i) if not x >= 1.5 else math.sqrt(x) - min(x, -n)
    return x
'''
    found = {(one.old, one.new) for one in generic_mutants("a.py", source)}
    assert found == {
        ("3", "4"), ("2.0", "4.0"), ("1", "2"), ("range(n)", "range(n - 1)"), ("g(x, i)", "g(i, x)"),
        ("not x >= 1.5", "x >= 1.5"), ("x >= 1.5", "x > 1.5"), ("1.5", "3.0"), ("math.sqrt(x)", "x"),
        ("math.sqrt(x) - min(x, -n)", "math.sqrt(x) + min(x, -n)"), ("math.sqrt(x) - min(x, -n)", "math.sqrt(x)"),
        ("min(x, -n)", "max(x, -n)"), ("-n", "n"),
    }  # fmt: skip
    ids = [one.id for one in generic_mutants("a.py", source)]
    assert len(set(ids)) == len(ids)
    moved = generic_mutants("a.py", "# a line more\n" + source)
    assert [one.id for one in moved] == ids


def test_a_mutant_knows_the_lines_of_its_statement() -> None:
    source = "A = 1\ndef f(x=2):\n    for i in range(\n        x\n    ):\n        y = (\n            i * 3\n        )\n"
    lines = {one.old: one.lines for one in generic_mutants("a.py", source)}
    assert lines["1"] == lines["2"] == (0, 0)  # at import
    assert lines["range( x )"] == (3, 5)
    assert lines["i * 3"] == lines["3"] == (6, 8)

"""Toy claims, written as files into a temporary folder: each is one way for a claim to end."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

HEAD = """
from pathlib import Path
import numpy as np
from alpt_ref.verification import Assumption, Claim, Control, Test, curve, exact, paired, product, sampled

CALLS = Path(__file__).parent / "calls.txt"

def called(cell, broken):
    with CALLS.open("a") as stream:
        stream.write(f"{cell} {broken}\\n")

NORMAL = Test(normal="drawn from a normal law")

def normal(seed, runs, mean):
    return np.random.Generator(np.random.Philox(key=seed)).normal(mean, 1.0, runs)
"""

TOYS = {
    # mean 0.4 of 400 normal runs against 1: refuted only if broken, which adds 2
    "good_mean": """
    def measure(cell, seed, *, broken=None):
        called(cell, broken)
        return sampled(normal(seed, 400, cell["mean"] + (2.0 if broken else 0.0)))
    CLAIM = Claim(
        id="good", title="A mean", statement=r"$\\frac{1}{T}\\sum_t x_t \\leq 1$", plain="mean of x ≤ 1 <script>",
        kind="upper", grid=lambda budget: product(mean=[0.0, 0.2, 0.4] if budget == "quick" else [0.0, 0.4, 0.1, 0.2]),
        bound=lambda cell, constants: constants["one"], constants=lambda cell: {"one": 1.0}, measure=measure,
        control=Control("shifted", "two is added"), test=NORMAL,
        assumptions=(Assumption("mean below 5", lambda cell, constants: cell["mean"] < 5),),
    )
    """,
    "wrong_mean": """
    def measure(cell, seed, *, broken=None):
        return sampled(normal(seed, 400, 1.5 if cell["k"] == 1 else 0.0))
    CLAIM = Claim(
        id="wrong", title="A wrong claim", statement="x \\\\le 1", kind="upper", grid=lambda budget: product(k=[0, 1]),
        bound=lambda cell, constants: 1.0, measure=measure, control=Control("half", "half the bound", shrink=0.5),
        test=NORMAL,
    )
    """,
    "open_mean": """
    def measure(cell, seed, *, broken=None):
        return sampled(normal(seed, 100, 3.0 if broken else 1.0))
    CLAIM = Claim(
        id="open", title="Just at the bound", statement="x", kind="upper", grid=lambda budget: [{}],
        bound=lambda cell, constants: 1.0, measure=measure, control=Control("more", "mean 3"), test=NORMAL,
    )
    """,
    "na_domain": """
    def measure(cell, seed, *, broken=None):
        called(cell, broken)
        return exact(0.0, observed={"largest": cell["reach"]})
    CLAIM = Claim(
        id="na", title="Never applies", statement="x", kind="upper",
        grid=lambda budget: product(lr=[0.1, 9.0], reach=[7]), bound=lambda cell, constants: 1.0,
        measure=measure, control=Control("none", "nothing"), not_applicable=lambda cell: True,
        assumptions=(
            Assumption("lr < 1", lambda cell, constants: cell["lr"] < 1),
            Assumption("reach ≤ 5 along the run", lambda cell, constants, seen: seen["largest"] <= 5, along_run=True),
        ),
    )
    """,
    # the same assumption, which the claim does not expect to fail in its second cell
    "lost_domain": """
    def measure(cell, seed, *, broken=None):
        return exact(2.0 if broken else 0.5)
    CLAIM = Claim(
        id="lost", title="Silent where it should speak", statement="x", kind="upper",
        grid=lambda budget: product(lr=[0.1, 9.0, 10.0]), bound=lambda cell, constants: 1.0,
        measure=measure, control=Control("two", "gives 2", where=lambda cell: cell["lr"] == 0.1),
        not_applicable=lambda cell: cell["lr"] == 10.0,
        assumptions=(Assumption("lr < 1", lambda cell, constants: cell["lr"] < 1),),
    )
    """,
    "blunt_control": """
    def measure(cell, seed, *, broken=None):
        return exact(0.5)
    CLAIM = Claim(
        id="blunt", title="A control that changes nothing", statement="x", kind="upper", grid=lambda budget: [{"a": 1}],
        bound=lambda cell, constants: 1.0, measure=measure, control=Control("same", "the same again"),
    )
    """,
    "bad_raises": """
    def measure(cell, seed, *, broken=None):
        called(cell, broken)
        if cell["a"] == 1 and not (CALLS.parent / "repaired").exists():
            raise ZeroDivisionError("no such quantity")
        return exact(2.0 if broken else 0.5)
    CLAIM = Claim(
        id="bad", title="One cell raises", statement="x", kind="upper", grid=lambda budget: product(a=[0, 1]),
        bound=lambda cell, constants: 1.0, measure=measure,
        control=Control("two", "gives 2", where=lambda cell: cell["a"] == 0),
    )
    """,
}


def write_toys(folder: Path, *names: str, **sources: str) -> Path:
    """Write the named toy claims, and sources given by file name, and return their folder."""
    folder.mkdir(exist_ok=True)
    files = {**{name: HEAD + textwrap.dedent(TOYS[name]) for name in names}, **sources}
    for name, source in files.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
    return folder


@pytest.fixture
def toys(tmp_path: Path) -> Callable[..., Path]:
    """`write_toys` into a folder of this test."""
    return functools.partial(write_toys, tmp_path / "claims")


def calls(folder: Path) -> list[str]:
    """What the toys measured, in order."""
    log = folder / "calls.txt"
    return log.read_text().splitlines() if log.exists() else []

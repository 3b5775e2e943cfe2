"""Around `check_quantizer`: adapters, counts over all words, strategies, parameters for pytest, the command."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.testing import (
    Affine,
    PerRow,
    Uniform,
    check_quantizer,
    for_all_words,
    from_codes,
    from_cupy,
    from_torch,
    from_words,
    parametrize_with_quantizer_checks,
    reference,
    stateful,
    strategies,
)
from alpt_ref.testing.pytest_checks import QuantizerCheck
from tests.cli.calls import Caller
from tests.cli.conftest import run as run  # a fixture

Floats = NDArray[np.float32]
LATTICE = Uniform(2.0**-4, 8)
SMALL = 0.003


def by_words(x: Floats, words: NDArray[np.uint32], bits: int = 32) -> Floats:
    scaled = x.astype(np.float64) * 16
    low = np.clip(np.floor(scaled), -128, 127)
    return np.asarray((low + (words * 2.0**-bits < scaled - low) * (low < 127)) / 16, np.float32)


def test_the_bias_is_counted_exactly_where_words_are_given() -> None:
    text = check_quantizer(from_words(by_words), LATTICE, effort=SMALL, only=["unbiased"])["unbiased"].text
    within = re.search(r"over all 32-bit words the mean is within (\S+) of a step", text)
    assert within is not None
    assert 0 < float(within[1]) <= 2.0**-32
    few = from_words(lambda x, words: by_words(x, words, 8), bits=8)
    report = check_quantizer(few, LATTICE, effort=SMALL, only=["unbiased"])
    assert "over all 8-bit words the mean" in report["unbiased"].text
    assert not report.ok
    assert check_quantizer(few, LATTICE, effort=SMALL, only=["unbiased"], resolution=2.0**-8).ok
    low_bits = from_words(lambda x, words: by_words(x, words << 8))
    assert "no threshold" in check_quantizer(low_bits, LATTICE, effort=SMALL, only=["unbiased"])["unbiased"].text


def test_codes_are_decoded_and_come_back() -> None:
    codes = from_codes(lambda x, draw: np.rint(reference(LATTICE)(x, draw) * 16).astype(np.int8), LATTICE)
    report = check_quantizer(codes, LATTICE, effort=SMALL, only=["on_grid", "round_trip"])
    assert "codes -128 to 127 come back" in report["round_trip"].text
    assert report.ok


def test_generators_are_seeded_by_the_draw() -> None:
    state: dict[str, int] = {}
    fn = stateful(lambda x: reference(LATTICE)(x, state["draw"]), seed=lambda draw: state.update(draw=draw))
    made = stateful(lambda draw: lambda x: reference(LATTICE)(x, draw))
    x = np.full((3, 4), 0.03, np.float32)
    assert np.array_equal(fn(x, 5), reference(LATTICE)(x, 5))
    assert np.array_equal(made(x, 5), reference(LATTICE)(x, 5))


def test_a_library_that_is_absent_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for adapter, module, title in ((from_cupy, "cupy", "CuPy"), (from_torch, "torch", "PyTorch")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(InputError, match=f"{title} is not installed: pip install"):
            adapter(reference(LATTICE))
    with pytest.raises(InputError, match="PyTorch is not installed"):
        check_quantizer(reference(LATTICE), LATTICE, arrays="torch")


def test_tensors_and_their_gradient() -> None:
    torch = pytest.importorskip("torch")

    def fake(x, draw):  # type: ignore[no-untyped-def]
        return torch.fake_quantize_per_tensor_affine(x, 2.0**-4, 0, -128, 127)

    report = check_quantizer(fake, LATTICE, rounding="dr", arrays="torch", effort=SMALL)
    assert report["gradient"].text.startswith("straight through"), str(report)
    assert report["ties"].text == "ties go to the even code"
    assert not {"on_grid", "fixed_points", "saturation", "layout"} & set(report.failed)


def test_all_words_are_counted() -> None:
    @for_all_words(bits=21)
    def seen(words: NDArray[np.uint32]) -> NDArray[np.int64]:
        return np.array([words.size, int((words & 1).sum()), int(words.max() == 2**21 - 1)])

    assert seen().tolist() == [2**21, 2**20, 1]

    @for_all_words(bits=4, of=32)
    def upper(words: NDArray[np.uint32]) -> int:
        return int((words >= 2**31).sum())

    assert upper() == 8
    with pytest.raises(InputError, match="must take the argument words"):
        for_all_words(bits=4)(lambda x: x)


@given(strategies.lattices(rows=True).flatmap(lambda lattice: strategies.inputs(lattice).map(lambda x: (lattice, x))))
def test_strategies_give_arrays_that_the_lattice_takes(pair: tuple[Uniform | PerRow, Floats]) -> None:
    lattice, x = pair
    result = reference(lattice)(x, 0)
    lower, upper = lattice.neighbours(x)
    assert x.dtype == np.float32
    assert ((result == lower) | (result == upper)).all()


def test_one_test_of_pytest_a_property() -> None:
    mark = parametrize_with_quantizer_checks(
        {"mine": reference(LATTICE)}, LATTICE, only=["dtype", "ties", "nan_policy"]
    )
    names, pairs = mark.args
    assert names == ("quantizer", "check")
    assert [pair.id for pair in pairs] == ["mine-dtype", "mine-ties", "mine-nan_policy"]
    fn, check = pairs[0].values
    check(fn)
    with pytest.raises(pytest.skip.Exception, match="not applicable"):
        pairs[1].values[1](fn)
    with pytest.raises(AssertionError, match=r"on_grid .every result is a value"):
        QuantizerCheck("on_grid", LATTICE, {"effort": SMALL})(lambda x, draw: x)


# --- the command ------------------------------------------------------------------------------------------------------

MINE = """
from alpt_ref.testing import Uniform, reference
good = reference(Uniform(0.1, 8))
def bad(x, draw):
    return x
def talks(x, draw):
    print("rounding")
    return good(x, draw)
number = 3
"""


def test_the_command_reports_and_its_status_says_whether_something_failed(run: Caller, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    lattice = ("--step-size", "0.1", "--bits", "8", "--effort", "0.001", "--only", "on_grid,dtype")
    good = run("check", "mine.py:good", *lattice, "--output", "report.md")
    hint = "next, which theorems it keeps: alpt-ref verify --quantizer mine.py:good --bits 8 --step-size 0.1\n"
    assert (good.status, good.err) == (0, hint)
    assert "passed         on_grid" in good.out
    assert "| `on_grid` | passed |" in (tmp_path / "report.md").read_text()
    bad = run("check", "mine.py:bad", *lattice, "--json")
    assert (bad.status, json.loads(bad.out)["failed"]) == (1, ["on_grid"])
    assert run("check", "mine.py:bad", *lattice, "--quiet").out == "on_grid\n"
    talks = run("check", "mine.py:talks", *lattice, "--json")
    assert json.loads(talks.out)["ok"]
    assert "rounding" in talks.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mine.py:good",), "name the lattice: --step-size and --bits, or --format"),
        (("mine.py:nothing", "--format", "bf16"), "must define nothing"),
        (("mine.py:number", "--format", "bf16"), "must be a function, got int"),
        (("absent.py:good", "--format", "bf16"), "there is no file absent.py"),
        (("mine.good", "--format", "bf16"), "must be named module:function or file.py:function"),
        (("no_such_module:good", "--format", "bf16"), "cannot be loaded: ModuleNotFoundError"),
        (("math:nothing", "--format", "bf16"), "math has no nothing"),
        (("mine.py:good", "--format", "bf16", "--bits", "8"), "--format names the whole lattice; leave out --bits"),
        (("mine.py:good", "--format", "bf16", "--only", "grid"), "no property of only 'grid'"),
        (("mine.py:good", "--step-size", "0.1", "--bits", "8", "--offset", "1", "--zero-point", "1"), "exclude"),
        (("mine.py:good", "--format", "bf16", "--effort", "much"), "effort must be"),
        (("mine.py:good", "--format", "bf16", "--output", "-", "--json"), "--json and --output - both print on stdout"),
        (("mine.py:good", "--format", "bf16", "--output", "no/report.md"), "folder no of --output does not exist"),
    ],
)
def test_the_command_refuses_in_one_sentence(
    arguments: tuple[str, ...], message: str, run: Caller, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    done = run("check", *arguments)
    assert (done.status, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("name", ["inputs", "beside_ties", "subnormals", "beyond_ends"])
def test_a_strategy_without_a_lattice_is_a_sentence(name: str) -> None:
    with pytest.raises(InputError, match=r"lattice must be a lattice, for example Uniform\(0.1, 8\), got int"):
        getattr(strategies, name)(8)


def test_an_offset_is_not_dropped_for_a_zero_point() -> None:
    with pytest.raises(InputError, match="offset and zero_point exclude one another, got 3 and 2"):
        Affine(0.1, 3.0, 8, zero_point=2)

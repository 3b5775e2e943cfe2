"""Claims with a rounding of the user's in place of SR: cells on its lattice, true for SR, refuted for a broken one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alpt_ref._util.plugin import load_attribute
from alpt_ref.errors import InputError
from alpt_ref.verification.inputs import Inputs
from alpt_ref.verification.runner import Loaded, load_claims
from alpt_ref.verification.substitution import take
from alpt_ref.verification.user_quantizer import UserQuantizer, user_quantizer

FOLDER = Path(__file__).resolve().parents[2] / "analysis" / "claims"
RUN = ("s1", "s2", "s3", "s4", "s5", "r1", "r2", "r3", "r7", "x1", "x2", "t1")
EXACT = 1e-9
"""Relative: expectations of a chain, summed over its steps."""


def stochastic(step_size: float, bits: int, *, one_word_a_row: bool = False, late: int = 0) -> Callable[..., Any]:
    """SR in NumPy with its own generator; a broken one by choice."""
    step, low, high = np.float32(step_size), -(2 ** (bits - 1)) - late, 2 ** (bits - 1) - 1 + late

    def function(x: Any, draw: int) -> Any:
        generator = np.random.default_rng(draw)
        quotient = x.astype(np.float64) / np.float64(step)
        floor = np.floor(quotient)
        uniform = generator.random((len(x), 1) if one_word_a_row else x.shape)
        codes = np.clip(floor + (uniform < quotient - floor), low, high)
        return (codes * np.float64(step)).astype(np.float32)

    return function


@pytest.fixture(scope="module")
def claims() -> dict[str, Loaded]:
    return load_claims(FOLDER, only=[*RUN, "d1"])


def on(claims: dict[str, Loaded], name: str, quantizer: UserQuantizer) -> Loaded:
    return claims[name].about(Inputs(quantizer=quantizer))


@pytest.mark.parametrize("bits", [2, 3, 4, 8, 16])
def test_the_named_claims_can_be_built_on_every_lattice(bits: int, claims: dict[str, Loaded]) -> None:
    quantizer = user_quantizer(stochastic(1 / 3, bits), bits, 1 / 3)
    chosen, left_out = take(claims, quantizer, ())
    assert {one.claim.id for one in chosen} == set(RUN)
    assert left_out["d1"] == "about deterministic rounding"
    assert ("t1" in left_out) == (bits < 6)
    for one in chosen:
        for budget in ("quick", "full"):
            cells = one.claim.grid(budget)
            assert all((cell["bits"], cell["step_size"]) == (bits, 1 / 3) for cell in cells)
            for control in one.claim.controls:
                assert not control.remeasures, "controls that swap the rounding have no meaning here"
                assert any(control.where is None or control.where(cell) for cell in cells)


def test_every_other_claim_says_why_it_is_left_out() -> None:
    for file in FOLDER.glob("[!_]*.py"):
        text = file.read_text(encoding="utf-8")
        on_runs = "on_stored_runs(" in text or "learned_against_fixed(" in text  # says so for all of them
        assert ("of_quantizer=" in text) + ("left_out=" in text) + on_runs == 1, file.name


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("step_size", [0.1, 4.0])
def test_stochastic_rounding_obeys_and_reaches_the_bounds_of_the_cells_exactly(
    bits: int, step_size: float, claims: dict[str, Loaded]
) -> None:
    """By Markov chains, which share nothing with the runs; the noisy bowls, of 64 codes in 16 coordinates, are left."""
    quantizer = UserQuantizer("none", bits, step_size, given=stochastic(step_size, bits))
    cells = [(name, cell) for name in ("s1", "s2", "s3", "s4", "s5") for cell in on_grid(claims, name, quantizer)]
    cells += [(cell["claim"], cell) for cell in on_grid(claims, "t1", quantizer) if "kink" in cell["problem"]]
    assert len(cells) == 13
    for name, cell in cells:
        claim = claims[name].claim
        exact = claim.measure(cell, 0).values[0]  # without a function the cell is measured exactly
        bound = np.array(claim.bound(cell, claim.constants(cell)))
        assert (exact <= bound * (1 + EXACT)).all(), (name, cell)
        if cell.get("claim"):
            assert (exact >= 0.8 * bound).all(), (name, cell)


def on_grid(claims: dict[str, Loaded], name: str, quantizer: UserQuantizer) -> list[dict[str, Any]]:
    return on(claims, name, quantizer).claim.grid("quick")


def test_one_word_a_row_breaks_r7_and_independent_words_do_not(claims: dict[str, Loaded]) -> None:
    pairs = load_attribute(FOLDER / "_quantizer_correlations.py", "_pairs")
    good = pairs(user_quantizer(stochastic(0.1, 8), 8, 0.1), 5).values.mean(axis=0)
    broken = pairs(user_quantizer(stochastic(0.1, 8, one_word_a_row=True), 8, 0.1), 5).values.mean(axis=0)
    assert np.abs(good).max() < 0.01
    assert broken[:2].min() > 0.9  # neighbours along a row
    assert np.abs(broken[2:7]).max() < 0.02  # rows and draws


def test_a_seed_that_repeats_breaks_r7(claims: dict[str, Loaded]) -> None:
    good = stochastic(0.1, 8)
    quantizer = user_quantizer(lambda x, draw: good(x, draw % 65536), 8, 0.1)
    repeated = load_attribute(FOLDER / "_quantizer_correlations.py", "_repeated")
    assert repeated(quantizer, 3).values.max() > 0
    assert repeated(user_quantizer(good, 8, 0.1), 3).values.max() == 0


def test_fewer_random_bits_leave_nothing_beside_a_value_and_enough_do(
    claims: dict[str, Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cells of r1 at a distance of 2^-11 in place of 2^-21: blocks of 2^11 elements, words of 10 bits."""
    beside = load_attribute(FOLDER / "_quantizer_calls.py", "_beside")
    monkeypatch.setitem(beside.__globals__, "RARE", 2.0**-11)
    monkeypatch.setitem(beside.__globals__, "BLOCK", 2**11)
    good, step = stochastic(0.1, 8), float(np.float32(0.1))

    def low(x: Any, draw: int) -> Any:
        return good((np.floor(x.astype(np.float64) / step * 1024) / 1024 * step).astype(np.float32), draw)

    fine = beside(user_quantizer(good, 8, 0.1), 0).values.mean(axis=0)
    assert ((fine > 0.4) & (fine < 0.85)).all()  # 1 - 1/e, 64 runs: within four standard deviations
    cut = beside(user_quantizer(low, 8, 0.1), 0).values.mean(axis=0)
    # upwards never, downwards twice as often: 1 - exp(-2)
    assert [bool(one) for one in cut > 0.6] == [False, True, True, False]
    assert cut[[0, 3]].tolist() == [0.0, 0.0]


def test_values_of_zero_and_one_are_not_judged_as_normal(claims: dict[str, Loaded]) -> None:
    test = on(claims, "r1", user_quantizer(stochastic(0.1, 8), 8, 0.1)).claim.test
    assert test.of({"of": "beside values"}).method == "betting"
    assert test.of({"of": "mean"}).method == "t"


def test_codes_beyond_the_range_break_r3(claims: dict[str, Loaded]) -> None:
    ends = load_attribute(FOLDER / "_quantizer_calls.py", "_ends")
    assert ends(user_quantizer(stochastic(0.1, 8), 8, 0.1), 0).values.max() == 0.0
    late = ends(user_quantizer(stochastic(0.1, 8, late=1), 8, 0.1), 0).values
    assert late.max() == pytest.approx(1.0, rel=1e-5)


def test_a_deterministic_function_has_errors_that_differ_between_runs(
    claims: dict[str, Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Student's t says nothing of equal values, which exact products of a step size like 2^-4 would give."""
    by_part = load_attribute(FOLDER / "_quantizer_calls.py", "_by_part")
    monkeypatch.setitem(by_part.__globals__, "SHAPE", (64, 16))
    monkeypatch.setitem(by_part.__globals__, "RUNS", 4)

    def nearest(x: Any, draw: int) -> Any:
        return (np.clip(np.rint(x * np.float32(16)), -128, 127) * np.float32(1 / 16)).astype(np.float32)

    values = by_part(user_quantizer(nearest, 8, 1 / 16), 0, np.square).values
    assert (values.std(axis=0) > 0).all()


@pytest.mark.parametrize("broken", ["nearest", "biased"])
def test_what_never_comes_to_the_minimum_breaks_the_bound_of_s4(broken: str, claims: dict[str, Loaded]) -> None:
    """Few runs will do for a decision as clear as this."""
    good = stochastic(0.1, 8)

    def nearest(x: Any, draw: int) -> Any:
        return (np.clip(np.rint(x / np.float32(0.1)), -128, 127) * np.float64(np.float32(0.1))).astype(np.float32)

    function = nearest if broken == "nearest" else lambda x, draw: good(x + np.float32(0.1 * 2.0**-5), draw)
    claim = on(claims, "s4", user_quantizer(function, 8, 0.1)).claim
    cell = {**claim.grid("quick")[0], "runs": 32, "T": 4_000, "first": 4_000}
    values, bound = claim.measure(cell, 1).values, np.array(claim.bound(cell, claim.constants(cell)))
    assert (values.mean(axis=0) > bound).all()
    fine = on(claims, "s4", user_quantizer(good, 8, 0.1)).claim.measure(cell, 1).values
    assert (fine.mean(axis=0) < bound).all()


def test_a_named_claim_that_takes_no_function_is_refused(claims: dict[str, Loaded]) -> None:
    quantizer = user_quantizer(stochastic(0.1, 8), 8, 0.1)
    with pytest.raises(InputError, match="claim d1: about deterministic rounding; leave it out"):
        take({"d1": claims["d1"]}, quantizer, ("d1",))

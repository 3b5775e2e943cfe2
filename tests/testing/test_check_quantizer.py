"""`check_quantizer`: right quantisers pass, each wrong one fails its property, and the report says what was seen."""

from __future__ import annotations

import json
from fractions import Fraction
from math import comb
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref import QuantSpec, dequantize, quantize
from alpt_ref.errors import InputError
from alpt_ref.testing import (
    Affine,
    FloatFormat,
    Lattice,
    PerRow,
    Uniform,
    check_quantizer,
    parametrize_with_quantizer_checks,
    reference,
)
from alpt_ref.testing.broken import BROKEN, STEP, Broken
from alpt_ref.testing.quantizer import NOTES, PROPERTIES
from alpt_ref.testing.quantizer.check import CHECKS, FALSE_ALARM
from alpt_ref.testing.quantizer.counts import Count, Counts, lower_tail, upper_tail
from alpt_ref.testing.quantizer.reference import words_of
from alpt_ref.testing.quantizer.report import FAILED, PASSED, Outcome, Report

Floats = NDArray[np.float32]
SMALL = 0.003
CHEAP = [one for one in BROKEN if one.effort < 0.1]


def ours(step_size: float, bits: int, rounding: str):  # type: ignore[no-untyped-def]
    spec = QuantSpec(bits, rounding)
    return lambda x, draw: dequantize(quantize(np.ascontiguousarray(x), step_size, spec, counter=draw), step_size)


@pytest.mark.parametrize("rounding", ["sr", "dr"])
def test_ours_has_every_property(rounding: str) -> None:
    names = set(PROPERTIES) - {"layout"}  # read-only arrays have kernels of their own, which take seconds to compile
    report = check_quantizer(
        ours(0.1, 16, rounding), Uniform(0.1, 16), rounding=rounding, effort=SMALL, require=NOTES, only=names
    )
    assert report.failed == (), str(report)
    assert report.notes == ()
    assert report.false_alarm <= FALSE_ALARM
    assert set(report.passed) | {outcome.name for outcome in report if outcome.status != PASSED} == names


@pytest.mark.nightly
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("step_size", [0.1, 1 / 3, 2.0**-4, "random"])
@pytest.mark.parametrize("rounding", ["sr", "dr"])
def test_ours_has_every_property_at_every_width(rounding: str, step_size: float | str, bits: int) -> None:
    step = float(np.exp(np.random.default_rng(bits).normal(-3, 4))) if isinstance(step_size, str) else step_size
    report = check_quantizer(ours(step, bits, rounding), Uniform(step, bits), rounding=rounding, require=NOTES)
    assert report.failed == (), str(report)


@pytest.mark.parametrize(
    "lattice", [PerRow([0.1, 0.3, 2.0], 4), Affine(0.1, -3.3, 8), FloatFormat("e4m3")], ids=["rows", "affine", "e4m3"]
)
def test_a_right_quantiser_passes_on_other_lattices(lattice: Lattice) -> None:
    long = {"threads", "independence", "variance"}
    report = check_quantizer(reference(lattice), lattice, effort=SMALL / 3, only=set(PROPERTIES) - long)
    assert report.failed == (), str(report)


@pytest.mark.parametrize("one", CHEAP, ids=lambda one: one.name)
def test_what_is_wrong_on_purpose_is_found(one: Broken) -> None:
    report = one.check()
    assert one.fails in report.failed
    assert report[one.fails].text


@pytest.mark.nightly
@pytest.mark.parametrize("one", [one for one in BROKEN if one.effort >= 0.1], ids=lambda one: one.name)
def test_what_is_wrong_by_little_is_found(one: Broken) -> None:
    assert one.fails in one.check().failed


def test_every_property_has_a_check_and_a_control() -> None:
    assert set(CHECKS) == set(PROPERTIES)
    assert {one.fails for one in BROKEN} == set(PROPERTIES)
    assert set(NOTES) <= set(PROPERTIES)


def test_a_control_breaks_no_other_property_than_it_must() -> None:
    late = next(one for one in BROKEN if one.name == "clipped half a step late")
    assert late.check(effort=SMALL, whole=True).failed == ("saturation",)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ties": "up"}, "ties are a rule of rounding 'dr'"),
        ({"gradient": 3}, "gradient must be a function"),
        ({"others": [3]}, "others must be functions"),
        ({"effort": "some"}, "effort must be 'quick', 'full'"),
        ({"only": ["grid"]}, "no property of only 'grid'"),
    ],
)
def test_options_have_rules_where_tests_are_collected_too(options: dict[str, Any], sentence: str) -> None:
    lattice = Uniform(0.5, 4)
    for door in (check_quantizer, parametrize_with_quantizer_checks):
        with pytest.raises(InputError, match=sentence):
            door(reference(lattice), lattice, **options)
    with pytest.raises(InputError, match="quantizers must be functions"):
        parametrize_with_quantizer_checks(3, lattice)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="lattice must be a lattice"):
        parametrize_with_quantizer_checks(reference(lattice), 3)  # type: ignore[arg-type]


def test_a_result_that_is_no_array_is_named() -> None:
    report = check_quantizer(lambda x, draw: None, Uniform(0.5, 4), effort=SMALL, only=["on_grid"])
    assert report["on_grid"].text == "returns NoneType instead of a float32 array"


def test_a_quantiser_that_writes_to_its_input_has_the_other_properties() -> None:
    lattice = Uniform(0.5, 4)
    right = reference(lattice)

    def writes(x: NDArray[np.float32], draw: int) -> NDArray[np.float32]:
        result: NDArray[np.float32] = right(x, draw)
        x /= 2  # as an idiom does that divides by the step size in place
        return result

    report = check_quantizer(writes, lattice, effort=SMALL)
    assert report.failed == ("layout", "input_untouched")  # a read-only array cannot be written to
    assert "read-only" in report["layout"].text


def test_an_example_shows_the_failure() -> None:
    late = next(one for one in BROKEN if one.name == "clipped a code late")
    example = late.check()["saturation"].example
    assert example is not None
    assert example.shape == (1, 1)
    alone = late.make(Uniform(STEP, 8))(np.array([[example.x]], np.float32), example.draw)
    assert float(alone[0, 0]) == example.result != example.upper
    assert abs(example.x) >= 7.9375


def test_a_note_fails_where_it_is_required() -> None:
    arguments = {"lattice": Uniform(0.5, 4), "effort": SMALL, "only": ["column_prefix"]}
    assert check_quantizer(reference(Uniform(0.5, 4)), **arguments).notes == ("column_prefix",)
    report = check_quantizer(reference(Uniform(0.5, 4)), require="column_prefix", **arguments)
    assert (report.notes, report.failed, report.ok) == ((), ("column_prefix",), False)


def test_what_is_required_and_cannot_be_looked_at_is_not_passed() -> None:
    lattice = Uniform(0.5, 4)
    report = check_quantizer(reference(lattice), lattice, effort=SMALL, require="gradient", only=["gradient", "dtype"])
    assert report.failed == ("gradient",)
    assert report["gradient"].text == "required, but no gradient function was given"
    assert check_quantizer(reference(lattice), lattice, effort=SMALL, only=["gradient"]).ok


def test_ties_away_from_zero_pass_where_they_are_stated() -> None:
    lattice = Uniform(0.5, 4)
    away = reference(lattice, "dr", chance=lambda p, x, _: p - 1e-9 * (x < 0))
    assert check_quantizer(away, lattice, rounding="dr", only=["ties"]).failed == ("ties",)
    assert check_quantizer(away, lattice, rounding="dr", only=["ties"], ties="away").ok
    assert check_quantizer(away, lattice, rounding="dr", only=["ties"], ties="up").failed == ("ties",)
    even = lambda x, draw: np.clip(np.rint(x * 2), -8, 7) / np.float32(2)  # noqa: E731
    assert check_quantizer(even, lattice, rounding="dr", only=["ties"])["ties"].text == "ties go to the even code"


def test_a_lattice_without_numbers_between_its_values_leaves_nothing_to_the_draw() -> None:
    lattice = Affine(0.1, 1e7, 8)  # float32 numbers are 1 apart there, and so are the values that differ
    assert check_quantizer(reference(lattice), lattice, effort=SMALL).failed == ()
    still = check_quantizer(lambda x, draw: reference(Uniform(0.1, 8))(x, 0), Uniform(0.1, 8), only=["repeatable"])
    assert still.failed == ("repeatable",)


def test_what_a_quantiser_raises_or_returns_is_part_of_the_report() -> None:
    def raises(x: Floats, draw: int) -> Floats:
        raise KeyError("no such table")

    report = check_quantizer(raises, Uniform(0.5, 4), effort=SMALL)
    assert "raises KeyError" in report["on_grid"].text

    def leaves(x: Floats, draw: int) -> Floats:
        raise SystemExit(3)

    assert check_quantizer(leaves, Uniform(0.5, 4), effort=SMALL, only=["on_grid", "dtype"]).failed == ("on_grid",)
    flat = check_quantizer(lambda x, draw: x.ravel(), Uniform(0.5, 4), only=["on_grid"])
    assert "returns shape" in flat["on_grid"].text


def test_a_biased_quantiser_is_not_taken_for_a_dependent_one() -> None:
    lattice = Uniform(STEP, 8)
    biased = reference(lattice, chance=lambda p, *_: p + 0.1)
    report = check_quantizer(biased, lattice, effort=SMALL, only=["independence", "unbiased", "variance"])
    assert report.failed == ("unbiased", "variance")
    row = {"chance": lambda p, *_: p + 0.1, "words": lambda draw, shape: words_of(draw, (shape[0], 1))}
    assert check_quantizer(reference(lattice, **row), lattice, effort=SMALL, only=["independence"]).failed


def test_a_quantiser_with_another_seed_must_be_independent() -> None:
    lattice = Uniform(0.5, 4)
    arguments = {"lattice": lattice, "effort": SMALL, "only": ["independence"]}
    assert check_quantizer(reference(lattice), others=[reference(lattice, seed=1)], **arguments).ok
    report = check_quantizer(reference(lattice), others=[reference(lattice)], **arguments)
    assert "quantiser 0 of others" in report["independence"].text


def test_lsq_s_gradient_of_the_step_size_is_recognised() -> None:
    lattice = Uniform(0.5, 4)

    def gradient(x: Floats, g: Floats, draw: int, wrong: float = 0.0) -> tuple[Floats, float]:
        quotient = x.astype(np.float64) / 0.5
        inside = (quotient >= -8) & (quotient <= 7)
        derivative = np.where(inside, np.rint(quotient) - quotient + wrong, np.clip(quotient, -8, 7))
        return np.where(inside, g, np.float32(0)), 0.125 * float((g * derivative).sum())

    arguments = {"lattice": lattice, "rounding": "dr", "only": ["gradient"]}
    fn = reference(lattice, "dr")
    text = check_quantizer(fn, gradient=gradient, **arguments)["gradient"].text
    assert text == "straight through; 0 beyond the ends; step size as LSQ (nearest code, times 0.125)"
    wrong = check_quantizer(fn, gradient=lambda x, g, draw: gradient(x, g, draw, 0.1), **arguments)
    assert wrong.failed == ("gradient",)


# --- counts -----------------------------------------------------------------------------------------------------------


def test_tails_are_binomial() -> None:
    p = Fraction(3, 16)
    chances = [comb(12, k) * p**k * (1 - p) ** (12 - k) for k in range(13)]
    for k in range(13):
        assert upper_tail(k, 12, 3 / 16) == pytest.approx(float(sum(chances[k:])), rel=1e-12)
        assert lower_tail(k, 12, 3 / 16) == pytest.approx(float(sum(chances[: k + 1])), rel=1e-12)
    assert Count("none", 0, 10**7, 2.0**-20, 0.0).tail == pytest.approx(2 * np.exp(10**7 * np.log1p(-(2.0**-20))))


def test_a_bias_within_the_slack_is_no_defect() -> None:
    counts = Counts(1e-6)
    counts.add("a word too many", 3, 2**32, 0.0, slack=2.0**-32)
    assert counts.bad() is None
    counts.add("far off", 60, 2**32, 0.0, slack=2.0**-32)
    assert counts.bad() is not None


def test_counts_are_rarely_far_off_where_p_differs_between_trials() -> None:
    p = np.array([0.02, 0.9, 0.5, 0.1, 0.35])
    chances = np.ones(1)
    for one in p:
        chances = np.convolve(chances, [1 - one, one])
    for events in range(len(chances)):  # Hoeffding: a tail a trial or more from the mean is not heavier
        if events >= p.sum() + 1:
            assert chances[events:].sum() <= upper_tail(events, 5, float(p.mean())) + 1e-15
        if events <= p.sum() - 1:
            assert chances[: events + 1].sum() <= lower_tail(events, 5, float(p.mean())) + 1e-15


# --- report and refusals ----------------------------------------------------------------------------------------------


def test_a_report_is_read_in_several_ways() -> None:
    outcomes = {
        "on_grid": Outcome("on_grid", FAILED, "3 of | 4", elements=4, seconds=0.5),
        "dtype": Outcome("dtype", "note", "float64"),
        "unbiased": Outcome("unbiased", PASSED, false_alarm=1e-7, detects="a bias of 0.1"),
    }
    report = Report("mine", "uniform", "sr", 1.0, 0, outcomes)
    assert (report.ok, report.failed, report.notes, report.passed) == (False, ("on_grid",), ("dtype",), ("unbiased",))
    assert "sees a bias of 0.1" in str(report)
    assert "false alarm: probability at most 1e-07" in str(report)
    assert "| `on_grid` | **failed** | 3 of \\| 4 |" in report.to_markdown()
    assert json.loads(json.dumps(report.to_dict()))["properties"][0]["status"] == "failed"
    with pytest.raises(InputError, match="no property 'nothing'"):
        report["nothing"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fn": 3}, "fn must be a function"),
        ({"lattice": 0.1}, "lattice must be a lattice"),
        ({"rounding": "up"}, "rounding must be 'sr' or 'dr'"),
        ({"require": ["colum_prefix"]}, "nearest: column_prefix"),
        ({"effort": "slow"}, "effort must be 'quick', 'full' or a positive number"),
        ({"effort": 0}, "effort must be finite and positive"),
        ({"seed": -1}, "seed must be a whole number"),
        ({"require": 3}, "require must be names of properties, got 3"),
        ({"resolution": 1.0}, "resolution must be below 1, a whole step"),
        ({"ties": "sideways"}, "ties must be 'up' or"),
        ({"arrays": "lists"}, "arrays must be 'numpy' or"),
    ],
)
def test_bad_arguments_are_refused(change: dict[str, object], message: str) -> None:
    arguments = {"fn": reference(Uniform(0.5, 4)), "lattice": Uniform(0.5, 4), **change}
    with pytest.raises(InputError, match=message):
        check_quantizer(**arguments)

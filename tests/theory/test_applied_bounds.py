"""Which theorem is said to hold for a run: its value is the bound's, its reasons are right, and the run keeps to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory import (
    Adagrad,
    AppliedBound,
    Eco,
    FewBits,
    Grid,
    LearnedSteps,
    Noise,
    Problem,
    Schedule,
    absolute,
    bounds,
    bounds_that_apply,
    elastic,
    huber,
    quadratic,
    simulate,
    stalling,
)

GRID = Grid(0.125, 5)
NOISE = Noise("two-point", 0.3)
KINK = absolute([1.0, 0.5], [0.3, -0.2])
BOWL = quadratic([1.0, 0.5], [0.3, -0.2])
CONSTANT = Schedule("constant", 0.05)
START = [6, -5]


def found(problem: Any = KINK, schedule: Any = CONSTANT, **options: Any) -> dict[str, AppliedBound]:
    options = {"steps": 200, "start": START, "noise": NOISE, "checkpoints": [1, 50], **options}
    return {bound.theorem: bound for bound in bounds_that_apply(problem, GRID, schedule, **options)}


def common(problem: Any, step_size: float = 0.125) -> dict[str, Any]:
    known = problem.constants(GRID, NOISE)
    return {"step_size": step_size, "G": known.G, "G1": known.G1, "dim": 2}


def first(problem: Any) -> float:
    return float(problem.distance(np.array(START) * 0.125))


def test_values_are_those_of_the_bounds() -> None:
    for t, j in ((1, 0), (50, 1), (200, 2)):
        given: dict[str, Any] = {"T": t, "eta": 0.05, "D1": first(KINK)}
        here = found()
        assert here["S1"].values[j] == bounds.sr_convex_constant(**given, **common(KINK))
        full = found(rounding="full")["S1"]
        assert full.values[j] == bounds.sr_convex_constant(**given, **common(KINK, 0.0))
        known = KINK.constants(GRID, NOISE)
        nearest = found(rounding="dr")["D1"].values[j]
        assert nearest == stalling.dr_convex_constant(**given, step_size=0.125, D=known.D, G=known.G, dim=2)
        carried = found(rounding="dr", update="ef")["EF1"].values[j]
        assert carried == bounds.dr_residual_constant(**given, **common(KINK))
        eco = found(rounding="dr", update=Eco(0.5))["EF1b"].values[j]
        assert eco == bounds.eco_constant(**given, **common(KINK), keep=0.5, g_max=known.g_max)
        few = found(rounding=FewBits(6))["S1"].values[j]
        added = bounds.word_bias_floor(eta=0.05, step_size=0.125, D=known.D, dim=2, random_bits=6)
        assert few == pytest.approx(bounds.sr_convex_constant(**given, **common(KINK)) + added, rel=1e-12)
        curved = BOWL.constants(GRID, NOISE)
        strong = found(BOWL)["S4"].values[j]
        given = {"t": t, "mu": curved.mu, "eta": 0.05, "D1": first(BOWL)}
        assert strong == pytest.approx(bounds.sr_strongly_convex_constant(**given, **common(BOWL)), rel=1e-12)


def test_a_start_off_the_grid_brings_the_variance_of_its_rounding() -> None:
    """E|w_1 - w*|^2 of SR by counting both neighbours; 0.3 lies 2.4 steps up, 0.1 lies 0.8."""
    start = [0.3, 0.1]
    minimum, exact = np.array([0.3, -0.2]), 0.0
    for x, u in zip(start, minimum, strict=True):
        low = np.floor(x / 0.125)
        p = x / 0.125 - low
        exact += (1 - p) * (low * 0.125 - u) ** 2 + p * ((low + 1) * 0.125 - u) ** 2
    here = found(start=start)["S1"]
    wanted = bounds.sr_convex_constant(T=50, eta=0.05, D1=np.sqrt(exact), **common(KINK))
    assert here.values[1] == pytest.approx(wanted, rel=1e-12)


def test_a_start_off_the_grid_is_rounded_by_few_bits_too() -> None:
    """One random bit: 0.3 is 2.4 steps, so always 2; -0.2 is 1.6 steps below zero, so 1 or 2 alike."""
    few = found(start=[0.3, -0.2], rounding=FewBits(1))["S1"]
    run = simulate(KINK, GRID, CONSTANT, steps=1, runs=4000, start=[0.3, -0.2], rounding=FewBits(1))
    known = KINK.constants(GRID, NOISE)
    added = bounds.word_bias_floor(eta=0.05, step_size=0.125, D=known.D, dim=2, random_bits=1)
    first2 = (0.3 - 0.25) ** 2 + ((0.2 - 0.125) ** 2 + (0.2 - 0.25) ** 2) / 2
    wanted = bounds.sr_convex_constant(T=50, eta=0.05, D1=np.sqrt(first2), **common(KINK)) + added
    assert few.values[1] == pytest.approx(wanted, rel=1e-12)
    assert abs(run.distance2.mean() - first2) < 5 * run.distance2.std() / np.sqrt(4000)


@pytest.mark.parametrize(
    ("theorem", "change", "why"),
    [
        ("S1", {"rounding": "dr"}, "it is about SR or few random bits or full precision, the run has DR"),
        ("S1", {"update": "adam"}, "it is about SGD, the run has Adam"),
        ("S1", {"schedule": Schedule("inverse-sqrt", 0.1)}, "it has a constant learning rate"),
        ("S1", {"step_sizes": [0.125, 0.1]}, "it has one step size, the run one for each coordinate"),
        ("S1", {"step_sizes": LearnedSteps(0.1)}, "the step sizes are learned: A1C needs their changes along the run"),
        ("S1", {"rounding": lambda x, draw: x}, "nothing is known of a rounding of your own"),
        ("S1 small moves", {"schedule": 0.5}, "an update may exceed one step"),
        ("S2 exact sums", {"schedule": lambda t: 0.1 * t}, "it has learning rates above 0 that never grow"),
        ("S3", {"problem": BOWL, "schedule": Schedule("inverse", 1.0)}, "it has the rate 1/(mu t), scale 2"),
        ("S4", {}, "f is not strongly convex on the box"),
        ("S4", {"problem": BOWL, "schedule": 1.5}, "it needs eta <= 1/(2 mu) = 1, the run has 1.5"),
        ("S5", {}, "f has a kink"),
        ("D2", {"rounding": "dr"}, "it has learning rates of kind inverse-sqrt"),
    ],
)
def test_why_a_theorem_does_not_hold(theorem: str, change: dict[str, Any], why: str) -> None:
    bound = found(**change)[theorem]
    assert not bound.applies
    assert why in bound.why
    assert np.isnan(bound.values).all()


def test_a_problem_without_constants_gets_reasons_and_no_bound() -> None:
    wavy = Problem(lambda w: np.cos(w).sum(axis=-1), lambda w: -np.sin(w), 2, compiled=False)
    here = found(wavy)
    assert not any(bound.applies for bound in here.values())
    assert "f is not known to be convex" in here["S1"].why
    assert "neither minimum nor infimum of f is known" in here["S5"].why
    smooth = Problem(lambda w: np.cos(w).sum(axis=-1), lambda w: -np.sin(w), 2, L=1.0, infimum=-2.0, compiled=False)
    assert [name for name, bound in found(smooth).items() if bound.applies] == ["S5"]


def test_a_point_that_is_not_quite_the_minimum_costs_what_it_lacks() -> None:
    """f = w^2 with the point 0.5 in the minimum's place: 1/4 above the infimum, 1/2 away, as |f'|^2/(2 mu) says."""
    made = Problem(lambda w: (w * w).sum(axis=-1), lambda w: 2.0 * w, 1, mu=2.0, L=2.0, G=4.0, compiled=False)
    made.minimum, made.f_star = np.array([0.5]), 0.25
    here = {one.theorem: one for one in bounds_that_apply(made, GRID, 0.05, steps=9, start=8)}
    given: dict[str, Any] = {"step_size": 0.125, "G": 4.0, "G1": 4.0, "dim": 1, "eta": 0.05}
    strong = bounds.sr_strongly_convex_constant(t=9, mu=2.0, D1=0.5 + 0.5, **given)  # start 1, point 0.5, minimum 0
    assert here["S4"].values[-1] == pytest.approx((np.sqrt(strong) + 0.5) ** 2, rel=1e-9)
    smooth = bounds.sr_smooth(T=9, L=2.0, gap=(1.0 - 0.25) + 0.25, **given)
    assert here["S5"].values[-1] == pytest.approx(smooth, rel=1e-9)
    assert here["S1"].values[-1] == pytest.approx(bounds.sr_convex_constant(T=9, D1=0.5, **given), rel=1e-9)


RUNS: list[tuple[str, Any, dict[str, Any]]] = [
    ("S1", KINK, {}),
    ("S1", KINK, {"rounding": "full"}),
    ("S1", KINK, {"rounding": FewBits(4)}),
    ("S1 small moves", KINK, {"start": [0.7, -0.55]}),
    ("S1D", KINK, {"step_sizes": [0.125, 0.0625]}),
    ("S2 exact sums", KINK, {"schedule": Schedule("inverse-sqrt", 0.2)}),
    ("S2 exact sums", KINK, {"schedule": np.geomspace(0.2, 0.02, 199)}),
    ("S3", elastic(0.5, 0.5, [0.3, -0.2]), {"schedule": Schedule("inverse", 2.0)}),
    ("S4", BOWL, {}),
    ("S5", huber(1.0, 0.5, [0.3, -0.2]), {}),
    ("S6", KINK, {"update": Adagrad(), "schedule": 0.5}),
    ("S7", BOWL, {}),
    ("D1", KINK, {"rounding": "dr", "schedule": 0.3}),
    ("D2", KINK, {"rounding": "dr", "schedule": Schedule("inverse-sqrt", 1.0)}),
    ("EF1", KINK, {"rounding": "dr", "update": "ef"}),
    ("EF1b", KINK, {"rounding": "dr", "update": "eco"}),
]


@pytest.mark.parametrize(
    ("theorem", "problem", "options"), RUNS, ids=[f"{name}-{i}" for i, (name, *_) in enumerate(RUNS)]
)
def test_runs_keep_to_the_bounds_that_apply(theorem: str, problem: Any, options: dict[str, Any]) -> None:
    """Means of 400 runs, with room for five standard errors."""
    options = {"schedule": CONSTANT, "start": START, "checkpoints": [20], "noise": NOISE, "steps": 200, **options}
    schedule = options.pop("schedule")
    bound = next(one for one in bounds_that_apply(problem, GRID, schedule, **options) if one.theorem == theorem)
    assert bound.applies, bound.why
    run = simulate(problem, GRID, schedule, runs=400, averages=True, check=True, seed=5, **options)
    assert bound.missing(run) == ""
    measured = getattr(run, bound.metric)
    assert (measured.mean(axis=1) <= bound.values + 5 * measured.std(axis=1) / 20).all()
    nearness = bound.nearness(run)
    np.testing.assert_allclose(nearness, measured.mean(axis=1) / bound.values)
    assert nearness[-1] > 0.002  # it is about this run


def test_a_run_that_left_the_range_has_no_bound_that_needs_it() -> None:
    options: dict[str, Any] = {"steps": 50, "start": [15, -16], "noise": Noise("two-point", 2.0)}
    bound = next(one for one in bounds_that_apply(BOWL, GRID, 0.5, **options) if one.theorem == "S5")
    assert bound.watch == ("exceeded",)
    run = simulate(BOWL, GRID, 0.5, runs=20, averages=True, check=True, **options)
    assert "runs left the range" in bound.missing(run)
    assert "run with check=True" in bound.missing(simulate(BOWL, GRID, 0.5, runs=20, averages=True, **options))


def test_a_minimum_outside_the_box_is_the_reason() -> None:
    here = found(quadratic(1.0, [0.0, 9.0]))
    why = "the minimum lies outside the box: coordinate 1 of it is 9 and the box is [-2, 1.875]"
    assert {bound.why for bound in here.values()} == {why}


@pytest.mark.parametrize(
    ("schedule", "options", "sentence"),
    [
        (CONSTANT, {"clip": "box"}, "clip must be range, got 'box'"),
        (-3.0, {}, "scale of the learning rate must be a finite number above 0"),
        (CONSTANT, {"start": [99, 99, 7]}, "start"),
    ],
)
def test_arguments_are_looked_at_where_no_theorem_holds_too(schedule: Any, options: Any, sentence: str) -> None:
    for problem in (KINK, quadratic([1.0, 1.0], [0.0, 9.0])):
        with pytest.raises(InputError, match=sentence):
            found(problem, schedule, **options)


def test_the_rate_of_s3_is_no_reason_where_there_is_no_mu() -> None:
    why = found(schedule=Schedule("inverse", 1.0))["S3"].why
    assert why == "f is not strongly convex on the box"


def test_a_rounding_of_your_own_can_be_taken_for_sr() -> None:
    taken = found(rounding=lambda x, draw: x, rounding_is="sr")["S1"]
    assert taken.applies
    assert taken.values.tolist() == found()["S1"].values.tolist()

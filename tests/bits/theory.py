"""Monte Carlo runs, exact chains, constants, bounds."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from tests.bits.case import Case
from tests.bits.meanings import EXPECTATIONS, RUNS, read
from tests.bits.places import find

ROUNDINGS = ("full", "sr", "dr")
NOISES = ("none", "two-point", "uniform", "normal")
SCHEDULES = ("constant", "inverse-sqrt", "inverse")
LOSSES = ("square", "absolute", "huber", "logistic")
EXACT = ("last iterates", "clamped updates", "largest sampled squared gradients")
"""Measurements of a problem over a data matrix that use no BLAS."""


def problem(name: str) -> Any:
    """A separable problem of three coordinates."""
    from alpt_ref import theory

    minimum = [0.31, -0.7, 0.02]
    return {
        "quadratic": lambda: theory.quadratic([1.0, 0.5, 2.0], minimum),
        "absolute": lambda: theory.absolute([1.0, 0.25, 2.0], minimum),
        "elastic": lambda: theory.elastic([1.0, 0.5, 0.25], [0.5, 1.0, 2.0], minimum),
        "huber": lambda: theory.huber([1.0, 0.5, 2.0], [0.5, 0.25, 1.0], minimum),
        "saturating": lambda: theory.saturating([1.0, 0.5, 2.0], minimum),
    }[name]()


NAMES = ("quadratic", "absolute", "elastic", "huber", "saturating")


def noise(kind: str, sigma: float = 0.5) -> Any:
    """Gradient noise by name."""
    from alpt_ref.theory import Noise

    return Noise(kind, 0.0 if kind == "none" else sigma)  # type: ignore[arg-type]


def cases() -> Iterator[Case]:
    """Every problem with every rounding and noise; every loss over a data matrix with every rounding."""
    for number, (rounding, kind) in enumerate(itertools.product(ROUNDINGS, NOISES)):
        for offset in (0, 2):
            name = NAMES[(number + offset) % len(NAMES)]
            schedule = SCHEDULES[(number + offset) % 3]
            run = partial(_separable, name, rounding, kind, schedule, watch=offset == 0)
            yield Case(f"simulated {name}, {rounding}, noise {kind}, {schedule}", run)
    for loss, rounding in itertools.product(LOSSES, ROUNDINGS):
        for blas in (False, True):
            part = ", measurements" if blas else ""
            yield Case(
                f"simulated {loss} loss, {rounding}{part}",
                partial(_linear, loss, rounding, blas),
                depends="blas" if blas else "",
            )
    for rule, rounding in (("adam", "8 bits"), ("adagrad", "sr"), ("eco", "dr"), ("sgd", "learned"), ("ef", "own")):
        yield Case(f"simulated in NumPy, {rule}, {rounding}", partial(_in_numpy, rule, rounding))
    for name, rounding in itertools.product(NAMES, ("sr", "dr")):
        yield Case(f"exact {name}, {rounding}", partial(_exact, name, rounding))
    yield Case("exact, random words of 8 bits", partial(_exact, "quadratic", "sr", 8))
    yield Case("stationary laws", _stationary)
    yield Case("best step sizes", _step_sizes, depends="numpy")
    for name in NAMES:
        yield Case(f"constants of {name}", partial(_constants, name))
    yield Case("bounds", _bounds)
    yield Case("newer bounds", _newer_bounds)


def _separable(name: str, rounding: str, kind: str, schedule: str, watch: bool) -> dict[str, Any]:
    from alpt_ref.theory import Grid, Schedule, simulate

    runs = simulate(
        problem(name), Grid(0.125, 5), Schedule(schedule, 0.3), steps=40, runs=37, start=[15, -16, 3],  # type: ignore[arg-type]
        rounding=rounding, noise=noise(kind), checkpoints=(1, 2, 17), averages=watch, check=watch, seed=2**33 + 7,  # type: ignore[arg-type]
    )  # fmt: skip
    return read(runs, RUNS)


def _in_numpy(rule: str, rounding: str) -> dict[str, Any]:
    from alpt_ref.theory import FewBits, Grid, LearnedSteps, simulate

    known: dict[str, dict[str, Any]] = {
        "8 bits": {"rounding": FewBits(8), "start": [0.3, -0.7, 1.1]},
        "learned": {"step_sizes": LearnedSteps(0.01)},
        "own": {"rounding": lambda x, draw: np.clip(np.floor(x * 8 + 0.25), -16, 15) / 8},
    }
    options = known.get(rounding, {"rounding": rounding})
    runs = simulate(
        problem("elastic"), Grid(0.125, 5), 0.1 / np.sqrt(np.arange(1.0, 40.0)), steps=40, runs=37,
        **{"start": [15, -16, 3], **options}, update=rule, noise=noise("normal"), checkpoints=(1, 2, 17), averages=True,
        check=True, seed=2**33 + 7,
    )  # fmt: skip
    return read(runs, RUNS)


@functools.cache
def _simulated(loss: str, rounding: str) -> dict[str, Any]:
    from alpt_ref.theory import Grid, Schedule, linear, simulate

    rng = np.random.Generator(np.random.Philox(key=11))
    features = np.round(rng.normal(size=(40, 5)) * 64) / 64
    offsets = np.round(rng.normal(size=40) * 64) / 64
    number = LOSSES.index(loss) + ROUNDINGS.index(rounding)
    model = {
        "square": lambda: linear.least_squares(features, offsets, l2=0.01),
        "absolute": lambda: linear.l1_regression(features, offsets),
        "huber": lambda: linear.huber_regression(features, offsets, width=0.5, l2=0.01),
        "logistic": lambda: linear.logistic_regression(features, offsets > 0, l2=0.01),
    }[loss]()
    runs = simulate(
        model, Grid(0.0625, 6), Schedule(SCHEDULES[number % 3], 0.2), steps=30, runs=21, start=[3, -4, 0, 8, 1],  # type: ignore[arg-type]
        rounding=rounding, noise=noise(NOISES[number % 4]), batch=(1, 4, 0)[number % 3], checkpoints=(5,),  # type: ignore[arg-type]
        averages=True, check=True, seed=3,
    )  # fmt: skip
    return {"minimum": model.minimum, "minimal value": model.f_star, **read(runs, RUNS)}


def _linear(loss: str, rounding: str, blas: bool) -> dict[str, Any]:
    found = _simulated(loss, rounding)
    return {meaning: value for meaning, value in found.items() if (meaning in EXACT) is not blas}


def _exact(name: str, rounding: str, words: int | None = None) -> dict[str, Any]:
    from alpt_ref.theory import Grid, Schedule, evolve_separable

    rates = Schedule("inverse-sqrt", 0.3).rates(60)
    found = evolve_separable(
        problem(name), Grid(0.125, 5), [15, -16, 3], rates, noise=noise("two-point"), rounding=rounding,  # type: ignore[arg-type]
        random_bits=words,
    )  # fmt: skip
    return read(found, EXPECTATIONS)


def _stationary() -> dict[str, Any]:
    from alpt_ref.theory import Chain, Grid, quadratic

    grid = Grid(0.125, 5)
    one = quadratic(2.0, 0.29)
    return {
        "law, no noise": Chain(one, grid, noise("none")).stationary(0.1, 15),
        "law, two-point noise": Chain(one, grid, noise("two-point")).stationary(0.1, 15),
        "law, nearest": Chain(one, grid, noise("two-point"), "dr").stationary(0.1, 15),
    }


def _step_sizes() -> dict[str, Any]:
    return {
        f"{name} at {bits} bits": [find(name)(bits), find(name)(bits, "laplace")]
        for bits in (2, 4, 8)
        for name in ("best_step_size", "straight_through_step_size")
    }


def _constants(name: str) -> dict[str, Any]:
    from alpt_ref.theory import Grid

    found = problem(name).constants(Grid(0.125, 5), noise("two-point"))
    return {key: getattr(found, key) for key in ("dim", "G", "G1", "g_max", "D", "L", "mu", "f_star", "w_star")}


BOUNDS = (
    "rounding_rate", "sr_convex_constant", "sr_convex_constant_small_updates", "sr_convex_sqrt", "sr_convex_schedule",
    "sr_strongly_convex_inverse", "sr_strongly_convex_constant", "sr_strongly_convex_constant_small_updates",
    "sr_smooth", "word_bias_floor", "step_size_change_floor", "sr_up_probability", "sr_bias", "sr_variance",
    "sr_error_from_grid", "dr_error_bound", "expected_step_size_derivative", "mean_error", "quadratic_stationary",
    "noisy_quadratic_second_moment", "dr_convex_constant", "dr_convex_sqrt", "dr_is_fixed", "dr_quadratic_stall",
    "dr_freeze_step", "separation", "dither_bias", "dither_bias_bound",
)  # fmt: skip
"""Every bound and identity of the theory; `places.HOMES` says where each is."""


def _arguments() -> dict[str, Any]:
    """An argument of every bound and identity, by name."""
    from alpt_ref.theory import Grid

    numbers = {
        "T": 1000, "t": 50, "eta": 0.01, "c": 0.2, "step_size": 0.125, "D1": 1.5, "D": 2.5, "G": 3.0, "G1": 4.0,
        "g_max": 5.0, "dim": 3, "L": 2.0, "mu": 0.5, "random_bits": 32, "slope": 0.7, "code": 3, "curvature": 2.0,
        "gradient_max": 5.0, "mean_abs_gradient": 0.3, "error": 0.25, "update": 0.3, "move": 0.3, "x": 2.3, "gap": 1.0,
        "minimum": 0.29, "gradient": 6.5,
    }  # fmt: skip
    rates = 0.2 / np.arange(1.0, 41.0)
    changes = {"step_sizes": np.linspace(0.1, 0.2, 6), "changes": np.full(6, 0.01), "codes_1": np.arange(6)}
    return {**numbers, "rates": rates, "grid": Grid(0.125, 5), "noise": noise("uniform"), **changes}


def _bounds() -> dict[str, Any]:
    """Every bound and identity by name; one with a new argument fails here until `_arguments` has it."""
    values = _arguments()
    found: dict[str, Any] = {}
    for name in BOUNDS:
        function = find(name)
        parameters = inspect.signature(function).parameters
        needed = {key: values[key] for key, one in parameters.items() if one.default is one.empty}
        result = function(**needed)
        parts = result if isinstance(result, tuple) else (result,)
        found[name] = [np.asarray(part, np.float64) for part in parts]
    return found


def _newer_bounds() -> dict[str, Any]:
    """Bounds and laws since 0.2: U1, T2, S6, S1D, A1C, S7, EF1, EF1b, R8, R9, X4, X5, D7.

    Scalar products of the arrays below are exact, so that no BLAS can round them; D7's touches are whole numbers, so
    that NumPy's powers need not agree in the last bit.
    """
    from alpt_ref.theory import adam_stall, averaging, bounds, few_bits, regulariser, supermartingale

    run = {"T": 1000, "eta": 0.01, "D1": 1.5}
    sizes, norms = np.array([0.125, 0.25, 0.5]), np.array([3.0, 1.0, 2.0])
    ada = {"T": 1000, "c": 0.2, "step_size": 0.125, "D": sizes, "root": norms, "norm_1": 4.0}
    common = {"step_size": 0.125, "G": 3.0, "dim": 3}
    half = supermartingale.Update(before=[sizes], after=[sizes[::-1]], gradient=[norms], gain=[0.75])
    found: dict[str, Any] = {
        "unified_convex": [
            bounds.unified_convex(**run, second_moment=2.0),
            bounds.unified_convex(**run, second_moment=2.0, D=sizes, bias=norms),
        ],
        "grid_floor": [bounds.grid_floor(**common)],
        "sr_adagrad": [bounds.sr_adagrad(**ada), bounds.sr_adagrad(**ada, eps=1e-3)],
        "sr_adagrad_rows": [bounds.sr_adagrad_rows(**ada, row_dim=4, accumulator=one) for one in ("mean", "sum")],
        "sr_convex_row_steps": [bounds.sr_convex_row_steps(**run, G=3.0, step_sizes=sizes, G1=norms)],
        "sr_convex_learned_steps": [
            bounds.sr_convex_learned_steps(**run, G=3.0, gradient_sum=5.0, change_sum=0.3, capped_sum=capped)
            for capped in (None, 0.2)
        ],
        "sr_pl_constant": [
            bounds.sr_pl_constant(t=50, mu=0.5, L=2.0, eta=0.01, gap=1.0, G1=one, **common) for one in (None, 4.0)
        ],
        "dr_residual_constant": [bounds.dr_residual_constant(**run, G1=one, **common) for one in (None, 4.0)],
        "sr_replayed_moves": [bounds.sr_replayed_moves(**run, G1=one, **common) for one in (None, 4.0)],
        "replay_variance": [list(bounds.replay_variance([0.03, 0.02, 0.1], 0.125))],
        "eco_constant": [bounds.eco_constant(**run, keep=0.9, g_max=5.0, G1=one, **common) for one in (None, 4.0)],
        "few_bits_stall": [
            few_bits.few_bits_stall(eta=0.01, curvature=2.0, step_size=0.125, random_bits=4, rule=one)
            for one in ("truncated", "centred")
        ],
        "expected_rise": [regulariser.expected_rise(norms, 2.3 * sizes, 0.125)],
        "expected_rise_from_grid": [regulariser.expected_rise_from_grid(norms, 0.3 * sizes, 0.125)],
        "averaged_second_moment": [
            averaging.averaged_second_moment(T=100, second_moment=2.0, eta=0.01, curvature=2.0)
        ],
        "increment": [supermartingale.increment(half, comparator=norms, eta=0.01, step_size=0.125)],
        "adam_dr_first_move": [adam_stall.adam_dr_first_move([0.05, 0.25, 0.4, 0.49])],
    }  # fmt: skip
    return {name: [np.asarray(part, np.float64) for part in parts] for name, parts in found.items()}

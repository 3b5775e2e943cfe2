"""The Monte Carlo kernels: bit for bit the oracle, whatever the threads; on average the exact engine."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy import stats

from alpt_ref.errors import InputError
from alpt_ref.kernels import jit as _jit
from alpt_ref.theory import montecarlo, montecarlo_cuda
from alpt_ref.theory.linear import LinearModel, synthetic_regression
from alpt_ref.theory.markov import ExactRounding, evolve_separable
from alpt_ref.theory.montecarlo import simulate
from alpt_ref.theory.problems import absolute, elastic, huber, quadratic, saturating
from alpt_ref.theory.setting import Grid, Noise, Schedule
from tests import tolerances

from . import oracle

NOISES = [Noise(), Noise("two-point", 0.7), Noise("uniform", 0.6), Noise("normal", 0.8)]
PROBLEMS = {
    "quadratic": quadratic([1.0, 2.5, 0.3], [0.31, -0.2, 0.05]),
    "elastic": elastic([0.5, 0.0, 1.0], [1.0, 0.7, 0.2], [0.0, 0.125, -0.3]),
    "huber": huber([1.0, 2.0, 0.5], [0.4, 0.1, 1.0], [0.2, -0.1, 0.0]),
    "saturating": saturating([1.0, 3.0, 0.5], [0.2, -0.1, 0.0]),
}


@pytest.mark.parametrize("rounding", ["sr", "dr", "full"])
@pytest.mark.parametrize("noise", NOISES, ids=lambda n: n.kind)
@pytest.mark.parametrize("name", PROBLEMS)
def test_separable_runs_equal_the_oracle_bit_for_bit(name: str, noise: Noise, rounding: str) -> None:
    grid, schedule = Grid(0.125, 4), Schedule("inverse-sqrt", 0.3)
    options = {"steps": 36, "runs": 9, "start": [5, -6, 2], "rounding": rounding, "noise": noise, "seed": 2**40 + 3}
    wanted = oracle.simulate(PROBLEMS[name], grid, schedule, batch=1, **options)
    got = simulate(PROBLEMS[name], grid, schedule, check=True, averages=True, checkpoints=[7], **options)
    np.testing.assert_array_equal(got.final, wanted[-1])
    exact = wanted.astype(np.float64)
    problem = PROBLEMS[name]
    np.testing.assert_allclose(
        got.value, problem.value(exact)[[6, 35]], rtol=tolerances.FLOAT32_SUM, atol=tolerances.FLOAT32_SUM
    )
    np.testing.assert_allclose(
        got.average_value, [problem.value(exact[:t]).mean(axis=0) for t in (7, 36)], rtol=tolerances.FLOAT32_SUM
    )
    np.testing.assert_allclose(
        got.max_distance2, (problem.distance(exact) ** 2).max(axis=0), rtol=tolerances.FLOAT32_SUM
    )


@pytest.mark.parametrize("batch", [0, 1, 3])
@pytest.mark.parametrize("loss", ["square", "absolute", "huber", "logistic"])
def test_runs_on_data_equal_the_oracle_bit_for_bit(loss: str, batch: int) -> None:
    problem = synthetic_regression(loss, 12, 3, seed=4, l2=0.05)  # type: ignore[arg-type]
    grid, schedule = Grid(0.0625, 5), Schedule("constant", 0.4)
    options = {"steps": 12, "runs": 6, "start": [3, -9, 0], "batch": batch, "seed": 11}
    outside = {"minimum_outside": True}
    noise = Noise("two-point", 0.05)
    for rounding in ("sr", "dr", "full"):
        wanted = oracle.simulate(problem, grid, schedule, rounding=rounding, noise=noise, **options)
        got = simulate(problem, grid, schedule, rounding=rounding, noise=noise, averages=True, **options, **outside)  # type: ignore[arg-type]
        np.testing.assert_array_equal(got.final, wanted[-1])
        average = problem.value(wanted.astype(np.float64)).mean(axis=0) - problem.f_star
        assert got.average_value is not None
        np.testing.assert_allclose(got.average_value[-1], average, atol=tolerances.FLOAT32_SUM)


@pytest.mark.parametrize("schedule", [Schedule("inverse-sqrt", 0.3), Schedule("constant", 0.2)], ids=lambda s: s.kind)
@pytest.mark.parametrize("rounding", ["sr", "dr", "full"])
def test_each_coordinate_may_have_its_own_step_size(rounding: str, schedule: Schedule) -> None:
    problem, grid, noise = PROBLEMS["elastic"], Grid(0.125, 4), Noise("two-point", 0.7)
    options: dict[str, Any] = {"steps": 36, "runs": 9, "start": [5, -6, 2], "rounding": rounding, "seed": 3}
    options["step_sizes"] = [0.125, 0.3, 0.07]
    wanted = oracle.simulate(problem, grid, schedule, batch=1, noise=noise, **options)
    got = simulate(problem, grid, schedule, check=True, noise=noise, **options)
    np.testing.assert_array_equal(got.final, wanted[-1])
    same = simulate(problem, grid, schedule, noise=noise, **{**options, "step_sizes": [0.125] * 3})
    one = simulate(problem, grid, schedule, noise=noise, **{**options, "step_sizes": None})
    np.testing.assert_array_equal(same.final, one.final)
    assert (got.final != one.final).any()


def test_a_result_prints_its_sizes_not_its_arrays() -> None:
    result = simulate(PROBLEMS["huber"], Grid(0.125, 4), Schedule("constant", 0.1), steps=9, runs=500, start=0)
    text = repr(result)
    assert text.startswith("SimulationResult(runs=500, d=3, checkpoints=[9], mean value=")
    assert len(text) < 120


def test_neither_threads_nor_the_number_of_runs_change_a_bit() -> None:
    problem, grid, schedule = quadratic([1.0, 0.5, 2.0], [0.1, 0.0, 0.3]), Grid(0.05, 6), Schedule("constant", 0.05)
    before = _jit.num_threads()
    results = []
    try:
        for threads, runs in itertools.product((1, 2, 3), (3000, 1777)):
            _jit.set_num_threads(threads)
            runs_ = simulate(
                problem, grid, schedule, steps=20, runs=runs, start=4, noise=Noise("normal", 1.0), averages=True
            )
            assert runs_.average_value is not None
            results.append((runs_.final[:1777], runs_.average_value[:, :1777]))
    finally:
        _jit.set_num_threads(before)
    for final, average in results[1:]:
        np.testing.assert_array_equal(final, results[0][0])
        np.testing.assert_array_equal(average, results[0][1])


def test_the_assumptions_are_executed_along_the_run() -> None:
    grid, noise = Grid(0.25, 3), Noise("two-point", 2.0)
    problem = absolute(1.0, 0.0)
    runs = simulate(problem, grid, Schedule("constant", 0.3), steps=50, runs=40, start=3, noise=noise, check=True)
    exact = evolve_separable(problem, grid, 3, np.full(50, 0.3), noise=noise)
    wanted = exact.clipped.sum() * 40
    assert wanted > 100
    assert abs(runs.exceeded.sum() - wanted) < 6 * wanted**0.5  # counts of rare, nearly independent events
    assert runs.max_sampled_gradient2.max() == 9.0
    assert runs.max_distance2.max() == 1.0
    assert runs.max_gradient2.max() == 1.0
    inside = simulate(problem, Grid(0.25, 8), Schedule("constant", 0.3), steps=50, runs=40, start=3, check=True)
    assert inside.exceeded.sum() == 0


def bernstein(variance: float, span: float, n: int, alpha: float) -> float:
    """Half-width that a mean of n independent values leaves with probability at most alpha (Bernstein)."""
    log = np.log(2.0 / alpha)
    return float(np.sqrt(2.0 * variance * log / n) + span * log / (3.0 * n))


def test_monte_carlo_agrees_with_the_exact_engine_on_100_random_problems() -> None:
    """Each mean must lie in its Bernstein interval at alpha = 1e-6/100, with exact variance; allowance for float32."""
    generator = np.random.Generator(np.random.Philox(key=5))
    n, alpha = 4000, 1e-8
    for _ in range(100):
        d = int(generator.integers(1, 4))
        grid = Grid(float(generator.uniform(0.05, 0.5)), int(generator.integers(2, 6)))
        low, high = grid.low, grid.high
        minimum, a, b = generator.uniform(low, high, d), generator.uniform(0.1, 2.0, d), generator.uniform(0.1, 2.0, d)
        problem = [quadratic(a, minimum), elastic(a, b, minimum), huber(a, b, minimum), saturating(a, minimum)][
            int(generator.integers(4))
        ]
        noise = [Noise(), Noise("two-point", float(generator.uniform(0.1, 2.0)))][int(generator.integers(2))]
        schedule = Schedule("constant", float(generator.uniform(0.02, 0.6)))
        start = generator.integers(grid.low_code, grid.high_code + 1, d)
        T = int(generator.integers(2, 40))
        rounding: ExactRounding = "sr" if generator.integers(4) else "dr"
        exact = evolve_separable(problem, grid, start, schedule.rates(T), noise=noise, rounding=rounding)
        values = problem.values(np.repeat(grid.values[:, None], d, axis=1)).T
        variance = float(((values**2 * exact.laws).sum(1) - (values * exact.laws).sum(1) ** 2).sum())
        seed = int(generator.integers(2**60))
        got = simulate(problem, grid, schedule, steps=T, runs=n, start=start, noise=noise, seed=seed, rounding=rounding)
        width = bernstein(variance, float(values.max(1).sum()), n, alpha)
        slack = tolerances.FLOAT32_SUM * float(values.max(1).sum())
        assert abs(got.value[-1].mean() - exact.value[-1]) <= width + slack


def test_the_noise_has_its_stated_moments() -> None:
    """Full precision from w* on a flat problem shows the noise itself: w_2 = -eta n."""
    n = 200_000
    for kind in ("two-point", "uniform", "normal"):
        noise = Noise(kind, 0.5)  # type: ignore[arg-type]
        runs = simulate(
            quadratic(0.0, [0.0, 0.0]), Grid(0.25, 8), Schedule("constant", 1.0),
            steps=2, runs=n, start=0, rounding="full", noise=noise,
        )  # fmt: skip
        sample = runs.final.ravel().astype(np.float64)
        assert abs(sample.mean()) < 5 * 0.5 / np.sqrt(2 * n)
        assert abs(sample.var() - 0.25) < 5 * 0.25 * np.sqrt(2 / (2 * n))
        assert abs(np.asarray(np.corrcoef(runs.final.T))[0, 1]) < 5 / np.sqrt(n)
        if kind == "normal":
            assert stats.kstest(sample / 0.5, "norm").pvalue > 1e-4
        if kind == "uniform":
            assert stats.kstest(sample / noise.largest, stats.uniform(-1, 2).cdf).pvalue > 1e-4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"runs": 0}, "runs must be at least 1"),
        ({"start": 9}, "start must lie from"),
        ({"start": [1, 2]}, "start must be one whole code"),
        ({"rounding": "up"}, "rounding must be full, sr or dr, got 'up'"),
        ({"update": "rmsprop"}, "update must be sgd, .* or ef, or a rule of your own, got 'rmsprop'"),
        ({"clip": "none"}, "clip must be range, got 'none'"),
        ({"step_sizes": [0.1, 0.2]}, "step_sizes must be one number above 0 for each of the 1 coordinates"),
        ({"step_sizes": [-0.1]}, "step_sizes must be one number above 0"),
        ({"step_sizes": [1e-46]}, r"must be above 0 and leave all codes finite in float32.* got 1e-46\.\.1e-46"),
        ({"step_sizes": [1e38]}, "with 3 bits; scale the problem"),
        ({"seed": -1}, "seed must be"),
        ({"checkpoints": [99]}, "checkpoints must lie"),
        ({"runs": 10**12}, "the results of 10{12} runs with 1 coordinates .* need at least 76,000,000,000,000 bytes"),
        ({"steps": 10**13}, "the learning rates of 10{13} steps need at least 80,000,000,000,000 bytes"),
        ({"batch": 2}, "batch=2 goes with a LinearModel, .* the gradient of a Separable has none"),
        ({"batch": 0}, "batch=0 goes with a LinearModel"),
        ({"device": "tpu", "update": "adam"}, "device must be 'cpu' or 'cuda', got 'tpu'"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, object], message: str) -> None:
    options = {"steps": 5, "runs": 4, "start": 0, **change}
    with pytest.raises(InputError, match=message):
        simulate(quadratic(1.0, 0.0), Grid(0.1, 3), Schedule("constant", 0.1), **options)  # type: ignore[arg-type]


def test_by_default_a_small_simulation_stays_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(montecarlo, "default_device", lambda: "cuda")
    monkeypatch.setattr(montecarlo_cuda, "require_device", lambda: pytest.fail("the GPU was asked for"))
    options: dict[str, Any] = {"steps": 5, "runs": 3, "start": 0, "seed": 1}
    got = simulate(PROBLEMS["huber"], Grid(0.125, 4), Schedule("constant", 0.1), **options)
    assert got.final.shape == (3, 3)


def test_which_simulations_pay_on_a_gpu() -> None:
    assert montecarlo_cuda.pays(1 << 16, 16, 2000)
    assert not montecarlo_cuda.pays(1 << 16, 16, 100)  # too little work
    assert not montecarlo_cuda.pays(16, 16, 10**7)  # too few at once
    assert montecarlo_cuda.pays(1 << 13, 4, 10**5, watched=True)
    assert not montecarlo_cuda.pays(1 << 13, 1, 10**6, watched=True)  # four runs a thread
    assert not montecarlo_cuda.pays(256, 24, 10**4, rows=64)


def test_an_unknown_device_is_named() -> None:
    with pytest.raises(InputError, match="device must be 'cpu' or 'cuda', got 'tpu'"):
        simulate(PROBLEMS["huber"], Grid(0.125, 4), Schedule("constant", 0.1), steps=2, runs=1, start=0, device="tpu")


def test_matrix_products_in_blocks_keep_the_order_of_their_sums() -> None:
    problem = synthetic_regression("huber", 300, 7, seed=2)  # more than a tile, rows and columns not a multiple of four
    grid, noise = Grid(0.0625, 5), Noise("two-point", 0.05)
    for batch in (0, 6):
        options: dict[str, Any] = {"steps": 4, "runs": 7, "start": 3, "batch": batch, "seed": 5, "noise": noise}
        wanted = oracle.simulate(problem, grid, Schedule("constant", 0.4), rounding="sr", **options)
        got = simulate(problem, grid, Schedule("constant", 0.4), averages=True, **options)
        np.testing.assert_array_equal(got.final, wanted[-1])
        assert got.average_value is not None
        average = problem.value(wanted.astype(np.float64)).mean(axis=0) - problem.f_star
        np.testing.assert_allclose(got.average_value[-1], average, atol=tolerances.FLOAT32_SUM)


@pytest.mark.parametrize(("loss", "batch"), [("square", 5), ("square", 0), ("huber", 0), ("logistic", 3)])
def test_sums_over_many_columns_keep_their_stated_order(loss: str, batch: int) -> None:
    d = 83  # a block of 64 columns, one of 16 and three more
    generator = np.random.default_rng(3)
    features, offsets = generator.standard_normal((101, d)) / 4.0, generator.standard_normal(101)
    problem = LinearModel(loss, features, offsets, np.zeros(d), 0.0, 0.0, l2=0.05)  # type: ignore[arg-type]
    grid, schedule = Grid(0.0625, 7), Schedule("constant", 0.4)
    options: dict[str, Any] = {"steps": 3, "runs": 6, "start": 3, "batch": batch, "seed": 5, "rounding": "full"}
    wanted = oracle.simulate(problem, grid, schedule, noise=Noise(), **options)
    got = simulate(problem, grid, schedule, averages=True, **options)
    np.testing.assert_array_equal(got.final, wanted[-1])
    assert got.average_value is not None
    average = problem.value(wanted.astype(np.float64)).mean(axis=0)
    np.testing.assert_allclose(got.average_value[-1], average, rtol=tolerances.FLOAT32_SUM)
    alike = simulate(problem, grid, schedule, clip=None, **options)  # the driver in NumPy
    np.testing.assert_array_equal(alike.final, wanted[-1])


@pytest.mark.parametrize("update", ["sgd", "momentum"])
def test_a_thinned_average_takes_every_kth_iterate_another_one_for_each_four_runs(update: str) -> None:
    problem, grid, schedule = synthetic_regression("huber", 12, 3, seed=4), Grid(0.0625, 5), Schedule("constant", 0.4)
    options: dict[str, Any] = {"steps": 9, "runs": 10, "start": 3, "averages": True, "update": update, "seed": 1}
    every = simulate(problem, grid, schedule, checkpoints=range(1, 10), **options)
    thinned = simulate(problem, grid, schedule, checkpoints=range(1, 10), thin=3, **options)
    np.testing.assert_array_equal(thinned.final, every.final)
    assert thinned.average_value is not None
    taken = (np.arange(1, 10)[:, None] + np.arange(10) // 4) % 3 == 0
    with np.errstate(invalid="ignore"):
        wanted = np.cumsum(np.where(taken, every.value, 0.0), axis=0) / np.cumsum(taken, axis=0)
    np.testing.assert_allclose(thinned.average_value, wanted, atol=tolerances.FLOAT32_SUM)


@pytest.mark.parametrize("thin", [0, 2.5, True])
def test_a_number_that_thins_nothing_is_refused(thin: Any) -> None:
    options: dict[str, Any] = {"steps": 3, "runs": 2, "start": 0}
    with pytest.raises(InputError, match="thin must be a whole number"):
        simulate(
            synthetic_regression("square", 5, 2, seed=1), Grid(0.1, 4), Schedule("constant", 0.1), thin=thin, **options
        )
    with pytest.raises(InputError, match="goes with averages=True and a LinearModel"):
        simulate(quadratic(1.0, 0.0), Grid(0.1, 4), Schedule("constant", 0.1), thin=2, averages=True, **options)

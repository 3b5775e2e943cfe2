"""Which driver and device a simulation gets, in what groups, and what the kernels are handed: nothing runs here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.theory import (
    Eco,
    FewBits,
    Grid,
    LearnedSteps,
    Problem,
    huber,
    montecarlo,
    montecarlo_cuda,
    quadratic,
    simulate,
)
from alpt_ref.theory.linear import synthetic_regression

GRID = Grid(0.125, 5)
BOWL = huber([1.0, 0.5, 2.0], 0.75, [0.1, -0.2, 0.3])
ROWS = synthetic_regression("huber", 11, 3, seed=4)
OWN = Problem(lambda w: 0.5 * (w**2).sum(axis=-1), lambda w: w, 3, mu=1.0, L=1.0, compiled=False)
RUN: dict[str, Any] = {"steps": 7, "runs": 13, "start": [1, -2, 3]}


class WalkedError(Exception):
    """The driver in NumPy was taken; its argument is the setup."""


class CompiledError(Exception):
    """The compiled driver was taken; its argument is what it was handed."""


def _walk(setup: Any) -> Any:
    raise WalkedError(setup)


def _compiled(*handed: Any) -> Any:
    raise CompiledError(handed)


@pytest.fixture(name="stopped")
def _stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(montecarlo, "walk", _walk)
    monkeypatch.setattr(montecarlo, "_run", _compiled)


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize("rounding", ["sr", "dr", "full"])
@pytest.mark.parametrize("problem", [BOWL, ROWS], ids=["separable", "linear"])
def test_sgd_from_codes_with_a_named_rounding_is_compiled(problem: Any, rounding: Any) -> None:
    with pytest.raises(CompiledError):
        simulate(problem, GRID, 0.1, rounding=rounding, **RUN)


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize(
    "change",
    [
        {"problem": OWN},
        {"rounding": FewBits(8)},
        {"rounding": lambda x, draw: x},
        {"update": Eco(0.5)},
        {"clip": None},
        {"step_sizes": LearnedSteps(0.1)},
        {"start": [0.1, -0.2, 0.3]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_thing_that_the_compiled_driver_lacks_goes_to_the_other(change: dict[str, Any]) -> None:
    options = {**RUN, **change}
    with pytest.raises(WalkedError) as found:
        simulate(options.pop("problem", BOWL), GRID, 0.1, **options)
    assert found.value.args[0].clipped is ("clip" not in change)


@pytest.mark.usefixtures("stopped")
def test_only_clipping_needs_the_start_and_the_minimum_in_the_box() -> None:
    free = {"clip": None, "steps": 3, "runs": 2, "rounding": "full"}
    with pytest.raises(WalkedError):
        simulate(quadratic(1.0, 9.0), Grid(0.25, 3), 0.1, start=5.0, **free)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="start as weights must lie in the box"):
        simulate(quadratic(1.0, 0.5), Grid(0.25, 3), 0.1, start=5.0, **{**free, "clip": "range"})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the minimum must lie in the box"):
        simulate(quadratic(1.0, 9.0), Grid(0.25, 3), 0.1, start=0.5, **{**free, "clip": "range"})  # type: ignore[arg-type]


@pytest.mark.parametrize("pays", [True, False])
@pytest.mark.parametrize(
    ("problem", "options", "rows", "watched"),
    [
        (BOWL, {}, 0, False),
        (BOWL, {"averages": True}, 0, True),
        (BOWL, {"check": True}, 0, True),
        (ROWS, {"batch": 4}, 4, False),
        (ROWS, {"batch": 0}, 11, False),
    ],
)
def test_by_default_the_size_decides(
    monkeypatch: pytest.MonkeyPatch, problem: Any, options: dict[str, Any], rows: int, watched: bool, pays: bool
) -> None:
    asked: list[Any] = []

    def answer(runs: int, d: int, steps: int, **more: Any) -> bool:
        asked.append((runs, d, steps, more))
        return pays

    monkeypatch.setattr(montecarlo, "_run", _compiled)
    monkeypatch.setattr(montecarlo, "default_device", lambda: "cuda")
    monkeypatch.setattr(montecarlo_cuda, "pays", answer)
    for device, wanted in ((None, "cuda" if pays else "cpu"), ("cuda", "cuda"), ("cpu", "cpu")):
        with pytest.raises(CompiledError) as found:
            simulate(problem, GRID, 0.1, device=device, **RUN, **options)
        assert found.value.args[0][-1] == wanted
    assert asked == [(13, 3, 7, {"rows": rows, "watched": watched})] * 2  # not for one that is named the CPU
    monkeypatch.setattr(montecarlo, "default_device", lambda: "cpu")
    with pytest.raises(CompiledError) as found:
        simulate(problem, GRID, 0.1, **RUN, **options)
    assert found.value.args[0][-1] == "cpu"


@pytest.mark.parametrize(
    ("runs", "d", "all_rows", "threads", "wanted"),
    [
        (1, 24, False, 3, 4),  # never less than a Philox block
        (4, 24, False, 3, 4),
        (5, 24, False, 3, 8),
        (9, 24, False, 3, 12),
        (1000, 24, False, 3, 88),  # 2048 // 24 = 85
        (1000, 128, False, 3, 16),
        (1000, 700, False, 3, 4),
        (1000, 3000, False, 3, 4),
        (1000, 3000, True, 3, 16),  # as many as read a tile together
        (26, 3000, True, 3, 12),  # 9 a thread
        (9, 3000, True, 4, 4),
        (1000, 24, True, 3, 88),
    ],
)
def test_groups_are_whole_blocks_within_the_cache(
    monkeypatch: pytest.MonkeyPatch, runs: int, d: int, all_rows: bool, threads: int, wanted: int
) -> None:
    monkeypatch.setattr(montecarlo, "num_threads", lambda: threads)
    assert montecarlo._group(runs, d, all_rows) == wanted


@pytest.mark.parametrize(
    ("problem", "options", "together"),
    [
        (BOWL, {}, False),
        (BOWL, {"averages": True}, False),
        (ROWS, {"batch": 4}, False),
        (ROWS, {"batch": 0}, True),
        (ROWS, {"batch": 4, "averages": True}, True),
        (ROWS, {"batch": 4, "averages": True, "thin": 2}, False),
        (ROWS, {"batch": 0, "averages": True, "thin": 3}, True),
    ],
)
def test_what_the_kernels_are_handed(
    monkeypatch: pytest.MonkeyPatch, problem: Any, options: dict[str, Any], together: bool
) -> None:
    """Groups of four runs of 13; arrays of the stated shapes; and nothing of the other family's."""
    asked: list[Any] = []

    def group(*numbers: Any) -> int:
        asked.append(numbers)
        return 4

    def rows(kernel: Any, count: int, *handed: Any, **_: Any) -> None:
        raise CompiledError((count, *handed))

    monkeypatch.setattr(montecarlo, "_group", group)
    monkeypatch.setattr(montecarlo, "run_rows", rows)
    with pytest.raises(CompiledError) as found:
        simulate(problem, GRID, 0.1, checkpoints=[2, 5], device="cpu", **RUN, **options)
    count, size, runs, handed, _, _, results = found.value.args[0]
    assert asked == [(13, 3, together)]
    assert (count, size, runs) == (4, 4, 13)
    linear, all_rows = problem is ROWS, "averages" in options or options.get("batch") == 0
    shapes = [part.shape for part in results]
    assert shapes == [(3, 13, 5), (13, 4), (3 if linear else 1, 13, 3)]
    if linear:
        assert [len(one) for one in (handed.curvature, handed.shape, handed.minimum)] == [0, 0, 0]
        assert handed.features.shape == (11, 3)
        assert (handed.width, handed.l2, handed.batch) == (
            np.float32(ROWS.width),
            np.float32(ROWS.l2),
            options["batch"],
        )
        assert [one.size > 0 for one in (handed.whole, handed.whole_offsets, handed.columns)] == [all_rows] * 3
    else:
        np.testing.assert_array_equal(handed.curvature, np.float32([1.0, 0.5, 2.0]))
        empty = (handed.features, handed.offsets, handed.whole, handed.whole_offsets, handed.columns, handed.across)
        assert [one.size for one in empty] == [0] * 6
        assert (handed.width, handed.l2, handed.batch) == (0.0, 0.0, 0)
    if not all_rows:
        assert not handed.triangular
        assert (handed.across.size, handed.rest) == (0, 0.0)

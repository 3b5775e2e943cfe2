"""A claim and its measurements refuse, in one sentence, what could not be judged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref.errors import InputError
from alpt_ref.verification import Claim, Control, Measurement, Test, curve, exact, paired, product, sampled
from alpt_ref.verification.claim import allowed_interval
from alpt_ref.verification.codec import canonical, from_plain, to_plain
from alpt_ref.verification.measurement import pool


def claim(**changes: Any) -> Claim:
    def measure(cell: Any, seed: int, *, broken: str | None = None) -> Measurement:
        return exact(0.0)

    given: dict[str, Any] = {
        "id": "a1", "title": "t", "statement": "x", "kind": "upper", "grid": lambda budget: [{}],
        "bound": lambda cell, constants: 1.0, "measure": measure, "control": Control("c", "d"),
    }  # fmt: skip
    return Claim(**{**given, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "A1"}, "id must be"),
        ({"kind": "theorem"}, "kind must be one of"),
        ({"bound": 1.0}, "bound must be a function"),
        ({"control": ()}, "control must be given"),
        ({"control": "half"}, "control must be a Control"),
        ({"control": Control("c", "d", shrink=2.0)}, "shrink must be between"),
        ({"control": Control("c", "d", shrink=0.5), "kind": "identity"}, "for a one-sided claim"),
        ({"control": (Control("c", "d"), Control("c", "e"))}, "different names"),
    ],
)
def test_a_claim_that_could_not_run_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        claim(**changes)


@pytest.mark.parametrize("test", [{"alpha": 0.0}, {"power": 1.0}, {"how": "bayes"}])
def test_levels_that_mean_nothing_are_refused(test: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Test(**test)


def test_the_allowed_region_follows_the_kind() -> None:
    def ends(one: Claim, bound: Any, points: int = 1) -> tuple[list[float], list[float]]:
        low, high = allowed_interval(one, {}, {}, bound, points)
        return low.tolist(), high.tolist()

    assert ends(claim(), 2.0) == ([-np.inf], [2.0])
    assert ends(claim(kind="separation"), [1.0, 2.0], 2) == ([1.0, 2.0], [np.inf, np.inf])
    assert ends(claim(kind="identity", margin=0.5), 2.0) == ([1.5], [2.5])
    assert ends(claim(kind="equivalence", margin=lambda cell, constants: 1.0), 0) == ([-1.0], [1.0])
    assert ends(claim(kind="rate"), (0.9, 1.1)) == ([0.9], [1.1])


@pytest.mark.parametrize("bound", [[1.0, 2.0], (1.0, 2.0, 3.0), (2.0, 1.0), float("nan")])
def test_a_bound_of_the_wrong_shape_or_order_is_refused(bound: Any) -> None:
    with pytest.raises(InputError):
        allowed_interval(claim(), {}, {}, bound, 3)


@pytest.mark.parametrize(
    "make",
    [
        lambda: exact(float("nan")),
        lambda: exact([1.0, 2.0], labels=["one"]),
        lambda: sampled([]),
        lambda: sampled([0.1, 1.2], low=0.0, high=1.0),
        lambda: sampled([-0.1], low=0.0, high=1.0),
        lambda: paired([1.0, 2.0], [1.0]),
        lambda: curve([1.0, 2.0], [1.0, 2.0]),
        lambda: curve([1.0, 2.0, 3.0], [1.0, 2.0]),
        lambda: curve([0.0, 2.0, 3.0], [1.0, 2.0, 3.0]),
        lambda: curve([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0], window=(1.5, 3.5)),
        lambda: pool([exact(1.0), exact(1.0)]),
        lambda: pool([sampled([1.0, 2.0]), sampled([[1.0, 2.0]])]),
    ],
)
def test_measurements_that_cannot_be_judged_are_refused(make: Any) -> None:
    with pytest.raises(InputError):
        make()


def test_replicates_are_pooled_run_by_run() -> None:
    pooled = pool([sampled([1.0, 2.0]), sampled([3.0])])
    assert pooled.values.ravel().tolist() == [1.0, 2.0, 3.0]
    assert (pooled.runs, pooled.points) == (3, 1)


def test_paired_values_are_differences() -> None:
    assert paired([3.0, 5.0], [1.0, 1.0]).values.ravel().tolist() == [2.0, 4.0]


def test_a_window_is_kept_to() -> None:
    kept = curve([1, 2, 4, 8, 16], [[1, 2, 4, 8, 99]], window=(1, 8))
    assert kept.x is not None
    assert kept.x.tolist() == [1, 2, 4, 8]
    assert kept.points == 1


def test_product_gives_plain_numbers() -> None:
    cells = product(d=np.array([1, 2]), lr=np.array([0.5]))
    assert cells == [{"d": 1, "lr": 0.5}, {"d": 2, "lr": 0.5}]
    assert canonical(cells[0]) == '{"d":1,"lr":0.5}'


def test_stored_values_come_back_bit_for_bit() -> None:
    value = {
        "a": np.array([[0.1, np.inf], [np.nan, -0.0]]),
        "b": [1, "x", None, True, 0.1],
        "c": -np.inf,
        "n": np.int8(3),
    }
    back = from_plain(to_plain(value))
    assert back["a"].tobytes() == value["a"].tobytes()  # type: ignore[attr-defined]
    assert back["a"].shape == (2, 2)
    assert (back["b"], back["c"], back["n"]) == ([1, "x", None, True, 0.1], -np.inf, 3)


@pytest.mark.parametrize("value", [{1: 2}, {"f": len}, np.array(["x"]), {1, 2}])
def test_what_cannot_be_stored_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="cannot be stored"):
        to_plain(value)

"""What a stranger brings to `check_quantizer` and the tools around it: odd objects, odd results, nothing at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.testing import (
    Uniform,
    check_quantizer,
    for_all_words,
    from_codes,
    from_words,
    parametrize_with_quantizer_checks,
    reference,
    stateful,
)
from tests.testing.test_quantizer_tools import LATTICE, Floats, by_words


def test_counts_of_several_calls_are_added_up_in_64_bits() -> None:
    assert for_all_words(bits=21)(lambda words: words[:2] % 2**20 == 0)().tolist() == [2, 0]
    assert for_all_words(bits=21)(lambda words: np.uint8(200))() == 400
    with pytest.raises(InputError, match="must return a number"):
        for_all_words(bits=4)(lambda words: "a")()
    with pytest.raises(InputError, match="decorates a function of words, got int"):
        for_all_words(bits=4)(3)  # type: ignore[arg-type]


def test_no_quantiser_and_no_option_is_lost_where_tests_are_collected() -> None:
    def f(x: Floats, draw: int) -> Floats:
        return x

    def f1(x: Floats, draw: int) -> Floats:
        return x

    mark = parametrize_with_quantizer_checks([f1, f], LATTICE, only=iter(["dtype"]), require=iter(["dtype"]), name="a")
    assert [(pair.values[0], pair.id) for pair in mark.args[1]] == [(f1, "f1-dtype"), (f, "f1_-dtype")]
    assert mark.args[1][1].values[1].options["require"] == ("dtype",)
    with pytest.raises(InputError, match="one function fn\\(x, draw\\) at least, got none"):
        parametrize_with_quantizer_checks([], LATTICE)


def test_attributes_of_ones_own_function_mean_nothing() -> None:
    class Mine:
        codes, gradient, with_words = 3, True, "words"

        def __call__(self, x: Floats, draw: int) -> Floats:
            return np.asarray(reference(LATTICE)(x, draw))

    report = check_quantizer(Mine(), LATTICE, effort=0.001, only=["round_trip", "gradient", "layout"])
    assert report.ok
    assert report["gradient"].status == "not applicable"


def test_what_codes_or_words_make_of_x_is_part_of_the_report() -> None:
    def writes(x: Floats, words: NDArray[np.uint32]) -> Floats:
        result = by_words(x, words)
        x[...] = 0
        return result

    report = check_quantizer(from_words(writes), LATTICE, effort=0.001, only=["input_untouched", "unbiased"])
    assert report.failed == ("input_untouched",)

    def fails(x: Floats, draw: int) -> NDArray[np.int64]:
        if len(np.unique(x)) == 256:
            raise ValueError("all codes")
        return np.rint(by_words(x, np.full(x.shape, 2**31, np.uint32)) * 16).astype(np.int64)

    text = check_quantizer(from_codes(fails, LATTICE), LATTICE, effort=0.001, only=["round_trip"])["round_trip"].text
    assert "raises ValueError" in text
    assert "all codes" in text


@pytest.mark.parametrize(
    "make",
    [
        lambda: from_words(by_words, bits=8.5),  # type: ignore[arg-type]
        lambda: from_words(by_words, seed=-1),
        lambda: from_codes(by_words, 3),  # type: ignore[arg-type]
        lambda: stateful(by_words, seed=3),  # type: ignore[arg-type]
        lambda: reference(3),  # type: ignore[arg-type]
        lambda: reference(LATTICE, "up"),
        lambda: check_quantizer(by_words, LATTICE, name=3),  # type: ignore[arg-type]
    ],
)
def test_adapters_have_rules(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError):
        make()


def small(x: Floats, g: Floats, draw: int) -> Floats:
    g *= np.float32(0.5)  # in place: what comes back is g itself
    return g


@pytest.mark.parametrize(
    "gradient",
    [
        small,
        lambda x, g, draw: (g, 1.0, 2.0),
        lambda x, g, draw: (g, "a"),
        lambda x, g, draw: np.full(x.shape, "a"),
        lambda x, g, draw: (g, 0.0),
    ],
    ids=["written to", "three", "step", "text", "no step"],
)
def test_a_gradient_that_is_none_fails(gradient) -> None:  # type: ignore[no-untyped-def]
    assert check_quantizer(reference(LATTICE), LATTICE, only=["gradient"], gradient=gradient).failed == ("gradient",)


def test_tiny_numbers_that_are_flushed_are_found_on_a_lattice_of_tiny_steps() -> None:
    lattice = Uniform(2e-38, 4)
    right = reference(lattice)
    arguments = {"effort": 0.001, "only": ["subnormal"]}
    assert check_quantizer(right, lattice, **arguments).ok
    flushed = check_quantizer(lambda x, d: right(np.where(np.abs(x) < 2**-126, 0 * x, x), d), lattice, **arguments)
    assert flushed.failed == ("subnormal",)


def test_infinity_goes_to_its_own_end() -> None:
    right = reference(LATTICE)
    arguments = {"effort": 0.001, "only": ["nan_policy"], "require": ["nan_policy"]}
    assert "infinity: the end" in check_quantizer(right, LATTICE, **arguments)["nan_policy"].text

    def with_infinities(value: Any) -> Any:
        return lambda x, d: right(np.where(np.isinf(x), value(x), x).astype(np.float32), d)

    for wrong in (lambda x: -np.sign(x) * np.float32(1e30), lambda x: np.float32(0.25)):
        assert check_quantizer(with_infinities(wrong), LATTICE, **arguments).failed == ("nan_policy",)


def test_a_bias_within_the_resolution_that_is_stated_is_none_in_large_calls() -> None:
    strict = reference(LATTICE, chance=lambda p, *_: np.maximum(np.ceil(p * 64) - 1, 0) / 64)
    arguments = {"effort": 0.02, "only": ["unbiased"], "seconds": 0.2}
    assert check_quantizer(strict, LATTICE, resolution=2.0**-6, **arguments).ok

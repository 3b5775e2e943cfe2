"""NumPy's integers of few bits stand for their number: products of them wrap around where Python's do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alpt_ref import QuantSpec, make_table, quantize, synthetic_clicks
from alpt_ref.catalog import TABLES
from alpt_ref.data.synthetic.days import text_source
from alpt_ref.errors import InputError
from alpt_ref.serving.table import ServingTable
from alpt_ref.tables.spec import TableSpec
from alpt_ref.training.metrics import expected_calibration_error
from alpt_ref.training.new_ids import InitFrom
from alpt_ref.verification.user_quantizer import user_quantizer

NARROW = (np.uint8, np.int8)


@pytest.mark.parametrize("kind", NARROW)
@pytest.mark.parametrize("bits", [2, 4, 8, 16])
def test_codes_of_as_many_bits(kind: Any, bits: int) -> None:
    w = np.linspace(-3.0, 3.0, 400, dtype=np.float32).reshape(4, 100)  # 100 times the bits are above 127
    for packed in (False, True):
        plain, narrow = (quantize(w, 0.1, QuantSpec(one), seed=3, packed=packed) for one in (bits, kind(bits)))
        assert np.array_equal(plain, narrow)
    assert type(QuantSpec(kind(bits)).bits) is int


@pytest.mark.parametrize("kind", NARROW)
@pytest.mark.parametrize("method", TABLES)
def test_tables_of_as_many_rows(kind: Any, method: str) -> None:
    def trained(number: Any) -> tuple[Any, int, int]:
        width = {} if method in ("fp32", "hashing", "pruning") else {"bits": number(8)}
        table = make_table(method, number(120), number(100), seed=number(7), **width)
        table.apply_gradients(np.array([1, 5, 5, 9]), np.ones((4, 100), np.float32))
        return table.lookup(np.arange(12)), table.nbytes("serving"), table.nbytes("training")

    plain, narrow = trained(int), trained(kind)
    assert np.array_equal(plain[0], narrow[0])
    assert plain[1:] == narrow[1:]


def test_the_bytes_of_a_table_of_many_rows() -> None:
    """``ids.max() + 1`` of int32 ids is an int32, and n * d is none."""
    spec = TableSpec(np.int32(2**27), np.int32(16))  # type: ignore[arg-type]
    assert spec.n * spec.d == 2**31
    assert {type(one) for one in (spec.n, spec.d, spec.seed, spec.epoch_updates)} == {int}


def test_other_doors() -> None:
    small: dict[str, int] = {"rows": 200, "fields": 4, "features": 100, "seed": 3, "rank": 4}
    wanted = synthetic_clicks(**small)
    for name, value in small.items():
        given: dict[str, Any] = {**small, name: np.uint8(value)}
        assert np.array_equal(synthetic_clicks(**given).ids, wanted.ids), name
    assert text_source("avazu", np.uint8(3), np.uint8(2)).block(0, 50) == text_source("avazu", 3, 2).block(0, 50)  # type: ignore[arg-type]
    labels, probabilities = np.arange(512) % 2, np.linspace(0.0, 1.0, 512)
    assert expected_calibration_error(labels, probabilities, bins=np.uint8(255)) == expected_calibration_error(  # type: ignore[arg-type]
        labels, probabilities, bins=255
    )
    assert type(InitFrom("run", np.uint8(2)).min_count) is int  # type: ignore[arg-type]
    table = ServingTable(np.uint8(100), np.uint8(8), np.zeros((2, 25), np.uint32), np.ones(2, np.float32))  # type: ignore[arg-type]
    assert (type(table.d), type(table.bits)) == (int, int)


def test_the_lattice_of_a_quantiser_may_be_numbers_of_numpy() -> None:
    def nearest(x: Any, draw: int) -> Any:
        return (np.clip(np.rint(x / np.float32(0.5)), -8, 7) * np.float32(0.5)).astype(np.float32)

    for step_size in (np.float32(0.5), np.float16(0.5), np.float64(0.5)):
        assert user_quantizer(nearest, np.uint8(4), step_size).lattice == "4 bits, step size 0.5"  # type: ignore[arg-type]
    for bad in (10**400, "0.5", np.bool_(True), 1e-40):
        with pytest.raises(InputError, match="step_size must be a number from 1e-30 to"):
            user_quantizer(nearest, 4, bad)  # type: ignore[arg-type]

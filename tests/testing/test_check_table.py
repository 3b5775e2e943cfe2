"""`check_table`: the built-in methods keep every promise, and each planted fault fails the check that is about it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from alpt_ref.catalog import TABLES
from alpt_ref.errors import InputError
from alpt_ref.tables import AdaptiveTable, FullTable
from alpt_ref.tables.unique_rows import UniqueRows
from alpt_ref.testing import check_model, check_table


@pytest.mark.parametrize("method", TABLES)
def test_every_built_in_method_passes(method: str) -> None:
    check_table(method)


@pytest.mark.parametrize("options", [{"rounding": "dr"}, {"bits": 2, "granularity": "table", "optimizer": "sgd"}])
def test_settings_reach_the_table(options: dict[str, Any]) -> None:
    check_table("alpt", **options)
    with pytest.raises(InputError, match="bits must be 2, 4, 8 or 16, got 3"):
        check_table("alpt", **{**options, "bits": 3})


@pytest.mark.parametrize("check", [check_table, check_model])
def test_what_is_neither_a_name_nor_a_class_is_a_sentence(check: Any) -> None:
    for given in (3, None, FullTable.lookup):
        with pytest.raises(InputError, match="a table or a model must be named, or be its class, got"):
            check(given)


class _Faulty(FullTable):
    """FP32 whose update has one more line, which sees the gradients of every position."""

    def apply_gradients(self, ids: Any, grads: Any, **keywords: Any) -> None:
        self._given = grads
        try:
            super().apply_gradients(ids, grads, **keywords)
        finally:
            del self._given

    def _update(self, unique: UniqueRows, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        super()._update(unique, grads, lr, batch_size)
        self.fault(unique, self._given)

    def fault(self, unique: UniqueRows, grads: NDArray[np.float32]) -> None:
        pass


class TouchesAnotherRow(_Faulty):
    def fault(self, unique: UniqueRows, grads: NDArray[np.float32]) -> None:
        self.weights[(int(unique.rows[-1]) + 1) % self.n] += np.float32(1e-7)


class DependsOnBatchOrder(_Faulty):
    def fault(self, unique: UniqueRows, grads: NDArray[np.float32]) -> None:
        self.weights[unique.rows[0]] += np.float32(1e-3) * grads[0]


class TakesTheLastOfDuplicates(_Faulty):
    """Adds the largest gradient of a row once more: any order gives it, but a sum does not."""

    def fault(self, unique: UniqueRows, grads: NDArray[np.float32]) -> None:
        for place, row in enumerate(unique.rows):
            self.weights[row] += grads[unique.order[unique.starts[place] : unique.starts[place + 1]]].max(axis=0)


class DependsOnThreads(_Faulty):
    def fault(self, unique: UniqueRows, grads: NDArray[np.float32]) -> None:
        from alpt_ref import num_threads

        self.weights[unique.rows[0], 0] += np.float32(num_threads())


class CountsTooFew(FullTable):
    def nbytes(self, what: str = "training") -> int:
        return super().nbytes(what) - (4 if what == "training" else 0)


class HoldsACopy(_Faulty):
    def fault(self, unique: UniqueRows, grads: NDArray[np.float32]) -> None:
        self.shadow = {"table": self.weights.copy()}


class ForgetsItsMomentum(_Faulty):
    """Moves rows by a running mean that its state does not hold (small, so that only the round trip shows it)."""

    mean = 0.0

    def fault(self, unique: UniqueRows, grads: NDArray[np.float32]) -> None:
        self.mean = 0.5 * self.mean + 1.0
        self.weights[unique.rows] += np.float32(1e-5 * self.mean)


class UpdatesBeforeItChecks(FullTable):
    def apply_gradients(self, ids: Any, grads: Any, **keywords: Any) -> None:
        if len(np.atleast_1d(ids)):
            self.weights[-1] *= np.float32(0.5)
        super().apply_gradients(ids, grads, **keywords)


class LooksAtNeighbours(FullTable):
    def _lookup(self, ids: NDArray[Any], out: NDArray[np.float32]) -> None:
        super()._lookup(ids, out)
        out += np.float32(len(ids))


class GoesUphill(FullTable):
    def _update(self, unique: UniqueRows, grads: NDArray[np.float32], lr: float, batch_size: int) -> None:
        super()._update(unique, -grads, lr, batch_size)


class IsRandom(_Faulty):
    def fault(self, unique: UniqueRows, grads: NDArray[np.float32]) -> None:
        self.weights[unique.rows] += np.random.default_rng().standard_normal(self.d).astype(np.float32)


class TwoPassesInBatchOrder(AdaptiveTable):
    def lookup_pending(self, pending: Any) -> NDArray[np.float32]:
        values = super().lookup_pending(pending)
        values[0] += np.float32(1.0)
        return values


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        (TouchesAnotherRow, "untouched rows"),
        (DependsOnBatchOrder, "batch order"),
        (TakesTheLastOfDuplicates, "duplicates"),
        (DependsOnThreads, "threads"),
        (CountsTooFew, "bytes"),
        (HoldsACopy, "bytes"),
        (ForgetsItsMomentum, "state"),
        (LooksAtNeighbours, "lookup"),
        (GoesUphill, "learning"),
        (IsRandom, "reproducible"),
    ],
)
def test_a_planted_fault_fails_the_check_that_is_about_it(fault: type[FullTable], check: str) -> None:
    with pytest.raises(AssertionError, match=f"^{fault.__name__} fails the check '{check}': "):
        check_table(fault)


def test_what_is_refused_late_fails() -> None:
    class Late(UpdatesBeforeItChecks):
        shares_rows = True  # past the check that would see the same line first

    with pytest.raises(AssertionError, match="Late fails the check 'refusals': what was refused changed"):
        check_table(Late)


def test_two_passes_are_checked_as_well() -> None:
    with pytest.raises(AssertionError, match=r"TwoPassesInBatchOrder \(two passes\) fails the check 'batch order'"):
        check_table(TwoPassesInBatchOrder)


def test_a_third_partys_settings_arrive_with_their_defaults() -> None:
    seen = []

    class Scaled(FullTable):
        class Options(msgspec.Struct, frozen=True):
            scale: Annotated[float, msgspec.Meta(gt=0)] = 2.0

        def __init__(self, spec: Any) -> None:
            super().__init__(spec)
            seen.append(spec.scale)

    check_table(Scaled)
    assert set(seen) == {2.0}
    seen.clear()
    check_table(Scaled, scale=0.5)
    assert set(seen) == {0.5}
    with pytest.raises(InputError, match="scale must be a finite number above 0, got -1"):
        check_table(Scaled, scale=-1.0)


def test_what_is_no_table_is_refused() -> None:
    wrong: Any = dict
    with pytest.raises(InputError, match="table method 'builtins:dict' must be a subclass of EmbeddingTable"):
        check_table(wrong)
    with pytest.raises(InputError, match=r"table must be fp32, .* got 'alp'; did you mean 'alpt'\?"):
        check_table("alp")

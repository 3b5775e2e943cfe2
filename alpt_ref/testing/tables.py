"""Does a table keep the promises of `EmbeddingTable`? Each check is one promise, on a small table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.parts import find, name_of
from alpt_ref._util.settings import settings_of
from alpt_ref.errors import InputError, TrainingError
from alpt_ref.tables import EmbeddingTable, make_table
from alpt_ref.tables.make import table_class
from alpt_ref.testing.common import Failed, generator, require_raises, require_same, run, same_bits, threads
from alpt_ref.testing.held import require_nothing_else

N, D = 3000, 6
"""Rows and columns of the tables: rows enough that two threads share them."""

Ids = NDArray[np.int64]
Grads = NDArray[np.float32]
Step = Callable[[EmbeddingTable, Ids, Grads], None]


def check_table(table: str | type[EmbeddingTable], **settings: Any) -> None:
    """Test what every table method promises.

    The checks, by the names that a failure has:

    - *lookup*: float32 values, finite, a function of the id alone; reading changes nothing;
    - *reproducible*: the same seed and batches give the same bits;
    - *threads*: one and two threads give the same bits;
    - *batch order*: the order of a batch's positions does not matter;
    - *duplicates*: a row named twice gets the sum of its gradients, once;
    - *untouched rows*: rows outside the batch keep every bit, in values and state (unless it says `shares_rows`);
    - *empty batch*: changes no row;
    - *bytes*: `nbytes` is what the arrays take, and no other array of the table's size is held;
    - *state*: `state` is a copy that `load_state` puts back, after which training goes on with the same bits;
    - *refusals*: a wrong id, shape, gradient or state raises and changes nothing;
    - *learning*: steps towards a target come nearer to it.

    A table with `two_pass_capable` is tested in one pass and in two.

    Parameters
    ----------
    table : str or type of EmbeddingTable
        A name or a class, as for `make_table`.
    **settings
        Keywords of `make_table` for the tables that are tested; settings that are left out have their defaults.

    Raises
    ------
    AssertionError
        A promise is not kept; the message names the class and the check.
    InputError
        There is no such table.

    Examples
    --------
    >>> from alpt_ref.tables import FullTable
    >>> check_table(FullTable)
    """
    entry = find("table", name_of(table), "table")
    cls = table_class(entry)
    declared = settings_of(cls.Options)
    needed = {name: declared[name].default for name in getattr(cls.Options, "required", ())}
    options = {"lr": 0.02, "init_std": 0.05, "seed": 5, **needed, **settings}
    for mode, step in _modes(cls):
        checks = _Checks(lambda **more: make_table(table, N, D, **{**options, **more}), step)
        checks.make()  # wrong settings are an InputError, not a failed check
        run(cls.__name__ + mode, checks.by_name())


def _modes(cls: type[EmbeddingTable]) -> Iterator[tuple[str, Step]]:
    """How an update is made: by `apply_gradients`, and where there are two passes, by them."""
    yield "", lambda table, ids, grads: table.apply_gradients(ids, grads, batch_size=len(ids))
    if cls.two_pass_capable:
        yield " (two passes)", _two_passes


def _two_passes(table: Any, ids: Ids, grads: Grads) -> None:
    pending = table.begin_update(ids, grads)
    values = table.lookup_pending(pending)
    table.finish_update(pending, (grads * np.float32(0.5) + values * np.float32(0.125)), batch_size=len(ids))


def _batch(seed: int, size: int = 2500, rows: int = N) -> tuple[Ids, Grads]:
    """Ids of the first `rows` rows, many more than once, and gradients that floats can add in any order."""
    rng = generator(seed)
    return rng.integers(0, rows, size), (rng.integers(-64, 65, (size, D)) / 1024).astype(np.float32)


class _Checks:
    """The checks of one table and one way to update it."""

    def __init__(self, make: Callable[..., EmbeddingTable], step: Step) -> None:
        self.make, self.step = make, step

    def by_name(self) -> dict[str, Callable[[], None]]:
        return {
            "lookup": self.lookup,
            "reproducible": self.reproducible,
            "threads": self.threads,
            "batch order": self.batch_order,
            "duplicates": self.duplicates,
            "untouched rows": self.untouched_rows,
            "empty batch": self.empty_batch,
            "bytes": self.bytes,
            "state": self.state,
            "refusals": self.refusals,
            "learning": self.learning,
        }

    def trained(self, *seeds: int) -> EmbeddingTable:
        """A table after an update for each seed."""
        table = self.make()
        for seed in seeds:
            self.step(table, *_batch(seed))
        return table

    def lookup(self) -> None:
        table = self.trained(0)
        before, everything = table.state(), table.lookup(np.arange(N))
        if everything.dtype != np.float32 or everything.shape != (N, D):
            raise Failed(f"lookup must return float32 ({N}, {D}), got {everything.dtype} {everything.shape}")
        if not np.isfinite(everything).all():
            raise Failed("lookup returns values that are not finite")
        ids = np.array([7, 0, N - 1, 7, 3])
        if not same_bits(table.lookup(ids), everything[ids]):
            raise Failed("what lookup returns for a row depends on the other ids")
        if table.lookup(np.zeros(0, np.int64)).shape != (0, D):
            raise Failed(f"lookup of no ids must have the shape (0, {D})")
        require_same("lookup changed the table", before, table.state())

    def reproducible(self) -> None:
        require_same(
            "two tables of one seed and the same batches", self.trained(0, 1).state(), self.trained(0, 1).state()
        )

    def threads(self) -> None:
        states = []
        for count in (1, 2):
            with threads(count):
                table = self.trained(0, 1, 2)
                states.append({**table.state(), "lookup": table.lookup(np.arange(N))})
        require_same("one thread and two", *states)

    def batch_order(self) -> None:
        first, second = self.make(), self.make()
        rng = generator(9)
        for seed in range(3):
            ids, grads = _batch(seed)
            order = rng.permutation(len(ids))
            self.step(first, ids, grads)
            self.step(second, ids[order], grads[order])
        require_same("a batch in another order", first.state(), second.state())

    def duplicates(self) -> None:
        first, second = self.make(), self.make()
        for seed in range(2):
            ids, grads = _batch(seed)
            rows, where = np.unique(ids, return_inverse=True)
            summed = np.zeros((len(rows), D), np.float32)
            np.add.at(summed, where, grads)
            first.apply_gradients(ids, grads, batch_size=500)
            second.apply_gradients(rows, summed, batch_size=500)
        require_same("rows named twice, and once with the sum of their gradients", first.state(), second.state())

    def untouched_rows(self) -> None:
        table = self.trained(0)
        if table.shares_rows:
            return
        ids, grads = _batch(1, rows=N // 2)
        others = np.setdiff1d(np.arange(N), ids)
        values, state = table.lookup(others), table.state()
        self.step(table, ids, grads)
        if not same_bits(values, table.lookup(others)):
            raise Failed("an update changed what rows outside the batch read")
        for name, array in table.state().items():
            if array.shape[:1] == (N,) and not same_bits(state[name][others], array[others]):
                raise Failed(f"an update changed rows outside the batch in the array {name!r} of the state")

    def empty_batch(self) -> None:
        table = self.trained(0)
        before = table.lookup(np.arange(N))
        table.apply_gradients(np.zeros(0, np.int64), np.zeros((0, D), np.float32))
        if not table.shares_rows and not same_bits(before, table.lookup(np.arange(N))):
            raise Failed("an update with an empty batch changed rows")

    def bytes(self) -> None:
        table = self.make()
        self.step(table, *_batch(0, size=8))
        held = {name: array for name, array in table.state().items() if name != "updates"}
        counted, taken = table.nbytes("training"), sum(array.nbytes for array in held.values())
        if counted != taken:
            raise Failed(f"nbytes('training') is {counted}, the arrays of the state take {taken}")
        served = sum(array.nbytes for array in table._arrays().values())
        if table.nbytes("serving") != served:
            raise Failed(f"nbytes('serving') is {table.nbytes('serving')}, the arrays needed to serve take {served}")
        if table.backend.name == "cpu":
            require_nothing_else(table, N)

    def state(self) -> None:
        table = self.trained(0, 1, 2)
        state, counters = table.state(), table.counters()
        kept = {name: array.copy() for name, array in state.items()}
        other = self.trained(7, 8)
        other.load_state(state)
        other.load_counters(counters)
        require_same("a state that was put back", kept, other.state())
        if not same_bits(table.lookup(np.arange(N)), other.lookup(np.arange(N))):
            raise Failed("a table with the state of another reads other values")
        for seed in (3, 4):
            self.step(table, *_batch(seed))
            self.step(other, *_batch(seed))
        require_same("training after the state was put back", table.state(), other.state())
        require_same("a state that was taken before an update: it must be a copy", kept, state)
        if table.statistics() != other.statistics():
            raise Failed("statistics differ after counters were put back")

    def refusals(self) -> None:
        table, twin = self.trained(0), self.trained(0)
        before, values = table.state(), table.lookup(np.arange(N))
        ids, grads = _batch(1, size=40)
        bad = grads.copy()
        bad[3, 2] = np.nan
        huge = np.full((2, D), 3e38, np.float32)
        require_raises("a gradient that is NaN", TrainingError, lambda: self.step(table, ids, bad))
        require_raises("a sum of gradients that overflows", TrainingError, lambda: self.step(table, ids[[0, 0]], huge))
        for wrong in (-1, N):
            place = np.append(ids[1:], wrong)
            require_raises(f"the id {wrong}", InputError, lambda place=place: self.step(table, place, grads))  # type: ignore[misc]
            require_raises(f"lookup of the id {wrong}", InputError, lambda place=place: table.lookup(place))  # type: ignore[misc]
        require_raises("gradients of another length", InputError, lambda: self.step(table, ids, grads[1:]))
        double: Any = grads.astype(np.float64)
        require_raises("gradients of float64", InputError, lambda: self.step(table, ids, double))
        name = next(iter(before))
        less = {key: array for key, array in before.items() if key != name}
        require_raises(f"a state without {name!r}", InputError, lambda: table.load_state(less))
        require_raises(
            f"a state whose {name!r} is too short", InputError,
            lambda: table.load_state({**before, name: before[name][:-1]}),
        )  # fmt: skip
        require_same("what was refused changed the table", before, table.state())
        if not same_bits(values, table.lookup(np.arange(N))):
            raise Failed("what was refused changed what the table reads")
        self.step(table, ids, grads)
        self.step(twin, ids, grads)
        require_same("an update after something was refused", table.state(), twin.state())

    def learning(self) -> None:
        table = self.make()
        ids = np.arange(0, N, 50)
        target = np.where(np.arange(D) % 2, 0.1, -0.1).astype(np.float32)
        errors = [float(np.square(table.lookup(ids) - target).mean())]
        for _ in range(20):
            self.step(table, ids, (table.lookup(ids) - target) * np.float32(2.0))
        errors.append(float(np.square(table.lookup(ids) - target).mean()))
        if not errors[1] < 0.5 * errors[0]:
            raise Failed(
                f"after 20 steps towards a target the mean squared error is {errors[1]:.3g}, from {errors[0]:.3g}"
            )

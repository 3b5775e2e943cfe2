r"""R9: what stochastic rounding adds to a quadratic on average: the diagonal of its Hessian alone.

Statement and proof: `alpt_ref.theory.regulariser.expected_rise`.

The expectation is a sum over all outcomes: coordinate i rounds with the word ``a + c_i b`` of r bits, where a and b run
over all elements of the field with ``2^r`` elements and the c_i differ. These words are pairwise independent and no
more than that. Rounded by the package's own rules: `encode_sr` from any point, `moved_code` from a grid point.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.kernels.jit import numba
from alpt_ref.scalar import quantizer
from alpt_ref.theory.regulariser import expected_rise, expected_rise_from_grid
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, exact, product

from ._left_out import CHAIN
from ._rounding import generator_of

Floats = NDArray[np.float64]
MODULUS = {4: 0b1_0011, 8: 0b1_0001_1011}
"""Irreducible polynomials over two elements, by degree."""
INSTANCES = 6
DIGITS = 1e-10


def cells(budget: str) -> list[Cell]:
    full = budget == "full"
    return product(
        updates=["of any size", "of a step at most"],
        d=[1, 4, 16],
        word_bits=[4, 8] if full else [4],
        step_size=[2.0**-7, 0.1, 0.25] if full else [0.1, 0.25],
    )


@functools.cache
def words(bits: int, d: int) -> NDArray[np.uint32]:
    """Pairwise independent words of `bits` bits, in the upper bits of 32: uint32 (4^bits, d)."""
    size = 1 << bits
    times = np.zeros((size, size), dtype=np.int64)  # the field's multiplication
    for place in range(bits):
        shifted = np.arange(size, dtype=np.int64)
        for _ in range(place):
            shifted = shifted << 1
            shifted = np.where(shifted >= size, shifted ^ MODULUS[bits], shifted)
        times ^= np.where(np.arange(size)[:, None] >> place & 1 == 1, shifted[None, :], 0)
    a, b = (x.ravel() for x in np.meshgrid(np.arange(size), np.arange(size), indexing="ij"))
    return np.asarray((a[:, None] ^ times[np.arange(d)][:, b].T) << (32 - bits), dtype=np.uint32)


@functools.cache
def _loop(move: Any) -> Any:
    """Loop over outcomes and coordinates around ``move(code, ratio, shift, stochastic, word)``."""

    @numba.njit(nogil=True, error_model="numpy")
    def run(start: Any, shift: Any, stochastic: bool, every: Any, codes: Any) -> None:  # pragma: no cover - compiled
        for k in range(every.shape[0]):
            for i in range(every.shape[1]):
                codes[k, i] = move(start[i], np.float32(1.0), shift[i], stochastic, every[k, i])

    return run


class Instance:
    """A quadratic with a full Hessian and a point: in steps a multiple of ``2^-r`` in every coordinate."""

    def __init__(self, cell: Cell, number: int) -> None:
        d, bits = int(cell["d"]), int(cell["word_bits"])
        draw = generator_of(1 + number)
        factor = draw.uniform(0.2, 1.0, (d, d + 1))  # positive: the off-diagonal entries do not cancel
        self.step_size = float(cell["step_size"])
        self.hessian: Floats = factor @ factor.T / d
        self.minimum: Floats = draw.uniform(-20.0, 20.0, d) * self.step_size
        self.start = draw.integers(-50, 50, d).astype(np.int32)
        largest = (3 if cell["updates"] == "of any size" else 1) << bits
        self.shift: Floats = draw.integers(-largest, largest + 1, d) / (1 << bits)
        self.shift[0] = 0.25 if number % 2 else -0.5  # never on the grid altogether
        self.point: Floats = (self.start - self.shift) * self.step_size

    def value(self, w: Floats) -> Floats:
        """f for `w` (n, d)."""
        error = w - self.minimum
        return np.asarray(0.5 * ((error @ self.hessian) * error).sum(axis=1))


def bound(cell: Cell, constants: Constants) -> list[float]:
    return [claimed(Instance(cell, number), cell["updates"]) for number in range(INSTANCES)]


def claimed(one: Instance, updates: str) -> float:
    """The first form for updates of any size, the second for those of at most a step."""
    diagonal = np.diag(one.hessian)
    if updates == "of any size":
        return expected_rise(diagonal, one.point, one.step_size)
    return expected_rise_from_grid(diagonal, one.shift * one.step_size, one.step_size)


def wrong(change: str) -> Any:
    """The bound with one part of it changed."""

    def changed(cell: Cell, constants: Constants) -> list[float]:
        found = []
        for number in range(INSTANCES):
            one = Instance(cell, number)
            u = np.abs(one.shift) % 1.0
            weights = np.diag(one.hessian)
            if change == "Hessian":
                weights = np.ones(len(weights))
            spread = u if change == "square" else u * (1.0 - u)
            found.append((1.0 if change == "half" else 0.5) * one.step_size**2 * float((weights * spread).sum()))
        return found

    return changed


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """``E f(SR(v)) - f(v)`` of every instance."""
    found = []
    for number in range(INSTANCES):
        one = Instance(cell, number)
        every = words(int(cell["word_bits"]), int(cell["d"]))
        if broken == "one word a row":
            every = np.repeat(every[:, :1], every.shape[1], axis=1)
        if broken == "two random bits":
            every = every & np.uint32(3 << 30)
        codes = np.empty(every.shape)
        shift = one.shift.astype(np.float32)
        _loop(quantizer.moved_code)(one.start, shift, broken != "nearest rounding", every, codes)
        found.append(float(one.value(codes * one.step_size).mean() - one.value(one.point[None])[0]))
    return exact(found, rtol=DIGITS, labels=[f"instance {number + 1}" for number in range(INSTANCES)])


def figure(axes: Any, result: Any) -> None:
    """A parabola, and what it is on average after rounding: raised between the grid points, not at them."""
    v = np.linspace(-2.0, 3.0, 401)
    f = 0.5 * (v - 0.4) ** 2
    raised = f + np.array([expected_rise([1.0], [x], 1.0) for x in v])
    axes.plot(v, f, "k-", label="f(v)")
    axes.plot(v, raised, color="#0072B2", label="E f(SR(v))")
    axes.plot(v, 0.5 * (np.floor(v + 0.5) - 0.4) ** 2, color="#D55E00", linewidth=1, label="f(DR(v))")
    axes.set(xlabel=r"v ($\Delta$)", ylabel=r"value ($\lambda\Delta^2$)")
    axes.legend(fontsize=8)


THEOREM = theorem(expected_rise)
CLAIM = Claim(
    id="r9",
    left_out=CHAIN,
    title="stochastic rounding as an implicit regulariser",
    statement=THEOREM.statement,
    plain=THEOREM.plain,
    source=THEOREM.source,
    kind="identity",
    grid=cells,
    bound=bound,
    measure=measure,
    control=(
        Control("one word a row", "one word for all coordinates, an off-diagonal Hessian", where=lambda c: c["d"] > 1),
        Control("nearest rounding", "DR in place of SR"),
        Control("two random bits", "p_i 2^r not whole: SR is biased", where=lambda c: c["d"] > 1),
        Control(
            "without 1/2", "twice the rise", bound=wrong("half"), removes=("(1/2) sum_i H_ii Delta^2 p_i (1 - p_i)",)
        ),
        Control("without H", "1 for H_ii", bound=wrong("Hessian"), removes=("H_ii",)),
        Control(
            "without 1 - p",
            "p for p (1 - p): without the square of the update",
            bound=wrong("square"),
            removes=("1 - p_i",),
        ),
    ),
    figure=figure,
)

"""The exact engine: low-precision SGD on one coordinate is a finite Markov chain over the codes.

With no or two-point gradient noise each code has at most four successors, so ``E f(w_t)`` for every t, the stationary
law and the time to stall follow from a sparse transition matrix without any sampling. A separable problem in d
dimensions is d such chains. Rounding probabilities are exact up to float64 (``p = frac``); the 32-bit words of the
kernels round up with probability ``floor(p 2^32)/2^32`` instead, a bias of at most ``2^-32`` of a step per rounding
(`bounds.word_bias_floor` turns it into loss).

Iterates are ``w_1 (start), ..., w_T``; learning rate ``eta_t`` belongs to the update from ``w_t`` to ``w_{t+1}``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from alpt_ref.errors import InputError
from alpt_ref.kernels.cpu.markov import (
    DISTANCE,
    DISTANCE2,
    GRADIENT1,
    GRADIENT2,
    LEAVING,
    VALUE,
    ChainModel,
    evolve_chain,
)
from alpt_ref.theory.evolution import Evolution
from alpt_ref.theory.problems import Separable
from alpt_ref.theory.setting import Grid, Noise, numbers, require_setting, told, whole
from alpt_ref.theory.stationary import absorption, closed_classes, gth

ExactRounding = Literal["sr", "dr"]


@dataclass(frozen=True, eq=False)
class Chain:
    """The Markov chain of one coordinate.

    Parameters
    ----------
    problem : Separable
        Of one coordinate.
    grid : Grid
    noise : Noise
        ``none`` or ``two-point``.
    rounding : {"sr", "dr"}
    random_bits : int, optional
        Bits of the random word of stochastic rounding, 1 to 32: it then goes away from zero with probability
        ``floor(|r| 2^bits)/2^bits``. None: exactly ``|r|``.

    Raises
    ------
    InputError
        If the problem has more than one coordinate or the noise is continuous.

    Examples
    --------
    >>> from alpt_ref.theory import Grid, Noise, quadratic
    >>> chain = Chain(quadratic(1.0, 0.25), Grid(1.0, 2), Noise())
    >>> chain.stationary(0.5)  # the law of SR(w*), whatever the learning rate
    array([0.  , 0.  , 0.75, 0.25])
    """

    problem: Separable
    grid: Grid
    noise: Noise
    rounding: ExactRounding = "sr"
    random_bits: int | None = None

    def __post_init__(self) -> None:
        """Reject more than one coordinate, unknown roundings and continuous noise."""
        _require(self.problem, self.grid, self.noise)
        if self.problem.dim != 1:
            raise InputError(f"a chain needs a problem of one coordinate, got {self.problem.dim}; use evolve_separable")
        if not isinstance(self.rounding, str) or self.rounding not in ("sr", "dr"):
            raise InputError(f"rounding must be 'sr' or 'dr', got {self.rounding!r}")
        if self.random_bits is not None and not (whole(self.random_bits) and 1 <= self.random_bits <= 32):
            raise InputError(f"random_bits must be None or a whole number from 1 to 32, got {told(self.random_bits)}")
        self.noise.outcomes()

    def _random_words(self) -> float:
        return 0.0 if self.random_bits is None else 2.0**self.random_bits

    def _slopes(self) -> NDArray[np.float64]:
        return self.problem.gradient(self.grid.values[:, None])[:, 0]

    def transition_matrix(self, eta: float) -> sparse.csr_array:
        """Probability of each code (column) after one update from each code (row): csr (codes, codes), float64."""
        n = 1 << self.grid.bits
        states = np.arange(n, dtype=np.float64)
        parts: list[tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]] = []
        for outcome, probability in zip(*self.noise.outcomes(), strict=True):
            update = -(eta / self.grid.step_size) * (self._slopes() + outcome)
            update = np.clip(update, -states, n - 1 - states)
            whole = np.trunc(update)
            rest = np.abs(update - whole)
            if self.rounding == "dr":
                away = np.where(update > 0.0, rest >= 0.5, rest > 0.5).astype(np.float64)
            else:
                away = np.floor(rest * self._random_words()) / self._random_words() if self.random_bits else rest
            beyond = np.clip(states + whole + np.sign(update), 0, n - 1)
            parts.append((states, states + whole, probability * (1.0 - away)))
            parts.append((states, beyond, probability * away))
        row, column, weight = (np.concatenate(x) for x in zip(*parts, strict=True))
        matrix = sparse.coo_array((weight, (row.astype(np.int64), column.astype(np.int64))), shape=(n, n)).tocsr()
        matrix.eliminate_zeros()
        return matrix

    def start_law(self, start: int | ArrayLike) -> NDArray[np.float64]:
        """Law (codes,) concentrated at code `start`, or `start` itself when it is a law."""
        n = 1 << self.grid.bits
        if np.ndim(start) == 0:
            code = int(np.asarray(start))
            if not self.grid.low_code <= code <= self.grid.high_code:
                raise InputError(f"start must be a code from {self.grid.low_code} to {self.grid.high_code}, got {code}")
            law = np.zeros(n)
            law[code - self.grid.low_code] = 1.0
            return law
        law = np.array(start, dtype=np.float64)
        if law.shape != (n,) or (law < 0.0).any() or abs(law.sum() - 1.0) > 1e-9:
            raise InputError(f"start must be a code or {n} probabilities that sum to 1, got shape {law.shape}")
        return law

    def evolve(self, start: int | ArrayLike, rates: ArrayLike) -> Evolution:
        """Exact expectations for the iterates ``w_1 .. w_T`` under learning rates `rates` (T,); the last is unused."""
        law = self.start_law(start)
        eta = np.atleast_1d(numbers("rates", rates))
        values = self.grid.values
        records = np.zeros((len(eta), 6))
        model = ChainModel(
            self.problem.values(values[:, None])[:, 0],
            values - self.problem.minimum[0],
            self._slopes(),
            *self.noise.outcomes(),
            eta / self.grid.step_size,
            self.rounding == "sr",
            self._random_words(),
        )
        evolve_chain(law, model, records)
        return Evolution(
            value=records[:, VALUE].copy(),
            error=records[:, DISTANCE].copy(),
            distance2=records[:, DISTANCE2].copy(),
            gradient2=records[:, GRADIENT2].copy(),
            gradient1=records[:, GRADIENT1].copy(),
            clipped=records[:, LEAVING].copy(),
            laws=law[None, :],
        )

    def stationary(self, eta: float, start: int | None = None) -> NDArray[np.float64]:
        """Stationary law (codes,) under a constant learning rate.

        With several closed classes (a stalled DR chain) there are many; then `start` is needed and the answer is the
        long-run law from there. Grassmann, Taksar and Heyman's elimination subtracts nothing: entries are accurate to
        a few roundings each, however small.
        """
        matrix = self.transition_matrix(eta)
        closed = closed_classes(matrix)
        law = np.zeros(matrix.shape[0])
        if len(closed) > 1 and start is None:
            raise InputError(f"this chain has {len(closed)} closed classes of codes; name the start")
        if len(closed) == 1:
            law[closed[0]] = gth(matrix[closed[0]][:, closed[0]].toarray())
            return law
        begin = self.start_law(int(start or 0))
        reached = absorption(matrix, closed, begin)
        for members, weight in zip(closed, reached, strict=True):
            law[members] = weight * gth(matrix[members][:, members].toarray())
        return law

    def expected_time_to_stall(self, eta: float) -> NDArray[np.float64]:
        """Expected updates until the code never changes again, from each code: float64 (codes,).

        Infinite where the chain may end in a class that keeps moving.
        """
        matrix = self.transition_matrix(eta)
        closed = closed_classes(matrix)
        stalled = np.array([c[0] for c in closed if len(c) == 1], dtype=np.int64)
        moving = np.concatenate([c for c in closed if len(c) > 1] or [np.empty(0, np.int64)])
        times = np.full(matrix.shape[0], np.inf)
        times[stalled] = 0.0
        ends_moving = np.zeros(matrix.shape[0], dtype=bool)
        ends_moving[moving] = True
        reach = (matrix > 0).astype(np.int64)
        while True:  # codes from which a moving class can be reached
            wider = ends_moving | (reach @ ends_moving.astype(np.int64) > 0)
            wider[stalled] = False
            if (wider == ends_moving).all():
                break
            ends_moving = wider
        rest = np.flatnonzero(~ends_moving & ~np.isin(np.arange(len(times)), stalled))
        if rest.size:
            inner = sparse.eye_array(rest.size, format="csc") - matrix[rest][:, rest].tocsc()
            times[rest] = spsolve(inner, np.ones(rest.size))
        return times


def _require(problem: object, grid: object, noise: object) -> None:
    if not isinstance(problem, Separable):
        raise InputError(
            f"the exact engine takes a separable problem (quadratic, absolute, elastic, huber, saturating), got "
            f"{type(problem).__name__}; simulate takes others"
        )
    require_setting(grid, noise)


def evolve_separable(
    problem: Separable,
    grid: Grid,
    start: ArrayLike,
    rates: ArrayLike,
    *,
    noise: Noise | None = None,
    rounding: ExactRounding = "sr",
    random_bits: int | None = None,
) -> Evolution:
    """`Chain.evolve` of every coordinate, added up.

    Parameters
    ----------
    problem : Separable
    grid : Grid
    start : int or int array (d,)
        Codes of ``w_1``.
    rates : float array (T,)
        Learning rates; the last is not used.
    noise : Noise, optional
        ``none`` (if left out) or ``two-point``.
    rounding : {"sr", "dr"}
    random_bits : int, optional
        See `Chain`.

    Returns
    -------
    Evolution

    Examples
    --------
    >>> from alpt_ref.theory import Grid, quadratic
    >>> evolve_separable(quadratic([1.0, 1.0], 0.0), Grid(0.25, 4), [4, 0], rates=[0.5, 0.5]).value
    array([0.5  , 0.125])
    """
    _require(problem, grid, noise)
    try:
        given = np.asarray(start)
    except ValueError:  # lists of unequal lengths
        given = np.asarray(None)
    if given.shape not in ((), (problem.dim,)) or given.dtype.kind not in "iu":
        raise InputError(
            f"start must be one whole code or one for each of the {problem.dim} coordinates, got {start!r}"
        )
    codes = np.broadcast_to(given.astype(np.int64), (problem.dim,))
    found: dict[tuple[float, ...], Evolution] = {}
    parts = []
    for j in range(problem.dim):
        one = problem.coordinate(j)
        same = (float(one.curvature[0]), float(one.shape[0]), float(one.minimum[0]), float(codes[j]))
        if same not in found:  # equal coordinates from equal codes share their chain
            found[same] = Chain(one, grid, noise or Noise(), rounding, random_bits).evolve(int(codes[j]), rates)
        parts.append(found[same])

    def total(name: str) -> NDArray[np.float64]:
        return np.asarray(np.sum([getattr(part, name) for part in parts], axis=0), dtype=np.float64)

    return Evolution(
        value=total("value"),
        error=total("error"),
        distance2=total("distance2"),
        gradient2=total("gradient2"),
        gradient1=total("gradient1"),
        clipped=total("clipped"),
        laws=np.concatenate([part.laws for part in parts]),
    )

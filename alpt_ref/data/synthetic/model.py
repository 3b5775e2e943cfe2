"""The synthetic click model: its parameters, its true coefficients and its rows.

Field ``f`` draws category ``k = 1 .. K_f`` with Zipf probability ``k^-a / Σ_j j^-a`` (local id ``k``; id 0, out of
vocabulary, never occurs), independently of the other fields. The click probability is ``p = σ(z)`` with

    z = bias + Σ_f w_f[k_f] + Σ_{f<g} <v_f[k_f], v_g[k_g]>,      w_f[k] real, v_f[k] of length `rank`.

The coefficients are seeded normal draws, centred under each field's category probabilities, so that the interactions
hold no main effect, then scaled, so that under the model the linear part has standard deviation `linear_std` and the
interaction part `interaction_std`. The logit's mean is `bias`; by default it is solved for `positive_rate`.

Rows come in blocks with their own counter-based generators: a row depends on the model and on its number only,
neither on how many rows are asked for nor on the chunk size.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit

from alpt_ref._util import check as _check
from alpt_ref.data.fields import check_fields, offsets_of
from alpt_ref.data.splits import check_seed, keyed_generator, split_counts
from alpt_ref.errors import InputError

BLOCK = 32_000
"""Rows that share one counter (whole runs of ten, for 8:1:1); part of the data's definition, not a tuning knob."""
_IDS, _LABELS, _SPLIT, _LINEAR, _VECTORS, _BIAS = range(0x53594E00, 0x53594E06)  # second words of the Philox key
_BIAS_ROWS = 1 << 16
_BIAS_DECIMALS = 9


@dataclass(frozen=True, eq=False)
class SyntheticBlock:
    """Consecutive rows of the model.

    Attributes
    ----------
    start : int
        Number of the first row.
    ids, labels, split
        As in `ClickDataset`.
    probabilities : float64 array (rows,)
        The true click probabilities.
    main_effects : float64 array (rows,)
        Bias plus linear part of the logit: all that a model without interactions could know.
    """

    start: int
    ids: NDArray[np.uint32]
    labels: NDArray[np.uint8]
    split: NDArray[np.uint8]
    probabilities: NDArray[np.float64]
    main_effects: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Truth:
    """What the model drew: coefficients by global id, and each field's cumulative category probabilities.

    Attributes
    ----------
    linear : float64 array (n,)
    vectors : float64 array (n, rank)
    cumulative : tuple of float64 arrays (K_f,)
    """

    linear: NDArray[np.float64]
    vectors: NDArray[np.float64]
    cumulative: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True)
class SyntheticModel:
    """The click model's parameters; `draw` makes its rows.

    Parameters
    ----------
    field_sizes : tuple of int
        Table rows of each field, at least 2 (the unused out-of-vocabulary id and one category).
    exponent : float
        Zipf exponent ``a >= 0``; 0 is uniform.
    rank : int
        Length of the interaction vectors.
    linear_std, interaction_std : float
        Standard deviations of the two parts of the logit over rows.
    positive_rate : float
        Expected share of clicks; ignored where `bias` is given.
    bias : float, optional
        Mean logit.
    split : three ints
        Every run of ``sum(split)`` rows holds exactly these counts of train, valid and test rows, in random order.
    seed : int

    Raises
    ------
    InputError
        A parameter is outside its range.
    """

    field_sizes: tuple[int, ...]
    exponent: float = 1.1
    rank: int = 4
    linear_std: float = 1.0
    interaction_std: float = 0.9
    positive_rate: float = 0.25
    bias: float | None = None
    split: tuple[int, int, int] = (8, 1, 1)
    seed: int = 0

    def __post_init__(self) -> None:
        """Check every parameter."""
        check_fields(self.field_names, self.field_sizes)
        if min(self.field_sizes) < 2:
            raise InputError(f"field_sizes must be at least 2 each, got {min(self.field_sizes)}")
        object.__setattr__(self, "seed", check_seed(self.seed))
        split_counts(0, self.split)
        object.__setattr__(self, "rank", _check.whole_number("rank", self.rank, 1))
        for label in ("exponent", "linear_std", "interaction_std"):
            if not _finite(getattr(self, label)) or getattr(self, label) < 0:
                raise InputError(f"{label} must be a finite number of at least 0, got {getattr(self, label)!r}")
        if not _finite(self.positive_rate) or not 0 < self.positive_rate < 1:
            raise InputError(f"positive_rate must lie between 0 and 1, got {self.positive_rate!r}")
        if self.bias is not None and not _finite(self.bias):
            raise InputError(f"bias must be a finite number, got {self.bias!r}")

    @property
    def field_names(self) -> tuple[str, ...]:
        """``field_00``, ``field_01``, …"""
        return tuple(f"field_{number:02d}" for number in range(len(self.field_sizes)))

    @functools.cached_property
    def truth(self) -> Truth:
        """The drawn coefficients."""
        return _draw_truth(self)

    @functools.cached_property
    def solved_bias(self) -> float:
        """Mean logit: `bias`, or the root of ``E σ(z) = positive_rate`` over 65,536 rows of a stream of its own.

        The root is rounded to 9 decimals: its last digits depend on the version of the library that finds it, and a
        data set must not.
        """
        if self.bias is not None:
            return float(self.bias)
        ids = self._draw_ids(keyed_generator(self.seed, _BIAS), _BIAS_ROWS)
        logits = np.add(*self._effects(ids))
        low, high = float(logits.min()), float(logits.max())
        centre = math.log(self.positive_rate / (1 - self.positive_rate))
        root = brentq(
            lambda bias: float(expit(bias + logits).mean()) - self.positive_rate,
            centre - high - 1,
            centre - low + 1,
        )
        return round(float(root), _BIAS_DECIMALS)

    @functools.cached_property
    def _gather_table(self) -> NDArray[np.float64]:
        """Columns: linear, squared length of the vector, vector; one gather a field then gives the whole logit."""
        truth = self.truth
        return np.ascontiguousarray(np.column_stack((truth.linear, (truth.vectors**2).sum(axis=1), truth.vectors)))

    def _draw_ids(self, random: np.random.Generator, rows: int) -> NDArray[np.uint32]:
        uniform = random.random((rows, len(self.field_sizes)))
        ids = np.empty(uniform.shape, dtype=np.uint32)
        offsets = offsets_of(self.field_sizes)
        for number, cumulative in enumerate(self.truth.cumulative):
            ids[:, number] = np.searchsorted(cumulative, uniform[:, number], side="right") + (offsets[number] + 1)
        return ids

    def _effects(self, ids: NDArray[np.uint32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Linear part and interaction part of the logit, by ``Σ_{f<g} <v_f, v_g> = (|Σ_f v_f|² - Σ_f |v_f|²) / 2``.

        Every operation is elementwise over rows, so that a row's value cannot depend on its neighbours.
        """
        total = np.zeros((len(ids), 2 + self.rank))
        for number in range(ids.shape[1]):
            total += self._gather_table.take(ids[:, number], axis=0)
        square = np.zeros(len(ids))
        for column in range(2, 2 + self.rank):
            square += total[:, column] ** 2
        return total[:, 0], 0.5 * (square - total[:, 1])

    def draw(self, block: int, rows: int = BLOCK) -> SyntheticBlock:
        """The first `rows` rows of block number `block` (rows ``block * BLOCK`` and on)."""
        ids = self._draw_ids(keyed_generator(self.seed, _IDS, block), rows)
        linear, interaction = self._effects(ids)
        main_effects = self.solved_bias + linear
        probabilities = expit(main_effects + interaction)
        labels = (keyed_generator(self.seed, _LABELS, block).random(rows) < probabilities).astype(np.uint8)
        return SyntheticBlock(block * BLOCK, ids, labels, self._draw_split(block, rows), probabilities, main_effects)

    def _draw_split(self, block: int, rows: int) -> NDArray[np.uint8]:
        """Shuffle the pattern of parts in each run of ``sum(split)`` rows, runs counted from the block's start."""
        pattern = np.repeat(np.arange(3, dtype=np.uint8), self.split)
        runs = -(-rows // len(pattern))
        order = keyed_generator(self.seed, _SPLIT, block).random((runs, len(pattern))).argsort(axis=1, kind="stable")
        return pattern[order].reshape(-1)[:rows]


def _finite(value: object) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and math.isfinite(value)


def _draw_truth(model: SyntheticModel) -> Truth:
    """Normal draws, centred under the category probabilities, scaled to the two stated standard deviations.

    No matrix products: the order of a BLAS's sums depends on the processor, and the data must not.
    """
    offsets = offsets_of(model.field_sizes)
    linear = keyed_generator(model.seed, _LINEAR).standard_normal(offsets[-1])
    vectors = keyed_generator(model.seed, _VECTORS).standard_normal((offsets[-1], model.rank))
    cumulative, covariances, variance = [], [], 0.0
    for number, size in enumerate(model.field_sizes):
        weights = np.arange(1, size, dtype=np.float64) ** -float(model.exponent)
        weights /= weights.sum()
        edges = np.cumsum(weights)
        edges[-1] = 1.0  # rounding must not leave a gap above the last category
        cumulative.append(edges)
        first, rows = offsets[number], slice(offsets[number] + 1, offsets[number + 1])
        linear[rows] -= (weights * linear[rows]).sum()
        vectors[rows] -= (weights[:, None] * vectors[rows]).sum(axis=0)
        linear[first], vectors[first] = 0.0, 0.0
        variance += float((weights * linear[rows] ** 2).sum())
        weighted = vectors[rows] * weights[:, None]
        covariances.append(np.stack([(column[:, None] * vectors[rows]).sum(axis=0) for column in weighted.T]))
    # Independent centred fields: Var Σ_{f<g} <v_f, v_g> = Σ_{f<g} tr(C_f C_g) = (|Σ C_f|² - Σ |C_f|²) / 2.
    stacked = np.stack(covariances)
    pairs = 0.5 * float((stacked.sum(axis=0) ** 2).sum() - (stacked**2).sum())
    linear *= model.linear_std / math.sqrt(variance) if variance > 0 else 0.0
    vectors *= math.sqrt(model.interaction_std / math.sqrt(pairs)) if pairs > 1e-30 else 0.0
    return Truth(linear, vectors, tuple(cumulative))

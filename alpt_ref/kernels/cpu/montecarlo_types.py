"""What the Monte Carlo kernels are told and what they fill: numbers for each choice, and typed tuples of arguments."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

ELASTIC, HUBER, SATURATING = 0, 1, 2
"""Separable losses, by their value in `Problem.kind`."""
SQUARE, ABSOLUTE, HUBER_LOSS, LOGISTIC = 10, 11, 12, 13
"""Losses of a linear form of a row, by their value in `Problem.kind`."""
SGD = 0
"""Update rules."""
FULL, NEAREST, STOCHASTIC = 0, 1, 2
"""Roundings."""
NOISE_NONE, NOISE_TWO_POINT, NOISE_UNIFORM, NOISE_NORMAL = 0, 1, 2, 3
"""Gradient noises."""

PURPOSE_ROUNDING = 16
PURPOSE_NOISE = 17
PURPOSE_ANGLE = 18
PURPOSE_SAMPLE = 19
PURPOSE_START = 20

VALUE, DISTANCE2, GRADIENT2, MEAN_VALUE, MEAN_GRADIENT2 = range(5)
"""Columns of `Results.records`."""
EXCEEDED, MAX_SAMPLED_GRADIENT2, MAX_GRADIENT2, MAX_DISTANCE2 = range(4)
"""Columns of `Results.limits`."""


class Problem(NamedTuple):
    """The function to minimise; arrays of the family that is not meant are empty.

    Attributes
    ----------
    kind : int
        A separable loss, or a loss of a linear form ``a_i . w - b_i`` averaged over the rows ``i``.
    curvature, shape, minimum : float32 arrays (d,)
        Of each coordinate of a separable problem; `shape` is the slope of the kink, or Huber's width.
    features : float32 array (rows, d)
        Rows that are sampled.
    offsets : float32 array (rows,)
    whole : float32 array (rows, d)
        Rows whose mean loss is that of all, less `rest`: the same, or fewer (`theory.whole_rows`).
    whole_offsets : float32 array (rows,)
    columns : float32 array (tiles, d, 16)
        `whole` again, by `montecarlo_products.tiles`; empty where products go row by row.
    across : float32 array (tiles, rows, 16)
        The same of its columns; empty where no gradient takes all rows.
    triangular : bool
        Whether `whole` has zeros left of its diagonal.
    rest : float64
    width, l2 : float32
        Huber's width and the weight of ``|w|^2/2`` of a linear problem.
    batch : int
        Rows in a gradient, drawn with replacement; 0 takes every row.
    """

    kind: int
    curvature: NDArray[np.float32]
    shape: NDArray[np.float32]
    minimum: NDArray[np.float32]
    features: NDArray[np.float32]
    offsets: NDArray[np.float32]
    whole: NDArray[np.float32]
    whole_offsets: NDArray[np.float32]
    columns: NDArray[np.float32]
    across: NDArray[np.float32]
    triangular: bool
    rest: float
    width: np.float32
    l2: np.float32
    batch: int


class Method(NamedTuple):
    """How the weights are updated, from where, and with which random numbers.

    Attributes
    ----------
    update, rounding, noise : int
        One of the choices above.
    start : int32 array (d,)
        Codes of the first iterate.
    step_size : float64 array (d,)
        Of each coordinate.
    low, high : int32
        Codes to which an iterate is clipped; in full precision their values.
    sigma : float32
        Scale of the noise: the standard deviation, for uniform noise the largest magnitude.
    learning_rates : float64 array (T,)
        Of the updates of iterates ``1 .. T``; the last is not used.
    k0, k1 : uint32
        Key of the generator.
    """

    update: int
    rounding: int
    noise: int
    start: NDArray[np.int32]
    step_size: NDArray[np.float64]
    low: np.int32
    high: np.int32
    sigma: np.float32
    learning_rates: NDArray[np.float64]
    k0: np.uint32
    k1: np.uint32


class Watch(NamedTuple):
    """What to look at: iterates at `checkpoints` (c,) always; averages and assumptions at every iterate if asked.

    The average of a linear problem takes every `thin`-th iterate, another one for each four runs (`measured`).
    """

    checkpoints: NDArray[np.int64]
    averages: bool
    check: bool
    thin: int


class Results(NamedTuple):
    """What is measured.

    Attributes
    ----------
    records : float64 array (c, runs, 5)
        At each checkpoint; of a linear problem the mean value alone, the rest follows from `iterates`.
    limits : float64 array (runs, 4)
        The assumptions as they were along each run.
    iterates : float32 array (c, runs, d) or (1, runs, d)
        The weights at every checkpoint, or at the last one.
    """

    records: NDArray[np.float64]
    limits: NDArray[np.float64]
    iterates: NDArray[np.float32]


class Buffers(NamedTuple):
    """The working memory of one group of runs; element ``e = run * d + coordinate`` of each flat array.

    Attributes
    ----------
    c0, c1, s0, s1 : uint32 arrays
        Generator counters of the elements and of the sampled rows, one for each four of them.
    random_bits, noise_bits, angle_bits, sample_bits : uint32 arrays
        Random words of the rounding, of the noise and its second half, and of the sampled rows.
    code : int32 array
    w, g : float32 arrays
        Weights and gradient.
    a, b, target, step_size : float32 arrays
        Curvature, shape, minimum and step size of each element.
    rate : float32 array
        Learning rate over step size of each element; the learning rate itself in full precision.
    pending_noise : float32 array
        Second numbers of the normal pairs.
    recent, recent_gradient, scratch : float32 arrays
    residuals : float32 array (BLOCK * group,)
        Products of a block of rows with each run; empty where products go row by row.
    lanes : float32 array (64,) or (0,)
        Partial sums of the products with rows; none where they are kept in registers.
    total, total_gradient, norms : float64 arrays (group,)
    """

    c0: NDArray[np.uint32]
    c1: NDArray[np.uint32]
    s0: NDArray[np.uint32]
    s1: NDArray[np.uint32]
    random_bits: NDArray[np.uint32]
    noise_bits: NDArray[np.uint32]
    angle_bits: NDArray[np.uint32]
    sample_bits: NDArray[np.uint32]
    code: NDArray[np.int32]
    w: NDArray[np.float32]
    g: NDArray[np.float32]
    a: NDArray[np.float32]
    b: NDArray[np.float32]
    target: NDArray[np.float32]
    step_size: NDArray[np.float32]
    rate: NDArray[np.float32]
    pending_noise: NDArray[np.float32]
    recent: NDArray[np.float32]
    recent_gradient: NDArray[np.float32]
    scratch: NDArray[np.float32]
    residuals: NDArray[np.float32]
    lanes: NDArray[np.float32]
    total: NDArray[np.float64]
    total_gradient: NDArray[np.float64]
    norms: NDArray[np.float64]

"""The instances that the claims run low-precision SGD on, by name or by cell; `_sharp` has those that reach a bound."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from alpt_ref.theory import Grid, Noise, Separable, absolute, bounds, elastic, huber, quadratic, saturating
from alpt_ref.theory.linear import LinearModel, l1_regression, logistic_regression, synthetic_regression
from alpt_ref.theory.theorem import theorem
from alpt_ref.verification import Cell

from ._instance import Floats as Floats
from ._instance import Instance as Instance
from ._quantizer_walks import on_lattice
from ._sharp import SHARP

CELL = 0.125
"""Step size of the wider boxes."""
ROWS = 64
RELATIVE = theorem(bounds.sr_convex_constant).source
"""Source of the claims that follow from the bounds."""


# ---- S1 to S5: instances by name


def _off_grid(d: int) -> Floats:
    """Minima between grid points, in another place in each coordinate."""
    return np.asarray(CELL * (np.arange(d) - d / 2 + 0.3), dtype=np.float64)


def _one_hot_rows(loss: str, fields: int, values: int) -> LinearModel:
    """Rows with one of `values` features on in each of `fields` fields, as click data have: sparse gradients."""
    generator = np.random.Generator(np.random.Philox(key=7))
    features = np.zeros((ROWS, fields * values))
    for field in range(fields):
        features[np.arange(ROWS), field * values + generator.integers(0, values, ROWS)] = 1.0
    signal = features @ generator.uniform(-0.5, 0.5, fields * values)
    if loss == "absolute":
        return l1_regression(features, signal + 0.1 * generator.standard_normal(ROWS))
    return logistic_regression(features, generator.random(ROWS) < 1.0 / (1.0 + np.exp(-2.0 * signal)), l2=0.02)


_WIDE = Grid(CELL, 6)
_SHAKEN = Noise("two-point", 0.5)
INSTANCES: dict[str, Callable[[], Instance]] = {
    **SHARP,
    # one coordinate, where nearest rounding stalls
    "cliff": lambda: Instance(absolute(1.0, 0.0), Grid(1.0, 4), Noise(), 7),
    "far bowl": lambda: Instance(quadratic(1.0, 0.3), Grid(1.0, 5), Noise(), 15),
    "far elastic": lambda: Instance(elastic(0.05, 1.0, 0.0), Grid(1.0, 4), Noise(), 7),
    # several coordinates, minima between grid points
    "bowls": lambda: Instance(quadratic(np.geomspace(1.0, 0.1, 4), _off_grid(4)), _WIDE, _SHAKEN, 30),
    "slopes": lambda: Instance(absolute(np.geomspace(1.0, 0.1, 4), _off_grid(4)), _WIDE, _SHAKEN, -32),
    "hubers": lambda: Instance(huber(1.0, 4 * CELL, _off_grid(3)), _WIDE, _SHAKEN, 30),
    "elastics": lambda: Instance(elastic(0.5, 0.25, _off_grid(3)), _WIDE, Noise(), 30),
    "hollows": lambda: Instance(saturating(np.geomspace(2.0, 0.5, 3), _off_grid(3)), _WIDE, Noise(), 16),
    "inner bowls": lambda: Instance(quadratic(np.geomspace(1.0, 0.3, 4), _off_grid(4)), Grid(CELL, 7), _SHAKEN, 24),
    "sparse": lambda: Instance(absolute(np.r_[1.0, np.full(31, 1 / 64)], np.zeros(32)), Grid(CELL, 5), Noise(), 12),
    # by Monte Carlo
    "logistic": lambda: Instance(synthetic_regression("logistic", ROWS, 4, seed=1, l2=0.05), _WIDE, Noise(), 16),
    "L1 regression": lambda: Instance(synthetic_regression("absolute", ROWS, 4, seed=2), Grid(CELL, 5), Noise(), 15),
    "least squares": lambda: Instance(synthetic_regression("square", ROWS, 4, seed=3, l2=0.05), _WIDE, Noise(), 16),
    "one-hot logistic": lambda: Instance(_one_hot_rows("logistic", 3, 8), _WIDE, Noise(), 8),
    "one-hot L1": lambda: Instance(_one_hot_rows("absolute", 3, 8), Grid(CELL, 5), Noise(), 8),
    "hubers, normal noise": lambda: Instance(
        huber(1.0, 4 * CELL, _off_grid(3)), Grid(CELL, 8), Noise("normal", 0.5), 30
    ),
    "hollows, uniform noise": lambda: Instance(
        saturating(np.geomspace(2.0, 0.5, 3), _off_grid(3)), Grid(CELL, 8), Noise("uniform", 0.1), 16
    ),
}


@functools.cache
def named(name: str) -> Instance:
    """An instance by name, built once per process."""
    return INSTANCES[name]()


def of(cell: Cell) -> Instance:
    """The instance of a cell: by its name, of those on a user's lattice, or of those in the corner of a box."""
    if "step_size" in cell:
        return on_lattice(cell["problem"], cell["bits"], cell["step_size"])
    return in_corner(cell) if "sigma" in cell else named(cell["problem"])


# ---- D1 and D2: started in the lowest corner of the box

CORNER_STEP_SIZE = 1.0 / 16.0
OFF_GRID = 0.3
"""Where between two grid points the minimum of the smooth problems lies, in steps."""


def in_corner(cell: Cell) -> Instance:
    """The instance of a cell with ``problem``, ``sigma`` and ``d``."""
    grid, d = Grid(CORNER_STEP_SIZE, 6), int(cell["d"])
    off = OFF_GRID * CORNER_STEP_SIZE + CORNER_STEP_SIZE * np.arange(d)
    made: dict[str, Separable] = {
        "kink": absolute(1.0, np.zeros(d)),
        "bowl": quadratic(np.linspace(1.0, 0.5, d), off),
        "huber": huber(1.0, 8.0 * CORNER_STEP_SIZE, off),
        "elastic": elastic(0.5, 0.5, np.zeros(d)),
    }
    noise = Noise("two-point", cell["sigma"]) if cell["sigma"] else Noise()
    return Instance(made[cell["problem"]], grid, noise, grid.low_code)


# ---- C1 to C7: floors on a box of fixed length

RANGE = 2.0
"""Half the length of the box."""
SIGMA = 2.0
"""Noise of the noisy quadratic: at least curvature times distance everywhere in the box, so that E|g| = SIGMA."""
POWERS = {"noisy": 1.0, "kink": 1.0, "smooth": 2.0}
"""What the theory says of each floor: which power of the step size."""


def grid_of(bits: int, half_length: float = RANGE) -> Grid:
    """Grid of `bits` bits over a box of fixed length: step ``half_length/2^(bits-1)``."""
    return Grid(half_length / 2 ** (bits - 1), bits)


def floor(name: str, grid: Grid, noise: Noise | None = None) -> Instance:
    """The problem of `POWERS` by this name from the lowest code, with its own noise unless one is given."""
    problem, own = {
        "noisy": (quadratic(1.0, 0.3), Noise("two-point", SIGMA)),
        "kink": (absolute(1.0, 0.0), Noise()),
        "smooth": (quadratic(1.0, 1.0 / 3.0), Noise()),
    }[name]
    return Instance(problem, grid, own if noise is None else noise, grid.low_code)

"""Problems over a data matrix, ``f(w) = mean_i phi(a_i . w - b_i) + l2/2 |w|^2``, with certified minima.

``phi`` is the square ``z^2/2``, the absolute value (L1 regression), Huber's loss or the logistic loss
``log(1 + exp(-z))`` (rows are then multiplied by their labels of -1 or 1 and ``b = 0``). The minimum is computed in
float64 to the stated `gap`; every other constant is interval arithmetic over the box.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize, special

from alpt_ref._util.memory import require_memory
from alpt_ref.errors import InputError
from alpt_ref.theory.certificate import gap_by_duality, gap_by_strong_convexity
from alpt_ref.theory.problems import Constants, in_box
from alpt_ref.theory.setting import Grid, Noise, numbers, real, require_setting, told, whole

LossKind = Literal["square", "absolute", "huber", "logistic"]
LOSSES: tuple[LossKind, ...] = ("square", "absolute", "huber", "logistic")
_CURVATURE = {"square": 1.0, "absolute": math.inf, "huber": 1.0, "logistic": 0.25}
_NEWTON_STEPS = 200
_ENOUGH = 1e-12
"""Gap relative to the value above which another scale of the features is tried."""
_EXTREME = 1e-3
"""Features of a linear programme smaller than this, or larger than its inverse, are scaled to 1 at most."""


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A loss over ``rows`` linear forms; build it with the functions below.

    Attributes
    ----------
    loss : str
        ``square``, ``absolute``, ``huber`` or ``logistic``.
    features : float64 array (rows, d)
    offsets : float64 array (rows,)
    minimum : float64 array (d,)
    f_star : float
        Value at `minimum`.
    gap : float
        ``f(minimum)`` exceeds the true minimum by at most this (`alpt_ref.theory.certificate`): from strong convexity,
        or without an l2 term from a dual point.
    width, l2 : float
    """

    loss: LossKind
    features: NDArray[np.float64]
    offsets: NDArray[np.float64]
    minimum: NDArray[np.float64]
    f_star: float
    gap: float
    width: float = 1.0
    l2: float = 0.0

    @property
    def dim(self) -> int:
        """Number of weights."""
        return int(self.features.shape[1])

    @property
    def convex(self) -> bool:
        """Always true."""
        return True

    def value(self, w: ArrayLike) -> NDArray[np.float64]:
        """``f(w)`` for `w` of shape (..., d): float64 (...)."""
        point = np.asarray(w, dtype=np.float64)
        return self._value(point, self._residuals(point))

    def gradient(self, w: ArrayLike) -> NDArray[np.float64]:
        """Exact (sub)gradient for `w` of shape (..., d), same shape."""
        point = np.asarray(w, dtype=np.float64)
        return self._gradient(point, self._residuals(point))

    def value_and_gradient(self, w: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Both, in the same bits, by two products of `w` and the matrix in place of three."""
        point = np.asarray(w, dtype=np.float64)
        z = self._residuals(point)
        return self._value(point, z), self._gradient(point, z)

    def _residuals(self, point: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(point @ self.features.T - self.offsets)

    def _value(self, point: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(_phi(self.loss, z, self.width).mean(axis=-1) + 0.5 * self.l2 * (point**2).sum(axis=-1))

    def _gradient(self, point: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(_slope(self.loss, z, self.width) @ self.features / len(self.offsets) + self.l2 * point)

    def distance(self, w: ArrayLike) -> NDArray[np.float64]:
        """``|w - w*|_2`` for `w` of shape (..., d)."""
        return np.asarray(np.linalg.norm(np.asarray(w, dtype=np.float64) - self.minimum, axis=-1))

    def constants(self, grid: Grid, noise: Noise | None = None, *, batch: int = 1) -> Constants:
        """The constants on the box of `grid` for gradients of `batch` random rows (0: of all rows) plus `noise`.

        Row i's slope is bounded over the box by monotonicity of ``phi'`` on the interval of ``a_i . w - b_i``.
        The averages over rows hold for any batch, since the norm of a mean is at most the mean of the norms.
        """
        require_setting(grid, noise)
        noise = noise or Noise()
        in_box(self.minimum, grid)
        positive, negative = np.maximum(self.features, 0.0), np.minimum(self.features, 0.0)
        top = grid.high * positive.sum(1) + grid.low * negative.sum(1) - self.offsets
        bottom = grid.low * positive.sum(1) + grid.high * negative.sum(1) - self.offsets
        slope = np.maximum(np.abs(_slope(self.loss, top, self.width)), np.abs(_slope(self.loss, bottom, self.width)))
        norms_2, norms_1 = np.linalg.norm(self.features, axis=1), np.abs(self.features).sum(1)
        far = max(abs(grid.low), abs(grid.high))
        decay_2, decay_1 = self.l2 * far * math.sqrt(self.dim), self.l2 * far * self.dim
        mean_square = float(((slope * norms_2) ** 2).mean()) if batch else float((slope * norms_2).mean()) ** 2
        smooth = np.linalg.eigvalsh(self.features.T @ self.features / len(self.offsets))
        curvature = _CURVATURE[self.loss]
        return Constants(
            dim=self.dim,
            G=math.sqrt((math.sqrt(mean_square) + decay_2) ** 2 + self.dim * noise.sigma**2),
            G1=float((slope * norms_1).mean()) + decay_1 + self.dim * noise.sigma,
            g_max=float((slope[:, None] * np.abs(self.features)).max()) + self.l2 * far + noise.largest,
            D=float(np.linalg.norm(np.maximum(np.abs(grid.low - self.minimum), np.abs(grid.high - self.minimum)))),
            L=math.inf if math.isinf(curvature) else curvature * float(smooth[-1]) + self.l2,
            mu=self.l2 + (max(float(smooth[0]), 0.0) if self.loss == "square" else 0.0),
            f_star=self.f_star - self.gap,
            w_star=self.minimum.copy(),
            convex=True,
        )


def _phi(loss: LossKind, z: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    size = np.abs(z)
    if loss == "square":
        return np.asarray(0.5 * z * z)
    if loss == "absolute":
        return size
    if loss == "huber":
        return np.where(size <= width, 0.5 * z * z, width * (size - 0.5 * width))
    return np.logaddexp(0.0, -z)


def _slope(loss: LossKind, z: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    if loss == "square":
        return z
    if loss == "absolute":
        return np.where(z >= 0.0, 1.0, -1.0)
    if loss == "huber":
        return np.clip(z, -width, width)
    return np.asarray(-special.expit(-z))


def _bend(loss: LossKind, z: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    if loss == "logistic":
        p = special.expit(z)
        return np.asarray(p * (1.0 - p))
    return np.where(np.abs(z) <= width, 1.0, 0.0) if loss == "huber" else np.ones_like(z)


def _newton(model: LinearModel, lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Damped Newton from zero for features in units of `lengths` (d,)."""
    w = np.zeros(model.dim)
    for _ in range(_NEWTON_STEPS):
        gradient = model.gradient(w) / lengths
        if np.linalg.norm(gradient) < 1e-14:
            break
        z = model.features @ w - model.offsets
        bend = _bend(model.loss, z, model.width)
        hessian = (model.features.T * bend) @ model.features / len(z) / lengths / lengths[:, None]
        hessian += np.diag(model.l2 / lengths**2 + 1e-12)
        direction = -np.linalg.solve(hessian, gradient)
        length, here = 1.0, float(model.value(w))
        while length > 1e-8 and (
            model.value(w + length * direction / lengths) > here + 1e-4 * length * gradient @ direction
        ):
            length *= 0.5
        if length <= 1e-8:  # no descent left in float64
            break
        w = w + length * direction / lengths
    return w


def _certified(model: LinearModel, w: NDArray[np.float64], slopes: NDArray[np.float64] | None = None) -> float:
    """What `w` may lack to the minimum; `slopes` are the dual variables where those at `w` are not unique."""
    at_w = _slope(model.loss, model.features @ w - model.offsets, model.width)
    if model.l2 > 0.0:
        return gap_by_strong_convexity(model.features, at_w, w, model.l2)
    most = {"square": math.inf, "absolute": 1.0}.get(model.loss, model.width)
    return gap_by_duality(
        model.features, model.offsets, float(model.value(w)), at_w if slopes is None else slopes,
        quadratic=model.loss != "absolute", most=most,
    )  # fmt: skip


def _smooth_minimum(model: LinearModel) -> tuple[NDArray[np.float64], float]:
    """Newton's point and its certificate; once more with features of unit length where it lacks too much."""
    w = _newton(model, np.ones(model.dim))
    gap = _certified(model, w)
    if gap > _ENOUGH * float(model.value(w)):
        lengths = np.sqrt((model.features**2).mean(axis=0) + model.l2)
        other = _newton(model, np.where(lengths > 0.0, lengths, 1.0))
        if _certified(model, other) < gap:
            return other, _certified(model, other)
    return w, gap


def _least_absolute(
    features: NDArray[np.float64], offsets: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """L1 regression as a linear programme, extreme features scaled: minimum and slopes of the rows (dual variables)."""
    rows, d = features.shape
    lengths = np.abs(features).max(axis=0)
    lengths = np.where((lengths > _EXTREME) & (lengths < 1.0 / _EXTREME), 1.0, np.where(lengths > 0.0, lengths, 1.0))
    features = features / lengths
    cost = np.concatenate([np.zeros(d), np.full(rows, 1.0 / rows)])
    eye = np.eye(rows)
    result = optimize.linprog(
        cost,
        A_ub=np.block([[features, -eye], [-features, -eye]]),
        b_ub=np.concatenate([offsets, -offsets]),
        bounds=[(None, None)] * d + [(0.0, None)] * rows,
        method="highs",
    )
    if not result.success:
        raise InputError(f"the L1 regression has no minimum that the linear programme could find: {result.message}")
    w = np.asarray(result.x[:d], dtype=np.float64) / lengths
    dual = np.asarray(result.ineqlin.marginals[:rows] - result.ineqlin.marginals[rows:], dtype=np.float64)
    return w, -rows * dual


def _model(
    loss: LossKind, features: ArrayLike, offsets: ArrayLike, *, width: float = 1.0, l2: float = 0.0
) -> LinearModel:
    a = np.ascontiguousarray(numbers("features", features))
    b = np.ascontiguousarray(numbers("offsets", offsets))
    if a.ndim != 2 or min(a.shape) < 1 or b.shape != (a.shape[0],):
        raise InputError(f"features must be (rows, d) and offsets or labels (rows,), got {a.shape} and {b.shape}")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("features and offsets or labels must be finite; drop the rows that are not")
    given = f"l2={told(l2)}, width={told(width)}"
    l2, width = real(l2), real(width)
    if not (math.isfinite(l2) and l2 >= 0.0 and math.isfinite(width) and width > 0.0):
        raise InputError(f"l2 must be at least 0 and width above 0, got {given}")
    draft = LinearModel(loss, a, b, np.zeros(a.shape[1]), 0.0, 0.0, width, l2)
    if loss == "absolute":
        if l2:
            raise InputError(f"L1 regression takes no l2 term, got {l2!r}; use Huber regression with a small width")
        w, slopes = _least_absolute(a, b)
        gap = _certified(draft, w, slopes)
    else:
        w, gap = _smooth_minimum(draft)
    return LinearModel(loss, a, b, w, float(draft.value(w)), gap, width, l2)


def least_squares(features: ArrayLike, offsets: ArrayLike, *, l2: float = 0.0) -> LinearModel:
    """``mean (a_i . w - b_i)^2/2 + l2/2 |w|^2``; a quadratic with any Hessian."""
    return _model("square", features, offsets, l2=l2)


def l1_regression(features: ArrayLike, offsets: ArrayLike) -> LinearModel:
    """``mean |a_i . w - b_i|``."""
    return _model("absolute", features, offsets)


def huber_regression(features: ArrayLike, offsets: ArrayLike, *, width: float = 1.0, l2: float = 0.0) -> LinearModel:
    """Mean of Huber's loss of the residuals."""
    return _model("huber", features, offsets, width=width, l2=l2)


def logistic_regression(features: ArrayLike, labels: ArrayLike, *, l2: float = 1e-2) -> LinearModel:
    """``mean log(1 + exp(-y_i a_i . w)) + l2/2 |w|^2`` with labels 0 or 1 (or -1 and 1)."""
    y = numbers("labels", labels)
    if not (np.isin(y, (0.0, 1.0)).all() or np.isin(y, (-1.0, 1.0)).all()):
        raise InputError("labels must all be 0 or 1, or all -1 or 1")
    if not real(l2) > 0.0:
        raise InputError(f"l2 must be above 0 so that a minimum exists for every data set, got {told(l2)}")
    a = numbers("features", features)
    if a.ndim != 2 or y.shape != (a.shape[0],):
        raise InputError(f"features must be (rows, d) and labels (rows,), got {a.shape} and {y.shape}")
    return _model("logistic", a * np.where(y > 0.0, 1.0, -1.0)[:, None], np.zeros(len(y)), l2=l2)


def synthetic_regression(
    loss: LossKind, rows: int, d: int, *, seed: int, noise: float = 0.1, radius: float = 0.5, l2: float = 1e-2
) -> LinearModel:
    """Normal features, planted weights up to `radius`, residual noise or logistic labels; `l2` of smooth losses."""
    if loss not in LOSSES:
        raise InputError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")
    if not (whole(rows) and whole(d)) or rows < 1 or d < 1:
        raise InputError(f"rows and d must be at least 1 and whole numbers, got {told(rows)} and {told(d)}")
    if not whole(seed) or not 0 <= seed < 1 << 64:
        raise InputError(f"seed must be a whole number from 0 to 2**64 - 1, got {told(seed)}")
    rows, d = int(rows), int(d)
    for name, value in (("noise", noise), ("radius", radius)):
        if not 0.0 <= real(value) < math.inf:
            raise InputError(f"{name} must be a finite number of at least 0, got {told(value)}")
    require_memory(8 * rows * d, f"{rows} rows of {d} features", "take fewer")
    generator = np.random.Generator(np.random.Philox(key=seed))
    features = generator.standard_normal((rows, d)) / math.sqrt(d)
    signal = features @ generator.uniform(-radius, radius, d)
    if loss == "logistic":
        return logistic_regression(features, generator.random(rows) < special.expit(4.0 * signal), l2=l2)
    offsets = signal + noise * generator.standard_normal(rows)
    return _model(loss, features, offsets, l2=0.0 if loss == "absolute" else l2)

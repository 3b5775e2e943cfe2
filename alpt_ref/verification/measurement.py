"""What a claim's `measure` returns: exact numbers, or one number a run, or a curve whose slope is claimed.

``exact``    no sampling error; compared with the bound under a stated numerical tolerance
``sampled``  one value a run (and point); their mean is compared through confidence limits
``paired``   differences of two methods that ran with the same seeds
``curve``    values over a declared window of x; the slope in log-log coordinates is compared
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.errors import InputError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Measurement:
    """One cell's measurement; make it with `exact`, `sampled`, `paired` or `curve`.

    Attributes
    ----------
    kind : {"exact", "sampled", "curve"}
    values : float64 array
        exact: (points,); sampled: (runs, points); curve: (runs, len(x)), one row if the curve is exact.
    x : float64 array (len(x),) or None
        Abscissae of a curve, inside its declared window.
    labels : tuple of str
        Names of the points, for example the horizons T; empty if there is one point.
    rtol, atol : float
        Numerical tolerance of exact values: ``atol + rtol * max(|value|, |bound|)``.
    low, high : float or None
        Known range of sampled values; the tests ``"bernstein"`` and ``"hoeffding"`` need it.
    observed : dict
        What the assumptions look at (largest distance, number of clipped updates ...).
    extra : dict
        Anything else worth keeping for pictures: numbers, text, arrays.
    """

    kind: str
    values: FloatArray
    x: FloatArray | None = None
    labels: tuple[str, ...] = ()
    rtol: float = 0.0
    atol: float = 0.0
    low: float | None = None
    high: float | None = None
    observed: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        """Independent runs behind each point; 1 for exact values."""
        return 1 if self.kind == "exact" else int(self.values.shape[0])

    @property
    def points(self) -> int:
        """Numbers that are compared with the bound: a curve gives one, its slope."""
        return 1 if self.kind == "curve" else int(self.values.shape[-1])

    def as_dict(self) -> dict[str, Any]:
        """Attributes by name, as the store keeps them."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Measurement:
        """The inverse of `as_dict`, after the store has read it."""
        return cls(**{**stored, "labels": tuple(stored["labels"])})


def exact(
    value: ArrayLike,
    *,
    rtol: float = 1e-9,
    atol: float = 0.0,
    labels: Sequence[object] = (),
    observed: dict[str, Any] | None = None,
    extra: dict[str, Any] | None = None,
) -> Measurement:
    """A number (or one a point, shape (points,)) known up to `rtol` and `atol`, without sampling error."""
    values = _finite(value, (1,), "an exact value")
    return Measurement(
        "exact", values, labels=_labels(labels, values.shape[0]), rtol=float(rtol), atol=float(atol),
        observed=observed or {}, extra=extra or {},
    )  # fmt: skip


def sampled(
    values: ArrayLike,
    *,
    low: float | None = None,
    high: float | None = None,
    labels: Sequence[object] = (),
    observed: dict[str, Any] | None = None,
    extra: dict[str, Any] | None = None,
) -> Measurement:
    """One value a run, shape (runs,), or one a run and point, shape (runs, points); the runs are independent."""
    array = np.asarray(values, dtype=np.float64)
    array = _finite(array.reshape(-1, 1) if array.ndim < 2 else array, (2,), "sampled values")
    if (low is not None and array.min() < low) or (high is not None and array.max() > high):
        raise InputError(f"values must lie in their range [{low}, {high}], got {array.min():g} to {array.max():g}")
    return Measurement(
        "sampled", array, labels=_labels(labels, array.shape[1]), low=low, high=high,
        observed=observed or {}, extra=extra or {},
    )  # fmt: skip


def paired(first: ArrayLike, second: ArrayLike, **options: Any) -> Measurement:
    """``first - second``, run by run: both ran with the same seeds, so shared scatter cancels; options of `sampled`."""
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != two.shape:
        raise InputError(f"paired values must have one shape, got {one.shape} and {two.shape}")
    return sampled(one - two, **options)


def curve(
    x: ArrayLike,
    y: ArrayLike,
    *,
    window: tuple[float, float] | None = None,
    observed: dict[str, Any] | None = None,
    extra: dict[str, Any] | None = None,
) -> Measurement:
    """A curve whose log-log slope is claimed: `x` (k,), `y` (k,) exact or (runs, k) sampled, at least 3 in `window`.

    The window is declared in the claim, before the curve is known; what lies outside it is dropped.
    """
    xs, ys = _finite(x, (1,), "x of a curve"), np.atleast_2d(np.asarray(y, dtype=np.float64))
    ys = _finite(ys, (2,), "y of a curve")
    if ys.shape[1] != xs.shape[0]:
        raise InputError(f"a curve needs one y for each x, got {ys.shape[1]} for {xs.shape[0]}")
    if window is not None:
        inside = (xs >= window[0]) & (xs <= window[1])
        xs, ys = xs[inside], ys[:, inside]
    if len(np.unique(xs)) < 3:
        raise InputError(f"a slope needs at least 3 different x in its window, got {len(np.unique(xs))}")
    if xs.min() <= 0 or ys.mean(axis=0).min() <= 0:
        raise InputError("a log-log slope needs positive x and positive means of y; shrink the window")
    return Measurement("curve", ys, x=xs, observed=observed or {}, extra=extra or {})


def pool(parts: Sequence[Measurement]) -> Measurement:
    """Several replicates of one cell as one measurement: their runs follow each other."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if first.kind == "exact":
        raise InputError("an exact measurement needs no replicates; leave the claim's replicates at 1")
    alike = {(part.kind, part.values.shape[1:], part.low, part.high) for part in parts}
    if len(alike) > 1:
        raise InputError("replicates of one cell must have the same kind, points and range")
    merged = {**first.as_dict(), "values": np.concatenate([part.values for part in parts])}
    return Measurement(**merged)


def _finite(value: ArrayLike, ndim: tuple[int, ...], what: str) -> FloatArray:
    array = np.atleast_1d(np.asarray(value, dtype=np.float64))
    if array.ndim not in ndim or array.size == 0:
        raise InputError(f"{what} must have {ndim[0]} dimension(s) and not be empty, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{what} must be finite, got {array[~np.isfinite(array)][0]}")
    return np.ascontiguousarray(array)


def _labels(labels: Sequence[object], points: int) -> tuple[str, ...]:
    if len(labels) not in (0, points):
        raise InputError(f"labels must name each of the {points} points, got {len(labels)} names")
    return tuple(str(label) for label in labels)

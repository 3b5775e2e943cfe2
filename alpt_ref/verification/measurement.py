"""What a claim's `measure` returns: exact numbers, or one number a run, or a curve whose slope is claimed.

``exact``    no sampling error; compared with the bound under a stated numerical tolerance
``sampled``  one value a run (and point); their mean is compared through confidence limits
``paired``   differences of two methods that ran with the same seeds
``curve``    values over a declared window of x; the slope in log-log coordinates is compared, exact or sampled
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alpt_ref.errors import InputError

FloatArray = NDArray[np.float64]
ROUNDING = 1e-12
"""Relative: how far beyond its declared range a value may lie by rounding."""


@dataclass(frozen=True)
class Measurement:
    """One cell's measurement; make it with `exact`, `sampled`, `paired` or `curve`.

    Attributes
    ----------
    kind : {"exact", "sampled", "exact curve", "curve"}
    values : float64 array
        exact: (points,); sampled: (runs, points); curve: (runs, len(x)); exact curve: (1, len(x)).
    x : float64 array (len(x),) or None
        Abscissae of a curve, inside its declared window.
    labels : tuple of str
        Names of the points, for example the horizons T; empty if there is one point.
    rtol, atol : float
        Numerical tolerance of exact values: ``atol + rtol * max(|value|, |bound|)``; of an exact curve: `rtol` of y.
    low, high : float, float64 array (points,) or None
        Known range of sampled values, infinite at points without that end; None: no point has it. Without a range
        their mean is tested only where the claim says why they are normal (`Test.normal`).
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
    low: float | FloatArray | None = None
    high: float | FloatArray | None = None
    observed: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def runs(self) -> int:
        """Independent runs behind each point; 1 for exact values."""
        return 1 if self.exact else int(self.values.shape[0])

    @property
    def exact(self) -> bool:
        """Whether there is no sampling error."""
        return self.kind in ("exact", "exact curve")

    @property
    def points(self) -> int:
        """Numbers that are compared with the bound: a curve gives one, its slope."""
        return 1 if self.x is not None else int(self.values.shape[-1])

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
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
    labels: Sequence[object] = (),
    observed: dict[str, Any] | None = None,
    extra: dict[str, Any] | None = None,
) -> Measurement:
    """One value a run, shape (runs,), or one a run and point, shape (runs, points); the runs are independent.

    Parameters
    ----------
    values : float
    low, high : float or (points,), optional
        The range in which every value lies, whatever the runs do: from the problem, never from the values. With both
        ends the mean is bounded from both sides for every distribution (`alpt_ref.verification.betting`); the lower
        end alone can refute upper bounds and support lower ones, the upper end alone the other way round. A bound of
        which half is reached takes 20 (values near their mean) to 80 (values at the ends) times range / bound runs at
        alpha 0.001. Infinite: not at that point.
    labels : names of the points, optional

    Raises
    ------
    InputError
        A value is not finite or lies outside its range.

    Examples
    --------
    >>> sampled([0.25, 0.5], low=0.0, high=1.0).runs
    2
    """
    array = np.asarray(values, dtype=np.float64)
    array = _finite(array.reshape(-1, 1) if array.ndim < 2 else array, (2,), "sampled values")
    first, last = _end(low, -np.inf, array), _end(high, np.inf, array)
    if (array < first).any() or (array > last).any():
        wrong = int(np.flatnonzero(((array < first) | (array > last)).any(axis=0))[0])
        column = array[:, wrong]
        raise InputError(
            f"values must lie in their range [{first[wrong]:g}, {last[wrong]:g}], "
            f"got {column.min():.9g} to {column.max():.9g}"
        )
    return Measurement(
        "sampled", array, labels=_labels(labels, array.shape[1]),
        low=_stored_end(low), high=_stored_end(high), observed=observed or {}, extra=extra or {},
    )  # fmt: skip


def _end(end: ArrayLike | None, missing: float, values: FloatArray) -> FloatArray:
    """One end of the range at each point, moved outwards by what rounding explains."""
    array = np.asarray(missing if end is None else end, dtype=np.float64)
    if array.shape not in ((), values.shape[1:]) or np.isnan(array).any():
        raise InputError(f"low and high must be a number or one for each of the {values.shape[1]} points, got {array}")
    room = ROUNDING * np.maximum(np.abs(values).max(axis=0), np.where(np.isfinite(array), np.abs(array), 0.0))
    return np.asarray(np.broadcast_to(array, values.shape[1:]) + np.sign(missing) * room)


def _stored_end(end: ArrayLike | None) -> float | FloatArray | None:
    array = np.asarray(np.nan if end is None else end, dtype=np.float64)
    if end is None or (array.ndim == 0 and np.isinf(array)):
        return None
    return float(array) if array.ndim == 0 else array


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
    rtol: float = 1e-9,
    observed: dict[str, Any] | None = None,
    extra: dict[str, Any] | None = None,
) -> Measurement:
    """A curve whose log-log slope is claimed: `x` (k,), `y` (k,) exact or (runs, k) sampled, at least 3 in `window`.

    The window is declared in the claim, before the curve is known; what lies outside it is dropped. Exact values are
    right up to `rtol`, and the slope of their least-squares line is compared as an exact number. The slope of sampled
    ones has Student's t limits, for which the claim must say why the values are normal (`Test.normal`).
    """
    xs, ys = _finite(x, (1,), "x of a curve"), np.atleast_2d(np.asarray(y, dtype=np.float64))
    is_exact = np.ndim(y) < 2
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
    kind, tolerance = ("exact curve", float(rtol)) if is_exact else ("curve", 0.0)
    return Measurement(kind, ys, x=xs, rtol=tolerance, observed=observed or {}, extra=extra or {})


def pool(parts: Sequence[Measurement]) -> Measurement:
    """Several replicates of one cell as one measurement: their runs follow each other."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if first.exact:
        raise InputError("an exact measurement needs no replicates; leave the claim's replicates at 1")

    def differs(part: Measurement) -> bool:
        ends = ((part.low, first.low), (part.high, first.high))
        shape = (part.kind, part.values.shape[1:]) != (first.kind, first.values.shape[1:])
        return shape or not all(np.array_equal(np.asarray(one), np.asarray(other)) for one, other in ends)

    if any(map(differs, parts)):
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

"""Update rules of the vectorised driver: what is added to the weights before they are rounded.

    w_{t+1} = Q(clip_B(w_t + move_t))

A rule of your own is any object with the two methods of `UpdateRule`; `absorb` is a third that it may have. Everything
is float64 here; the driver rounds the sum of weight and move, or the move in steps, to float32 once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.theory.setting import positive, real, told

Floats: TypeAlias = NDArray[np.float64]
State: TypeAlias = dict[str, Floats]


@runtime_checkable
class UpdateRule(Protocol):
    """How a gradient becomes a move.

    A rule may also have ``absorb(error, state, rate, t)``: it is told after every rounding what the rounding took away,
    ``clip_B(w + move) - w'``, float64 (runs, d); never what the clipping took.

    Examples
    --------
    Signs of the gradient in place of its size:

    >>> import numpy as np
    >>> from alpt_ref.theory import Grid, Schedule, quadratic, simulate
    >>> class Signs:
    ...     def init(self, runs, d):
    ...         return None
    ...     def move(self, gradient, state, rate, t):
    ...         return -rate * np.sign(gradient)
    >>> rates = Schedule("constant", 0.25)
    >>> simulate(quadratic(1.0, 0.0), Grid(0.25, 4), rates, steps=5, runs=1, start=4, update=Signs()).final
    array([[0.]], dtype=float32)
    """

    def init(self, runs: int, d: int) -> Any:
        """A new state for `runs` runs of `d` coordinates; `move` and `absorb` change it in place."""

    def move(self, gradient: NDArray[np.float32], state: Any, rate: float, t: int) -> NDArray[Any]:
        """What to add to the weights at step ``t = 1, 2, ...``: (runs, d), for a gradient float32 (runs, d)."""


def _factor(name: str, value: Any) -> float:
    factor = real(value)
    if not 0.0 < factor < 1.0:
        raise InputError(f"{name} must be above 0 and below 1, got {told(value)}")
    return factor


@dataclass(frozen=True)
class SGD:
    """``move = -eta g``.

    Examples
    --------
    >>> import numpy as np
    >>> rule = SGD()
    >>> state = rule.init(1, 2)
    >>> for t in (1, 2):
    ...     move = rule.move(np.array([[1.0, -2.0]], np.float32), state, 0.5, t)
    >>> move
    array([[-0.5,  1. ]])
    """

    def init(self, runs: int, d: int) -> None:
        """No state."""

    def move(self, gradient: NDArray[np.float32], state: None, rate: float, t: int) -> Floats:
        """``-rate * gradient``."""
        return -rate * gradient.astype(np.float64)


@dataclass(frozen=True)
class Momentum:
    """``m <- b m + (1 - b) g``, ``move = -eta m``: ECO without its injection.

    Parameters
    ----------
    keep : float
        b, above 0 and below 1.

    Examples
    --------
    >>> import numpy as np
    >>> rule = Momentum(0.5)
    >>> state = rule.init(1, 2)
    >>> for t in (1, 2):
    ...     move = rule.move(np.array([[1.0, -2.0]], np.float32), state, 0.5, t)
    >>> move
    array([[-0.375,  0.75 ]])
    """

    keep: float = 0.9

    def __post_init__(self) -> None:
        """Reject a factor out of range."""
        object.__setattr__(self, "keep", _factor("keep", self.keep))

    def init(self, runs: int, d: int) -> State:
        """The momentum."""
        return {"m": np.zeros((runs, d))}

    def move(self, gradient: NDArray[np.float32], state: State, rate: float, t: int) -> Floats:
        """``-rate * m``."""
        state["m"] *= self.keep
        state["m"] += (1.0 - self.keep) * gradient
        return -rate * state["m"]


@dataclass(frozen=True)
class Eco(Momentum):
    """Error feedback without a master copy: momentum that takes up what the rounding took away.

    ``m <- m + (1/eta)(1 - 1/b) e`` after every rounding, e its error; a step whose rate is 0 injects nothing. Source:
    ECO, arXiv 2601.22101; theorem EF1b (`alpt_ref.theory.bounds.eco_constant`).

    Examples
    --------
    >>> import numpy as np
    >>> rule = Eco(0.5)
    >>> state = rule.init(1, 1)
    >>> rule.move(np.ones((1, 1), np.float32), state, 0.25, 1)
    array([[-0.125]])
    >>> rule.absorb(np.array([[-0.125]]), state, 0.25, 1)  # all of it was rounded away
    >>> rule.move(np.ones((1, 1), np.float32), state, 0.25, 2)
    array([[-0.25]])
    """

    def absorb(self, error: Floats, state: State, rate: float, t: int) -> None:
        """The injection."""
        if rate > 0.0:
            state["m"] += (1.0 - 1.0 / self.keep) / rate * error


@dataclass(frozen=True)
class ErrorFeedback:
    """The rounding error is carried along and added to the next move, ``move = r - eta g``; theorem EF1.

    Examples
    --------
    >>> import numpy as np
    >>> rule = ErrorFeedback()
    >>> state = rule.init(1, 1)
    >>> rule.absorb(np.array([[-0.125]]), state, 0.25, 1)
    >>> rule.move(np.ones((1, 1), np.float32), state, 0.25, 2)
    array([[-0.375]])
    """

    def init(self, runs: int, d: int) -> State:
        """The residual."""
        return {"r": np.zeros((runs, d))}

    def move(self, gradient: NDArray[np.float32], state: State, rate: float, t: int) -> Floats:
        """``r - rate * gradient``."""
        return state["r"] - rate * gradient.astype(np.float64)

    def absorb(self, error: Floats, state: State, rate: float, t: int) -> None:
        """The residual is the last error."""
        state["r"][...] = error


@dataclass(frozen=True)
class Adagrad:
    """``move_i = -eta g_i / (sqrt(sum of g_i^2 so far, this one included) + eps)``; 0 while the sum is 0. Theorem S6.

    Parameters
    ----------
    eps : float
        At least 0.

    Examples
    --------
    >>> import numpy as np
    >>> rule = Adagrad()
    >>> state = rule.init(1, 2)
    >>> for t in (1, 2):
    ...     move = rule.move(np.array([[1.0, -2.0]], np.float32), state, 0.5, t)
    >>> move.round(4)
    array([[-0.3536,  0.3536]])
    """

    eps: float = 0.0

    def __post_init__(self) -> None:
        """Reject a negative eps."""
        eps = real(self.eps)
        if not 0.0 <= eps < math.inf:
            raise InputError(f"eps must be a finite number of at least 0, got {told(self.eps)}")
        object.__setattr__(self, "eps", eps)

    def init(self, runs: int, d: int) -> State:
        """The sums of squares."""
        return {"squares": np.zeros((runs, d))}

    def move(self, gradient: NDArray[np.float32], state: State, rate: float, t: int) -> Floats:
        """The scaled gradient."""
        g = gradient.astype(np.float64)
        state["squares"] += g * g
        root = np.sqrt(state["squares"]) + self.eps
        return np.asarray(-rate * np.divide(g, root, out=np.zeros_like(g), where=root > 0.0))


@dataclass(frozen=True)
class Adam:
    """Adam with bias correction (Kingma and Ba, 2015).

    Parameters
    ----------
    keep, keep_squares : float
        beta_1 and beta_2, above 0 and below 1.
    eps : float
        Above 0, added to the root.

    Examples
    --------
    >>> import numpy as np
    >>> rule = Adam()
    >>> state = rule.init(1, 2)
    >>> for t in (1, 2):
    ...     move = rule.move(np.array([[1.0, -2.0]], np.float32), state, 0.5, t)
    >>> move.round(4)
    array([[-0.5,  0.5]])
    """

    keep: float = 0.9
    keep_squares: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        """Reject numbers out of range."""
        for name in ("keep", "keep_squares"):
            object.__setattr__(self, name, _factor(name, getattr(self, name)))
        object.__setattr__(self, "eps", positive("eps", self.eps))

    def init(self, runs: int, d: int) -> State:
        """Both moments."""
        return {"m": np.zeros((runs, d)), "v": np.zeros((runs, d)), "powers": np.ones(2)}

    def move(self, gradient: NDArray[np.float32], state: State, rate: float, t: int) -> Floats:
        """The ratio of the corrected moments."""
        g, m, v = gradient.astype(np.float64), state["m"], state["v"]
        m += (1.0 - self.keep) * (g - m)
        v += (1.0 - self.keep_squares) * (g * g - v)
        state["powers"] *= (self.keep, self.keep_squares)  # by multiplication: pow differs from platform to platform
        first, second = m / (1.0 - state["powers"][0]), v / (1.0 - state["powers"][1])
        return np.asarray(-rate * first / (np.sqrt(second) + self.eps))


BY_NAME: dict[str, UpdateRule] = {
    "sgd": SGD(),
    "momentum": Momentum(),
    "adagrad": Adagrad(),
    "adam": Adam(),
    "eco": Eco(),
    "ef": ErrorFeedback(),
}
"""Rules that a word names, with their usual numbers."""


def rule_of(update: str | UpdateRule) -> UpdateRule:
    """The rule that `update` names or is; InputError where it is none."""
    if isinstance(update, str):
        if update not in BY_NAME:
            *others, last = BY_NAME
            raise InputError(f"update must be {', '.join(others)} or {last}, or a rule of your own, got {update!r}")
        return BY_NAME[update]
    if isinstance(update, type) or not all(callable(getattr(update, name, None)) for name in ("init", "move")):
        raise InputError(
            f"an update rule needs the methods init(runs, d) and move(gradient, state, rate, t), got {update!r}"
        )
    return update

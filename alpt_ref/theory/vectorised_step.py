"""One step of the vectorised driver: move, round, clip, and what the update rule and the step sizes make of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.python_file import named_in
from alpt_ref.errors import InputError
from alpt_ref.kernels.cpu import montecarlo_each as each
from alpt_ref.kernels.cpu import montecarlo_types as kinds
from alpt_ref.kernels.jit import run_rows
from alpt_ref.theory.draws import Noises, element_words, first_draw
from alpt_ref.theory.gradient_source import Floats, Source, Weights
from alpt_ref.theory.learned_steps import LearnedSteps, nearest
from alpt_ref.theory.rounding_rule import FewBits, Rounding, RoundingFunction
from alpt_ref.theory.setting import Grid, Noise
from alpt_ref.theory.update_rules import SGD, UpdateRule

FAR = np.float32(4194304.0)
"""An update beyond so many steps is cut to it, as in the compiled driver: no 16-bit code is so far from another. Where
iterates are not clipped it is refused: roundings are exact up to there.
"""
_ELEMENTS_A_THREAD = 16384


class Setup(NamedTuple):
    """One simulation, its arguments checked.

    Attributes
    ----------
    source : Source
    grid : Grid
    runs : int
    start : int32 or float64 array (d,)
        Codes, or weights off the grid.
    step_size : float64 array (d,)
    rates : float64 array (T,)
        The last is not used.
    rule : UpdateRule
    rounding : "full", "sr", "dr", FewBits or a function
    clipped : bool
    learned : LearnedSteps or None
    noise : Noise
    watch : Watch
    seed : int
    """

    source: Source
    grid: Grid
    runs: int
    start: NDArray[Any]
    step_size: Floats
    rates: Floats
    rule: UpdateRule
    rounding: Rounding
    clipped: bool
    learned: LearnedSteps | None
    noise: Noise
    watch: kinds.Watch
    seed: int


class Position(NamedTuple):
    """Where the runs are.

    Attributes
    ----------
    w : float32 array (runs, d)
    code : int64 array (runs, d) or None
        Where the rounding keeps codes.
    sizes : float64 array (d,) or (runs, d)
    """

    w: Weights
    code: NDArray[np.int64] | None
    sizes: Floats


class Stepper:
    """Walks one step at a time; the state of the rule and of the noise lives here."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self._d = setup, len(setup.start)
        self._noises = Noises(setup.noise, setup.runs, self._d, setup.seed)
        with named_in("init of the update rule"):
            self._state = setup.rule.init(setup.runs, self._d)
        self._draw = first_draw(setup.seed)
        self._ends = float(setup.grid.low_code), float(setup.grid.high_code)

    def start(self) -> Position:
        """``w_1`` of every run: a start off the grid is rounded by the rounding, or kept in full precision."""
        setup, shape = self.setup, (self.setup.runs, self._d)
        sizes = np.broadcast_to(setup.step_size, shape).copy() if setup.learned else setup.step_size
        if setup.start.dtype.kind == "i":
            code = np.broadcast_to(setup.start.astype(np.int64), shape).copy()
        elif _named(setup.rounding, "full") or _own(setup.rounding):
            w = np.broadcast_to(setup.start, shape).astype(np.float32)
            if not _named(setup.rounding, "full"):
                w = _rounded(setup.rounding, w, self._draw - 1)  # type: ignore[arg-type]
            return Position(w, None, sizes)
        else:
            steps = setup.start / setup.step_size
            whole = np.trunc(steps)
            rest = np.broadcast_to(steps - whole, shape).astype(np.float32)
            code = whole.astype(np.int64) + moves(rest, setup.rounding, 0, kinds.PURPOSE_START, setup.seed)
        w = code.astype(np.float32) * setup.step_size.astype(np.float32)
        keeps = not _named(setup.rounding, "full") and not _own(setup.rounding)
        return Position(w, code if keeps else None, sizes)

    def advance(self, at: Position, t: int) -> tuple[Position, Weights, NDArray[np.bool_]]:
        """The next iterate, the sampled gradient, and which coordinates the update took out of the range."""
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is told in a sentence
            return self._advance(at, t)

    def _advance(self, at: Position, t: int) -> tuple[Position, Weights, NDArray[np.bool_]]:
        setup = self.setup
        g = self._noises.add(setup.source.sampled(at.w, t, setup.seed), t)
        if not np.isfinite(g).all():
            raise InputError(_not_finite("the gradient", g, t))
        eta = float(setup.rates[t - 1])
        move = None if isinstance(setup.rule, SGD) else self._move(g, eta, t)
        if at.code is not None:
            position, left = self._codes(at, g, move, eta, t)
        else:
            position, left = self._weights(at, g, move, eta, t)
        return position, g, left

    def _move(self, g: Weights, eta: float, t: int) -> Floats:
        with named_in(f"move of the update rule at step {t}"):
            move = np.asarray(self.setup.rule.move(g.copy(), self._state, eta, t))
        if move.shape != g.shape or move.dtype.kind not in "fiu":
            raise InputError(
                f"the update rule must return real numbers of the shape {g.shape} of the gradient, got {move.dtype} of "
                f"shape {move.shape}"
            )
        if not np.isfinite(move).all():
            raise InputError(_not_finite("the move of the update rule", move, t))
        return move.astype(np.float64)

    def _absorb(self, error: Floats, eta: float, t: int) -> None:
        absorb = getattr(self.setup.rule, "absorb", None)
        if absorb is not None:
            with named_in(f"absorb of the update rule at step {t}"):
                absorb(error, self._state, eta, t)

    def _weights(
        self, at: Position, g: Weights, move: Floats | None, eta: float, t: int
    ) -> tuple[Position, NDArray[np.bool_]]:
        """Full precision, and a user's rounding, which gets the weight unclipped."""
        low, high = (np.float32(end) * at.sizes.astype(np.float32) for end in self._ends)
        rounding = self.setup.rounding
        if _named(rounding, "full"):
            if move is None:
                update = -np.float32(eta) * g
                left, x = (update < low - at.w) | (update > high - at.w), at.w + update
            else:
                x = (at.w + move).astype(np.float32)
                left = (x < low) | (x > high)
            w = np.clip(x, low, high) if self.setup.clipped else x
            if not np.isfinite(w).all():
                raise InputError(_not_finite("the weight", w, t + 1))
            return Position(w, None, at.sizes), left
        x = (at.w + (-eta * g.astype(np.float64) if move is None else move)).astype(np.float32)
        left = (x < low) | (x > high)
        w = _rounded(rounding, x, self._draw + t - 1)  # type: ignore[arg-type]
        inside = np.clip(x, low, high) if self.setup.clipped else x
        self._absorb(inside.astype(np.float64) - w, eta, t)
        return Position(w, None, at.sizes), left

    def _codes(
        self, at: Position, g: Weights, move: Floats | None, eta: float, t: int
    ) -> tuple[Position, NDArray[np.bool_]]:
        """Roundings of the update in steps, relative to the code, so that a tiny update keeps its bits."""
        assert at.code is not None
        setup, sizes = self.setup, at.sizes
        update = -(eta / sizes).astype(np.float32) * g if move is None else (move / sizes).astype(np.float32)
        if setup.learned is not None:
            sizes = self._learn(setup.learned, at, update, t)
            ratio = at.sizes / sizes
            update = (update * ratio + at.code * (ratio - 1.0)).astype(np.float32)
        low, high = (np.float32(end) for end in self._ends)
        here = at.code.astype(np.float32)
        left = (update < low - here) | (update > high - here)
        if not setup.clipped and (np.abs(update) > FAR).any():
            raise InputError(
                f"an update of {np.abs(update).max():.4g} steps after step {t} is too long to be rounded without "
                'clipping (at most 2^22 steps); take clip="range", a smaller learning rate or a larger step size'
            )
        words = moves(np.clip(update, -FAR, FAR), setup.rounding, t - 1, kinds.PURPOSE_ROUNDING, setup.seed)
        code, target = at.code + words, at.code + update.astype(np.float64)
        if setup.clipped:
            code = np.clip(code, setup.grid.low_code, setup.grid.high_code)
            target = np.clip(target, *self._ends)
        self._absorb((target - code) * sizes, eta, t)
        return Position(code.astype(np.float32) * sizes.astype(np.float32), code, sizes), left

    def _learn(self, learned: LearnedSteps, at: Position, update: Weights, t: int) -> Floats:
        """The step sizes after this step, from the gradient at the nearest codes of the weights that moved."""
        assert at.code is not None
        low, high = self.setup.grid.low_code, self.setup.grid.high_code
        v = (at.code + update.astype(np.float64)) * at.sizes
        read = (nearest(v / at.sizes, low, high) * at.sizes).astype(np.float32)
        g = self._noises.again(self.setup.source.sampled(read, t, self.setup.seed)).astype(np.float64)
        return learned.moved(at.sizes, self.setup.step_size, v, g, low, high)


def _named(rounding: Rounding, name: str) -> bool:
    return isinstance(rounding, str) and rounding == name


def _own(rounding: Rounding) -> bool:
    return not isinstance(rounding, (str, FewBits))


def _not_finite(what: str, values: NDArray[Any], t: int) -> str:
    run = int(np.argmin(np.isfinite(values).all(axis=1)))
    return f"{what} of run {run} is not finite at step {t}; lower the learning rate or check the problem"


def moves(update: Weights, rounding: Rounding, step: int, purpose: int, seed: int) -> NDArray[np.int64]:
    """Updates in steps, rounded by name or with few bits: int64 of the same shape."""
    flat = np.ascontiguousarray(update).ravel()
    out = np.empty(len(flat), np.int64)
    if _named(rounding, "dr"):
        run_rows(each.nearest_moves, len(flat), flat, out, grain=_ELEMENTS_A_THREAD)
        return out.reshape(update.shape)
    words = element_words(len(flat), step, purpose, seed)
    if isinstance(rounding, FewBits):
        run_rows(each.few_bit_moves, len(flat), flat, words, rounding.bits, out, grain=_ELEMENTS_A_THREAD)
    else:
        run_rows(each.stochastic_moves, len(flat), flat, words, out, grain=_ELEMENTS_A_THREAD)
    return out.reshape(update.shape)


def _rounded(function: RoundingFunction, x: Weights, draw: int) -> Weights:
    """What the user's function makes of `x`, checked and copied."""
    shape = x.shape
    with named_in(f"rounding at draw {draw}"):
        out = np.asarray(function(x.copy(), draw))  # it may write to its argument, and x is read afterwards
    if out.shape != shape or out.dtype.kind not in "fiu":
        raise InputError(
            f"rounding must return real numbers of the shape {shape} of its argument (decoded values, not codes), "
            f"got {out.dtype} of shape {out.shape}"
        )
    if out.dtype.kind != "f" and (np.abs(out - x) > np.abs(x) + 1.0).any():  # codes are larger than the weights
        raise InputError(f"rounding must return decoded values, got whole numbers ({out.dtype}) far from its argument")
    w = np.array(out, dtype=np.float32)
    if not np.isfinite(w).all():
        bad = w[~np.isfinite(w)][0]
        raise InputError(f"rounding must return finite numbers for finite ones, got {bad} at draw {draw}")
    return w

"""Optimisers of the dense parameters. (Tables have their own, `alpt_ref.tables`.)

Adam, step t, as in PyTorch's AdamW (Kingma and Ba 2015; Loshchilov and Hutter 2019), decay decoupled:

    m = b1 m + (1 - b1) g,   v = b2 v + (1 - b2) g^2
    w = (1 - lr decay) w - lr / (1 - b1^t) * m / (sqrt(v) / sqrt(1 - b2^t) + eps)

SGD:   w = (1 - lr decay) w - lr g
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util.check import choice, number
from alpt_ref.errors import InputError
from alpt_ref.kernels.cpu.dense import adam, sgd
from alpt_ref.kernels.jit import run_rows
from alpt_ref.scalar.dense_update import AdamStep

Arrays = dict[str, NDArray[Any]]
GRAIN = 1 << 14  # elements worth a thread


class DenseOptimizer(ABC):
    """Updates a dict of C-contiguous arrays in place; one state entry a name, made at the first step."""

    def __init__(self, lr: float, weight_decay: float) -> None:
        self.lr = number("lr", lr)
        self.weight_decay = number("weight_decay", weight_decay)
        self.steps = 0
        self.moments: dict[str, tuple[NDArray[Any], ...]] = {}  # by parameter name; flat

    def step(self, params: Arrays, grads: Arrays, *, lr: float | None = None) -> None:
        """Update every array of `params` with the gradient of the same name.

        Parameters
        ----------
        params, grads : dict of float32 or float64 arrays
            C-contiguous; the same names, shapes and dtypes.
        lr : float, optional
            Learning rate of this step instead of the constructor's.
        """
        rate = self.lr if lr is None else number("lr", lr)
        for name, param in params.items():
            grad = grads.get(name)
            if grad is None or grad.shape != param.shape or grad.dtype != param.dtype:
                raise InputError(f"grads[{name!r}] must be a {param.dtype} array {param.shape}")
            if not (param.flags.c_contiguous and grad.flags.c_contiguous):
                raise InputError(f"params and grads of {name!r} must be C-contiguous")
            self._check_state(name, param)
        self.steps += 1
        for name, param in params.items():
            self._update(name, param.reshape(-1), grads[name].reshape(-1), rate)

    def _check_state(self, name: str, param: NDArray[Any]) -> None:
        for moment in self.moments.get(name, ()):
            if moment.shape != (param.size,) or moment.dtype != param.dtype:
                raise InputError(
                    f"state of {name!r} is {moment.dtype} of {moment.size} values, the parameter "
                    f"{param.dtype} of {param.size}; load the state that belongs to these parameters"
                )

    @abstractmethod
    def _update(self, name: str, param: NDArray[Any], grad: NDArray[Any], lr: float) -> None:
        """One step of one flat parameter."""

    def state(self) -> Arrays:
        """A copy of the optimiser's state: ``steps`` and one entry a moment and parameter."""
        return {"steps": np.array(self.steps, np.int64)}

    def load_state(self, state: Arrays) -> None:
        """Replace the state by one that `state` returned."""
        if "steps" not in state:
            raise InputError(f"state of a dense optimiser must hold 'steps', got {sorted(state)}")
        self.steps = int(state["steps"])


class Sgd(DenseOptimizer):
    """Plain stochastic gradient descent."""

    def _update(self, name: str, param: NDArray[Any], grad: NDArray[Any], lr: float) -> None:
        keep, rate = (param.dtype.type(number) for number in (1.0 - lr * self.weight_decay, lr))
        run_rows(sgd, param.size, param, grad, keep, rate, grain=GRAIN)


class Adam(DenseOptimizer):
    """Adam with decoupled weight decay; two moments per parameter, of the parameter's dtype."""

    def __init__(
        self, lr: float, weight_decay: float, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        super().__init__(lr, weight_decay)
        if len(betas) != 2 or any(number("betas", beta) >= 1.0 for beta in betas):
            raise InputError(f"betas must be two numbers of at least 0 and below 1, got {betas!r}")
        self.betas = (float(betas[0]), float(betas[1]))
        self.eps = number("eps", eps)

    def _update(self, name: str, param: NDArray[Any], grad: NDArray[Any], lr: float) -> None:
        if name not in self.moments:
            self.moments[name] = (np.zeros_like(param), np.zeros_like(param))
        first, second = self.moments[name]
        beta1, beta2 = self.betas
        numbers = AdamStep(
            keep=1.0 - lr * self.weight_decay,
            lr=lr / (1.0 - beta1**self.steps),
            beta1=beta1,
            beta2=beta2,
            rest1=1.0 - beta1,
            rest2=1.0 - beta2,
            root=math.sqrt(1.0 - beta2**self.steps),
            eps=self.eps,
        )
        step = AdamStep(*map(param.dtype.type, numbers))
        run_rows(adam, param.size, param, grad, first, second, step, grain=GRAIN)

    def state(self) -> Arrays:
        """``steps``, and ``first/NAME`` and ``second/NAME`` of every parameter (flat copies)."""
        moments = {f"first/{name}": pair[0].copy() for name, pair in self.moments.items()}
        moments |= {f"second/{name}": pair[1].copy() for name, pair in self.moments.items()}
        return super().state() | moments

    def load_state(self, state: Arrays) -> None:
        """Replace the state by one that `state` returned."""
        names = [key.removeprefix("first/") for key in state if key.startswith("first/")]
        expected = {"steps"} | {f"{moment}/{name}" for name in names for moment in ("first", "second")}
        if state.keys() != expected:
            raise InputError(
                f"state of Adam must hold 'steps' and a first and second moment a name, got {sorted(state)}"
            )
        super().load_state(state)
        self.moments = {name: (state[f"first/{name}"].copy(), state[f"second/{name}"].copy()) for name in names}


OPTIMIZERS: dict[str, type[Sgd] | type[Adam]] = {"sgd": Sgd, "adam": Adam}


def make_dense_optimizer(kind: str, *, lr: float = 1e-3, weight_decay: float = 0.0, **options: Any) -> DenseOptimizer:
    """Build the optimiser of the dense parameters.

    Parameters
    ----------
    kind : "adam" or "sgd"
    lr : float
        Learning rate, finite and non-negative.
    weight_decay : float
        Decoupled: every step multiplies all parameters by ``1 - lr * weight_decay``.
    **options
        ``betas`` and ``eps`` (adam).

    Raises
    ------
    InputError
        For an unknown kind or option, or a value out of range.
    """
    choice("kind", kind, tuple(OPTIMIZERS))
    unknown = sorted(options.keys() - ({"betas", "eps"} if kind == "adam" else set()))
    if unknown:
        raise InputError(f"unknown option {unknown[0]!r} of dense optimiser {kind!r}")
    return OPTIMIZERS[kind](lr, weight_decay, **options)

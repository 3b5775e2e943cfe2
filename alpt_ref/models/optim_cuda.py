"""The optimisers of the dense parameters on the GPU: all parameters in one flat buffer, one launch per step.

Same formulas, constants and state as `alpt_ref.models.optim`. The step count and the learning rate are read from device
memory, so a recorded step stays valid when they change.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.errors import InputError
from alpt_ref.kernels.backend import Backend
from alpt_ref.kernels.cuda import steps as kernels
from alpt_ref.kernels.cuda.bf16 import convert
from alpt_ref.kernels.cuda.reduce import THREADS
from alpt_ref.kernels.cuda.target import blocks_for, launch
from alpt_ref.scalar.bfloat16 import BF16

if TYPE_CHECKING:
    from alpt_ref.models.base import Model

BETAS, EPS = (0.9, 0.999), 1e-8  # the defaults of optim.Adam
_LAST = 42_000  # from here on 1 - beta**step is 1 in float64, or so near that float32 cannot tell


def flatten(model: Model, backend: Backend) -> tuple[Any, Any, dict[str, slice]]:
    """Move a model's parameters and gradients into two flat arrays; its dicts then hold views of them.

    Every array starts on 16 bytes, in bfloat16 too. Returns the two arrays and where each parameter lies.
    """
    places: dict[str, slice] = {}
    end = 0
    for name, param in model.params.items():
        places[name] = slice(end, end + param.size)
        end += -(-param.size // 8) * 8
    flat = [backend.zeros(end, np.float32) for _ in range(2)]
    for name, place in places.items():
        for array, arrays in zip(flat, (model.params, model.grads), strict=True):
            view = array[place].reshape(arrays[name].shape)
            view[...] = arrays[name]
            arrays[name] = view
    return flat[0], flat[1], places


class CudaDense:
    """Adam or SGD over a model's parameters.

    Parameters
    ----------
    kind : "adam" or "sgd"
    model : Model
        Its parameters become views of one array (`flatten`).
    weight_decay : float
        Decoupled, as in `alpt_ref.models.optim`.
    counters, guard, rates : device arrays
        See `alpt_ref.kernels.cuda.steps`.
    half : bool
        Keep `half_params`, the parameters as bfloat16 bits in the same places, for the matrix products.
    """

    def __init__(
        self, kind: str, model: Model, backend: Backend, *, weight_decay: float, counters: Any, guard: Any, rates: Any,
        half: bool = False,
    ) -> None:  # fmt: skip
        self.kind, self.backend, self.weight_decay = kind, backend, float(weight_decay)
        self.counters, self.guard, self.rates = counters, guard, rates
        self.params, self.grads, self.places = flatten(model, backend)
        self.half_params = backend.zeros(self.params.size, BF16) if half else None
        moments = 2 if kind == "adam" else 0
        self.moments = [backend.zeros(self.params.size, np.float32) for _ in range(moments)]
        table = [(1.0, 1.0)]
        table += [(1.0 - BETAS[0] ** t, math.sqrt(1.0 - BETAS[1] ** t)) for t in range(1, _LAST + 1)]
        self._corrections = backend.from_host(np.array(table, np.float64).reshape(-1))

    def queue(self) -> None:
        """Launch one step; ``counters[0]`` steps were made before it."""
        size = self.params.size
        blocks = blocks_for(size // 4, THREADS)
        copy = self.params if self.half_params is None else self.half_params
        if self.kind == "sgd":
            given = (self.params, self.grads, size, self.rates, self.weight_decay, self.guard)
            launch(kernels.sgd, blocks, THREADS, *given, copy)
            return
        beta1, beta2 = BETAS
        constants = [np.float32(value) for value in (beta1, beta2, 1.0 - beta1, 1.0 - beta2, EPS)]
        given = (self.params, self.grads, *self.moments, size, self._corrections, _LAST, self.rates, self.weight_decay)
        launch(kernels.adam, blocks, THREADS, *given, *constants, self.counters, self.guard, copy)

    def queue_copy(self) -> None:
        """Make `half_params` anew: after the parameters were set by something else than `queue`."""
        if self.half_params is not None:
            size = self.params.size
            launch(convert, blocks_for(size // 4, THREADS), THREADS, self.params, size, self.half_params)

    def state(self) -> dict[str, NDArray[Any]]:
        """As the state of the optimiser on the CPU: ``steps``, ``first/NAME`` and ``second/NAME``, host arrays."""
        steps = int(self.backend.to_host(self.counters)[0])
        state: dict[str, NDArray[Any]] = {"steps": np.array(steps, np.int64)}
        if steps == 0:
            return state
        for moment, array in zip(("first", "second"), self.moments, strict=False):
            host = self.backend.to_host(array)
            state |= {f"{moment}/{name}": host[place].copy() for name, place in self.places.items()}
        return state

    def load_state(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a `state`, of this class or of the optimiser on the CPU."""
        kept = ("first", "second")[: len(self.moments)]
        names = {"steps"} | {f"{moment}/{name}" for moment in kept for name in self.places}
        if set(state) != names and set(state) != {"steps"}:
            raise InputError(f"state of the dense optimizer must hold {sorted(names)}, got {sorted(state)}")
        for moment, array in zip(kept, self.moments, strict=True):
            host = np.zeros(array.size, np.float32)
            for name, place in self.places.items():
                if f"{moment}/{name}" in state:
                    host[place] = state[f"{moment}/{name}"]
            self.backend.assign(array, host)
        counters = self.backend.to_host(self.counters)
        counters[0] = int(state["steps"])
        self.backend.assign(self.counters, counters)

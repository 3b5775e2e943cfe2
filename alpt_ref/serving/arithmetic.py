"""The backbones' logits in plain NumPy: no buffers to share, so that threads may call, and little to do for one row.

`FORWARDS` maps a kind of ``catalog.MODELS`` to ``prepare(state) -> forward``, where ``forward(x)`` gives the logits,
float32 (rows,), of embeddings ``x``, float32 (rows, fields, width). Equal to the models' own but for the order of
float32 sums; batch norm is scale and shift, both computed in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.models.ops_base import EPS

Array = NDArray[np.float32]
State = Mapping[str, NDArray[Any]]
Forward = Callable[[Array], Array]


def logistic(state: State) -> Forward:
    """``bias + sum of weights``."""
    bias = state["bias"]
    return lambda x: x.sum(axis=(1, 2)) + bias


def fm(state: State) -> Forward:
    """``bias + linear + pairs``."""
    bias = state["bias"]
    return lambda x: _machine(x) + bias


def dnn(state: State) -> Forward:
    """``output . MLP(x)``."""
    deep = _mlp(state)
    return lambda x: deep(x.reshape(len(x), -1))


def deepfm(state: State) -> Forward:
    """``FM(x) + output . MLP(factors)``."""
    deep = _mlp(state)
    return lambda x: deep(x[:, :, :-1].reshape(len(x), -1)) + _machine(x)


def dcn(state: State) -> Forward:
    """``output . [cross(x), MLP(x)]``; the cross layers in the form of `alpt_ref.models.cross`."""
    weights, biases = state["cross.weight"], state["cross.bias"]
    layers, inputs = weights.shape
    betas = np.concatenate([np.zeros((1, inputs)), np.cumsum(biases.astype(np.float64), axis=0)])
    directions = np.concatenate([weights, state["output.weight"][None, :inputs]])
    constants = (betas * directions).sum(axis=1).astype(np.float32)
    columns = np.ascontiguousarray(directions.T)
    deep = _mlp(state)

    def forward(x: Array) -> Array:
        flat = x.reshape(len(x), -1)
        dots = flat @ columns
        alpha: Any = np.float32(1.0)
        for layer in range(layers):
            alpha = alpha + (alpha * dots[:, layer] + constants[layer])
        logits: Array = deep(flat) + (alpha * dots[:, layers] + constants[layers])
        return logits

    return forward


FORWARDS: dict[str, Callable[[State], Forward]] = {
    "logistic": logistic, "fm": fm, "dnn": dnn, "deepfm": deepfm, "dcn": dcn,
}  # fmt: skip


def _mlp(state: State) -> Forward:
    """The hidden layers and the output unit's part on them."""
    layers: list[tuple[Array, Array | None, Array]] = []
    while (name := f"mlp.{len(layers)}") + ".linear.weight" in state:
        weight = np.ascontiguousarray(state[f"{name}.linear.weight"])
        if f"{name}.norm.weight" in state:
            mean, variance = (state[f"{name}.norm.running_{key}"].astype(np.float64) for key in ("mean", "var"))
            scale = state[f"{name}.norm.weight"] / np.sqrt(variance + EPS)
            shift = state[f"{name}.norm.bias"] - mean * scale
            layers.append((weight, scale.astype(np.float32), shift.astype(np.float32)))
        else:
            layers.append((weight, None, state[f"{name}.linear.bias"]))
    last = np.ascontiguousarray(state["output.weight"][-layers[-1][0].shape[1] :])
    bias = state["output.bias"]

    def forward(x: Array) -> Array:
        for weight, scale, shift in layers:
            x = x @ weight
            if scale is not None:
                x *= scale
            x += shift
            np.maximum(x, 0.0, out=x)
        logits: Array = x @ last + bias
        return logits

    return forward


def _machine(x: Array) -> Array:
    """Linear term plus pairs, without the cancellation of the square of the sum less the sum of squares."""
    factors = x[:, :, :-1]
    before = np.cumsum(factors, axis=1)[:, :-1]
    total: Array = (factors[:, 1:] * before).sum(axis=(1, 2)) + x[:, :, -1].sum(axis=1)
    return total

"""The backbones as ONNX nodes, written as their papers define them; inference form, batch norm as scale and shift.

`BACKBONES` maps a kind of ``catalog.MODELS`` to ``build(graph, embedding, width, state) -> name of the logits``:
`embedding` is (batch, fields, width), the logits are (batch,), `state` holds the model's parameters and buffers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.models.ops_base import EPS
from alpt_ref.serving.graph import Graph

State = Mapping[str, NDArray[Any]]
Build = Callable[[Graph, str, int, State], str]


def logistic(graph: Graph, embedding: str, width: int, state: State) -> str:
    """``bias + sum of weights``."""
    total = graph.add("ReduceSum", embedding, graph.constant([1, 2]), keepdims=0)
    return graph.add("Add", total, graph.constant(state["bias"]))


def fm(graph: Graph, embedding: str, width: int, state: State) -> str:
    """``bias + linear + pairs``."""
    _, terms = _machine(graph, embedding, width)
    return graph.add("Add", terms, graph.constant(state["bias"]))


def dnn(graph: Graph, embedding: str, width: int, state: State) -> str:
    """``output . MLP(x)``."""
    x = _flat(graph, embedding, len(state["mlp.0.linear.weight"]))
    return _unit(graph, _mlp(graph, x, state), state)


def deepfm(graph: Graph, embedding: str, width: int, state: State) -> str:
    """``FM(x) + output . MLP(factors)``."""
    factors, terms = _machine(graph, embedding, width)
    x = _flat(graph, factors, len(state["mlp.0.linear.weight"]))
    return graph.add("Add", terms, _unit(graph, _mlp(graph, x, state), state))


def dcn(graph: Graph, embedding: str, width: int, state: State) -> str:
    """``output . [cross(x), MLP(x)]``, with ``x_{l+1} = x_0 (x_l . w_l) + b_l + x_l``."""
    start = x = _flat(graph, embedding, len(state["mlp.0.linear.weight"]))
    for weight, bias in zip(state["cross.weight"], state["cross.bias"], strict=True):
        dot = graph.add("MatMul", x, graph.constant(weight[:, None]))
        crossed = graph.add("Add", graph.add("Mul", start, dot), graph.constant(bias))
        x = graph.add("Add", crossed, x)
    return _unit(graph, graph.add("Concat", x, _mlp(graph, start, state), axis=1), state)


BACKBONES: dict[str, Build] = {"logistic": logistic, "fm": fm, "dnn": dnn, "deepfm": deepfm, "dcn": dcn}


def _flat(graph: Graph, x: str, columns: int) -> str:
    return graph.add("Reshape", x, graph.constant([0, columns]))


def _unit(graph: Graph, x: str, state: State) -> str:
    """The output unit: (batch,)."""
    dots = graph.add("MatMul", x, graph.constant(state["output.weight"][:, None]))
    return graph.add("Add", graph.add("Squeeze", dots, graph.constant([1])), graph.constant(state["output.bias"]))


def _mlp(graph: Graph, x: str, state: State) -> str:
    layer = 0
    while (name := f"mlp.{layer}") + ".linear.weight" in state:
        x = graph.add("MatMul", x, graph.constant(state[f"{name}.linear.weight"]))
        if f"{name}.norm.weight" in state:
            mean, variance = (state[f"{name}.norm.running_{key}"].astype(np.float64) for key in ("mean", "var"))
            scale = state[f"{name}.norm.weight"] / np.sqrt(variance + EPS)
            x = graph.add("Mul", x, graph.constant(scale.astype(np.float32)))
            shift = (state[f"{name}.norm.bias"] - mean * scale).astype(np.float32)
        else:
            shift = state[f"{name}.linear.bias"]
        x = graph.add("Relu", graph.add("Add", x, graph.constant(shift)))
        layer += 1
    return x


def _machine(graph: Graph, embedding: str, width: int) -> tuple[str, str]:
    """Factors (batch, fields, width - 1), and linear term plus pairs (batch,).

    Pairs are each field's factors times the sum of those before it, which does not cancel as the square of the sum
    less the sum of the squares can.
    """
    k, axis, fields = width - 1, graph.constant([2]), graph.constant(np.int64(1))
    factors = graph.add("Slice", embedding, graph.constant([0]), graph.constant([k]), axis)
    weights = graph.add("Slice", embedding, graph.constant([k]), graph.constant([width]), axis)
    linear = graph.add("ReduceSum", weights, graph.constant([1, 2]), keepdims=0)
    before = graph.add("CumSum", factors, fields, exclusive=1)
    pairs = graph.add("ReduceSum", graph.add("Mul", factors, before), graph.constant([1, 2]), keepdims=0)
    return factors, graph.add("Add", linear, pairs)

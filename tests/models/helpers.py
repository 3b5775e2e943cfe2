"""Small random models and batches, and the textbook forward pass to hold them against."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from alpt_ref.models import Model, make_model

Array = NDArray[Any]


def random_model(kind: str, *, seed: int = 0, **options: Any) -> Model:
    """A model all of whose parameters are random: at the initial zeros and ones some gradients vanish."""
    defaults: dict[str, Any] = {"fields": 3, "dim": 2, "dtype": np.float64, "seed": seed}
    model = make_model(kind, **(defaults | options))
    rng = np.random.default_rng(seed)
    for param in model.params.values():
        param += 0.3 * rng.standard_normal(param.shape)
    return model


def batch(model: Model, rows: int, *, seed: int = 1) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    emb = rng.standard_normal((rows, model.fields * model.width)).astype(model.dtype)
    return emb, (rng.random(rows) < 0.4).astype(np.uint8)


def textbook_logits(model: Model, emb: Array) -> Array:
    """The model in float64 as its paper writes it, batch statistics in batch norm."""
    p = {name: value.astype(np.float64) for name, value in model.params.items()}
    x0 = emb.reshape(len(emb), -1).astype(np.float64)
    machine: Any = 0.0
    if model.kind in ("fm", "deepfm"):  # Rendle 2010, equation 1: every pair by itself
        v, w = np.split(x0.reshape(len(emb), model.fields, -1), [model.dim], axis=2)
        pairs = [(f, g) for g in range(model.fields) for f in range(g)]
        machine = w.sum(axis=(1, 2)) + sum((v[:, f] * v[:, g]).sum(axis=1) for f, g in pairs)
        x0 = v.reshape(len(emb), -1)
    if model.kind == "fm":
        return np.asarray(p["bias"] + machine)
    h, i = x0, 0
    while f"mlp.{i}.linear.weight" in p:
        h = h @ p[f"mlp.{i}.linear.weight"]
        if f"mlp.{i}.norm.weight" in p:
            h = (h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 1e-5)
            h = h * p[f"mlp.{i}.norm.weight"] + p[f"mlp.{i}.norm.bias"]
        else:
            h = h + p[f"mlp.{i}.linear.bias"]
        h, i = np.maximum(h, 0.0), i + 1
    if "cross.weight" in p:
        x = x0
        for weight, bias in zip(p["cross.weight"], p["cross.bias"], strict=True):
            x = x0 * (x @ weight)[:, None] + bias + x
        h = np.concatenate([x, h], axis=1)
    logits: Array = h @ p["output.weight"] + p["output.bias"] + machine
    return logits

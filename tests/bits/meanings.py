"""What the corpus digests, as a fixed list of meanings, and the names under which each is found in the package.

A digest belongs to a meaning ("step sizes"), never to a name or to a place in a sorted list of names: where an array is
renamed, its new name is added in front of the old ones here and no digest changes. An array without a meaning is an
error, so that nothing new goes unseen.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

_ROWS = {
    "first moments": ("first",),
    "second moments": ("second",),
    "row counters": ("count",),
    "steps of the optimiser": ("steps",),
    "rates of missed steps": ("rates",),
    "squared gradient sums": ("accumulator",),
}


def _optimizers() -> dict[str, tuple[str, ...]]:
    found = {}
    for owner, prefixes in {
        "": ("optimizer.",),
        " of the step sizes": ("step_size_optimizer.", "step_optimizer."),
        " of the clips": ("clip_optimizer.",),
    }.items():
        for meaning, names in _ROWS.items():
            found[meaning + owner] = tuple(prefix + name for prefix in prefixes for name in names)
    return found


TABLE: dict[str, tuple[str, ...]] = {
    "packed codes": ("packed", "words"),
    "step sizes": ("step_size", "step"),
    "clips": ("clip",),
    "biases of the rows": ("bias",),
    "weights": ("weights",),
    "pruning threshold": ("threshold",),
    "number of updates": ("updates",),
    **_optimizers(),
}
"""State of a table: meaning -> names, the newest first."""

DENSE: dict[str, tuple[str, ...]] = {
    "bias": ("bias",),
    "cross biases": ("cross.bias",),
    "cross weights": ("cross.weight",),
    "weights of layer {}": (r"mlp.{}.linear.weight",),
    "biases of layer {}": (r"mlp.{}.linear.bias",),
    "norm scales of layer {}": (r"mlp.{}.norm.weight",),
    "norm shifts of layer {}": (r"mlp.{}.norm.bias",),
    "running means of layer {}": (r"mlp.{}.norm.running_mean",),
    "running variances of layer {}": (r"mlp.{}.norm.running_var",),
    "output weights": ("output.weight",),
    "output bias": ("output.bias",),
}
"""State of a backbone; ``{}`` is the number of a layer."""

DENSE_OPTIMIZER: dict[str, tuple[str, ...]] = {"first moments": ("first",), "second moments": ("second",)}

STORE: dict[str, tuple[str, ...]] = {
    "feature ids": ("ids.npy",),
    "labels": ("labels.npy",),
    "split": ("split.npy",),
    "category texts": ("category_bytes.npy", "category_bytes"),
    "category offsets": ("category_offsets.npy", "category_offsets"),
}
"""Files of an encoded store (and the vocabulary's arrays in a checkpoint)."""

EXPORT: dict[str, tuple[str, ...]] = {
    "exported codes": ("codes", "embedding.codes"),
    "exported packed codes": ("packed", "data"),
    "exported step sizes": ("step_size", "step", "scale"),
    "exported biases": ("bias",),
    "exported weights": ("weights", "weight"),
    "exported field offsets": ("field_offsets", "offsets"),
    "exported fused rows": ("rows", "fused"),
}
"""Tensors of an export."""

RUNS: dict[str, tuple[str, ...]] = {
    "iterate numbers": ("checkpoints",),
    "last iterates": ("final",),
    "values": ("value",),
    "squared distances": ("distance2",),
    "squared gradients": ("gradient2",),
    "average values": ("average_value",),
    "average squared gradients": ("average_gradient2",),
    "clamped updates": ("exceeded",),
    "largest sampled squared gradients": ("max_sampled_gradient2",),
    "largest squared gradients": ("max_gradient2",),
    "largest squared distances": ("max_distance2",),
}
"""Measurements of simulated runs."""

EXPECTATIONS: dict[str, tuple[str, ...]] = {
    "values": ("value",),
    "errors": ("error",),
    "squared distances": ("distance2",),
    "squared gradients": ("gradient2",),
    "absolute gradients": ("gradient1",),
    "probabilities of clamping": ("clipped",),
    "laws": ("laws",),
}
"""Exact expectations along a run."""


def meaning_of(name: str, known: Mapping[str, tuple[str, ...]]) -> str:
    """The meaning of a name; LookupError where there is none."""
    plain = re.sub(r"\.(\d+)\.", ".{}.", name)
    for meaning, names in known.items():
        if plain in names:
            number = re.search(r"\.(\d+)\.", name)
            return meaning.format(number[1]) if number else meaning
    raise LookupError(f"{name!r} has no meaning in tests/bits/meanings.py; add it, or its new name to an old meaning")


def by_meaning(arrays: Mapping[str, Any], known: Mapping[str, tuple[str, ...]], owner: str = "") -> dict[str, Any]:
    """Arrays by meaning (``<owner> <meaning>``) instead of name."""
    return {f"{owner} {meaning_of(name, known)}".strip(): array for name, array in arrays.items()}


def read(owner: Any, known: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """Attributes by meaning, under the newest name that `owner` has; those that are None are left out."""
    found = {}
    for meaning, names in known.items():
        name = next((name for name in names if hasattr(owner, name)), None)
        if name is None:
            raise LookupError(f"{type(owner).__name__} has none of {', '.join(names)} ({meaning})")
        if getattr(owner, name) is not None:
            found[meaning] = getattr(owner, name)
    return found


def digest(value: Any) -> str:
    """A text that changes with any bit: the number itself, or 16 digits of the SHA-256 of type and bytes."""
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()[:16]
    if isinstance(value, str | int | float) and not isinstance(value, np.generic):
        return repr(value) if not isinstance(value, str) else value
    array = np.ascontiguousarray(value)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"cannot digest {array.dtype}")
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(little.dtype.str.encode() + little.tobytes()).hexdigest()[:16]

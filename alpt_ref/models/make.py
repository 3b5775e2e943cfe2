"""`make_model`: a model from a backbone's name (or class) and its settings."""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref._util.check import whole_number
from alpt_ref._util.parts import find, name_of
from alpt_ref._util.settings import checked, settings_of
from alpt_ref.catalog import Entry
from alpt_ref.errors import InputError
from alpt_ref.models.base import Model
from alpt_ref.models.ops_base import Ops


def make_model(
    kind: str | type[Model], fields: int, dim: int, *,
    seed: int = 0, dtype: Any = np.float32, device: str | Ops = "cpu", **options: Any,
) -> Model:  # fmt: skip
    """Build a click model.

    Parameters
    ----------
    kind : {"logistic", "fm", "dnn", "deepfm", "dcn"}, str or type of Model
        A built-in backbone, the name of an installed one, ``"package.module:Class"``, or the class.
    fields, dim : int
        Embeddings per sample and their dimension: 1 for logistic; the number of factors for fm and deepfm, whose table
        has one column more, the linear weights. ``model.width`` is what the table needs.
    seed : int
        Of the initial weights, in [0, 2^64).
    dtype : float32 or float64
        float64 serves gradient checks.
    device : "cpu", "cuda" or Ops
        On a GPU arrays are CuPy's, and float32 only. Operations of one's own take the place of a device's.
    **options
        Settings of the backbone's `Options`: ``hidden`` and ``batch_norm`` (dnn, deepfm, dcn), ``cross_layers`` (dcn).

    Returns
    -------
    Model
        With `forward` (embeddings to logits) and `backward` (gradient of the logits to gradients).

    Raises
    ------
    InputError
        For an unknown kind, option or device, or a value out of range.

    Examples
    --------
    >>> model = make_model("dcn", fields=10, dim=16, hidden=(64, 32))
    >>> logits = model.forward(np.zeros((5, 160), np.float32), training=False)
    >>> logits.shape
    (5,)
    """
    entry = find("model", name_of(kind) if isinstance(kind, (str, type)) else f"{kind}", "kind")
    seed = whole_number("seed", seed, 0, 1 << 64)
    cls = model_class(entry)
    declared = settings_of(cls.Options)
    unknown = sorted(options.keys() - set(declared))
    if unknown:
        raise InputError(
            f"unknown option {unknown[0]!r} of a {entry.name} model; it takes {', '.join(declared) or 'none'}"
        )
    if not entry.built_in:  # the built-in classes check their own arguments
        values = {name: setting.default for name, setting in declared.items()} | options
        options = {name: checked(declared[name], value) for name, value in values.items()}
    model: Model = cls(fields, dim, seed=seed, dtype=dtype, device=device, **options)
    return model


def model_class(entry: Entry) -> Any:
    """The entry's class; InputError unless it is a backbone."""
    cls = entry.load()
    if not (isinstance(cls, type) and issubclass(cls, Model)):
        raise InputError(f"backbone {entry.name!r} must be a subclass of Model, {entry.home} is {cls!r}")
    return cls

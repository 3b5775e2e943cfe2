"""Click models: logistic regression, FM, DNN, DeepFM, DCN. A new one is a file and an entry in `catalog.MODELS`."""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref._util.check import choice, whole_number
from alpt_ref.catalog import MODELS
from alpt_ref.errors import InputError
from alpt_ref.models.base import Model
from alpt_ref.models.dcn import Dcn
from alpt_ref.models.deepfm import DeepFm
from alpt_ref.models.dnn import Dnn
from alpt_ref.models.fm import Fm
from alpt_ref.models.logistic import Logistic
from alpt_ref.models.loss import bce_with_logits

__all__ = ["Dcn", "DeepFm", "Dnn", "Fm", "Logistic", "Model", "bce_with_logits", "make_model"]


def make_model(
    kind: str, fields: int, dim: int, *, seed: int = 0, dtype: Any = np.float32, device: str = "cpu", **options: Any
) -> Model:
    """Build a click model.

    Parameters
    ----------
    kind : "logistic", "fm", "dnn", "deepfm" or "dcn"
    fields, dim : int
        Embeddings a sample and their dimension: 1 for logistic; the number of factors for fm and deepfm, whose table
        has one column more, the linear weights. ``model.width`` is what the table needs.
    seed : int
        Of the initial weights, in [0, 2^64).
    dtype : float32 or float64
        float64 serves gradient checks.
    device : "cpu" or "cuda"
        On a GPU arrays are CuPy's, and float32 only.
    **options
        ``hidden`` and ``batch_norm`` (dnn, deepfm, dcn), ``cross_layers`` (dcn).

    Returns
    -------
    Model
        With `forward` (embeddings to logits) and `backward` (gradient of the logits to gradients).

    Raises
    ------
    InputError
        For an unknown kind, option or device, or a value out of range.
    """
    kind = choice("kind", kind, tuple(MODELS))
    seed = whole_number("seed", seed, 0, 1 << 64)
    allowed = MODELS[kind].settings
    unknown = sorted(options.keys() - set(allowed))
    if unknown:
        raise InputError(f"unknown option {unknown[0]!r} of a {kind} model; it takes {', '.join(allowed) or 'none'}")
    model: Model = MODELS[kind].load()(fields, dim, seed=seed, dtype=dtype, device=device, **options)
    return model

"""Click models: logistic regression, FM, DNN, DeepFM, DCN. A new one is a file and an entry in `catalog.MODELS`.

Names load on first use: `options`, the backbones' settings, must be readable without Numba.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alpt_ref.models.base import Model as Model
    from alpt_ref.models.dcn import Dcn as Dcn
    from alpt_ref.models.deepfm import DeepFm as DeepFm
    from alpt_ref.models.dnn import Dnn as Dnn
    from alpt_ref.models.fm import Fm as Fm
    from alpt_ref.models.logistic import Logistic as Logistic
    from alpt_ref.models.loss import bce_with_logits as bce_with_logits
    from alpt_ref.models.make import make_model as make_model

_HOMES = {
    "Dcn": "dcn",
    "DeepFm": "deepfm",
    "Dnn": "dnn",
    "Fm": "fm",
    "Logistic": "logistic",
    "Model": "base",
    "bce_with_logits": "loss",
    "make_model": "make",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)

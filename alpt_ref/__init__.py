"""Adaptive low-precision training (ALPT) of embedding tables: quantisers, tables, models, data, experiments.

Public names load on first use; importing the package itself loads neither Numba nor anything heavier.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "QuantSpec": "quantizer",
    "philox4x32": "quantizer",
    "quantize": "quantizer",
    "dequantize": "quantizer",
    "step_gradient": "quantizer",
    "pack": "quantizer",
    "unpack": "quantizer",
    "make_table": "tables",
    "make_model": "models",
    "ClickDataset": "data",
    "read_criteo": "data",
    "read_avazu": "data",
    "read_libfm": "data",
    "synthetic_clicks": "data",
    "RunConfig": "config",
    "auc": "metrics",
    "logloss": "metrics",
    "num_threads": "_jit",
    "set_num_threads": "_jit",
    "AlptError": "errors",
    "InputError": "errors",
    "TrainingError": "errors",
}

__all__ = ["__version__", *_HOMES]

_EXTRAS = {"CTRClassifier": "sklearn"}  # need an optional dependency, so that ``import *`` must not load them

if TYPE_CHECKING:
    from ._jit import num_threads as num_threads
    from ._jit import set_num_threads as set_num_threads
    from .config import RunConfig as RunConfig
    from .data import ClickDataset as ClickDataset
    from .data import read_avazu as read_avazu
    from .data import read_criteo as read_criteo
    from .data import read_libfm as read_libfm
    from .data import synthetic_clicks as synthetic_clicks
    from .errors import AlptError as AlptError
    from .errors import InputError as InputError
    from .errors import TrainingError as TrainingError
    from .metrics import auc as auc
    from .metrics import logloss as logloss
    from .models import make_model as make_model
    from .quantizer import QuantSpec as QuantSpec
    from .quantizer import dequantize as dequantize
    from .quantizer import pack as pack
    from .quantizer import philox4x32 as philox4x32
    from .quantizer import quantize as quantize
    from .quantizer import step_gradient as step_gradient
    from .quantizer import unpack as unpack
    from .sklearn import CTRClassifier as CTRClassifier
    from .tables import make_table as make_table


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    home = _HOMES.get(name) or _EXTRAS.get(name)
    if home is None:
        raise AttributeError(f"module 'alpt_ref' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names."""
    return sorted(__all__)

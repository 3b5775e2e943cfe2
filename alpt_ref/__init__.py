"""Adaptive low-precision training (ALPT) of embedding tables: quantisers, tables, models, data, experiments.

Public names load on first use; importing the package itself loads neither Numba nor anything heavier.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from alpt_ref._version import __version__

_HOMES = {
    "QuantSpec": "quantizer",
    "philox4x32": "quantizer",
    "quantize": "quantizer",
    "dequantize": "quantizer",
    "step_gradient": "quantizer",
    "pack": "quantizer",
    "unpack": "quantizer",
    "EmbeddingTable": "tables",
    "TableSpec": "tables",
    "make_table": "tables",
    "Model": "models",
    "make_model": "models",
    "ClickDataset": "data",
    "read_criteo": "data",
    "read_avazu": "data",
    "read_libfm": "data",
    "synthetic_clicks": "data",
    "RunConfig": "training.config",
    "auc": "training.metrics",
    "logloss": "training.metrics",
    "num_threads": "kernels.jit",
    "set_num_threads": "kernels.jit",
    "allow": "_util.parts",
    "AlptError": "errors",
    "InputError": "errors",
    "TrainingError": "errors",
}

__all__ = ["__version__", *_HOMES]

_EXTRAS = {"CTRClassifier": "sklearn"}  # need an optional dependency, so that ``import *`` must not load them

if TYPE_CHECKING:
    from alpt_ref._util.parts import allow as allow
    from alpt_ref.data import ClickDataset as ClickDataset
    from alpt_ref.data import read_avazu as read_avazu
    from alpt_ref.data import read_criteo as read_criteo
    from alpt_ref.data import read_libfm as read_libfm
    from alpt_ref.data import synthetic_clicks as synthetic_clicks
    from alpt_ref.errors import AlptError as AlptError
    from alpt_ref.errors import InputError as InputError
    from alpt_ref.errors import TrainingError as TrainingError
    from alpt_ref.kernels.jit import num_threads as num_threads
    from alpt_ref.kernels.jit import set_num_threads as set_num_threads
    from alpt_ref.models import Model as Model
    from alpt_ref.models import make_model as make_model
    from alpt_ref.quantizer import QuantSpec as QuantSpec
    from alpt_ref.quantizer import dequantize as dequantize
    from alpt_ref.quantizer import pack as pack
    from alpt_ref.quantizer import philox4x32 as philox4x32
    from alpt_ref.quantizer import quantize as quantize
    from alpt_ref.quantizer import step_gradient as step_gradient
    from alpt_ref.quantizer import unpack as unpack
    from alpt_ref.sklearn import CTRClassifier as CTRClassifier
    from alpt_ref.tables import EmbeddingTable as EmbeddingTable
    from alpt_ref.tables import TableSpec as TableSpec
    from alpt_ref.tables import make_table as make_table
    from alpt_ref.training.config import RunConfig as RunConfig
    from alpt_ref.training.metrics import auc as auc
    from alpt_ref.training.metrics import logloss as logloss


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

"""Adaptive low-precision training (ALPT) of embedding tables: quantisers, tables, models, data, theory, experiments.

Public names load on first use; importing the package itself loads neither Numba nor anything heavier.

Examples
--------
>>> import alpt_ref
>>> data = alpt_ref.synthetic_clicks(rows=2000, fields=3, features=50)
>>> config = alpt_ref.RunConfig().replace("train", epochs=1).replace("model", dim=4, hidden=(8,))
>>> result = alpt_ref.train(config, data)
>>> 0.0 < result.test_auc < 1.0
True
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

from alpt_ref._util import old_paths
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
    "Callback": "training.callbacks",
    "RunResult": "training.results",
    "train": "training.train",
    "Scorer": "serving.scorer",
    "compare": "studies.comparison",
    "Experiment": "studies.experiment",
    "ExperimentResult": "studies.experiment",
    "verify": "verification.verify",
    "auc": "training.metrics",
    "logloss": "training.metrics",
    "num_threads": "kernels.jit",
    "set_num_threads": "kernels.jit",
    "allow": "_util.parts",
    "AlptError": "errors",
    "InputError": "errors",
    "TrainingError": "errors",
}

__all__ = ["__version__", "theory", *_HOMES]

_FUNCTIONS = ("train", "compare", "verify")  # modules of 0.1.0 had these names

_EXTRAS = {"CTRClassifier": "sklearn"}  # need an optional dependency, so that ``import *`` must not load them

if TYPE_CHECKING:
    from alpt_ref import theory as theory
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
    from alpt_ref.serving.scorer import Scorer as Scorer
    from alpt_ref.sklearn import CTRClassifier as CTRClassifier
    from alpt_ref.studies.comparison import compare as compare
    from alpt_ref.studies.experiment import Experiment as Experiment
    from alpt_ref.studies.experiment import ExperimentResult as ExperimentResult
    from alpt_ref.tables import EmbeddingTable as EmbeddingTable
    from alpt_ref.tables import TableSpec as TableSpec
    from alpt_ref.tables import make_table as make_table
    from alpt_ref.training.callbacks import Callback as Callback
    from alpt_ref.training.config import RunConfig as RunConfig
    from alpt_ref.training.metrics import auc as auc
    from alpt_ref.training.metrics import logloss as logloss
    from alpt_ref.training.results import RunResult as RunResult
    from alpt_ref.training.train import train as train
    from alpt_ref.verification.verify import verify as verify


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name == "theory":
        return importlib.import_module(f".{name}", __name__)
    home = _HOMES.get(name) or _EXTRAS.get(name)
    if home is None:
        raise AttributeError(f"module 'alpt_ref' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{home}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names."""
    return sorted(__all__)


class _Package(types.ModuleType):
    """The package's own class: importing ``alpt_ref.train``, a path of 0.1.0, must not put a module over a function."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, except where the import system would replace a function by a module."""
        if name not in _FUNCTIONS or not isinstance(value, types.ModuleType):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
old_paths.install()

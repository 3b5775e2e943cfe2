"""Click data: synthetic, real and encoded stores. Everything loads on first use, so that imports stay cheap."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .avazu import read_avazu as read_avazu
    from .criteo import read_criteo as read_criteo
    from .dataset import ClickDataset as ClickDataset
    from .ingest import encode_file as encode_file
    from .libfm import read_libfm as read_libfm
    from .movielens import read_movielens as read_movielens
    from .raw import RawClicks as RawClicks
    from .registry import load as load
    from .summary import describe as describe
    from .summary import describe_text as describe_text
    from .synthetic import iter_synthetic_blocks as iter_synthetic_blocks
    from .synthetic import make_synthetic_model as make_synthetic_model
    from .synthetic import synthetic_clicks as synthetic_clicks
    from .synthetic import write_synthetic as write_synthetic
    from .vocabulary import Vocabulary as Vocabulary

_HOME = {
    "ClickDataset": "dataset",
    "RawClicks": "raw",
    "Vocabulary": "vocabulary",
    "describe": "summary",
    "describe_text": "summary",
    "encode_file": "ingest",
    "iter_synthetic_blocks": "synthetic",
    "load": "registry",
    "make_synthetic_model": "synthetic",
    "read_avazu": "avazu",
    "read_criteo": "criteo",
    "read_libfm": "libfm",
    "read_movielens": "movielens",
    "synthetic_clicks": "synthetic",
    "write_synthetic": "synthetic",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)

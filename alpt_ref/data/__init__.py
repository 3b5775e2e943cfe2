"""Click data: synthetic, real and encoded stores. Everything loads on first use, so that imports stay cheap."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alpt_ref.data.any_source import read as read
    from alpt_ref.data.dataset import ClickDataset as ClickDataset
    from alpt_ref.data.formats.avazu import read_avazu as read_avazu
    from alpt_ref.data.formats.criteo import read_criteo as read_criteo
    from alpt_ref.data.formats.libfm import read_libfm as read_libfm
    from alpt_ref.data.formats.movielens import read_movielens as read_movielens
    from alpt_ref.data.raw import RawClicks as RawClicks
    from alpt_ref.data.registry import load as load
    from alpt_ref.data.registry import read_text as read_text
    from alpt_ref.data.schema import Schema as Schema
    from alpt_ref.data.schema import schema_of as schema_of
    from alpt_ref.data.schema_guess import guess_schema as guess_schema
    from alpt_ref.data.store.ingest import encode_file as encode_file
    from alpt_ref.data.store.summary import describe as describe
    from alpt_ref.data.store.summary import describe_text as describe_text
    from alpt_ref.data.synthetic.clicks import iter_synthetic_blocks as iter_synthetic_blocks
    from alpt_ref.data.synthetic.clicks import make_synthetic_model as make_synthetic_model
    from alpt_ref.data.synthetic.clicks import synthetic_clicks as synthetic_clicks
    from alpt_ref.data.synthetic.clicks import write_synthetic as write_synthetic
    from alpt_ref.data.vocabulary import Vocabulary as Vocabulary

_HOME = {
    "ClickDataset": "dataset",
    "RawClicks": "raw",
    "Schema": "schema",
    "Vocabulary": "vocabulary",
    "describe": "store.summary",
    "describe_text": "store.summary",
    "encode_file": "store.ingest",
    "guess_schema": "schema_guess",
    "iter_synthetic_blocks": "synthetic.clicks",
    "load": "registry",
    "make_synthetic_model": "synthetic.clicks",
    "read": "any_source",
    "read_avazu": "formats.avazu",
    "read_criteo": "formats.criteo",
    "read_libfm": "formats.libfm",
    "read_movielens": "formats.movielens",
    "read_text": "registry",
    "schema_of": "schema",
    "synthetic_clicks": "synthetic.clicks",
    "write_synthetic": "synthetic.clicks",
}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)

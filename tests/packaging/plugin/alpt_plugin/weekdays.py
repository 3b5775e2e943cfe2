"""A dataset: a function without arguments that returns a `ClickDataset` (or `RawClicks`)."""

from __future__ import annotations

from alpt_ref import ClickDataset, synthetic_clicks


def load() -> ClickDataset:
    """Seven categories in each of three fields."""
    return synthetic_clicks(rows=2000, fields=3, features=21, seed=7)

"""Which rank owns a row, and at which place: a bijective hash of the row number, and its inverse."""

from __future__ import annotations


class RowMap:
    """Owner and place of each of `n` rows over `ranks` ranks."""

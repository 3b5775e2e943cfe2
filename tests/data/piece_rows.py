"""Rows of several values made by hand, and a reader of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref.data.fields import FieldPlan

from .by_hand import HandReader, Row

PLANS = (
    FieldPlan("device"),
    FieldPlan("genres", "mean", min_count=2),
    FieldPlan("words", "sum"),
    FieldPlan("price", bins=3),
)


def rows_by_hand(count: int, seed: int = 0) -> list[Row]:
    """Good rows with up to three genres and two words."""
    random = np.random.default_rng(seed)
    return [
        Row(
            (
                [("d" + str(random.integers(3)), 1.0)],
                [("g" + str(value), 1.0) for value in random.integers(5, size=random.integers(4))],
                [("w" + str(value), float(value) / 4) for value in random.integers(5, size=random.integers(3))],
                [(["", "1", "2", "2.5", "9"][random.integers(5)], 1.0)],
            ),
            int(random.integers(2)),
            float(random.integers(3)) / 2,
            int(random.integers(-9, 9)),
        )
        for _ in range(count)
    ]


def reader(rows: list[Row], step: int = 3, **options: Any) -> HandReader:
    """One source of four fields."""
    return HandReader([rows], PLANS, "1mf1", step, **options)

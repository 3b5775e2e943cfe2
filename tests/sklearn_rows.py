"""Rows of categories for tests of the estimator, and one that fits them quickly."""

from __future__ import annotations

from typing import Any

import numpy as np

from alpt_ref import CTRClassifier


def rows(count: int = 600, seed: int = 0) -> tuple[list[list[Any]], np.ndarray[Any, Any]]:
    """Texts, whole numbers and missing values; a click is likely for (a, not b) and where the last is missing."""
    rng = np.random.default_rng(seed)
    first, second, third = (
        rng.choice(["a", "b"], count),
        rng.integers(5, 9, count),
        rng.choice([1.0, 2.0, np.nan], count),
    )
    p = 0.1 + 0.6 * (first == "a") * (second < 7) + 0.25 * np.isnan(third)
    X = [[str(a), int(b), None if np.isnan(c) else float(c)] for a, b, c in zip(first, second, third, strict=True)]
    return X, rng.random(count) < p


def quick(**settings: Any) -> CTRClassifier:
    return CTRClassifier(**{"dim": 4, "hidden": (8,), "lr": 0.01, "epochs": 2, "random_state": 0} | settings)

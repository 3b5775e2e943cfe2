"""Slow and obvious twin of the Monte Carlo kernels: the one on which the claims about the driver stand."""

from __future__ import annotations

from typing import Any

from analysis.claims import _engine_twin as twin
from analysis.claims._engine_twin import Floats, exponential, logarithm, normal, philox, sigmoid, words

__all__ = ["Floats", "exponential", "logarithm", "normal", "philox", "sigmoid", "simulate", "twin", "words"]


def simulate(*arguments: Any, **options: Any) -> Floats:
    """Every iterate: float32 (steps, runs, d)."""
    return twin.simulate(*arguments, **options).w

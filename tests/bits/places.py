"""Where the corpus finds the package: modules under the name they have now, else under one that they had before.

The corpus runs on any version since 0.1.0 (``python -m tests.bits.regenerate --root CHECKOUT --check``), so that a move
or a new name can be told from a new bit.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

HOMES: dict[str, tuple[str, ...]] = {
    "train": ("training.train:train", "train:train"),
    "read_checkpoint": ("training.checkpoint:read_checkpoint", "checkpoint:read_checkpoint"),
    "export": ("serving:export", "export:export"),
    "predict": ("serving.predict:predict", "predict:predict"),
    "quantize_file": ("serving.import_table:quantize_file", "export.import_table:quantize_file"),
    "write_raw_text": ("data.synthetic.generate:write_raw_text", "data.generate:write_raw_text"),
    "load_attribute": ("_util.plugin:load_attribute", "verify.plugin:load_attribute"),
    "best_step_size": ("theory.learned_step_size:best_step_size", "theory.learned_step:best_step_size"),
    "straight_through_step_size": (
        "theory.learned_step_size:straight_through_step_size",
        "theory.learned_step:straight_through_step_size",
    ),
    "sr_convex_constant_small_updates": (
        "theory.bounds:sr_convex_constant_small_updates",
        "theory.bounds:sr_convex_constant_small_moves",
    ),
    "sr_strongly_convex_constant_small_updates": (
        "theory.bounds:sr_strongly_convex_constant_small_updates",
        "theory.bounds:sr_strongly_convex_constant_small_moves",
    ),
    "step_size_change_floor": ("theory.bounds:step_size_change_floor", "theory.bounds:step_change_floor"),
    "expected_step_size_derivative": (
        "theory.identities:expected_step_size_derivative",
        "theory.identities:expected_step_derivative",
    ),
}
"""Name -> ``module:attribute`` below ``alpt_ref``, the newest first."""

ROOMS = (
    "theory.quadratic_laws", "theory.dither", "theory.bounds", "theory.bounds.lemma", "theory.bounds.additions",
    "theory.identities", "theory.crossover", "theory.learned_step_size", "theory.stalling",
)  # fmt: skip
"""Modules in which a name without a home is looked for, the newest first."""

ARGUMENTS: dict[str, tuple[str, ...]] = {"step_size": ("step",)}
"""Name of an argument -> the names that it had before."""


def find(name: str) -> Any:
    """A function of the package by its name here: where `HOMES` says, else in one of `ROOMS`."""
    tried = HOMES.get(name, tuple(f"{room}:{name}" for room in ROOMS))
    for place in tried:
        module, attribute = place.split(":")
        try:
            return getattr(importlib.import_module(f"alpt_ref.{module}"), attribute)
        except (ImportError, AttributeError):
            continue
    raise LookupError(f"{name} is at none of {', '.join(tried)}; say in tests/bits/places.py where it went")


def call(function: Any, *arguments: Any, **options: Any) -> Any:
    """Call with options under the names that this version of `function` knows."""
    known = inspect.signature(function).parameters
    renamed = {
        next((old for old in (name, *ARGUMENTS.get(name, ())) if old in known), name): value
        for name, value in options.items()
    }
    return function(*arguments, **renamed)


def checkout() -> Path:
    """Folder of the checkout whose package is imported."""
    import alpt_ref

    return Path(str(alpt_ref.__file__)).resolve().parents[1]

"""What an adapter says about a quantiser: how it is called, on which lattice it rounds, and what it promises."""

from __future__ import annotations

import importlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from alpt_ref.testing import Lattice
from alpt_ref.testing.adapters import from_torch

Floats = NDArray[np.float32]
LOCK = threading.Lock()
Quantizer = Callable[[Floats, int], Floats]
"""Decoded values of x (n, d) in the draw with this number: same x and draw, same result."""


@dataclass(frozen=True)
class Case:
    """One rounding of a package, on one lattice."""

    name: str
    """What it is, in the package's own words: ``"fixed_point_quantize, nearest"``."""
    rounding: Literal["sr", "dr"]
    lattice: Lattice
    quantizer: Quantizer
    promise: str
    """What the package says of its rounding, quoted."""
    source: str
    """Where it says so."""
    not_promised: dict[str, str] = field(default_factory=dict)
    """Properties that do not follow from the promise, with the reason: a breach is a note."""
    left_out: tuple[str, ...] = ()
    """Properties that cannot be measured: those that compare two calls, where nothing seeds the generator."""
    require: tuple[str, ...] = ()
    """Properties that do not follow from the rounding and that this package promises."""
    ties: str | None = None
    """The rule for ties that it promises."""
    resolution: float = 2.0**-32
    """Bias of a step that its random numbers leave: 2^-24 where they are those of a float32 generator."""


@dataclass(frozen=True)
class Peer:
    """A package and its roundings."""

    name: str
    distribution: str | None
    """The one whose version is given; None if nothing is installed for it."""
    cases: Callable[[], list[Case]]
    """Raises ImportError where the package is missing."""
    origin: str = ""
    """Without a distribution: the version, or which rule was written down anew and from where."""

    def case(self, name: str) -> Case:
        """The rounding of this name."""
        return next(one for one in self.cases() if one.name == name)

    def version(self) -> str:
        """Of the installed distribution; `origin` where there is none."""
        if self.distribution is None:
            return self.origin
        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            raise ImportError(f"{self.distribution} is not installed") from None


def module(name: str) -> Any:
    """A module of another package, without its types."""
    return importlib.import_module(name)


def on_tensors(function: Callable[[Any], Any]) -> Quantizer:
    """A function of a tensor that draws from PyTorch's generator, which is seeded with the draw and put back."""
    torch = module("torch")

    def seeded(x: Any, draw: int) -> Any:
        with LOCK:  # one generator for all threads: what is measured is not the race for it
            state = torch.get_rng_state()
            torch.manual_seed(draw)
            try:
                return function(x).to(torch.float32)
            finally:
                torch.set_rng_state(state)

    return from_torch(seeded)

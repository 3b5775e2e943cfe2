"""What an adapter says about a quantiser: how it is called, on which lattice it rounds, and what it promises."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Quantizer = Callable[[Floats, int], Floats]
"""Decoded values of x (n, d) in the draw with this number: same x and draw, same result."""


@dataclass(frozen=True)
class Case:
    """One rounding of a package, on one lattice."""

    name: str
    """What it is, in the package's own words: ``"fixed_point_quantize, nearest"``."""
    rounding: Literal["sr", "dr"]
    lattice: Any
    """A lattice of `alpt_ref.testing`."""
    quantizer: Quantizer
    promise: str
    """What the package says of its rounding, quoted."""
    source: str
    """Where it says so."""
    not_promised: dict[str, str] = field(default_factory=dict)
    """Properties that do not follow from the promise, with the reason: a breach is a note."""
    require: tuple[str, ...] = ()
    """Properties that are notes by default and that this package promises."""


@dataclass(frozen=True)
class Peer:
    """A package and its roundings."""

    name: str
    distribution: str | None
    """Of which the version is given; None if nothing is installed for it."""
    cases: Callable[[], list[Case]]
    """Raises ImportError where the package is missing."""
    reenacted: str = ""
    """If the package is not called: which rule was written down anew, and from where."""

    def version(self) -> str:
        """Version of the installed distribution; of a rule that was written down, where from."""
        if self.distribution is None:
            return self.reenacted
        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            raise ImportError(f"{self.distribution} is not installed") from None


def module(name: str) -> Any:
    """A module of another package, without its types."""
    return importlib.import_module(name)


@contextmanager
def _torch_seed(torch: Any, seed: int) -> Iterator[None]:
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(state)


def on_tensors(function: Callable[[Any], Any]) -> Quantizer:
    """A function of a tensor that draws from PyTorch's generator, which is seeded with the draw and put back.

    The tensor shares the memory of x; where x is read-only or runs backwards, which PyTorch does not know, it is a copy.
    """
    torch = module("torch")

    def quantizer(x: Floats, draw: int) -> Floats:
        shared = x.flags.writeable and all(stride >= 0 for stride in x.strides)
        with _torch_seed(torch, draw), torch.no_grad():
            result = function(torch.from_numpy(x if shared else x.copy()))
        return np.asarray(result.to(torch.float32).numpy())

    return quantizer

"""What is broken, and what must notice: folders and files of one checkout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Project:
    """A checkout.

    Attributes
    ----------
    root : its folder
    package : name of its package, a folder of `root`
    claims : folder of claims, relative to the root
    tests : test files that count, as glob patterns relative to the root
    targets : files that are broken by rule, as glob patterns
    left_out : those of them that are not
    kernels : files whose functions are compiled, as glob patterns
    """

    root: Path
    package: str
    claims: str
    tests: tuple[str, ...]
    targets: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()

    @property
    def folders(self) -> tuple[str, ...]:
        """Where code lies that claims and tests import."""
        first = (one.split("/")[0] for one in self.tests)
        return tuple(dict.fromkeys((self.package, self.claims.split("/")[0], *first)))

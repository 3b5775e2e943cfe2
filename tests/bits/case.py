"""What a case of the corpus is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Case:
    """Something that is computed.

    Attributes
    ----------
    name : str
        Also the key in ``digests.json``.
    run : callable
        Returns values (arrays, bytes, numbers, texts) by meaning.
    depends : {"", "blas", "numpy"}
        What else the bits depend on: the version of the BLAS library and the kernel that it picks for the processor, or
        those of NumPy's own vector functions (exp, log). Digests are kept for each. Anything else is the same anywhere.
    needs : str
        An optional package without which the case is skipped.
    """

    name: str
    run: Callable[[], dict[str, Any]]
    depends: Literal["", "blas", "numpy"] = ""
    needs: str = ""

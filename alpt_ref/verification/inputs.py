"""What a claim may be about beside what it computes itself: folders that the caller names; none is searched for."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Inputs(NamedTuple):
    """Folders named by the caller; None for one that was not given.

    Attributes
    ----------
    runs : study of trained models, the output folder of `alpt-ref reproduce`
    clicks : store of click data, as written by `alpt-ref data`
    """

    runs: Path | None = None
    clicks: Path | None = None


NO_INPUTS = Inputs()

"""What a claim may be about beside what it computes itself: what the caller names; nothing is searched for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from alpt_ref.verification.user_quantizer import UserQuantizer


class Inputs(NamedTuple):
    """Folders and a function named by the caller; None for what was not given.

    Attributes
    ----------
    runs : study of trained models, the output folder of `alpt-ref reproduce`
    clicks : store of click data, as written by `alpt-ref data`
    quantizer : rounding that takes the place of SR
    """

    runs: Path | None = None
    clicks: Path | None = None
    quantizer: UserQuantizer | None = None

    @property
    def salt(self) -> str:
        """What the keys of cells depend on beside their own code."""
        return "" if self.quantizer is None else self.quantizer.digest


NO_INPUTS = Inputs()

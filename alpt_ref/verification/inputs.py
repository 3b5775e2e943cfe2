"""What a claim may be about beside what it computes itself: folders that the caller names; none is searched for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from alpt_ref._util.plugin import guard
from alpt_ref.errors import InputError

if TYPE_CHECKING:
    from alpt_ref.verification.claim import Claim


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


def claim_about(claim: Claim, inputs: Inputs) -> Claim:
    """The claim about these inputs; one that knows of none, or is given none, stays as it is.

    Raises
    ------
    InputError
        An input cannot be used; the sentence names the claim.
    """
    if claim.of_inputs is None or inputs == NO_INPUTS:
        return claim
    with guard() as caught:
        return claim.of_inputs(inputs)
    raise InputError(f"claim {claim.id}: {caught.message}")

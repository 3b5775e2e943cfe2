"""Claims under a rounding of the user's: which of them take it, and what the verdicts say of it.

A theorem of stochastic rounding is *broken* by a function if its claim, measured with the function in place of SR, is
refuted; *kept* if it is supported. What no claim can see is left to `alpt_ref.testing.check_quantizer`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from alpt_ref._util.files import read_json
from alpt_ref._util.plugin import capture_error
from alpt_ref.errors import InputError
from alpt_ref.verification.inputs import Inputs
from alpt_ref.verification.report import bound_text, cell_text, number
from alpt_ref.verification.results import ClaimResult
from alpt_ref.verification.runner import Loaded
from alpt_ref.verification.user_quantizer import UserQuantizer
from alpt_ref.verification.verdicts import Verdicts

SHOWN = 4
"""Points of a broken theorem that are named."""


class QuantizerVerdicts(Verdicts):
    """Verdicts by claim id, with what they say of the quantiser.

    Attributes
    ----------
    quantizer : UserQuantizer
    left_out : dict
        Why: of each claim that takes no such function, and of one of which cells are missing.
    """

    def __init__(self, results: Iterable[ClaimResult], quantizer: UserQuantizer, left_out: Mapping[str, str]) -> None:
        super().__init__({result.id: result for result in results})
        self.quantizer = quantizer
        self.left_out = dict(left_out)

    def _with(self, *outcomes: str) -> tuple[str, ...]:
        return tuple(name for name, result in self.items() if result.outcome in outcomes)

    @property
    def breaks(self) -> tuple[str, ...]:
        """Ids of the theorems that the function breaks: their claims are refuted."""
        return self._with("REFUTED")

    @property
    def keeps(self) -> tuple[str, ...]:
        """Ids of those that are supported."""
        return self._with("SUPPORTED")

    @property
    def undecided(self) -> tuple[str, ...]:
        """Ids of the others: too few runs, a failure, or a control that was not refuted."""
        return self._with("INCONCLUSIVE", "ERROR", "CONTROL_FAILED", "NOT_APPLICABLE")

    @property
    def check_command(self) -> str:
        """What looks at the properties that the theory does not see."""
        q = self.quantizer
        if q.given is not None:
            return f"alpt_ref.testing.check_quantizer({q.name}, Uniform({q.step_size!r}, {q.bits}))"
        return f"alpt-ref check {q.name} --bits {q.bits} --step-size {q.step_size!r}"

    @property
    def heading(self) -> str:
        """Of `lines`."""
        return f"With the quantiser {self.quantizer.name} ({self.quantizer.lattice})"

    def lines(self) -> list[str]:
        """What it breaks and where, what it keeps, what stays open, what is left out and why."""
        found = [f"breaks: {', '.join(self.breaks) or 'none'}"]
        for name in self.breaks:
            found += [f"  {name} {self[name].title}", *(f"    {text}" for text in _refuted(self[name]))]
        found.append(f"keeps: {', '.join(self.keeps) or 'none'}")
        if self.undecided:
            found.append(f"undecided: {', '.join(f'{name} ({self[name].outcome})' for name in self.undecided)}")
        by_reason: dict[str, list[str]] = {}
        for name, reason in self.left_out.items():
            by_reason.setdefault(reason, []).append(name)
        found += [f"left out: {', '.join(names)}: {reason}" for reason, names in by_reason.items()]
        found.append(f"properties that no theorem here sees (ties, neighbours, layouts, dtypes): {self.check_command}")
        return found

    def __str__(self) -> str:
        """Heading and `lines`."""
        return "\n".join([self.heading, *self.lines()])

    def _repr_html_(self) -> str:
        """The table of verdicts and `lines`, for notebooks."""
        lines = "\n".join([self.heading, *self.lines()])
        return f"{super()._repr_html_()}<pre>{escape(lines)}</pre>"

    def as_dict(self) -> dict[str, Any]:
        """For report.json."""
        return {
            "quantizer": described(self.quantizer),
            "breaks": list(self.breaks),
            "keeps": list(self.keeps),
            "undecided": list(self.undecided),
            "left_out": self.left_out,
        }


def _refuted(result: ClaimResult) -> list[str]:
    """The clearest refuted points, in words."""
    hide = ("bits", "step_size", "runs", "first")
    texts = []
    for cell in result.cells:
        shown = ", ".join(
            part.removeprefix("of=") for part in cell_text(cell).split(", ") if part.split("=")[0] not in hide
        )
        for point in cell.points:
            if point.outcome == "REFUTED":
                label = f", {point.label}" if point.label else ""
                texts.append(f"measured {number(point.value)}, allowed {bound_text(point)} at {shown}{label}")
    more = [f"and at {len(texts) - SHOWN} more points"] if len(texts) > SHOWN else []
    return texts[:SHOWN] + more


def described(quantizer: UserQuantizer | None) -> dict[str, Any] | None:
    """Name and lattice, as an output folder's marker keeps them."""
    if quantizer is None:
        return None
    return {"name": quantizer.name, "bits": quantizer.bits, "step_size": quantizer.step_size}


def other_quantizer(marker: Path, quantizer: UserQuantizer | None) -> str | None:
    """Whose verdicts an output folder holds, in words, where they are not about this quantiser; None where they are."""
    content = read_json(marker)
    stored = content.get("quantizer") if isinstance(content, dict) else None
    if stored == described(quantizer):
        return None
    if stored is None:
        return "verdicts on the package's own rounding"
    return f"verdicts on the quantizer {stored['name']} ({stored['bits']} bits, step size {stored['step_size']:g})"


def refuse_with_quantizer(quantizer: object, jobs: int | None, **others: object) -> None:
    """InputError for an option that cannot go with a function of the user's."""
    reasons = {
        "device": "a function in Python runs on the CPU",
        "runs": "claims about trained models take no function",
        "clicks": "claims about click data take no function",
        "scheduler": "its code would have to be the same on every worker",
        "join": "its code would have to be the same on every client",
    }
    for name, value in others.items():
        if value and not (name == "device" and value == "cpu"):
            raise InputError(f"{name} {value!r} does not go with quantizer: {reasons[name]}; leave {name} out")
    if callable(quantizer) and jobs != 1:
        raise InputError(
            f"jobs must be 1 where quantizer is a function itself, got {jobs!r}; name it 'module:function' or "
            "'file.py:function', so that other processes can load it"
        )


def take(
    claims: Mapping[str, Loaded], quantizer: UserQuantizer, named: Sequence[str]
) -> tuple[list[Loaded], dict[str, str]]:
    """The claims with the function in place of SR, and why others are left out.

    Parameters
    ----------
    claims : by id
    quantizer : UserQuantizer
    named : ids that the caller asked for

    Raises
    ------
    InputError
        One that the caller asked for cannot take it, or none can.
    """
    chosen: list[Loaded] = []
    left_out: dict[str, str] = {}
    for name, loaded in claims.items():
        with capture_error() as caught:
            taken = loaded.about(Inputs(quantizer=quantizer))
            chosen.append(taken)
            left_out |= {name: taken.claim.left_out} if taken.claim.left_out else {}
        if caught.message and name in named:
            raise InputError(f"{caught.message}; leave it out, or verify it without quantizer")
        if caught.message:
            left_out[name] = caught.message.removeprefix(f"claim {name}: ")
    if not chosen:
        raise InputError("none of these claims takes a quantizer; leave claims and folder out")
    return chosen, left_out

"""What `check_quantizer` found: one outcome for each property, as an object, as text, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from alpt_ref._util.notebook import html_table
from alpt_ref.errors import InputError

PROPERTIES = {
    "on_grid": "every result is a value of the lattice",
    "neighbour": "it is one of the two values next to x (dr: the nearer one)",
    "fixed_points": "a value of the lattice never moves",
    "saturation": "beyond the ends x gets the value at the end",
    "subnormal": "subnormal numbers and -0 are rounded like others",
    "nan_policy": "NaN and infinity follow one rule",
    "layout": "memory layout, read-only and empty arrays change nothing",
    "input_untouched": "x is not written to",
    "repeatable": "x and draw decide the result",
    "row_prefix": "the first rows alone get the same results",
    "column_prefix": "the first columns alone get the same results",
    "threads": "the number of threads changes nothing",
    "monotone": "a larger x never gets a smaller result in the same draw",
    "unbiased": "the mean result is x",
    "variance": "the variance of the result is p(1-p) of a squared step",
    "independence": "elements, rows, columns and draws are independent",
    "ties": "one rule for ties",
    "beside_ties": "numbers right beside a tie go to the nearer value",
    "round_trip": "a result that is rounded again stays",
    "gradient": "straight-through gradient, clipped at the ends by one rule",
    "dtype": "float32 in, float32 out",
}
"""Names of the properties and what each says."""
NOTES = ("nan_policy", "row_prefix", "column_prefix", "threads", "dtype")
"""Nobody promised these: where they do not hold it is a note, and a failure only if the caller requires them."""
PASSED, FAILED, NOTE, NOT_APPLICABLE = "passed", "failed", "note", "not applicable"


@dataclass(frozen=True)
class Example:
    """One element that breaks a property, the smallest that was seen.

    Attributes
    ----------
    x, result : float
    draw : int
    lower, upper : the values of the lattice next to x
    shape : of the array that was rounded; ``(1, 1)`` where the element alone shows it
    place : row and column in it
    """

    x: float
    draw: int
    result: float
    lower: float
    upper: float
    shape: tuple[int, ...]
    place: tuple[int, ...]

    def __str__(self) -> str:
        """One line that lets a reader repeat it."""
        where = "x of shape (1, 1)" if self.shape == (1, 1) else f"x of shape {self.shape} at {self.place}"
        wanted = f"{self.lower!r}" if self.lower == self.upper else f"{self.lower!r} or {self.upper!r}"
        return f"{where}: x = {self.x!r} ({self.x.hex()}), draw {self.draw}: {self.result!r}, expected {wanted}"


@dataclass(frozen=True)
class Finding:
    """What the check of one property returns.

    Attributes
    ----------
    holds : None if the property does not apply
    text : what was seen
    detects : the smallest effect that it would have seen, and how surely
    false_alarm : probability that a quantiser that has the property fails, at most
    """

    holds: bool | None
    text: str = ""
    example: Example | None = None
    detects: str = ""
    false_alarm: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """One property of a report.

    Attributes
    ----------
    name : its name in `PROPERTIES`
    status : ``"passed"``, ``"failed"``, ``"note"`` or ``"not applicable"``
    text : what was seen
    example : the smallest failing example, or None
    false_alarm : probability that a quantiser that has the property fails here, at most; 0 where nothing is sampled
    elements : numbers that the quantiser was given
    detects : the smallest effect that would have been seen, and how surely
    seconds : time, the quantiser's included
    """

    name: str
    status: str
    text: str = ""
    example: Example | None = None
    false_alarm: float = 0.0
    elements: int = 0
    detects: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        """One line, and one for the example."""
        line = f"{self.status:14} {self.name:16} {self.text}".rstrip()
        return line + (f"\n{'':32}{self.example}" if self.example is not None else "")


@dataclass(frozen=True)
class Report:
    """Outcomes of all properties.

    Attributes
    ----------
    outcomes : by name, in the order of `PROPERTIES`
    quantizer, lattice, rounding, effort, seed : what was checked, and how
    """

    quantizer: str
    lattice: str
    rounding: str
    effort: float
    seed: int
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    def _named(self, status: str) -> tuple[str, ...]:
        return tuple(name for name, outcome in self.outcomes.items() if outcome.status == status)

    @property
    def ok(self) -> bool:
        """Whether nothing failed; notes do not count."""
        return not self.failed

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the properties that failed."""
        return self._named(FAILED)

    @property
    def notes(self) -> tuple[str, ...]:
        """Names of the properties that do not hold and that nobody required."""
        return self._named(NOTE)

    @property
    def passed(self) -> tuple[str, ...]:
        """Names of the properties that hold, as far as was seen."""
        return self._named(PASSED)

    @property
    def false_alarm(self) -> float:
        """Probability that a quantiser with all properties fails one of them: at most the sum over the properties."""
        return sum(outcome.false_alarm for outcome in self.outcomes.values())

    @property
    def elements(self) -> int:
        """Numbers that the quantiser was given."""
        return sum(outcome.elements for outcome in self.outcomes.values())

    @property
    def seconds(self) -> float:
        """Time, the quantiser's included."""
        return sum(outcome.seconds for outcome in self.outcomes.values())

    def __getitem__(self, name: str) -> Outcome:
        """Outcome of one property."""
        if name not in self.outcomes:
            raise InputError(f"the report has no property {name!r}; it has {', '.join(self.outcomes)}")
        return self.outcomes[name]

    def __iter__(self) -> Iterator[Outcome]:
        """Outcomes in order."""
        return iter(self.outcomes.values())

    def _summary(self) -> str:
        count = {status: len(self._named(status)) for status in (FAILED, PASSED, NOTE, NOT_APPLICABLE)}
        parts = [f"{number} {status}" for status, number in count.items() if number]
        return (
            f"{', '.join(parts)}; {self.elements:,} numbers in {self.seconds:.1f} s; "
            f"false alarm: probability at most {self.false_alarm:.1g}"
        )

    def __str__(self) -> str:
        """Heading, one line for each property, and a summary."""
        head = f"{self.quantizer}: {self.rounding.upper()} on {self.lattice} (effort {self.effort:g}, seed {self.seed})"
        lines = [head]
        for outcome in self:
            lines.append(str(outcome))
            if outcome.detects:
                lines.append(f"{'':32}sees {outcome.detects}")
        return "\n".join([*lines, self._summary()])

    def _repr_html_(self) -> str:
        """A line a property, for notebooks."""
        rows = [(one.name, one.status, one.text, one.detects) for one in self]
        titles = ("property", "", "what was seen", "sees")
        return html_table(titles, rows, caption=self.quantizer, notes=[self._summary()])

    def to_markdown(self) -> str:
        """The report as a Markdown section with a table."""
        heads = ("property", "", "what was seen", "sees", "false alarm at most", "numbers", "seconds")
        rows = [_row(heads), _row(["---"] * len(heads))]
        for one in self:
            text = one.text + (f" Example: `{one.example}`" if one.example is not None else "")
            alarm = f"{one.false_alarm:.1g}" if one.false_alarm else "0"
            cells = (
                f"`{one.name}`",
                _bold(one.status),
                text,
                one.detects,
                alarm,
                f"{one.elements:,}",
                f"{one.seconds:.2f}",
            )
            rows.append(_row(cells))
        what = f"{self.rounding.upper()} on {self.lattice}; effort {self.effort:g}, seed {self.seed}"
        return f"## {self.quantizer}\n\n{what}. {self._summary()}.\n\n" + "\n".join(rows) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        head = {name: getattr(self, name) for name in ("quantizer", "lattice", "rounding", "effort", "seed")}
        tail = {name: getattr(self, name) for name in ("ok", "failed", "notes", "false_alarm", "elements", "seconds")}
        return {**head, **tail, "properties": [asdict(outcome) for outcome in self]}


def _bold(status: str) -> str:
    return f"**{status}**" if status == FAILED else status


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

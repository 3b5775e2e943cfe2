"""One line of a table: its labels and the run its numbers come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Line:
    """One line of a table.

    Attributes
    ----------
    labels : one for each of the table's heads
    run : name of a run of the table's plan; "" for numbers from elsewhere, which are in `fixed`
    against : name of the run that differences and ratios are taken to; "" for none
    group : lines of one group compete for the best value
    fixed : column -> number
    """

    labels: tuple[str, ...]
    run: str = ""
    against: str = ""
    group: str = ""
    fixed: Mapping[str, float] = field(default_factory=dict)

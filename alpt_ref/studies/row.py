"""One row of a table: its labels and the run its numbers come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from alpt_ref._util.former_names import former_fields


@former_fields(against="reference")
@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes
    ----------
    labels : one for each of the table's label columns
    run : name of a run of the table's plan; "" for published numbers, which are in `fixed`
    reference : name of the run that differences and ratios are taken to; "" for none
    group : rows of one group compete for the best value
    fixed : column -> number

    Examples
    --------
    >>> Row(("LPT-SR", "8"), run="lpt-sr 8-bit", reference="fp32").reference
    'fp32'
    """

    labels: tuple[str, ...]
    run: str = ""
    reference: str = ""
    group: str = ""
    fixed: Mapping[str, float] = field(default_factory=dict)

"""Calling the command line from tests: settings of a run of a second, and what a call printed and returned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

TINY = (
    "--set=data.rows=2000", "--set=data.fields=3", "--set=data.features=60", "--set=model.dim=4",
    "--set=data.rank=4", "--preset=quick", "--set=model.hidden=[8]", "--set=train.batch_size=400",
    "--set=train.epochs=2",
)  # fmt: skip
SMALL = tuple(option for option in TINY if "data." not in option)
"""For data of one's own."""


@dataclass(frozen=True)
class Call:
    """Exit status and what went to stdout and stderr."""

    status: int
    out: str
    err: str


Caller = Callable[..., Call]

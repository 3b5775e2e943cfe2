"""Days of a click log: raw text of a public set's shape in which one field brings mostly new ids every day.

Day ``k`` (from 1) has rows of its own, drawn as those of the shape without days, and the hours of its date. Of the
categories of one field, `RENEWED` of the shape, a share is renewed every day: a category of these has another text and
another weight on every day, so that nothing learned of it serves tomorrow. Which ones are is drawn for each day. The
others, and all other fields, keep their text and weight.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alpt_ref._util import check as _check
from alpt_ref.data.synthetic.generate import RawText, _mix, support
from alpt_ref.errors import InputError

RENEWED: Mapping[str, str] = {"avazu": "site_id", "criteo": "C7"}
"""The field of each shape whose ids are renewed."""
SHARE = 0.8
MAX_DAYS = 100
_BLOCKS_A_DAY = 1 << 20
_SALT = 0x64617973


@dataclass(frozen=True, eq=False)
class DayText(RawText):
    """The text of one day's rows.

    Parameters
    ----------
    shape, seed
        As for `RawText`; the same on every day.
    day : int
        From 1 to 100.
    renewed : float
        Share of the categories of `RENEWED` that are new on every day.

    Examples
    --------
    >>> monday, tuesday = DayText("avazu", day=1).block(0, 2000), DayText("avazu", day=2).block(0, 2000)
    >>> sites = [{line.split(b",")[5] for line in text.splitlines()} for text in (monday, tuesday)]
    >>> len(sites[0] & sites[1]) / len(sites[1]) < 0.25
    True
    """

    day: int = 1
    renewed: float = SHARE

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        object.__setattr__(self, "day", _check.whole_number("day", self.day, 1, MAX_DAYS + 1))
        if not 0 <= self.renewed <= 1:
            raise InputError(f"renewed must be a share from 0 to 1, got {self.renewed!r}")

    @functools.cached_property
    def bias(self) -> float:
        """That of the shape without days: the same on every day."""
        return RawText(self.shape, self.seed).bias

    def _ranks(self, block: int) -> NDArray[np.uint32]:
        """See `RawText`; a renewed category has a rank that no other day draws."""
        ranks = super()._ranks(block + self.day * _BLOCKS_A_DAY)
        for out, column in zip(ranks, self.layout.columns, strict=True):
            if column.text == "hour":
                out[:] = (out - 1) % 24 + 24 * (self.day - 1) % column.size + 1
            if column.name == RENEWED[self.shape]:
                new = _mix(out, _SALT + self.day + self.seed) < self.renewed * 2.0**32
                total = support(column.size, int(self.layout.rows * (1.0 - column.missing)))
                out[new & (out > 0)] += np.uint32(self.day * (total + 1))
        return ranks


def text_source(shape: str, seed: int, day: int | None) -> RawText:
    """What draws the rows, of one day or without days; InputError where an argument is outside its range."""
    return RawText(shape, seed) if day is None else DayText(shape, seed, day)

"""Counts against exact binomial tails: which of many counts of rare events is too high or too low.

A count of independent events with probabilities ``p_i`` lies, beyond its mean by one or more, no more often than a
binomial one with the mean probability (Hoeffding, Ann. Math. Stat. 27, 1956, theorem 4). So groups of elements of
unlike p are tested by their mean p, exactly. Bonferroni's correction holds over all counts of a property.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Count(NamedTuple):
    """Events in trials; `p` is the mean probability, `slack` what it may be off without a defect.

    With `calls` the elements of a call may depend on one another, and only the calls are independent. `among` counts
    were looked at, of which this is the one farthest off.
    """

    what: str
    events: int
    trials: int
    p: float
    slack: float
    calls: int = 0
    among: int = 1

    @property
    def tail(self) -> float:
        """Probability of a count at least this far off, on its side, doubled for the choice of the side.

        Among several counts that of any one, at most.
        """
        if self.calls:  # Hoeffding's inequality for means of calls, which lie between 0 and 1
            off = max(0.0, abs(self.events / self.trials - self.p) - self.slack)
            return min(1.0, 2.0 * math.exp(-2.0 * self.calls * off * off))
        high = upper_tail(self.events, self.trials, min(1.0, self.p + self.slack))
        low = lower_tail(self.events, self.trials, max(0.0, self.p - self.slack))
        return min(1.0, 2.0 * min(high, low) * self.among)

    def __str__(self) -> str:
        """Counted and expected."""
        return f"{self.what}: {self.events:,} of {self.trials:,}, expected {self.trials * self.p:,.6g}"


def upper_tail(events: int, trials: int, p: float) -> float:
    """``P(X >= events)`` for X binomial.

    Examples
    --------
    >>> upper_tail(2, 2, 0.5), upper_tail(0, 2, 0.5)
    (0.25, 1.0)
    """
    if events <= 0:
        return 1.0
    return float(_special().betainc(events, trials - events + 1, p)) if p > 0 else 0.0


def lower_tail(events: int, trials: int, p: float) -> float:
    """``P(X <= events)`` for X binomial."""
    if events >= trials:
        return 1.0
    return float(_special().betainc(trials - events, events + 1, 1.0 - p)) if p < 1 else 0.0


def _special() -> Any:
    from scipy import special

    return special


class Counts:
    """All counts of a property, and the worst."""

    def __init__(self, alpha: float, *, by_call: bool = False) -> None:
        self.alpha, self.by_call = alpha, by_call
        self.all: list[Count] = []

    def add(self, what: str, events: int, trials: int, p: float, slack: float = 0.0, calls: int = 0) -> None:
        """One more; without trials nothing is concluded."""
        if trials:
            self.all.append(Count(what, int(events), int(trials), float(p), slack, calls if self.by_call else 0))

    def add_worst(self, what: str, events: ArrayLike, trials: ArrayLike) -> None:
        """Of many counts of fair bits the one farthest off, for all of them; `what` names its place as ``{place}``."""
        found = np.asarray(events, np.float64).reshape(-1)
        each = np.broadcast_to(np.asarray(trials, np.float64), np.shape(events)).reshape(-1)
        if not found.size:
            return
        place = int(np.argmax(np.abs(found - each / 2) / np.sqrt(each)))
        text = what.format(place=f"{place:,}")
        self.all.append(Count(text, int(found[place]), int(each[place]), 0.5, 0.0, 0, found.size))

    @property
    def number(self) -> int:
        """Counts, each of those too of which only the worst was kept."""
        return sum(one.among for one in self.all)

    def worst(self) -> tuple[Count, float] | None:
        """The count of the smallest tail and that tail times the number of counts; None if there is none."""
        if not self.all:
            return None
        tails = [one.tail for one in self.all]
        least = min(range(len(tails)), key=tails.__getitem__)
        return self.all[least], min(1.0, tails[least] * len(self.all))

    def bad(self) -> tuple[Count, float] | None:
        """`worst` where it is too far off."""
        worst = self.worst()
        return worst if worst is not None and worst[1] <= self.alpha else None

    def least_excess(self, trials: int, p: float, power: float = 0.99) -> float:
        """The least addition to `p` that one of these counts would show with this probability."""
        return least_excess(trials, p, self.alpha / max(1, len(self.all)), power)


def least_excess(trials: int, p: float, alpha: float, power: float = 0.99) -> float:
    """The least addition to `p` that a two-sided test of `trials` events shows with probability `power`.

    Examples
    --------
    >>> 4.6 < least_excess(10**6, 0.0, 1e-9) * 10**6 < 4.7
    True
    """
    if trials <= 0 or p >= 1:
        return math.inf
    limit = _least_count(trials, p, alpha / 2)
    low, high = 0.0, 1.0 - p
    for _ in range(60):
        middle = (low + high) / 2
        if upper_tail(limit, trials, min(1.0, p + middle)) >= power:
            high = middle
        else:
            low = middle
    return high


def _least_count(trials: int, p: float, alpha: float) -> int:
    low, high = 0, trials + 1
    while high - low > 1:
        middle = (low + high) // 2
        if upper_tail(middle, trials, p) <= alpha:
            high = middle
        else:
            low = middle
    return high

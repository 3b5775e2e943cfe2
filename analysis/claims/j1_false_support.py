r"""J1: how often the judge supports what is false, at the very boundary, for the distributions that are hardest.

The truth lies on the bound, so every SUPPORTED is wrong: its chance must be at most alpha. The verdicts are simulated
with the judge's own functions, one point a claim; the rate's upper 99 % limit (Clopper and Pearson, from the count
alone) is compared with 1.2 alpha. A range is declared where there is one: both ends of a rare
event, the lower end of squares and of lognormal values; normality is declared for normal values alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from alpt_ref.verification import Cell, Claim, Constants, Control, Measurement, Test, exact, product, sampled
from alpt_ref.verification.stats import estimate

from ._left_out import JUDGE

Floats = NDArray[np.float64]
Side = Literal["at most", "at least"]
SIDES: tuple[Side, ...] = ("at most", "at least")
SLACK = 1.2
AT_ONCE = 1 << 20
"""Numbers that are drawn at once."""


class Law(NamedTuple):
    """A distribution, its mean, and what a claim may declare of it."""

    draw: Callable[[np.random.Generator, tuple[int, int]], Floats]
    mean: float
    low: float | None = None
    high: float | None = None
    normal: str = ""


LAWS = {
    "normal": Law(lambda rng, size: rng.normal(size=size), 0.0, normal="drawn from a normal law"),
    "squared normal": Law(lambda rng, size: rng.normal(size=size) ** 2, 1.0, low=0.0),
    "rare": Law(lambda rng, size: (rng.random(size) < 0.01).astype(np.float64), 0.01, 0.0, 1.0),
    "lognormal": Law(lambda rng, size: rng.lognormal(0.0, 2.0, size), math.exp(2.0), low=0.0),
}


def cells(budget: str) -> list[Cell]:
    """Numbers of runs that the claims use; more verdicts where the level is smaller and the rate is alpha itself."""
    full, skewed = budget == "full", [name for name, law in LAWS.items() if not law.normal]
    runs = [2, 5, 20, 64, 512, 2048] if full else [5, 64, 512]
    made = product(law=["normal"], runs=runs, alpha=[0.05], verdicts=[40_000])
    made += product(law=["normal"], runs=[5], alpha=[0.001], verdicts=[1_000_000])
    made += product(law=skewed, runs=[5, 64], alpha=[0.05], verdicts=[40_000])
    return made + product(law=skewed, runs=runs, alpha=[0.001], verdicts=[20_000 if full else 10_000])


def p_of_support(values: Floats, law: Law, side: Side, bound: float) -> Floats:
    """p-values (points,) with which the judge supports that each mean lies on this side of `bound`."""
    known = estimate(sampled(values, low=law.low, high=law.high), Test(normal=law.normal))
    here, nothing = np.full(values.shape[1], bound), np.full(values.shape[1], np.inf)
    return known.p_within(-nothing, here) if side == "at most" else known.p_within(here, nothing)


def p_of_t(values: Floats, side: Side, bound: float, *, certain: bool) -> Floats:
    """The same by Student's t whatever the law; without scatter `certain`, or undecided."""
    error = values.std(axis=0, ddof=1) / len(values) ** 0.5
    distance = values.mean(axis=0) - bound
    t = distance / np.where(error > 0, error, 1.0)
    freedom = len(values) - 1
    tail = stats.t.cdf(t, freedom) if side == "at most" else stats.t.sf(t, freedom)
    known = np.where((distance < 0) == (side == "at most"), 0.0, 1.0) if certain else np.ones_like(t)
    return np.where(error > 0, tail, known)


def upper_limit(count: int, trials: int, confidence: float = 0.99) -> float:
    """Clopper and Pearson's one-sided upper limit of a rate.

    Examples
    --------
    >>> round(upper_limit(0, 100), 6)  # 1 - 0.01^(1/100)
    0.045007
    """
    return 1.0 if count == trials else float(stats.beta.ppf(confidence, count + 1, trials - count))


def count_supported(
    law: Law, runs: int, verdicts: int, p_value: Callable[[Floats, Side], Floats], alpha: float, seed: int
) -> dict[Side, int]:
    """How many of so many verdicts, each on its own runs, are SUPPORTED, for upper and for lower bounds."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    counts, done = dict.fromkeys(SIDES, 0), 0
    while done < verdicts:
        chunk = min(verdicts - done, max(1, AT_ONCE // runs))
        values = law.draw(rng, (runs, chunk))
        for side in SIDES:
            counts[side] += int((p_value(values, side) <= alpha).sum())
        done += chunk
    return counts


def measure(cell: Cell, seed: int, *, broken: str | None = None) -> Measurement:
    """Upper 99 % limit of the rate of false support, in units of alpha, of upper and of lower bounds."""
    law = LAWS[cell["law"]]

    def p_value(values: Floats, side: Side) -> Floats:
        if broken is None:
            return p_of_support(values, law, side, law.mean)
        return p_of_t(values, side, law.mean, certain=broken == "certain")

    counts = count_supported(law, cell["runs"], cell["verdicts"], p_value, cell["alpha"], seed)
    limits = [upper_limit(counts[side], cell["verdicts"]) / cell["alpha"] for side in SIDES]
    return exact(limits, rtol=0.0, labels=[f"measured {side} the bound" for side in SIDES])


def bound(cell: Cell, constants: Constants) -> Any:
    """1.2: what the number of verdicts resolves."""
    return SLACK


CLAIM = Claim(
    id="j1",
    left_out=JUDGE,
    title="The judge: false support at the boundary",
    statement=r"$P(\mathrm{SUPPORTED}\ |\ E X\ \mathrm{on\ the\ bound}) \leq \alpha$",
    plain=(
        "if the true mean lies on the bound, the judge supports the claim with probability at most alpha: normal values"
        " (declared), squares of normal ones, events of 1 %, lognormal values (sigma 2); shown: the rate's upper 99 %"
        " limit over alpha is at most 1.2"
    ),
    source="Waudby-Smith and Ramdas (2024); Clopper and Pearson (1934)",
    kind="upper",
    grid=cells,
    bound=bound,
    measure=measure,
    control=(
        Control(
            "certain",
            "Student's t, and equal values count as known",
            where=lambda c: c["law"] == "rare" and c["runs"] == 64,
        ),
        Control(
            "t anyway",
            "Student's t though the values are not normal",
            where=lambda c: c["law"] in ("squared normal", "lognormal") and c["runs"] <= 64,
        ),
    ),
)

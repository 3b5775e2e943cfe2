"""Power of the first command's comparisons, from the scatter of the stored full study.

    python -m analysis.quick_power

For every difference in AUC that ``alpt-ref reproduce --quick`` shows and that the full study in
``analysis/results/small`` has: its size there, its standard deviation over seeds, and the probability that a paired
t-test on the quick study's seeds finds it. A test part of fewer rows scatters more: standard deviations are multiplied
by the root of the ratio. Nothing of the quick study's own runs is used.
"""

from __future__ import annotations

import math
import sys
from typing import NamedTuple

from scipy import stats
from tabulate import tabulate

from alpt_ref.studies import four_answers
from alpt_ref.studies.answers import Estimate, stored_difference
from alpt_ref.studies.study import Study, preset

LEVEL, FAMILY = 0.05, 6
"""Of a test, and how many there are: three differences of (b), two of (c), one of (d)."""


class Power(NamedTuple):
    """A difference of the full study, and what the quick one would see of it: power by itself, and with Bonferroni."""

    what: str
    difference: float
    deviation: float
    seeds: int
    alone: float
    of_all: float


def stored() -> dict[str, Estimate]:
    """The full study's differences by the name that the answers give them; those of equal runs are left out."""
    sought = {
        **{
            f"LPT(SR) − LPT(DR), {bits} bits, η/Δ = {ratio:g}": (
                "eta_over_delta",
                {"bits": f"{bits}", "η/Δ": f"{ratio:g}", "rounding": "SR"},
            )
            for bits, ratio in four_answers.SWEEP
        },
        **{
            f"ALPT(SR) − LPT(SR), {bits} bits, constant rate": (
                "schedule",
                {"bits": f"{bits}", "learning rate": "constant", "method": "ALPT-SR"},
            )
            for bits in four_answers.LEARNED
        },
        "ALPT(SR) 8 bits − FP32": ("methods", {"method": "ALPT-SR"}),
    }
    known = {name: stored_difference(name, "small", table, labels) for name, (table, labels) in sought.items()}
    return {name: one for name, one in known.items() if one is not None}


def power(one: Estimate, study: Study, full: Study) -> Power:
    """Of two-sided paired t-tests on the seeds of `study`, for the difference that `full` found."""
    if one.high is None:
        raise ValueError(f"{one.what} has no interval")
    deviation = (one.high - one.estimate) * one.n**0.5 / float(stats.t.ppf(0.975, one.n - 1))
    here = deviation * (full.base.data.rows / study.base.data.rows) ** 0.5
    n = len(study.few_seeds if one.what.startswith("LPT") else study.seeds)
    shift = abs(one.estimate) * n**0.5 / here
    return Power(one.what, one.estimate, here, n, _of_t_test(shift, n, LEVEL), _of_t_test(shift, n, LEVEL / FAMILY))


def _of_t_test(shift: float, n: int, level: float) -> float:
    """Probability that a two-sided t-test on `n` values finds a mean of `shift` standard errors."""
    least = float(stats.t.ppf(1 - level / 2, n - 1))
    right, left = float(stats.nct.sf(least, n - 1, shift)), float(stats.nct.cdf(-least, n - 1, shift))
    if math.isnan(right):  # SciPy's noncentral t far out: where all of it, or next to nothing, lies
        right = 1.0
    return right + (0.0 if math.isnan(left) else left)


def main() -> None:
    """Print the table."""
    study, full = preset("quick"), preset("small")
    found = [power(one, study, full) for one in stored().values()]
    rows = [
        (one.what, f"{one.difference:+.4f}", f"{one.deviation:.4f}", one.seeds, f"{one.alone:.3f}", f"{one.of_all:.3f}")
        for one in found
    ]
    deviation = f"deviation at {study.base.data.rows:,} rows"
    heads = ("difference in AUC", "full study", deviation, "seeds", f"power at {LEVEL:g}", f"at {LEVEL:g}/{FAMILY}")
    sys.stdout.write(tabulate(rows, heads, disable_numparse=True) + "\n")


if __name__ == "__main__":
    main()

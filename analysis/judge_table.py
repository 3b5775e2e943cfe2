"""How often the judge is wrong, and how often it finds what is true: the table ``analysis/results/judge.md``.

    python -m analysis.judge_table              # 10^6 verdicts a line, 10^5 beyond 1,024 runs: half an hour
    python -m analysis.judge_table --quick      # a hundredth of them

Of each distribution: the rate at which a bound is supported that the truth just reaches (false support), with its upper
99 % limit over alpha, and the rate at which a bound is supported of which the truth reaches half (power). A lower bound
is half the truth there; a normal mean of 1 has a standard deviation of 1/2. Of normal values Student's t sees the mean
and the variance alone: beyond 1,024 runs these are drawn themselves (independent, normal and chi-squared), 10^6 times.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alpt_ref._util.files import write_text
from alpt_ref.verification.estimates import Student

from .claims.j1_false_support import LAWS, SIDES, Floats, Law, Side, count_supported, p_of_support, upper_limit

TABLE = Path(__file__).parent / "results" / "judge.md"
ALPHA = 0.001
RUNS = (5, 64, 256, 1024, 4096)
VERDICTS, MANY_RUNS, OF_POWER = 1_000_000, 1024, 2_000
MEAN, DEVIATION = 1.0, 0.5
SHOWN = {
    "normal, declared": Law(
        lambda rng, size: rng.normal(MEAN, DEVIATION, size), MEAN, normal="drawn from a normal law"
    ),
    "event of 1 %, in [0, 1]": LAWS["rare"],
    "loss with mean 1/20, in [0, 1]": Law(lambda rng, size: rng.beta(1.0, 19.0, size), 0.05, 0.0, 1.0),
    "squared normal, at least 0": LAWS["squared normal"],
    "lognormal (sigma 2), at least 0": LAWS["lognormal"],
}


def rate(law: Law, runs: int, verdicts: int, bounds: dict[Side, float], seed: int) -> dict[Side, int]:
    """Verdicts that support the bound of each side."""
    if law.normal and runs > MANY_RUNS:
        return rate_of_moments(runs, verdicts, bounds, seed)

    def p_value(values: Floats, side: Side) -> Floats:
        return p_of_support(values, law, side, bounds[side])

    return count_supported(law, runs, verdicts, p_value, ALPHA, seed)


def rate_of_moments(runs: int, verdicts: int, bounds: dict[Side, float], seed: int) -> dict[Side, int]:
    """The same for normal values, from the mean and the variance of each verdict's runs."""
    rng = np.random.Generator(np.random.Philox(key=seed))
    mean = rng.normal(MEAN, DEVIATION / runs**0.5, verdicts)
    variance = DEVIATION**2 * rng.chisquare(runs - 1, verdicts) / (runs - 1)
    known, nothing = Student(mean, np.sqrt(variance / runs), runs - 1), np.full(verdicts, np.inf)
    p = {
        "at most": known.p_within(-nothing, np.full(verdicts, bounds["at most"])),
        "at least": known.p_within(np.full(verdicts, bounds["at least"]), nothing),
    }
    return {side: int((p[side] <= ALPHA).sum()) for side in SIDES}


def line(name: str, runs: int, verdicts: int, seed: int) -> str:
    """One line of the table."""
    law = SHOWN[name]
    false = rate(law, runs, verdicts, dict.fromkeys(SIDES, law.mean), seed)
    power = rate(law, runs, OF_POWER, {"at most": 2 * law.mean, "at least": law.mean / 2}, seed + 1)
    cells = [name, f"{runs:,}", f"{verdicts:,}"]
    for side in SIDES:
        limit = upper_limit(false[side], verdicts) / ALPHA
        cells += [f"{false[side] / verdicts:.2g}", f"{limit:.2g}", f"{power[side] / OF_POWER:.3f}"]
    return "| " + " | ".join(cells) + " |"


def table(verdicts: int = VERDICTS, runs: Sequence[int] = RUNS) -> str:
    """The page, as Markdown."""
    head = ["distribution", "runs", "verdicts"]
    for side in ("upper bound", "lower bound"):
        head += [f"{side}: false support", "upper 99 % limit / alpha", "power at half"]
    lines = [
        "# The judge: false support and power",
        "",
        f"Written by `python -m analysis.judge_table`; alpha = {ALPHA:g}, verdicts on one point each.",
        "",
        "- *false support*: the share of verdicts SUPPORTED where the truth lies on the bound",
        "- *power at half*: that share where it is half of an upper bound, or twice a lower one "
        f"({OF_POWER:,} verdicts)",
        "- a range without the end that a bound needs supports nothing",
        f"- beyond {MANY_RUNS:,} runs the mean and the variance of normal values are drawn themselves",
        "",
        "| " + " | ".join(head) + " |",
        "|---" * len(head) + "|",
    ]
    for number, name in enumerate(SHOWN):
        for n in runs:
            cheap = n <= MANY_RUNS or SHOWN[name].normal
            lines.append(line(name, n, verdicts if cheap else verdicts // 10, seed=2 * (100 * number + n)))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the table."""
    given = sys.argv[1:]
    if given not in ([], ["--quick"]):
        raise SystemExit("usage: python -m analysis.judge_table [--quick]")
    text = table(VERDICTS // 100 if given else VERDICTS)
    write_text(TABLE, text)
    print(text, end="")


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()

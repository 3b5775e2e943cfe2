"""How often the judge is wrong, and how often it finds what is true: the table ``analysis/results/judge.md``.

    python -m analysis.judge_table                # all lines: half an hour of one core
    python -m analysis.judge_table --quick        # a hundredth of the verdicts
    python -m analysis.judge_table --runs 4096    # the lines of these numbers of runs (with commas); others stay

Of each distribution: the rate at which a bound is supported that the truth just reaches (false support), with its upper
99 % limit over alpha, and the rate at which a bound is supported of which the truth reaches half (power). A lower bound
is half the truth there; a normal mean of 1 has a standard deviation of 1/2. Of normal values Student's t sees the mean
and the variance alone, of events betting sees their number: beyond 1,024 and 4,096 runs these are drawn themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
import numpy as np

from alpt_ref._util.files import write_text
from alpt_ref.verification.estimates import Student

from . import judge_many_runs
from .claims.j1_false_support import LAWS, SIDES, Law, Side, count_supported, p_of_support, upper_limit

TABLE = Path(__file__).parent / "results" / "judge.md"
ALPHA = 0.001
NORMAL_RUNS, LOSS_RUNS = (5, 10, 20, 64, 256, 512, 1024, 4096), (5, 64, 256, 1024, 4096)
RUNS = (5, 64, 256, 512, 1024, 2048, 4096, 8000, 12800, 16384, 20000, 32768, 40000, 60000, 65536, 200000)
"""Numbers of runs of the claims that declare a range; 5, as few as anyone may give, besides."""
VERDICTS, OF_POWER = 1_000_000, 2_000
OF_MOMENTS, OF_COUNTS = 1024, 4096
"""Runs beyond which means and variances of normal values, and counts of events, are drawn themselves."""
FEWER, FEWEST = 4096, 20_000
"""Runs beyond which `SHARES` of the verdicts are drawn where every value must be."""
SHARES = (50, 200)
MEAN, DEVIATION = 1.0, 0.5
EVENTS, LOSS = "event of 1 %, in [0, 1]", "loss with mean 1/20, in [0, 1]"
SHOWN = {
    "normal, declared": Law(
        lambda rng, size: rng.normal(MEAN, DEVIATION, size), MEAN, normal="drawn from a normal law"
    ),
    EVENTS: LAWS["rare"],
    LOSS: Law(lambda rng, size: rng.beta(1.0, 19.0, size), 0.05, 0.0, 1.0),
    "squared normal, at least 0": LAWS["squared normal"],
    "lognormal (sigma 2), at least 0": LAWS["lognormal"],
}


def rate(name: str, runs: int, verdicts: int, bounds: dict[Side, float], seed: int) -> dict[Side, int]:
    """Verdicts that support the bound of each side."""
    law = SHOWN[name]
    if not law.normal:
        counted = name == EVENTS and runs > OF_COUNTS
        count = judge_many_runs.count_supported_events if counted else judge_many_runs.count_supported
        return count(law, runs, verdicts, bounds, ALPHA, seed)
    if runs > OF_MOMENTS:
        return rate_of_moments(runs, verdicts, bounds, seed)
    return count_supported(
        law, runs, verdicts, lambda values, side: p_of_support(values, law, side, bounds[side]), ALPHA, seed
    )


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


def lines() -> list[tuple[str, int]]:
    """Distribution and number of runs of every line."""
    others = {"normal, declared": NORMAL_RUNS, LOSS: LOSS_RUNS}
    return [(name, runs) for name in SHOWN for runs in others.get(name, RUNS)]


def drawn(name: str, runs: int, verdicts: int) -> int:
    """How many verdicts a line stands on, of `verdicts` where they are cheap."""
    if SHOWN[name].normal or name == EVENTS or runs <= FEWER:
        return verdicts
    return verdicts // SHARES[runs > FEWEST]


def line(name: str, runs: int, verdicts: int) -> str:
    """One line of the table."""
    law, seed = SHOWN[name], 2 * (100 * list(SHOWN).index(name) + runs)
    false = rate(name, runs, verdicts, dict.fromkeys(SIDES, law.mean), seed)
    power = rate(name, runs, OF_POWER, {"at most": 2 * law.mean, "at least": law.mean / 2}, seed + 1)
    cells = [f"{verdicts:,}"]
    for side in SIDES:
        limit = upper_limit(false[side], verdicts) / ALPHA
        cells += [f"{false[side] / verdicts:.2g}", f"{limit:.2g}", f"{power[side] / OF_POWER:.3f}"]
    return begin(name, runs) + " | ".join(cells) + " |"


def begin(name: str, runs: int) -> str:
    """How a line begins."""
    return f"| {name} | {runs:,} | "


def page(known: Mapping[tuple[str, int], str]) -> str:
    """The page with these lines, as Markdown; it says which are missing."""
    missing: dict[str, list[str]] = {}
    for name, runs in lines():
        if (name, runs) not in known:
            missing.setdefault(name, []).append(f"{runs:,}")
    head = ["distribution", "runs", "verdicts"]
    for side in ("upper bound", "lower bound"):
        head += [f"{side}: false support", "upper 99 % limit / alpha", "power at half"]
    about = [
        "# The judge: false support and power",
        "",
        f"Written by `python -m analysis.judge_table`; alpha = {ALPHA:g}, verdicts on one point each.",
        "",
        "- *false support*: the share of verdicts SUPPORTED where the truth lies on the bound",
        "- *power at half*: that share where it is half of an upper bound, or twice a lower one "
        f"({OF_POWER:,} verdicts)",
        "- numbers of runs: those of the claims whose values are tested by their range, and 5; of normal values 5 to "
        "20 as of trained models",
        "- a range without the end that a bound needs supports nothing",
        f"- beyond {OF_MOMENTS:,} runs the mean and the variance of normal values are drawn themselves, beyond "
        f"{OF_COUNTS:,} the number of events",
        f"- {VERDICTS:,} verdicts unless the column says less; of squares and lognormal values "
        f"{VERDICTS // SHARES[0]:,} beyond {FEWER:,} runs and {VERDICTS // SHARES[1]:,} beyond {FEWEST:,}, for the "
        "time it takes",
        *(f"- not run so far (`--runs N`): {name}, at {'; '.join(runs)} runs" for name, runs in missing.items()),
        "",
        "| " + " | ".join(head) + " |",
        "|---" * len(head) + "|",
    ]
    return "\n".join([*about, *(known[key] for key in lines() if key in known)]) + "\n"


def stored() -> dict[tuple[str, int], str]:
    """The lines of the page as it is, in whatever order."""
    text = TABLE.read_text(encoding="utf-8").splitlines() if TABLE.exists() else []
    return {key: one for key in lines() for one in text if one.startswith(begin(*key))}


def _numbers(context: click.Context, option: click.Parameter, text: str) -> set[int]:
    """Of ``--runs``."""
    try:
        return {int(n) for n in text.split(",")} if text else set()
    except ValueError:
        raise click.BadParameter(f"must be whole numbers with commas between them, got {text!r}") from None


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--quick", is_flag=True, help="A hundredth of the verdicts.")
@click.option("--runs", "only", default="", metavar="N,N", callback=_numbers, help="These lines; others stay.")
def main(quick: bool, only: set[int]) -> None:
    """How often the judge is wrong: analysis/results/judge.md, which is written after every line of it."""
    if quick and only:
        raise click.UsageError("give one of --quick and --runs")
    if missing := only - {runs for _, runs in lines()}:
        raise click.UsageError(f"--runs: the table has no line of {min(missing)} runs")
    known = stored() if only else {}
    for name, runs in lines():
        if not only or runs in only:
            known[name, runs] = line(name, runs, drawn(name, runs, VERDICTS // 100 if quick else VERDICTS))
            print(known[name, runs], flush=True)
            write_text(TABLE, page(known))


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()

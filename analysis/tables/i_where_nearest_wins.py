"""Where nearest rounding wins: what becomes of the deficit of LPT(SR) to LPT(DR) when one thing is changed.

At a few bits and η/Δ of 1/2 or 1 nearest rounding has the lower loss under a constant learning rate. Three explanations
are tested, each by taking away what it rests on: a floor of rounding noise (a decaying rate, which lowers what
every step adds), gradient noise that nearest rounding filters with its dead zone below Δ/2 (a larger batch), and the
narrow range of the codes (the same η and Δ at 8 bits: the noise of a step and the dead zone stay as they are).

η is the rate of lazy Adam, whose first step on a row is exactly η. SGD has no such step (it grows with the gradient),
so that its η/Δ would mean something else, and it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from alpt_ref.studies.columns import COLUMNS, values_by_seed
from alpt_ref.studies.grid import MethodSetting, configure
from alpt_ref.studies.inference import PairedEstimate, estimates, undecided
from alpt_ref.studies.reproduce import Row, Runs, Study, Table
from alpt_ref.training.config import RunConfig

BITS, WIDE = (4, 2), 8
RATIOS = (0.5, 1.0)
BATCHES = 4
CONSTANT, DECAYING, LARGE = "constant rate", "decaying rate", f"constant rate, {BATCHES}× batch"
TRAININGS = (CONSTANT, DECAYING, LARGE)
EXPLANATIONS = {
    "a decaying rate": "a floor of rounding noise that a decaying rate lowers",
    f"a {BATCHES}× batch": "gradient noise that nearest rounding filters",
    f"the range of {WIDE} bits": "the narrow range of the codes",
}
"""Change of a case at a constant rate -> what it tests."""


class Case(NamedTuple):
    """Two runs that differ in their rounding alone."""

    bits: int
    ratio: float
    training: str

    def name(self, rounding: str) -> str:
        """Of one of them."""
        return f"lpt-{rounding} {self.bits}-bit eta/Delta={self.ratio:g}, {self.training}"

    def __str__(self) -> str:
        """``4 bits η/Δ = 0.5``."""
        return f"{self.bits} bits η/Δ = {self.ratio:g}"


STARTS = [Case(bits, ratio, CONSTANT) for bits in BITS for ratio in RATIOS]
CASES = [start._replace(training=training) for start in STARTS for training in TRAININGS]
CASES += [Case(WIDE, ratio, CONSTANT) for ratio in RATIOS]


def changed(start: Case) -> dict[str, Case]:
    """The changes of a case at a constant rate."""
    cases = (start._replace(training=DECAYING), start._replace(training=LARGE), start._replace(bits=WIDE))
    return dict(zip(EXPLANATIONS, cases, strict=True))


def runs(study: Study) -> Mapping[str, RunConfig]:
    constant = study.base.replace("train", milestones=())
    large = constant.replace("train", batch_size=BATCHES * study.base.train.batch_size)
    base = {CONSTANT: constant, DECAYING: study.base, LARGE: large}
    return {
        case.name(rounding): configure(base[case.training], MethodSetting(f"lpt-{rounding}", case.bits)).replace(
            "table", init_step=study.base.table.lr / case.ratio
        )
        for case in CASES
        for rounding in ("dr", "sr")
    }


def rows(study: Study) -> list[Row]:
    return [
        Row(
            (str(case.bits), f"{case.ratio:g}", case.training, side.upper()),
            case.name(side),
            case.name("dr"),
            f"{case}, {case.training}",
        )
        for case in CASES
        for side in ("dr", "sr")
    ]


def conclude(found: Runs) -> Sequence[str]:
    """A sentence a case with every change, then one an explanation; Holm's correction over all tests of both."""
    deficits = {case: _more_loss(found, case.name("sr"), case.name("dr")) for case in CASES}
    changes = {
        (start, words): _minus(deficits[case], deficits[start])
        for start in STARTS
        for words, case in changed(start).items()
    }
    known = estimates({key: list(of_seed.values()) for key, of_seed in (deficits | changes).items()}, found.widen)
    sentences: list[str] = []
    verdicts: dict[str, dict[Case, str]] = {words: {} for words in EXPLANATIONS}
    for start in STARTS:
        if start not in known or known[start].sign <= 0:
            continue
        parts = []
        for words, case in changed(start).items():
            if not {start, case, (start, words)} <= set(known):
                continue
            word = verdict(known[case], known[start, words])
            alone = {side: _more_loss(found, case.name(side), start.name(side)) for side in ("sr", "dr")}
            sides = estimates({side: list(of_seed.values()) for side, of_seed in alone.items()}, found.widen)
            own = ", ".join(f"{side.upper()} alone {one.interval}" for side, one in sides.items())
            parts.append(f"with {words} it {word}: {known[case]} (change {known[start, words]}; {own})")
            verdicts[words][start] = word
        if parts:
            head = f"{start.bits} bits, η/Δ = {start.ratio:g}, logloss SR − DR at a constant rate {known[start]}"
            sentences.append(f"{'; '.join((head, *parts))}.")
    judged = [_judge(words, verdicts[words]) for words in EXPLANATIONS if verdicts[words]]
    starts = {str(start): known[start] for start in STARTS if start in known}
    inconclusive = f"No explanation can be tested: SR has a significant deficit at none of {len(starts)} settings."
    rest = undecided(found, starts, "logloss, SR − DR at a constant rate", family=len(known))
    return [*sentences, *judged, *rest, *([inconclusive] if starts and not judged else [])]


def _more_loss(found: Runs, first: str, second: str) -> dict[int, float]:
    """Test logloss of the first run less that of the second, by seed."""
    return values_by_seed(COLUMNS["logloss_difference"], Row((), first, second), found)


def _minus(first: Mapping[int, float], second: Mapping[int, float]) -> dict[int, float]:
    return {seed: first[seed] - second[seed] for seed in first if seed in second}


def verdict(after: PairedEstimate, change: PairedEstimate) -> str:
    """What becomes of a significant deficit."""
    if not change.sign:
        return "does not change significantly"
    if change.sign > 0:
        return "grows"
    if not after.sign:
        return "vanishes"
    return "reverses" if after.sign < 0 else "shrinks"


def _judge(words: str, verdicts: Mapping[Case, str]) -> str:
    """How far the runs support one explanation."""
    what = EXPLANATIONS[words]
    gone = sum(word in ("vanishes", "reverses") for word in verdicts.values())
    less = gone + sum(word == "shrinks" for word in verdicts.values())
    if gone == len(verdicts):
        head = f"The runs support {what}: with {words} the deficit is gone everywhere"
    elif less == len(verdicts):
        head = f"The runs support {what} as a part of the reason: with {words} the deficit is smaller everywhere"
    elif less:
        head = f"The runs support {what} at {less} of {len(verdicts)} settings alone"
    else:
        head = f"The runs do not support {what}: with {words} the deficit is nowhere significantly smaller"
    where = {word: ", ".join(str(case) for case in verdicts if verdicts[case] == word) for word in verdicts.values()}
    return f"{head} ({'; '.join(f'it {word} at {cases}' for word, cases in where.items())})."


TABLE = Table(
    id="where_nearest_wins",
    title="LPT(SR) and LPT(DR) where nearest rounding wins: decay, gradient noise, range",
    label_columns=("bits", "η/Δ", "training", "rounding"),
    runs=runs,
    rows=rows,
    columns=("auc", "logloss", "auc_difference", "logloss_difference", "code_kept", "clipped"),
    note="Reference: DR under the same conditions; η/Δ by the initial learning rate. Table and model share the "
    "decay; a larger batch makes fewer steps in proportion. A deficit vanishes if it changes significantly and is then "
    "not significantly different from 0 (paired, Holm over all deficits and changes).",
    conclude=conclude,
)
